#!/usr/bin/env python
# Extras and CSV. Written for pyonep 0.13.8; errors are those of requests.
from __future__ import print_function
import sys
import requests
import pyonep

VENDOR = 'tags13'
TOKEN = 'd1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1'
PORTAL = sys.argv[1]

def main():
  provision = pyonep.Provision(manage_by_cik=False, https=True, port=443, reuseconnection=True)
  print(provision.model_list(TOKEN).status)
  o = pyonep.OnepV1()
  owner = o.lookup(PORTAL, 'alias', '')[1]
  template = o.create(PORTAL, 'client', {'name': 'tag'})[1]
  r = provision.model_create(TOKEN, 'Tag', template)
  if not r.isok:
    print('refused: %s' % r)
    return 3
  print(provision.serialnumber_add(TOKEN, 'Tag', 't1', extra='blue').status)
  print(provision.serialnumber_add_batch_csv(TOKEN, 'Tag', 't2,"red, round"\r\nt3,green\r\n').isok)
  provision.serialnumber_enable(TOKEN, 'Tag', 't1', owner)
  for line in sorted(provision.serialnumber_list(TOKEN, 'Tag', 0, 10, status=True).body.splitlines()):
    fields = line.split(',')
    print(fields[0], fields[1], fields[-1])
  print(repr(provision.vendor_show(TOKEN)))
  print(isinstance(r.response, requests.Response))
  print(provision.model_remove(TOKEN, 'Tag').isok)

try:
  sys.exit(main())
except requests.exceptions.ConnectionError:
  print('ConnectionError')
  sys.exit(2)
