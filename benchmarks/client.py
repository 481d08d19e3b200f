"""The client against what it is built on, and against the old library's way of calling."""

from __future__ import annotations

import gc
import http.client
import json as stdjson
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import requests
import simplejson
import urllib3

from pyonep import OnepV1

from .measure import Table, alternate, child, median, memory, plot

CIK = "a" * 40
PATH = "/onep:v1/rpc/process"
READ = [{"alias": "temperature"}, {"limit": 1}]
HEADERS = {"Content-Type": "application/json; charset=utf-8"}
ROUNDS = 400


# --- the server ------------------------------------------------------------


def tiny_server(pipe, certificate=None, delay=0.0):
    """Answers each POST with as many results as it has calls; as little as can be."""
    import asyncio

    answers = {}

    def answer(count):
        if count not in answers:
            body = stdjson.dumps(
                [{"id": n, "status": "ok", "result": [[1, 21.5]]} for n in range(count)]
            ).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n"
            answers[count] = head.encode(), body
        return answers[count]

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport, self.data = transport, b""

        def data_received(self, data):
            self.data += data
            head, found, body = self.data.partition(b"\r\n\r\n")
            if not found:
                return
            length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
            if len(body) < length:
                return
            self.data = b""
            if delay:
                asyncio.get_running_loop().call_later(delay, self.respond, head, body)
            else:
                self.respond(head, body)

        def respond(self, head, body):
            if b'"big"' in body:
                start, answer_body = big()
            else:
                start, answer_body = answer(body.count(b'"procedure"'))
            if b"\r\nConnection: close" in head:
                self.transport.write(start + b"Connection: close\r\n\r\n" + answer_body)
                self.transport.close()
            else:
                self.transport.write(start + b"\r\n" + answer_body)

    cache = []

    def big():
        if not cache:
            points = [[1_600_000_000 + n, 20 + n / 7] for n in range(100_000)]
            body = stdjson.dumps([{"id": 0, "status": "ok", "result": points}]).encode()
            cache.append((f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n".encode(), body))
        return cache[0]

    async def serve():
        context = None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Protocol, "127.0.0.1", 0, ssl=context, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await loop.run_in_executor(None, pipe.recv)
        os._exit(0)

    asyncio.run(serve())


# --- the rivals: each makes one call and gives back its result -------------


def body_of(number):
    call = {"id": number, "procedure": "read", "arguments": READ}
    return {"auth": {"cik": CIK}, "calls": [call]}


class Rivals:
    """One function per way of calling, with the same JSON work each."""

    def __init__(self, port, scheme="http", verify=None):
        self.port, self.url, self.verify = port, f"{scheme}://127.0.0.1:{port}{PATH}", verify
        https = scheme == "https"
        self.kept = OnepV1("127.0.0.1", port, https=https, reuseconnection=True)
        self.fresh = OnepV1("127.0.0.1", port, https=https)
        for o in (self.kept, self.fresh):
            o._id_lock = _Rewind(o)
        self.session = requests.Session()
        self.pool = urllib3.HTTPConnectionPool("127.0.0.1", port)
        self.http = http.client.HTTPConnection("127.0.0.1", port)
        self.socket = None if https else socket.create_connection(("127.0.0.1", port))
        if verify:
            self.context = ssl.create_default_context(cafile=verify)

    def pyonep_kept(self):
        return self.kept.read(CIK, *READ)[1]

    def pyonep_fresh(self):
        return self.fresh.read(CIK, *READ)[1]

    def requests_session(self):
        data = simplejson.dumps(body_of(0))
        response = self.session.post(self.url, data=data, headers=HEADERS)
        return simplejson.loads(response.content)[0]["result"]

    def requests_alone(self):
        data = simplejson.dumps(body_of(0))
        response = requests.post(self.url, data=data, headers=HEADERS, verify=self.verify)
        return simplejson.loads(response.content)[0]["result"]

    def old_way(self):
        """A session for each call, with the pool and TLS context that come with it."""
        with requests.Session() as session:
            data = simplejson.dumps(body_of(0))
            response = session.post(self.url, data=data, headers=HEADERS, verify=self.verify)
            return simplejson.loads(response.text)[0]["result"]

    def urllib3_kept(self):
        data = simplejson.dumps(body_of(0))
        response = self.pool.urlopen("POST", PATH, body=data, headers=HEADERS)
        return simplejson.loads(response.data)[0]["result"]

    def http_client(self):
        self.http.request("POST", PATH, simplejson.dumps(body_of(0)), HEADERS)
        return simplejson.loads(self.http.getresponse().read())[0]["result"]

    def _head(self, body, more=b""):
        start = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        return start.encode() + more + b"\r\n" + body

    def raw_socket(self):
        self.socket.sendall(self._head(simplejson.dumps(body_of(0)).encode()))
        answer = self.socket.recv(65536)
        return simplejson.loads(answer.partition(b"\r\n\r\n")[2])[0]["result"]

    def ssl_socket(self):
        body = simplejson.dumps(body_of(0)).encode()
        with socket.create_connection(("127.0.0.1", self.port)) as plain:
            with self.context.wrap_socket(plain, server_hostname="127.0.0.1") as one:
                one.sendall(self._head(body, b"Connection: close\r\n"))
                answer = b""
                while piece := one.recv(65536):
                    answer += piece
        return simplejson.loads(answer.partition(b"\r\n\r\n")[2])[0]["result"]


def microseconds(works, rounds=ROUNDS):
    """Alternate works; return the median of each in microseconds."""

    def timed(work):
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    for work in works.values():
        work()
    results = alternate(rounds, **{n: (lambda w=w: timed(w)) for n, w in works.items()})
    return {name: median(times) * 1e6 for name, times in results.items()}


def compare(table, title, times, mine, rival, most):
    ratio = times[mine] / times[rival]
    table.row(title, f"{times[mine]:,.0f} us  {ratio:.2f}", f"<= {most}", ratio <= most)


# --- measurements ----------------------------------------------------------


def one_call(table, port):
    r = Rivals(port)
    names = ("raw_socket", "http_client", "urllib3_kept", "pyonep_kept", "requests_session")
    fresh = ("pyonep_fresh", "requests_alone", "old_way")
    times = microseconds({name: getattr(r, name) for name in (*names, *fresh)})
    for name in (*names, *fresh):
        table.row(f"one read: {name.replace('_', ' ')}", f"{times[name]:,.0f} us", "", None)
    compare(table, "kept, of requests.Session", times, "pyonep_kept", "requests_session", 0.55)
    compare(table, "kept, of urllib3", times, "pyonep_kept", "urllib3_kept", 1.35)
    compare(table, "per call, of requests.post", times, "pyonep_fresh", "requests_alone", 0.60)
    return times


def batches(table, port):
    r = Rivals(port)

    def deferred():
        for _ in range(100):
            r.kept.read(CIK, *READ, defer=True)
        r.kept.send_deferred(CIK)

    def session():
        calls = [{"id": n, "procedure": "read", "arguments": READ} for n in range(100)]
        data = simplejson.dumps({"auth": {"cik": CIK}, "calls": calls})
        found = simplejson.loads(r.session.post(r.url, data=data, headers=HEADERS).content)
        return [(answer["status"] == "ok", answer["result"]) for answer in found]

    times = microseconds({"deferred": deferred, "session": session})
    compare(table, "100 deferred calls, of requests.Session", times, "deferred", "session", 1.0)

    raw = r.session.post(r.url, data=simplejson.dumps(_big())).content
    o = OnepV1("127.0.0.1", port, https=False, reuseconnection=True)

    def read():
        o.startid = 0
        assert len(o.read(CIK, "big", {"limit": 10**6})[1]) == 100_000

    times = microseconds({"read": read, "loads": lambda: simplejson.loads(raw)}, 15)
    compare(table, "100,000 points, of simplejson.loads", times, "read", "loads", 1.3)


class _Rewind:
    """Ids that start at 0 for each request, as the tiny server answers."""

    def __init__(self, o):
        self._o, self._lock = o, threading.Lock()

    def __enter__(self):
        self._lock.acquire()
        self._o.startid = 0

    def __exit__(self, *_):
        self._lock.release()


def _big():
    call = {"id": 0, "procedure": "read", "arguments": ["big", {"limit": 10**6}]}
    return {"auth": {"cik": CIK}, "calls": [call]}


def safety(table, port):
    """What accepting old keywords costs a modern call."""
    o = Rivals(port).kept
    bare = OnepV1.read.__wrapped__

    works = {"accepting": lambda: o.read(CIK, *READ), "bare": lambda: bare(o, CIK, *READ)}
    times = microseconds(works, 2000)
    ratio = times["accepting"] / times["bare"]
    figure = f"{times['accepting']:,.0f} us  {ratio:.2f}"
    table.row("a method that accepts old keywords, of one that does not", figure, "", None)


def over_tls(table, folder):
    certificate = str(Path(folder) / "cert.pem")
    subprocess.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {certificate}.key -out {certificate}.crt "
        f"&& cat {certificate}.key {certificate}.crt > {certificate}",
        shell=True,
        check=True,
        capture_output=True,
    )
    os.environ["REQUESTS_CA_BUNDLE"] = certificate + ".crt"
    with child(tiny_server, certificate) as server:
        r = Rivals(server.recv(), "https", certificate + ".crt")
        names = ("ssl_socket", "pyonep_fresh", "old_way")
        times = microseconds({name: getattr(r, name) for name in names}, 150)
    del os.environ["REQUESTS_CA_BUNDLE"]
    for name in names:
        table.row(
            f"one read over TLS: {name.replace('_', ' ')}", f"{times[name]:,.0f} us", "", None
        )
    compare(
        table, "per call over TLS, of a bare ssl socket", times, "pyonep_fresh", "ssl_socket", 1.4
    )
    return times


def importing(table):
    def took(statement):
        code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
        return float(subprocess.run([sys.executable, "-c", code], capture_output=True).stdout)

    def ours():
        return took("from pyonep import OnepV1")

    ours()
    results = alternate(15, pyonep=ours, requests=lambda: took("import requests"))
    times = {name: median(some) * 1e6 for name, some in results.items()}
    compare(
        table, "from pyonep import OnepV1, of import requests", times, "pyonep", "requests", 1.15
    )


def memory_of_many(table, port):
    OnepV1("127.0.0.1", port, https=False).read(CIK, *READ)
    gc.collect()
    before = memory()
    made = [OnepV1("127.0.0.1", port, https=False) for _ in range(1000)]
    for o in made:
        o.read(CIK, *READ)
    each = (memory() - before) / 1000 / 1000
    table.row("memory of one OnepV1, 1,000 alive", f"{each:.0f} KB", "<= 100 KB", each <= 100)


def threads(table):
    with child(tiny_server, None, 0.02) as server:
        port = server.recv()

        def rate(number):
            o = OnepV1("127.0.0.1", port, https=False, reuseconnection=True)
            o._id_lock = _Rewind(o)
            done, end = [], time.perf_counter() + 1.5

            def work():
                count = 0
                while time.perf_counter() < end:
                    o.read(CIK, *READ)
                    count += 1
                done.append(count)

            some = [threading.Thread(target=work) for _ in range(number)]
            for thread in some:
                thread.start()
            for thread in some:
                thread.join()
            o.close()
            return sum(done)

        results = alternate(3, many=lambda: rate(16), one=lambda: rate(1))
    ratio = median(results["many"]) / median(results["one"])
    table.row("16 threads on one OnepV1, of one thread", f"{ratio:.1f} times", ">= 14", ratio >= 14)


def plot_calls(times):
    """Draw the time of one read, each way of calling."""

    def draw(axes):
        names = sorted(times, key=times.get, reverse=True)
        colours = ["tab:blue" if name.startswith("pyonep") else "tab:gray" for name in names]
        bars = axes.barh(
            [n.replace("_", " ") for n in names], [times[n] for n in names], color=colours
        )
        axes.bar_label(bars, fmt="%.0f", padding=3)
        axes.set_xlabel("microseconds per read, median (less is better)")
        axes.set_title("One read on the loopback interface, each way of calling")
        axes.margins(x=0.12)

    plot("client.png", draw)


def run(quick=False):
    """Measure everything; about a minute."""
    table = Table("The client")
    with tempfile.TemporaryDirectory() as folder, child(tiny_server) as server:
        port = server.recv()
        plain = one_call(table, port)
        batches(table, port)
        safety(table, port)
        tls = over_tls(table, folder)
        importing(table)
        memory_of_many(table, port)
        threads(table)
    plot_calls({**plain, **{f"{name} over tls": time for name, time in tls.items()}})
    return table
