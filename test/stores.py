"""Datastores of one device, for tests."""

from __future__ import annotations

import time

from pyonep import onep
from pyonep.datastore import Datastore

FAST = {"retry_base": 0.01, "retry_cap": 0.05, "exit_timeout": 10}


class Stores:
    """Makes Datastores of one device, and closes them."""

    def __init__(self, platform, device, spool):
        self.platform, self.cik, self.spool = platform, device.cik, spool
        self.o = onep.OnepV1(**platform.connection, reuseconnection=True)
        self.rejected, self.dropped, self.errors = [], [], []
        self._made = []

    def __call__(self, config=None, connection=None, cik=None, **kwargs):
        store = Datastore(
            cik or self.cik,
            kwargs.pop("interval", 1),
            config={**FAST, **(config or {})},
            transport={**self.platform.connection, "timeout": 5, **(connection or {})},
            spool=kwargs.pop("spool", self.spool),
            on_reject=lambda *seen: self.rejected.append(seen),
            on_drop=lambda *seen: self.dropped.append(seen),
            on_error=self.errors.append,
            **kwargs,
        )
        self._made.append(store)
        return store

    def close(self):
        for store in self._made:
            store.close(0)
        self.o.close()

    def points(self, alias):
        options = {"limit": 100_000, "sort": "asc", "endtime": 2**40}
        return self.o.read(self.cik, {"alias": alias}, options)[1]

    def values(self, alias):
        return [value for _, value in self.points(alias)]


def begin_of_second():
    """Wait until most of a second is ahead; return which."""
    while time.time() % 1 > 0.3:
        time.sleep(0.01)
    return int(time.time())
