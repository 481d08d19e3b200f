#!/usr/bin/env python
# Written for pyonep 0.13: the settings of the module are changed before use.
from __future__ import print_function
from pyonep.datastore import Datastore, datastore_config, transport_config

CIK = 'd2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2'

datastore_config['write_buffer_size'] = 3
datastore_config['log_level'] = 'error'
transport_config['timeout'] = 5
store = Datastore(CIK, 1, autocreate=dict(format='integer', preprocess=[['mul', 2]], count=10))
store.start()
print(store.record('rain', [[-4, 1], [-3, 2], [-2, 3], [-1, 4]]))
print(store.record('rain', [[-4, 1], [-3, 2]]), store.write('rain', 5))
store.stop()
print(sorted(value for stamp, value in store.read('rain', 5, True)))
