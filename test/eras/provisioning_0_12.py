#!/usr/bin/env python
# Models made from a share code. Written for pyonep 0.11.3 to 0.12.
from __future__ import print_function
import sys
try:
  import httplib
except ImportError:
  import http.client as httplib
from pyonep.provision import Provision
from pyonep.exceptions import ProvisionException
from pyonep import onep

VENDOR = 'doors12'
CIK = 'b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1'
PORTAL = sys.argv[1]

try:
  provision = Provision('m2.exosite.com', https=True, port='443', manage_by_cik=True,
                        raise_api_exceptions=True, manage_by_sharecode=True)
  print(provision.model_list(CIK).status)
  o = onep.OnepV1()
  owner = o.lookup(PORTAL, 'alias', '')[1]
  isok, template = o.create(PORTAL, 'client', {'name': 'door'})
  isok, code = o.share(PORTAL, template, {'meta': '["%s", "Door"]' % VENDOR})
  print(provision.model_create(CIK, 'Door', sharecode=code).status)
  print(provision.model_info(CIK, 'Door').body.split('=')[0])
  provision.serialnumber_add_batch(CIK, 'Door', ['%03d' % n for n in range(1, 13)])
  print(len(provision.serialnumber_list(CIK, 'Door', offset=0, limit=1000).body.splitlines()))
  provision.serialnumber_enable(CIK, 'Door', '001', owner)
  cik = provision.serialnumber_activate('Door', '001', VENDOR).body
  log = provision.serialnumber_info(CIK, 'Door', '001', actvtn_log=True).body
  print('sn=001' in log, log.count('model=Door'))
  print(provision.model_update(CIK, 'Door', code, aliases=False).status)
  print(provision.serialnumber_remap(CIK, 'Door', '002', '001').status)
  provision.model_remove(CIK, 'Door')
  try:
    provision.model_info(CIK, 'Door')
  except ProvisionException as e:
    print('%s / %s' % (e, e.response.body.strip()))
except ProvisionException as e:
  print('refused: %s' % e)
  sys.exit(3)
except httplib.HTTPException:
  print('HTTPException')
  sys.exit(2)
