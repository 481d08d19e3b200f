#!/usr/bin/env python
# A portal looks after its devices. Written for pyonep 0.9.8 to 0.10: auth objects.
from __future__ import print_function
import sys
from pyonep.onep import OnepV1
from pyonep.exceptions import *

CIK = '9090909090909090909090909090909090909090'
o = OnepV1('m2.exosite.com', '80', '/onep:v1/rpc/process', False, 10, None, False, True, False)

def make(name):
  isok, rid = o.create({'cik': CIK}, 'client', {'name': name, 'limits': {'dataport': 'inherit', 'share': 5}})
  assert isok, rid
  return rid

try:
  first, second = make('first'), make('second')
  inside = {'cik': CIK, 'client_id': first}
  isok, port = o.create(auth=inside, type='dataport', desc={'format': 'string'})
  print(o.map(inside, port, 'note'))
  print(o.write({'cik': CIK, 'resource_id': port}, {'alias': 'note'}, u'gr\u00fc\u00dfe', {}))
  # 0.10.0: the resource came second
  print(o.listing(inside, {'alias': ''}, ['dataport'], {}) == (True, {'dataport': [port]}))
  print(o.listing(auth={'cik': CIK}, rid=first, types=['dataport'], options={})[0])
  print(o.tag(CIK, port, 'add', 'wall'))
  isok, code = o.share(CIK, port, {'meta': 'for the wall'})
  display = {'cik': CIK, 'client_id': second}
  print(o.activate(display, 'share', code), o.lookup(display, 'shared', code) == (True, port))
  print(o.read(display, port, {'limit': 1})[1][0][1] == u'gr\u00fc\u00dfe')
  print(o.move(CIK, port, second, {'aliases': True}))
  print(o.usage(CIK, {'alias': ''}, 'client', 1, 2))
  isok, token = o.grant(inside, {'alias': ''}, {first: ['info']}, 300)
  print(o.info({'token': token}, first, {'basic': True})[1]['basic']['type'])
  o.connect_as(first)
  print(o.lookup(CIK, 'alias', '') == (True, first))
  print(o.wait({'cik': CIK}, port, {'timeout': 50}))
  print(o.drop({'cik': CIK}, first), o.drop({'cik': CIK}, second))
except JsonRPCRequestException:
  print('request failed')
  sys.exit(2)
except OnePlatformException as e:
  print('platform: ' + str(e.args[0]))
  sys.exit(3)
