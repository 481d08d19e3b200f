#!/usr/bin/env python
# Enrols one lift controller. Written for pyonep 0.7: a URL as host, calls give text.
from __future__ import print_function
import sys
from pyonep.provision import Provision
from pyonep import onep

VENDOR = 'lifts07'
TOKEN = '7171717171717171717171717171717171717171'
PORTAL = sys.argv[1] # CIK of the portal

o = onep.OnepV1()
isok, portal_rid = o.lookup(PORTAL, 'alias', '')
isok, clone_rid = o.create(PORTAL, 'client', {'limits': {'dataport': 5}, 'writeinterval': 'inherit',
                                              'name': 'lift', 'visibility': 'parent'})
clone_cik = o.info(PORTAL, clone_rid, {'key': True})[1]['key']
isok, dp = o.create(clone_cik, 'dataport', {'format': 'integer', 'name': 'floor',
                                            'retention': {'count': 'infinity', 'duration': 'infinity'}})
o.map(clone_cik, dp, 'floor')

provision = Provision('http://m2.exosite.com', False, True)
model = 'Lift-7'
provision.model_create(TOKEN, model, clone_rid, aliases=True)
print('models: ' + provision.model_list(TOKEN).strip())
for part in provision.model_info(TOKEN, model).split('&'):
  print(part.split('=')[0])
provision.serialnumber_add(TOKEN, model, 'L-1')
provision.serialnumber_add_batch(TOKEN, model, ['L-2', 'L-3'])
print(sorted(line.split(',')[0] for line in
             provision.serialnumber_list(TOKEN, model, 0, 10).splitlines()))
rid = provision.serialnumber_enable(TOKEN, model, 'L-1', portal_rid)
cik = provision.serialnumber_activate(model, 'L-1', VENDOR)
print(o.write(cik, {'alias': 'floor'}, 3, {}))
print(o.read(cik, {'alias': 'floor'}, {'limit': 1})[1][0][1])
print(o.lookup(PORTAL, 'owner', rid) == (True, portal_rid))
provision.content_create(TOKEN, model, 'a.txt', 'This is text')
provision.content_upload(TOKEN, model, 'a.txt', 'This is content data', 'text/plain')
print('content: ' + provision.content_download(cik, VENDOR, model, 'a.txt'))
provision.content_remove(TOKEN, model, 'a.txt')
provision.serialnumber_remove_batch(TOKEN, model, ['L-2', 'L-3'])
provision.model_remove(TOKEN, model)
print('models: ' + provision.model_list(TOKEN).strip())
