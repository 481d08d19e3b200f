"""Many at once, deep and wide: nothing is lost, and nobody else has to wait."""

from __future__ import annotations

import threading
import time

import pytest
from running import in_threads
from servers import settles

from pyonep import onep
from pyonep.server import LocalPlatform
from pyonep.server.core.limits import ENTITIES

WIDTH = 10_000
DEPTH = 100


def test_sixteen_threads_on_one_dataport(platform, cik, o, new_dataport):
    rid = new_dataport(o, cik, "integer")
    each, writers = 60, 16
    wrong, unseen = [], []

    def work(number):
        mine = onep.OnepV1(**platform.connection, reuseconnection=True)
        for n in range(each):
            stamp = 1 + number * each + n
            if mine.recordbatch(cik, rid, [[stamp, stamp]]) != (True, "ok"):
                wrong.append(stamp)
            options = {"starttime": stamp, "endtime": stamp}
            if mine.read(cik, rid, options) != (True, [[stamp, stamp]]):
                unseen.append(stamp)
        mine.close()

    in_threads(work, range(writers))
    assert wrong == unseen == []
    points = o.read(cik, rid, {"limit": 10_000, "sort": "asc"})[1]
    assert points == [[n, n] for n in range(1, each * writers + 1)]
    assert o.info(cik, rid, {"storage": True})[1]["storage"]["count"] == each * writers


def test_a_deep_tree(o, cik):
    limits = {"limits": {"client": "inherit", "dataport": "inherit"}}
    rid, auth = None, {"cik": cik}
    rids = []
    for _ in range(DEPTH):
        rid = o.create(auth, "client", limits)[1]
        rids.append(rid)
        auth = {"cik": cik, "client_id": rid}
    isok, port = o.create(auth, "dataport", {"format": "float"})
    assert isok
    assert o.write(cik, port, 1.5) == (True, "ok")
    assert o.lookup(cik, "owner", port) == (True, rids[-1])
    usage = o.info(cik, {"alias": ""}, {"usage": True})[1]["usage"]
    assert (usage["client"], usage["dataport"]) == (DEPTH, 1)
    copy = o.create(cik, "clone", {"rid": rids[0]})[1]
    assert o.info(cik, copy, {"usage": True})[1]["usage"]["client"] == DEPTH - 1
    assert o.move(cik, rids[50], copy) == (True, "ok")
    assert o.read(cik, port, {})[1][0][1] == 1.5
    for top in (rids[0], copy):
        assert o.drop(cik, top) == (True, "ok")
    assert o.read(cik, port, {}) == (False, "restricted")
    assert o.info(cik, {"alias": ""}, {"usage": True})[1]["usage"]["client"] == 0


class Bystander:
    """Another client that reads and writes meanwhile, and notes its slowest answer."""

    def __init__(self, platform):
        self._o = onep.OnepV1(**platform.connection, reuseconnection=True)
        self._cik = platform.device().cik
        self._rid = self._o.create(self._cik, "dataport", {"format": "integer"})[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.slowest = 0.0
        self.served = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._o.close()

    def _work(self):
        while not self._stop.is_set():
            start = time.monotonic()
            assert self._o.write(self._cik, self._rid, self.served) == (True, "ok")
            assert self._o.read(self._cik, self._rid, {})[1][0][1] == self.served
            self.slowest = max(self.slowest, time.monotonic() - start)
            self.served += 1


@pytest.fixture
def wide(tmp_path):
    """A platform on a file, and a client with very many dataports."""
    with LocalPlatform(str(tmp_path / "wide.sqlite")) as platform:
        device = platform.device()
        o = onep.OnepV1(**platform.connection, httptimeout=60)
        limits = dict.fromkeys(ENTITIES, "inherit")
        wide = o.create(device.cik, "client", {"limits": limits})[1]
        as_wide = {"cik": device.cik, "client_id": wide}
        for _ in range(0, WIDTH, 1000):
            for _ in range(1000):
                o.create(as_wide, "dataport", {"format": "integer"}, defer=True)
            assert all(isok for _, isok, _ in o.send_deferred(as_wide))
        yield platform, o, device.cik, wide


def test_a_wide_client(wide):
    platform, o, cik, rid = wide
    with Bystander(platform) as bystander:
        listed = o.listing(cik, ["dataport"], {}, rid)[1]["dataport"]
        assert len(set(listed)) == WIDTH
        start = time.monotonic()
        isok, copy = o.create(cik, "clone", {"rid": rid})
        cloning = time.monotonic() - start
        assert isok, copy
        assert len(o.listing(cik, ["dataport"], {}, copy)[1]["dataport"]) == WIDTH
        box = o.create(cik, "client", {"limits": dict.fromkeys(ENTITIES, "inherit")})[1]
        assert o.move(cik, rid, box) == (True, "ok")
        assert o.info(cik, box, {"usage": True})[1]["usage"]["dataport"] == WIDTH
        for top in (box, copy):
            assert o.drop(cik, top) == (True, "ok")
        assert o.read(cik, listed[-1], {}) == (False, "restricted")
        assert o.info(cik, {"alias": ""}, {"usage": True})[1]["usage"]["dataport"] == 0
        settles(lambda: platform.run(lambda p: p.unit.resources.dropped()) is None)
    assert bystander.served > 20
    assert bystander.slowest < cloning / 2  # on a machine of any speed
    left = platform.run(lambda p: p.database.run(COUNT).fetchone()[0])
    assert left == 4  # the root, the device, the bystander and its dataport


def _count():
    from sqlalchemy import func, select

    from pyonep.server.store.schema import resources

    return select(func.count()).select_from(resources)


COUNT = _count()


def test_what_was_dropped_is_removed_after_a_restart(tmp_path):
    file = str(tmp_path / "x.sqlite")
    with LocalPlatform(file) as platform:
        device = platform.device()
        o = onep.OnepV1(**platform.connection)
        limits = dict.fromkeys(ENTITIES, "inherit")
        box = o.create(device.cik, "client", {"limits": limits})[1]
        inner = {"cik": device.cik, "client_id": box}
        rid = o.create(inner, "dataport", {"format": "integer"})[1]
        o.recordbatch(device.cik, rid, [[n, n] for n in range(1, 50_000)])
        o.drop(device.cik, box)
    with LocalPlatform(file) as platform:
        settles(lambda: platform.run(lambda p: p.unit.resources.dropped()) is None)
        assert platform.run(lambda p: p.database.run(COUNT).fetchone()[0]) == 2


def test_a_fault_is_told_and_undone(new_dataport):
    """A fault of the disk rolls back what was not committed, and the platform goes on."""
    with LocalPlatform() as platform:  # its health remembers the fault for a while
        cik, o = platform.device().cik, onep.OnepV1(**platform.connection)
        rid = new_dataport(o, cik, "integer", alias="x")
        platform.run(lambda p: p.database.run(_BREAK))
        with pytest.raises(onep.OnePlatformException) as refused:
            o.write(cik, rid, 5)
        assert refused.value.code == 500 and "Traceback" not in str(refused.value)
        platform.run(lambda p: p.database.run(_MEND))
        assert o.read(cik, rid, {}) == (True, [])
        assert o.write(cik, rid, 6) == (True, "ok")
        assert o.read(cik, {"alias": "x"}, {})[1][0][1] == 6


def _statements():
    from sqlalchemy import text

    return text("ALTER TABLE points RENAME TO away"), text("ALTER TABLE away RENAME TO points")


_BREAK, _MEND = _statements()
