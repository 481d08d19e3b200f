#!/usr/bin/env python
# Three sensors, a flush a second. Written for pyonep 0.9 to 0.12.
from __future__ import print_function
from pyonep import datastore

CIK = 'b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2'

class Logger(object):
  def __init__(self):
    settings = dict(datastore.datastore_config)
    settings['log_level'] = 'error'
    self.store = datastore.Datastore(CIK, interval=1, autocreate={'format': 'float'},
                                     config=settings, transport=datastore.transport_config)

  def measure(self, number):
    done = [self.store.record('s%d' % n, [[-3 + i, n + i / 10.0] for i in range(3)])
            for n in range(number)]
    self.store.write('state', 1)
    return done

logger = Logger()
logger.store.start()
print(logger.measure(3))
logger.store.stop(force=False)
print([[value for stamp, value in logger.store.read('s%d' % n, count=3, forcequery=True)]
       for n in range(3)])
print(logger.store.read('state')[0][1])
logger.store.restart()
print(logger.store.isThreadAlive(), logger.store.write('s0', 9))
logger.store.stop(True)
print(logger.store.read('s0', forcequery=True)[0][1])
