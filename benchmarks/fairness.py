"""What one request does to another client: a writer beside requests that are heavy or hostile."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from pyonep import Provision

from .measure import Table, child, memory
from .platform import Speaker, dataports, request
from .provisioning import platform_server

LONGEST = 50  # milliseconds, at the 99th percentile
SECONDS = 3.0
RPC = "/onep:v1/rpc/process"
FORM = "application/x-www-form-urlencoded; charset=utf-8"


# --- the writer ------------------------------------------------------------


def writer(pipe, port, cik):
    """Write every few milliseconds; for each message, send the times taken since the last."""
    speak = Speaker(port, cik)
    took = []
    while True:
        if pipe.poll(0.002):
            if pipe.recv() == "stop":
                return
            pipe.send(took)
            took = []
        began = time.perf_counter()
        speak(("write", {"alias": "beside"}, 1))
        took.append(time.perf_counter() - began)


# --- requests --------------------------------------------------------------


class Sender:
    """Sends a request again and again; counts, and keeps the last status."""

    def __init__(self, port):
        self.port = port
        self.status = ""

    def once(self, method, path, body=b"", headers=None):
        head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in (headers or {}).items()]
        data = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as one:
            with suppress(OSError):  # what is too long is not read to its end
                one.sendall("\r\n".join([*head, "Connection: close", "", ""]).encode() + body)
            with suppress(OSError):
                while piece := one.recv(1 << 20):
                    data = data or piece
        self.status = data.split(b"\r\n", 1)[0].decode("latin-1")[9:]
        if data.startswith(b"HTTP/1.1 200") and b'"error"' in data[:400]:
            self.status += " (error)"


class Case:
    """A request, what it needs, and how it is called in the table."""

    def __init__(self, name, method, path, body=b"", headers=None, prepare=None):
        self.name = name
        self.request = (method, path, body, headers)
        self.prepare = prepare


class Alone(Case):
    """No request at all: what the machine itself does to the writer."""

    def __init__(self):
        super().__init__("nothing", "GET", "/timestamp")


def rpc(name, cik, *calls, prepare=None):
    return Case(name, "POST", RPC, request(cik, *calls), prepare=prepare)


def cases(speak, vendor, points):
    """All there are."""
    cik = speak.cik
    many, empty, words = dataports(speak, 3)
    for start in range(1, points, 50_000):
        speak(("recordbatch", many, [[start + n, n] for n in range(50_000)]))
    everything = {"limit": 100_000, "sort": "asc"}
    batch = [[1_000_000 + n, n * 1.1] for n in range(100_000)]
    yield rpc("recordbatch of 100,000 points", cik, ("recordbatch", empty, batch))
    yield rpc("a read of 100,000 points", cik, ("read", many, everything))
    yield rpc("100 reads of 100,000 points", cik, *[("read", many, everything)] * 100)
    yield rpc("a read without end", cik, ("read", many, {"limit": 10**9}))
    yield rpc(
        "autowindow of 50,000 points",
        cik,
        ("read", many, {"limit": 50_000, "selection": "autowindow", "starttime": 5}),
    )
    yield rpc(
        "givenwindow of 50,000 points",
        cik,
        ("read", many, {"limit": 50_000, "selection": "givenwindow", "starttime": 5}),
    )
    yield rpc("10,000 writes in a request", cik, *[("write", empty, 1)] * 10_000)
    yield rpc("10,000 reads in a request", cik, *[("read", many, {"limit": 50})] * 10_000)
    yield rpc("10,000 calls of info", cik, *[("info", many, {})] * 10_000)
    yield rpc("writegroup of 100,000 values", cik, ("writegroup", [[empty, 1]] * 100_000))
    yield rpc("7 MiB of text in a value", cik, ("write", empty, "x" * (7 << 20)))
    text = {"auth": {"cik": cik}, "calls": [], "more": [[[1] * 100] * 100] * 200}
    yield Case("6 MiB of lists", "POST", RPC, json.dumps(text).encode())
    yield Case("31 MiB of JSON", "POST", RPC, b"[" + b"1," * (31 << 19) + b"1]")
    yield from _trees(speak, words)
    yield from _forms(cik, vendor)
    (full,) = dataports(Speaker(speak.port, cik), 1)

    def fill():
        _fill(Speaker(speak.port, cik), full)

    yield rpc("flush of 200,000 points", cik, ("flush", full), prepare=fill)


def _fill(speak, rid):
    for start in range(1, 200_000, 50_000):
        speak(("recordbatch", rid, [[start + n, n] for n in range(50_000)]))


def _trees(speak, words):
    cik = speak.cik
    chain = [["mul", 1e3]] * 100
    (heavy,) = dataports(speak, 1, preprocess=chain)
    writes = [("write", heavy, 10**300)] * 5000
    yield rpc("5,000 writes through 100 operations", cik, *writes)
    (source,) = dataports(speak, 1)
    dataports(speak, 10_000, subscribe=source)
    yield rpc("a write with 10,000 subscribers", cik, ("write", source, 1))
    limits = dict.fromkeys(("client", "dataport", "datarule", "dispatch", "share"), "inherit")
    (box,) = speak(("create", "client", {"limits": limits}))
    ((info),) = speak(("info", box, {"key": True}))
    inner = Speaker(speak.port, info["key"])
    rids = dataports(inner, 30_000)
    for start in range(0, 30_000, 2500):
        some = rids[start : start + 2500]
        inner(*[("map", "alias", rid, f"name {n + start}") for n, rid in enumerate(some)])
        inner(*[("tag", rid, "add", "red") for rid in some])
    key = info["key"]
    kinds = ["dataport", "client", "datarule"]
    yield rpc("listing of 30,000 dataports", key, ("listing", kinds, {"owned": True}))
    yield rpc("listing of 30,000 aliases", key, ("listing", kinds, {"aliased": True}))
    yield rpc("listing of 30,000 by tag", key, ("listing", kinds, {"tagged": ["red"]}))
    yield rpc("info of 30,000 aliases", key, ("info", {"alias": ""}, {"aliases": True}))
    yield rpc("cloning 30,000 dataports", cik, ("create", "clone", {"rid": box}))
    clients = []
    while len(clients) < 20_000:
        clients += speak(*[("create", box, "client", {})] * 2500)
    yield rpc("usage of 20,000 clients", cik, ("usage", box, "dataport", 1, 2_000_000_000))
    yield rpc("info of 20,000 clients", cik, ("info", box, {"usage": True}))
    yield rpc("dropping all of it", cik, ("drop", box))


def _forms(cik, vendor):
    form = {"Content-Type": FORM}
    big = b"a=b&" * (8 << 20)
    yield Case("a form of 32 MiB without a key", "POST", "/provision/activate", big, form)
    key = {"X-Exosite-CIK": cik, **form}
    most = b"&".join(b"alias%d=1" % n for n in range(280_000))
    yield Case("280,000 pairs of data", "POST", "/onep:v1/stack/alias", most, key)
    points = b"alias=beside&" + b"&".join(b"%d=1" % (1000 + n) for n in range(100_000))
    yield Case("record of 100,000 points", "POST", "/onep:v1/stack/record", points, key)
    ranges = [
        {"format": "base10", "length": 12, "casing": None, "first": n * 10, "last": n * 10 + 5}
        for n in range(8000)
    ]
    model = {"X-Exosite-Token": vendor}
    body = json.dumps({"ranges": ranges}).encode()
    kind = {"Content-Type": "application/json", **model}
    yield Case("8,000 ranges", "POST", "/provision/manage/model/m/", body, kind)
    csv = b"".join(b"sn%06d,extra\r\n" % n for n in range(100_000))
    kind = {"Content-Type": "text/csv", **model}
    yield Case("100,000 serial numbers", "POST", "/provision/manage/model/n/", csv, kind)
    yield Case("100,000 that exist", "POST", "/provision/manage/model/n/", csv, kind)
    yield Case("removing them", "DELETE", "/provision/manage/model/n/", csv, kind)
    sns = b"&".join(b"sn=s%06d" % n for n in range(100_000))
    kind = {**form, **model}
    yield Case("100,000 in a form", "POST", "/provision/manage/model/n/", sns, kind)


# --- measurements ----------------------------------------------------------


def beside(table, port, pid, pipe, case):
    """One row: the times of the writer while a request runs, again and again."""
    if case.prepare is not None:
        case.prepare()
    pipe.send("times")
    pipe.recv()
    sender, done, first = Sender(port), 0, ""
    before, highest = memory(pid), [0]
    stop = threading.Event()

    def watch():
        while not stop.wait(0.01):
            highest[0] = max(highest[0], memory(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        if isinstance(case, Alone):
            time.sleep(0.1)
        else:
            sender.once(*case.request)
        done += 1
        first = first or sender.status
    elapsed = time.perf_counter() - began
    stop.set()
    watcher.join()
    pipe.send("times")
    took = sorted(pipe.recv())
    late = took[min(len(took) - 1, int(len(took) * 0.99))] * 1e3
    grown = max(0, highest[0] - before) / 1e6
    what = f"{late:6.1f} ms, worst {took[-1] * 1e3:.0f}"
    table.row(case.name, what, f"<= {LONGEST} ms", late <= LONGEST)
    print(f"    (took {elapsed / done:.2f} s, {first}; {len(took)} writes; +{grown:.0f} MB)")


def run(quick=False, only=""):
    """Measure everything; about three minutes."""
    table = Table("A write of another client, while one request runs: 99th percentile")
    with tempfile.TemporaryDirectory() as name:
        path = str(Path(name) / "platform.sqlite")
        with child(platform_server, path) as platform:
            port, account, pid = platform.recv()
            cik, token = account[1], account[3]
            speak = Speaker(port, cik)
            (rid,) = dataports(speak, 1)
            speak(("map", "alias", rid, "beside"))
            _models(port, token, speak)
            with child(writer, port, cik) as pipe:
                beside(table, port, pid, pipe, Alone())
                for case in cases(speak, token, 200_000 if quick else 1_000_000):
                    if only in case.name:
                        beside(table, port, pid, pipe, case)
    return table


def _models(port, token, speak):
    (template,) = speak(("create", "client", {}))
    vendor = Provision(
        host="127.0.0.1", port=port, https=False, manage_by_cik=False, manage_by_sharecode=False
    )
    for model in ("m", "n"):
        vendor.model_create(token, model, template)
