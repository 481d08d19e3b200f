#!/usr/bin/env python
# Many values in one request, and what the guide for 0.8 says to catch.
from __future__ import print_function
import sys
import logging
try:
  import httplib
except ImportError:
  import http.client as httplib
from pyonep import onep
import pyonep
from pyonep.exceptions import OneException, JsonRPCResponseException

logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
cik = '8080808080808080808080808080808080808080'
o = onep.OnepV1(host='m2.exosite.com', port='80', url='/api:v1/rpc/process', https=False,
                httptimeout=5, agent='meters/0.8', reuseconnection=True, logrequests=True)
assert pyonep.__version__
try:
  for number in range(3):
    o.create(cik, 'dataport', {'format': 'integer', 'name': 'meter %d' % number}, defer=True)
  rids = [response for call, isok, response in o.send_deferred(cik) if isok]
  for number, rid in enumerate(rids):
    o.map(cik, rid, 'meter%d' % number, defer=True)
    o.write(cik, rid, number * 10, {}, True)
  print([isok for call, isok, response in o.send_deferred(cik)])
  isok, listing = o.listing(cik, ['dataport'], {'owned': True})
  print(isok, sorted(listing) == ['dataport'], sorted(listing['dataport']) == sorted(rids))
  print(o.recordbatch(cik, rids[0], [[-10, 1], [0, 2]]))
  print(o.update(cik=cik, rid=rids[0], desc={'name': 'renamed'}))
  print(o.info(cik, rids[0], {'description': True})[1]['description']['name'])
  print(o.read(cik, {'alias': 'no such meter'}, {}))
  print(len(o.loggedrequests()))
  for rid in rids:
    o.drop(cik, rid)
  o.close()
except JsonRPCResponseException:
  print('no answer')
  sys.exit(2)
except OneException as ex:
  print(ex.__class__.__name__)
  sys.exit(2)
