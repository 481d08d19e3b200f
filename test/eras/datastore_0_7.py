#!/usr/bin/env python
# Logs a tank level through the buffer. Written for pyonep 0.7.
from __future__ import print_function
import sys, time
from pyonep.datastore import Datastore

CIK = '7272727272727272727272727272727272727272'

transport = {'host': 'm2.exosite.com', 'url': '/api:v1/rpc/process', 'https': False,
             'port': '80', 'timeout': 3}
config = {'write_buffer_size': 64, 'read_cache_size': 64, 'read_cache_expire_time': 5,
          'log_level': 'error'}
autocreate = {'format': 'string', 'preprocess': [], 'count': 'infinity', 'duration': 'infinity',
              'visibility': 'parent'}

store = Datastore(CIK, 1, autocreate, config, transport)
print(store.createDataport('level', 'float', 'Tank', preprocess=[], count=100, duration=24,
                           visibility='parent'))
print(store.createDataport('level', 'float'))
store.start(daemon=True)
print(store.isThreadAlive())
print(store.write('level', 1.25))
print(store.write('level', 1.5))
print(store.record('level', [[-30, 1.0], [int(time.time()) - 20, 1.1]]))
print(store.write('note', 'made by itself'))
print(store.comment('level', 'public', 'hello'))
store.stop()
print(store.isThreadAlive())
print([value for stamp, value in store.read('level', 3, True) or []])
print([value for stamp, value in store.read('note') or []])
print(store.read('nothing'))
