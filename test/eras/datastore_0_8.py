#!/usr/bin/env python
# A weather station: what it may not create itself it does not send. Written for pyonep 0.8.
from __future__ import print_function
import time
from pyonep.datastore import Datastore
from pyonep import onep

CIK = '8282828282828282828282828282828282828282'

o = onep.OnepV1()
isok, rid = o.create(CIK, 'dataport', {'format': 'float', 'name': 'Wind'})
o.map(CIK, rid, 'wind')

station = Datastore(CIK, 1, transport={'host': 'm2.exosite.com', 'port': '80', 'https': False,
                                       'timeout': 3, 'url': '/api:v1/rpc/process'})
station.start()
print(station.record('wind', [[-40 + 10 * n, n * 1.5] for n in range(4)]))
print(station.write('rain', 3)) # nobody made a dataport of that alias
for attempt in range(100):
  if not station.write('rain', 4): # refused once the platform has said so
    break
  time.sleep(0.1)
else:
  print('still accepted')
print(station.write('wind', 9.5))
station.stop(True)
print(station.isThreadAlive())
isok, points = o.read(CIK, rid, {'limit': 10, 'sort': 'asc'})
print([value for stamp, value in points])
print(station.read('rain'))
