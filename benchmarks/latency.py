"""What latency does to a script, and large reads: where users feel the difference."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
import simplejson

from pyonep import OnepV1

from .datastore import _proxy
from .measure import Table, alternate, child, median, plot
from .platform import platform_server

CALLS = 200
LATENCY = 0.05  # seconds, each way
PORTS, POINTS = 10, 50_000


def old_way(port, cik, calls):
    """A session for each call, as the old library had it."""
    url = f"http://127.0.0.1:{port}/onep:v1/rpc/process"
    for number, (procedure, arguments) in enumerate(calls):
        call = {"id": number, "procedure": procedure, "arguments": arguments}
        data = simplejson.dumps({"auth": {"cik": cik}, "calls": [call]})
        with requests.Session() as session:
            simplejson.loads(session.post(url, data=data).text)


def script(o, cik, calls, defer=False):
    for procedure, arguments in calls:
        getattr(o, procedure)(cik, *arguments, defer=defer)
    if defer:
        o.send_deferred(cik)


def over_latency(table, port, cik, number):
    calls = [("write", [{"alias": "a"}, 1]), ("read", [{"alias": "a"}, {}])] * (number // 2)
    with _proxy(port) as proxy:
        proxy.latency = LATENCY
        kept = OnepV1(**proxy.connection, reuseconnection=True)
        works = {
            "the old way of calling": lambda: old_way(proxy.port, cik, calls),
            "single calls": lambda: script(OnepV1(**proxy.connection), cik, calls),
            "reuseconnection=True": lambda: script(kept, cik, calls),
            "deferred": lambda: script(kept, cik, calls, defer=True),
        }
        times = {}
        for name, work in works.items():
            start = time.perf_counter()
            work()
            times[name] = time.perf_counter() - start
            table.row(f"{number} reads and writes: {name}", f"{times[name]:.2f} s", "", None)
        kept.close()
    return times


def large_reads(table, port, cik):
    o = OnepV1("127.0.0.1", port, https=False, reuseconnection=True, httptimeout=60)
    rids = []
    for _ in range(PORTS):
        rids.append(o.create(cik, "dataport", {"format": "float"})[1])
        o.recordbatch(cik, rids[-1], [[1 + n, n / 7] for n in range(POINTS)])

    def one_by_one():
        return [o.read(cik, rid, {"limit": POINTS})[1] for rid in rids]

    def deferred():
        for rid in rids:
            o.read(cik, rid, {"limit": POINTS}, defer=True)
        return [points for _, _, points in o.send_deferred(cik)]

    def pool():
        with ThreadPoolExecutor(4) as some:
            return list(some.map(lambda rid: o.read(cik, rid, {"limit": POINTS})[1], rids))

    def timed(work):
        start = time.perf_counter()
        assert [len(points) for points in work()] == [POINTS] * PORTS
        return time.perf_counter() - start

    works = {"one by one": one_by_one, "deferred": deferred, "in four threads": pool}
    results = alternate(3, **{n: (lambda w=w: timed(w)) for n, w in works.items()})
    for name, times in results.items():
        work = f"{PORTS} dataports of {POINTS:,} points: {name}"
        table.row(work, f"{median(times):.2f} s", "", None)
    o.close()


def run(quick=False):
    """Measure everything; about two minutes."""
    table = Table("Latency and large reads")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "platform.sqlite")
        with child(platform_server, path) as platform:
            port, cik, _, _ = platform.recv()
            o = OnepV1("127.0.0.1", port, https=False)
            _, rid = o.create(cik, "dataport", {"format": "integer"})
            o.map(cik, rid, "a")
            large_reads(table, port, cik)
            times = over_latency(table, port, cik, 20 if quick else CALLS)

    def draw(axes):
        names = list(times)[::-1]
        bars = axes.barh(names, [times[name] for name in names], color="tab:blue")
        axes.bar_label(bars, fmt="%.1f", padding=3)
        axes.set_xlabel("seconds (less is better)")
        axes.set_title("200 reads and writes over a link with 50 ms each way")
        axes.margins(x=0.12)

    if not quick:
        plot("latency.png", draw)
    return table
