"""The local platform against what it is built on."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import socket
import sqlite3
import tempfile
import time
from pathlib import Path

from . import influx
from .measure import Load, Table, alternate, child, median, memory, ratios

ROUNDS = 5
SECONDS = 1.0


# --- processes -------------------------------------------------------------


def echo_server(pipe):
    """A bare ASGI application that echoes, on the server and settings of the platform."""
    from pyonep.server import runner

    async def echo(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"].endswith("shutdown"):
                    return
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message.get("more_body"):
                break
        headers = [
            (b"content-type", b"application/json; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    class Nothing:
        def end_waits(self):
            pass

    runner.App = lambda platform: echo
    server = runner.Server(Nothing())
    _serve(pipe, server, runner.listen("127.0.0.1", 0))


def _serve(pipe, server, listener):
    async def run():
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        pipe.send(listener.getsockname()[1])
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        server.should_exit = True
        await serving

    asyncio.run(run())


def platform_server(pipe, path):
    """The platform on a file, with a device; sends ``(port, cik, rid, pid)``."""
    from pyonep.server import LocalPlatform

    with LocalPlatform(path) as platform:
        device = platform.device()
        pipe.send((platform.port, device.cik, device.rid, os.getpid()))
        pipe.recv()


# --- requests --------------------------------------------------------------


def request(cik, *calls):
    calls = [
        {"id": n, "procedure": procedure, "arguments": arguments}
        for n, (procedure, *arguments) in enumerate(calls)
    ]
    return json.dumps({"auth": {"cik": cik}, "calls": calls}).encode()


class Speaker:
    """Calls procedures one at a time."""

    def __init__(self, port, cik):
        import http.client

        self.port, self.cik = port, cik
        self._http = http.client.HTTPConnection("127.0.0.1", port)

    def __call__(self, *calls, cik=None):
        self._http.request("POST", "/onep:v1/rpc/process", request(cik or self.cik, *calls))
        answers = json.loads(self._http.getresponse().read())
        assert all(answer["status"] == "ok" for answer in answers), answers[:3]
        return [answer.get("result") for answer in answers]


def dataports(speak, number, **description):
    """Make dataports; return their RIDs."""
    rids = []
    while len(rids) < number:
        some = min(1000, number - len(rids))
        rids += speak(*[("create", "dataport", {"format": "integer", **description})] * some)
    return rids


# --- measurements ----------------------------------------------------------


def requests_per_second(table, port, speak, echo_port):
    (rid,) = dataports(speak, 1)
    speak(("map", "alias", rid, "x"), ("write", rid, 1))
    write = request(speak.cik, ("write", {"alias": "x"}, 12345))
    read = request(speak.cik, ("read", {"alias": "x"}, {"limit": 1}))
    for connections in (1, 16):
        platform, echo = Load(port, connections), Load(echo_port, connections)
        results = alternate(
            ROUNDS,
            echo=lambda echo=echo: echo.rate(lambda: write, SECONDS),
            write=lambda platform=platform: platform.rate(lambda: write, SECONDS),
            read=lambda platform=platform: platform.rate(lambda: read, SECONDS),
        )
        for load in (platform, echo):
            load.close()
        for name in ("write", "read"):
            ratio = ratios(results, name, "echo")
            figure = f"{median(results[name]):,.0f}/s  {ratio:.2f}"
            work = f"{name}, {connections} connection{'s' * (connections > 1)} (of the echo's rate)"
            table.row(work, figure, ">= 0.35", ratio >= 0.35)
        print(f"  (the echo: {median(results['echo']):,.0f}/s)")


def rows_per_second(table, port, speak, folder):
    database = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    for line in (
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "CREATE TABLE points (series INTEGER, time INTEGER, value TEXT NOT NULL, "
        "PRIMARY KEY (series, time)) WITHOUT ROWID",
    ):
        database.execute(line)
    (rid,) = dataports(speak, 1)
    load = Load(port, 1)
    times = {"bare": 1, "recordbatch": 1}

    def bare():
        start = times["bare"]
        times["bare"] += 1000
        rows = [(1, start + n, str(n)) for n in range(1000)]
        began = time.perf_counter()
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO points VALUES (?, ?, ?)", rows)
        database.execute("COMMIT")
        return 1000 / (time.perf_counter() - began)

    def recordbatch():
        start = times["recordbatch"]
        times["recordbatch"] += 1000
        body = request(speak.cik, ("recordbatch", rid, [[start + n, n] for n in range(1000)]))
        return 1000 / load.once(body)

    results = alternate(100, bare=bare, recordbatch=recordbatch)
    load.close()
    database.close()
    ratio = median(results["recordbatch"]) / median(results["bare"])
    figure = f"{median(results['recordbatch']):,.0f} rows/s  {ratio:.2f}"
    table.row(
        "recordbatch of 1,000 points (of a bare executemany)", figure, ">= 0.25", ratio >= 0.25
    )


def fresh(body, enough):
    """Gives bodies with points that are new, most of them made beforehand.

    ``body(start)`` makes one of 1,000 points from a time on.
    """
    starts = itertools.count(1_000_000, 1000)
    ready = []

    def prepare():
        ready.extend(body(next(starts)) for _ in range(enough - len(ready)))

    return prepare, lambda: ready.pop() if ready else body(next(starts))


def beside_influxdb(table, port, speak):
    """Both write durably: what is answered is on the disk."""
    with influx.server() as its_port:
        if its_port is None:
            table.row("the same work of InfluxDB (influxd)", "not installed", "", None)
            return
        one, many = dataports(speak, 2)
        speak(("write", one, 1))
        ours = request(speak.cik, ("write", one, 12345))

        def our_batch(start):
            return request(speak.cik, ("recordbatch", many, [[start + n, n] for n in range(1000)]))

        def its_batch(start):
            return "\n".join(f"many value={n}i {start + n}" for n in range(1000)).encode()

        batches = [fresh(our_batch, 1000), fresh(its_batch, 1000)]
        single = [(lambda: None, lambda: ours), (lambda: None, lambda: b"one value=12345i")]
        for name, works, wanted in (
            ("write", single, {1: 2.0, 16: 1.1}),
            ("1,000 new points", batches, {1: 1.1, 16: 1.1}),
        ):
            for connections, least in wanted.items():
                against_influxdb(table, port, its_port, name, works, connections, least)


def against_influxdb(table, port, its_port, name, works, connections, least):
    loads = Load(port, connections), Load(its_port, connections, influx.WRITE)

    def rate(load, work):
        prepare, bodies = work
        prepare()
        return load.rate(bodies, SECONDS)

    results = alternate(
        ROUNDS,
        ours=lambda: rate(loads[0], works[0]),
        influx=lambda: rate(loads[1], works[1]),
    )
    for load in loads:
        load.close()
    ratio = ratios(results, "ours", "influx")
    work = f"{name}, {connections} connection{'s' * (connections > 1)} (of InfluxDB's rate)"
    figure = f"{median(results['ours']):,.0f}/s  {ratio:.2f}"
    table.row(work, figure, f">= {least}", ratio >= least)
    print(f"  (InfluxDB: {median(results['influx']):,.0f}/s)")


def long_series(table, port, speak, points):
    full, empty = dataports(speak, 2)
    for start in range(1, points, 50_000):
        speak(("recordbatch", full, [[start + n, n] for n in range(50_000)]))
    load = Load(port, 1)
    for procedure, arguments in (("write", [7]), ("read", [{"limit": 1}])):
        bodies = {
            name: request(speak.cik, (procedure, rid, *arguments))
            for name, rid in (("full", full), ("empty", empty))
        }
        results = alternate(
            1500, **{name: (lambda body=body: load.once(body)) for name, body in bodies.items()}
        )
        ratio = median(results["full"]) / median(results["empty"])
        figure = f"{median(results['full']) * 1e6:,.0f} us  {ratio:.2f}"
        work = f"{procedure} with {points:,} points there (of the time on an empty one)"
        table.row(work, figure, "<= 1.2", ratio <= 1.2)
    load.close()


def wide_client(table, port, speak, width):
    limits = {"limits": {"dataport": "inherit"}}
    owners = {}
    for name, number in (("wide", width), ("narrow", 10)):
        (rid,) = speak(("create", "client", limits))
        ((info),) = speak(("info", rid, {"key": True}))
        inner = Speaker(port, info["key"])
        rids = dataports(inner, number)
        for start in range(0, number, 5000):
            inner(*[("write", r, 1) for r in rids[start : start + 5000]])
        owners[name] = (info["key"], rids)
    load = Load(port, 1)
    pick = random.Random(1)

    def read(name):
        key, rids = owners[name]
        return load.once(request(key, ("read", pick.choice(rids), {"limit": 1})))

    results = alternate(3000, wide=lambda: read("wide"), narrow=lambda: read("narrow"))
    load.close()
    ratio = median(results["wide"]) / median(results["narrow"])
    figure = f"{median(results['wide']) * 1e6:,.0f} us  {ratio:.2f}"
    work = f"newest read among {width:,} dataports (of the time among 10)"
    table.row(work, figure, "<= 1.2", ratio <= 1.2)


def open_waits(table, port, speak, pid, number):
    rids = dataports(speak, number)
    before, threads = memory(pid), len(os.listdir(f"/proc/{pid}/task"))
    sockets = []
    for rid in rids:
        body = request(speak.cik, ("wait", rid, {"timeout": 60_000}))
        one = socket.create_connection(("127.0.0.1", port))
        head = (
            "POST /onep:v1/rpc/process HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        one.sendall(head.encode() + body)
        sockets.append(one)
    speak(("lookup", "alias", ""))
    time.sleep(1)  # until all of them have been read
    grown = (memory(pid) - before) / 1e6
    more = len(os.listdir(f"/proc/{pid}/task")) - threads
    body = request(speak.cik, *[("write", rid, 1) for rid in rids])
    writer = Load(port, 1)
    took = writer.once(body)
    answered = time.perf_counter()
    for one in sockets:
        received = b""
        while not received.endswith(b"]"):
            received += one.recv(4096)
        assert b'"ok"' in received
    last = time.perf_counter() - answered
    for one in sockets:
        one.close()
    writer.close()
    table.row(f"{number:,} open waits: memory", f"{grown:.0f} MB", "< 60 MB", grown < 60)
    table.row(f"{number:,} open waits: threads", str(more), "0", more == 0)
    figure = f"{last * 1e3:.0f} ms"
    table.row("all woken, after the writes are answered", figure, "<= 100 ms", last <= 0.1)
    print(f"  (the request with {number:,} writes took {took * 1e3:.0f} ms)")


def run(quick=False):
    """Measure everything; about two minutes."""
    table = Table("The local platform")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = str(folder / "platform.sqlite")
        with child(echo_server) as echo, child(platform_server, path) as platform:
            echo_port = echo.recv()
            port, cik, _, pid = platform.recv()
            speak = Speaker(port, cik)
            requests_per_second(table, port, speak, echo_port)
            rows_per_second(table, port, speak, folder)
            beside_influxdb(table, port, speak)
            open_waits(table, port, speak, pid, 2000)
            wide_client(table, port, speak, 10_000 if quick else 100_000)
            long_series(table, port, speak, 1_000_000 if quick else 10_000_000)
    return table
