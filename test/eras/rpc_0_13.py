#!/usr/bin/env python
# Written for pyonep 0.13: names from the package, resource=, requests underneath.
from __future__ import print_function
import sys
import pyonep
from pyonep.exceptions import OneException, OnePlatformException

CIK = 'd0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0'

class Client(pyonep.OnepV1):
  """Counts what goes over the wire."""
  count = 0

  def _callJsonRPC(self, auth, callrequests, returnreq=False, notimeout=False):
    self.count += len(callrequests)
    return pyonep.OnepV1._callJsonRPC(self, auth, callrequests, returnreq, notimeout)

o = Client(agent='door/1.3', reuseconnection=True)
try:
  isok, rid = o.createDataport(CIK, {'format': pyonep.onep.FORMATS.INTEGER, 'name': 'door'})
  print(o.map(auth=CIK, resource=rid, alias='door'))
  print(o.write(auth=CIK, resource={'alias': 'door'}, value=1, options={}))
  print(o.read(CIK, resource=rid, options={'limit': 1})[1][0][1])
  print(o.listing(CIK, ['dataport'], {}, resource={'alias': ''}) == (True, {'dataport': [rid]}))
  print(o.flush(CIK, rid, {'newerthan': 1, 'olderthan': 2}))
  print(sorted(o.info(CIK, resource=rid)[1])[:3])
  o.close()
  print(o.drop(CIK, resource=rid), o.count)
except OnePlatformException as e:
  print('OnePlatformException %s' % e)
  sys.exit(3)
except OneException as e:
  print('OneException')
  sys.exit(2)
