#!/usr/bin/env python
# Waits for a setpoint. Written for pyonep 0.11 to 0.12: TLS by default, ids that count.
from __future__ import print_function
import sys, threading
from pyonep import onep
from pyonep.exceptions import OneException, OnePlatformException, JsonStringException

CIK = 'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0'
o = onep.OnepV1(httptimeout=5, startid=100)

try:
  isok, rid = o.create(CIK, 'dataport', {'format': 'float', 'name': 'setpoint'})
  o.map(CIK, rid, 'setpoint')
  print(o.startid)
  print(o.listing(CIK, types=['dataport'], options={'owned': True}, rid={'alias': ''})[0])
  o.write(CIK, rid, 20)
  stamp = o.read(CIK, rid, {})[1][0][0]
  print(o.wait(CIK, rid, {'timeout': 5000, 'since': stamp - 1}) == (True, [stamp, 20.0]))
  # a wait among deferred calls
  o.wait(CIK, rid, {'timeout': 5000, 'since': stamp - 1}, defer=True)
  o.read(CIK, rid, {}, defer=True)
  print([isok for call, isok, response in o.send_deferred(CIK)])
  try:
    o.write(CIK, rid, float('nan'))
  except JsonStringException:
    print('not JSON')
  print(o.write(CIK, rid, 'warm'))
  print(o.recordbatch(CIK, rid, [[stamp - 5, 1], [stamp - 4, 'x']]) == (False, [[stamp - 4, 'invalid']]))
  print(o.unmap(CIK, 'setpoint'), o.drop(CIK, rid))
except OnePlatformException as e:
  print('OnePlatformException: %s' % e)
  sys.exit(3)
except OneException as e:
  print('OneException')
  sys.exit(2)
