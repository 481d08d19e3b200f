#!/usr/bin/env python
# Provisioning as the examples of 0.8 did it: status() and reason(), exceptions on demand.
from __future__ import print_function
import sys, socket
try:
  import httplib
except ImportError:
  import http.client as httplib
from pyonep.provision import Provision
from pyonep.exceptions import ProvisionException
from pyonep import onep

VENDOR = 'pumps08'
vendorcik = '8181818181818181818181818181818181818181'
portalcik = sys.argv[1]

def run(model='Pump'):
  provision = Provision('m2.exosite.com', manage_by_cik=True, port='80', verbose=False,
                        https=False, raise_api_exceptions=True)
  print(provision.vendor_register(vendorcik, VENDOR).status())
  o = onep.OnepV1()
  portalrid = o.lookup(portalcik, 'alias', '')[1]
  clonerid = o.create(portalcik, 'client', {'name': 'pump'})[1]
  provision.model_create(vendorcik, model, clonerid, aliases=False, comments=False, historical=True)
  response = provision.model_list(vendorcik)
  print(response.isok, response.status(), response.status, response.reason(), response.body.split())
  provision.serialnumber_add(vendorcik, model, 'P 1'.replace(' ', '-'))
  rid = provision.serialnumber_enable(vendorcik, model, 'P-1', portalrid).body
  cik = provision.serialnumber_activate(model, 'P-1', VENDOR).body
  print(len(cik), len(rid))
  try:
    provision.serialnumber_activate(model, 'P-1', VENDOR)
  except ProvisionException as ex:
    print('ProvisionException: ' + str(ex) + ' ' + str(ex.response.status()))
  provision.serialnumber_disable(vendorcik, model, 'P-1')
  provision.serialnumber_reenable(vendorcik, model, 'P-1')
  print(provision.serialnumber_activate(model, 'P-1', VENDOR).body != cik)
  print(provision.serialnumber_info(vendorcik, model, 'P-1').body.split(',')[0])
  provision.model_remove(vendorcik, model)
  o.drop(portalcik, clonerid)

try:
  run()
except ProvisionException as ex:
  print('refused: ' + str(ex))
  sys.exit(3)
except (httplib.HTTPException, socket.error) as ex:
  print('HTTPException')
  sys.exit(2)
