#!/usr/bin/env python
# Reports the temperature of a fridge. Written for pyonep 0.7.
from __future__ import print_function
import sys
from pyonep import onep
from pyonep import onep_exceptions

CIK = '7070707070707070707070707070707070707070'

def main():
  # vendor host, port, path
  o = onep.OnepV1('fridges.m2.exosite.com', '80', '/api:v1/rpc/process', False, 3)
  isok, rid = o.lookup(CIK, 'alias', 'fridge')
  if not isok:
    isok, rid = o.create(cik=CIK, type='dataport', desc={
      'format': 'float', 'name': 'Fridge',
      'retention': {'count': 'infinity', 'duration': 'infinity'}})
    if not isok:
      print('create failed: ' + str(rid))
      return 1
    o.map(CIK, rid, 'fridge')
  print(o.write(CIK, {'alias': 'fridge'}, 4.5, {}))
  print(o.record(CIK, {'alias': 'fridge'}, [[-20, 4.1], [-10, 4.2]], {}))
  isok, points = o.read(CIK, rid, {'limit': 3, 'sort': 'asc', 'starttime': 1})
  print([value for stamp, value in points])
  # defer was the third argument of listing and flush then
  o.listing(CIK, ['dataport', 'datarule'], True)
  o.flush(CIK, rid, True)
  o.comment = None # an attribute of our own
  if o.has_deferred(CIK):
    for call, isok, response in o.send_deferred(CIK):
      print(call['procedure'], isok, response != [[rid], []] and response)
  print(o.writegroup(CIK, [[{'alias': 'fridge'}, 5]]))
  print(o.info(CIK, rid, {'storage': True})[1]['storage']['count'])
  print(o.drop(CIK, rid))

try:
  sys.exit(main())
except onep_exceptions.JsonRPCRequestException as ex:
  print('JsonRPCRequestException')
  sys.exit(2)
except onep_exceptions.OnePlatformException as ex:
  print('OnePlatformException: ' + str(ex))
  sys.exit(3)
