#!/usr/bin/env python
# Firmware for a model. Written for pyonep 0.9.2 to 0.11.1.
from __future__ import print_function
import sys
try:
  import httplib
except ImportError:
  import http.client as httplib
from pyonep.provision import Provision
from pyonep.exceptions import ProvisionException
from pyonep.onep import OnepV1

VENDOR = 'cams09'
vendortoken = '9191919191919191919191919191919191919191'
portalcik = sys.argv[1]

def main():
  provision = Provision(host='m2.exosite.com', port='80', manage_by_cik=False, verbose=True,
                        httptimeout=5, https=False, reuseconnection=True,
                        raise_api_exceptions=False, curldebug=False)
  print(provision.vendor_show(vendortoken).body)
  o = OnepV1(reuseconnection=True)
  portalrid = o.lookup(portalcik, 'alias', '')[1]
  template = o.create(portalcik, 'client', {'name': 'camera'})[1]
  r = provision.model_create(key=vendortoken, model='Cam', clonerid=template, aliases=True,
                             comments=True, historical=True)
  if not r.isok:
    print('refused: %d %s' % (r.status, r.reason))
    return 3
  provision.serialnumber_add(vendortoken, 'Cam', '00:1b:c5')
  provision.serialnumber_enable(vendortoken, 'Cam', '00:1b:c5', portalrid)
  cik = provision.serialnumber_activate('Cam', '00:1b:c5', VENDOR).body
  firmware = bytes(bytearray(range(256)))
  print(provision.content_create(vendortoken, 'Cam', 'fw.bin', 'v2', protected=False).status)
  print(provision.content_upload(vendortoken, 'Cam', 'fw.bin', firmware,
                                 'application/octet-stream').isok)
  print(provision.content_list(vendortoken, 'Cam').body.split())
  print(provision.content_info(vendortoken, 'Cam', 'fw.bin').body.split(',')[:2])
  print(provision.content_download(cik, VENDOR, 'Cam', 'fw.bin').body == firmware)
  r = provision.content_download(cik, VENDOR, 'Cam', 'missing.bin')
  print(r.isok, r.status, r.reason)
  print(provision.serialnumber_remap(vendortoken, 'Cam', '00:1b:c6', '00:1b:c5').status)
  provision.serialnumber_remove(vendortoken, 'Cam', '00:1b:c5')
  print(provision.model_remove(vendortoken, 'Cam').isok, o.drop(portalcik, template)[0])
  provision.close()
  o.close()

try:
  sys.exit(main())
except httplib.HTTPException:
  print('HTTPException')
  sys.exit(2)
