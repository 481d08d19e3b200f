"""The Datastore against calling OnepV1 directly."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from pyonep import OnepV1
from pyonep.datastore import Datastore

from .measure import Table, child, median, memory
from .platform import platform_server

ALIASES = 20
RATE = 10  # values per second and alias
BATCH = 2000


def _proxy(port):
    """The proxy of the tests: it adds latency, or hangs."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "test"))
    from servers import Proxy

    return Proxy(port)


class Counted:
    """Counts requests and bytes of an OnepV1."""

    def __init__(self, client):
        self.requests = self.bytes = 0
        exchange = client.onephttp.exchange

        def counting(method, path, body, headers, timeout, verify=True):
            self.requests += 1
            self.bytes += len(body or "")
            return exchange(method, path, body, headers, timeout, verify)

        client.onephttp.exchange = counting


def dataports(o, cik):
    for n in range(ALIASES):
        _, rid = o.create(cik, "dataport", {"format": "integer"})
        o.map(cik, rid, f"a{n}")


def over_latency(table, platform, cik, seconds):
    """20 aliases at 10 values a second over a link with 50 ms of latency."""
    with _proxy(platform) as proxy:
        proxy.latency = 0.05
        config = {"write_buffer_size": 100_000}
        store = Datastore(cik, 1, config=config, transport=proxy.connection)
        counted = Counted(store._delivery.line.client)
        store.start()
        produce(seconds, lambda alias, n: store.record(alias, [[1000 + n, n]]))
        start = time.perf_counter()
        assert store.flush(60)
        behind = time.perf_counter() - start
        store.close()
        table.row("Datastore: requests", f"{counted.requests}", "", None)
        table.row("Datastore: bytes", f"{counted.bytes:,}", "", None)
        table.row("Datastore: time behind at the end", f"{behind:.2f} s", "", None)

        o = OnepV1(**proxy.connection, reuseconnection=True)
        counted, done = Counted(o), 0
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            o.record(cik, {"alias": f"a{done % ALIASES}"}, [[2_000_000 + done, done]])
            done += 1
        wanted = seconds * RATE * ALIASES
        behind = (wanted - done) * seconds / done
        table.row("OnepV1 directly: requests in that time", f"{counted.requests}", "", None)
        table.row("OnepV1 directly: bytes", f"{counted.bytes:,}", "", None)
        table.row(
            f"OnepV1 directly: behind ({done} of {wanted} values)", f"{behind:.0f} s", "", None
        )
        o.close()


def produce(seconds, put):
    """Make values at the rate."""
    start = time.perf_counter()
    for n in range(seconds * RATE):
        for alias in range(ALIASES):
            put(f"a{alias}", n)
        time.sleep(max(0, start + (n + 1) / RATE - time.perf_counter()))


def time_of_write(table, port, cik):
    """How long write takes, with the network up and with it hanging."""
    for state in ("up", "hanging"):
        with _proxy(port) as proxy:
            config = {"write_buffer_size": 10**6, "exit_timeout": 0.1}
            transport = {**proxy.connection, "timeout": 1}
            store = Datastore(cik, 1, config=config, transport=transport)
            store.start()
            proxy.hang = state == "hanging"
            times = []
            for n in range(50_000):
                start = time.perf_counter()
                store.write(f"a{n % ALIASES}", n)
                times.append(time.perf_counter() - start)
                if n % 500 == 0:
                    time.sleep(0.02)
            times.sort()
            for at in (50, 99):
                took = times[len(times) * at // 100] * 1e6
                work = f"write, network {state}, percentile {at}"
                table.row(work, f"{took:.1f} us", "<= 50 us", took <= 50)
            proxy.hang = False
            store.close(0)


def spool_rate(table, port, cik, folder, number):
    for synchronous in ("FULL", "NORMAL"):
        config = {"write_buffer_size": 10**6, "spool_synchronous": synchronous}
        path = str(Path(folder) / f"spool-{synchronous}")
        transport = {"host": "127.0.0.1", "port": port, "https": False}
        store = Datastore(cik, 1, config=config, transport=transport, spool=path)
        start = time.perf_counter()
        for n in range(number):
            store.record("a0", [[1 + n, n]])
        took = time.perf_counter() - start
        table.row(f"record into a spool, {synchronous}", f"{number / took:,.0f}/s", "", None)
        start = time.perf_counter()
        assert store.flush(60)
        took = time.perf_counter() - start
        table.row("  and from it to the platform", f"{number / took:,.0f}/s", "", None)
        store.close()


def backlog(table, port, cik, number):
    """Memory of waiting points, and draining them against a bare loop."""
    connection = {"host": "127.0.0.1", "port": port, "https": False}
    ratios = []
    for turn in range(3):
        # Seconds of their own: what is recorded where there is a point is refused.
        entries = [[1 + n, n] for n in range(turn * number, (turn + 1) * number)]
        config = {"write_buffer_size": number, "request_points": BATCH}
        store = Datastore(cik, 60, config=config, transport=connection)
        before = memory(os.getpid())
        for start in range(0, number, 100):
            store.record("a1", entries[start : start + 100])
        if turn == 0:
            grown = (memory(os.getpid()) - before) / 1e6
            table.row(f"memory of {number:,} waiting points", f"{grown:.0f} MB", "", None)
        start = time.perf_counter()
        assert store.flush(60)
        drained = time.perf_counter() - start
        store.close()
        o = OnepV1(**connection, reuseconnection=True)
        start = time.perf_counter()
        for at in range(0, number, BATCH):
            assert o.recordbatch(cik, {"alias": "a2"}, entries[at : at + BATCH])[0]
        ratios.append(drained / (time.perf_counter() - start))
        o.close()
    ratio = median(ratios)
    figure = f"{drained:.2f} s  {ratio:.2f}"
    work = f"draining {number:,} points (of a bare loop of recordbatch)"
    table.row(work, figure, "<= 2", ratio <= 2)


def run(quick=False):
    """Measure everything; about three minutes."""
    table = Table("The Datastore")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "platform.sqlite")
        with child(platform_server, path) as platform:
            port, cik, _, _ = platform.recv()
            dataports(OnepV1("127.0.0.1", port, https=False), cik)
            time_of_write(table, port, cik)
            spool_rate(table, port, cik, folder, 2000 if quick else 10_000)
            backlog(table, port, cik, 20_000 if quick else 100_000)
            over_latency(table, port, cik, 5 if quick else 60)
    assert threading.active_count() < 10
    return table
