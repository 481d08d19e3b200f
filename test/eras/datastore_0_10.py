#!/usr/bin/env python
# Reads a setpoint from the cache and reports what it did. Written for pyonep 0.9 to 0.10.
from __future__ import print_function
from pyonep import datastore, onep

CIK = '9292929292929292929292929292929292929292'

store = datastore.Datastore(CIK, 1, autocreate={'format': 'integer', 'preprocess': [['add', 100]],
                                                'count': 5, 'duration': 0, 'visibility': 'parent'},
                            config={'write_buffer_size': 16, 'read_cache_size': 4,
                                    'read_cache_expire_time': 60, 'log_level': 'critical'})
print(store.createDataport('setpoint', 'string', name='Setpoint', visibility='public'))
o = onep.OnepV1()
o.write(CIK, {'alias': 'setpoint'}, 'eco', {})
print(store.read('setpoint')[0][1])
o.record(CIK, {'alias': 'setpoint'}, [[-5, 'comfort'], [5, 'frost']], {})
print(store.read('setpoint')[0][1], 'of the cache')
print(store.read('setpoint', 3, True)[0][1] in ('eco', 'frost'))
store.start()
print([store.record('steps', [[-10 + n, n]]) for n in range(8)])
store.restart()
store.stop()
print([value for stamp, value in store.read('steps', 100)])
