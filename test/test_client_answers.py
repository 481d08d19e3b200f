"""Whatever answers come, from wherever: an error of ours, in bounded memory, and no key lost."""

from __future__ import annotations

import gzip
import json
import math
import os
import tracemalloc
import zlib
from decimal import Decimal
from fractions import Fraction

import pytest
import requests
from conftest import fuzzed
from hypothesis import example, given
from hypothesis import strategies as st
from running import run_python
from servers import Listener, Recorder, Socket, results, saying, settles

from pyonep import Provision, jsonrpc, onep, onephttp
from pyonep.data import DataInterface
from pyonep.datastore import Datastore
from pyonep.deadline import Deadline
from pyonep.exceptions import (
    JsonRPCRequestException,
    JsonRPCResponseException,
    OneException,
    OnePlatformException,
    ProvisionTransportError,
)

CIK = "a" * 40
X = {"alias": "x"}


# --- what is not an answer ---

NUMBERS = st.sampled_from(["0", "5", "-1", "99999999999", "9" * 4400, "²", "1, 2", "abc", "1e3"])
HEADERS = st.one_of(
    st.tuples(st.sampled_from(["Content-Length", "Retry-After", "Content-Range", "X"]), NUMBERS),
    st.tuples(st.just("Transfer-Encoding"), st.sampled_from(["chunked", "gzip", "x, chunked"])),
    st.tuples(
        st.just("Content-Encoding"), st.sampled_from(["gzip", "deflate", "br", "gzip, gzip"])
    ),
    st.tuples(
        st.just("Location"),
        st.sampled_from(["", "/", "http://[", "//x:99999/", "http://h:x/", "\xff", "/\xff\xfe"]),
    ),
    st.tuples(
        st.sampled_from(["Date", "Retry-After", "Last-Modified"]),
        st.sampled_from(["Mon, 99 Foo 99999 99:99:99 GMT", "Fri, 31 Dec 9999 23:59:59 -9959", "-"]),
    ),
    st.tuples(st.text("aZ:\x00\xff ", max_size=9), st.text("aZ:\x00\xff \t", max_size=70)),
    st.just(("Set-Cookie", "a=b; path=/")),
    st.just(("Content-Type", "text/html; charset=\xff")),
    st.just(("Long", "x" * 70_000)),
)
ANSWER_KEYS = st.sampled_from(["id", "status", "result", "error", "code", "message", "context"])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANSWER_KEYS, inner, max_size=4),
    max_leaves=12,
)
BODIES = st.one_of(
    st.binary(max_size=200),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.integers(1, 4000).map(lambda depth: b"[" * depth + b"]" * depth),
    st.integers(1, 4000).map(lambda depth: b'[{"error":' + b"[" * depth + b"]" * depth + b"}]"),
    st.just(b'[{"id": 0, "status": "ok", "result": ' + b"9" * 4400 + b"}]"),
    st.binary(max_size=99).map(gzip.compress),
    st.just(b"5\r\nabcde\r\n0\r\n\r\n"),
    st.just(b"-5\r\nabcde\r\n"),
    st.just(b"ffffffffffffffffffffff\r\n"),
)
STATUSES = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.1 302 Found", b"HTTP/1.1 401 No", b"HTTP/1.0 200",
     b"HTTP/1.1 409 Conflict", b"HTTP/1.1 100 Continue", b"HTTP/1.1 999 \xff", b"HTTP/9 x", b"",
     b"HTTP/1.1 204 No Content", b"HTTP/1.1 206 Partial Content", b"HTTP/1.1 503 Later"]
)  # fmt: skip


@st.composite
def answers(draw):
    lines = [draw(STATUSES)]
    lines += [f"{n}: {v}".encode("latin-1") for n, v in draw(st.lists(HEADERS, max_size=5))]
    if draw(st.integers(0, 20)) == 0:
        lines += [b"x: y"] * 200
    body = draw(BODIES)
    if draw(st.booleans()):
        lines.append(b"Content-Length: %d" % len(body))
    whole = b"\r\n".join(lines) + b"\r\n\r\n" + body
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.booleans()) else whole


def calls(connection):
    made = {**connection, "httptimeout": 5}
    o = onep.OnepV1(**made)
    provision, device = Provision(**made), DataInterface(CIK, **made)

    def deferred():
        o.info(CIK, X, defer=True)
        o.read(CIK, X, defer=True)
        o.send_deferred(CIK)

    return [
        lambda: o.info(CIK, X),
        deferred,
        lambda: o.wait(CIK, X, {"timeout": 10}),
        lambda: provision.vendor_show(CIK),
        lambda: device.read("x"),
        lambda: device.record({"x": [[1, 2]]}),
        lambda: device.wait("x", 10),
        device.timestamp,
        device.ip,
    ]


def test_only_our_errors_leave_a_call():
    now = []

    def behave(conn):
        conn.sendall(now[0])
        conn.shutdown(1)

    with Socket(behave) as server:
        every = calls(server.connection)

        @fuzzed(200)
        @example(b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n", 0)
        @example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n", 0)
        @given(answers(), st.sampled_from(range(len(every))))
        def play(answer, which):
            now[:] = [answer]
            try:
                every[which]()
            except OneException as error:
                assert CIK not in repr(error) + str(error)

        play()


@pytest.mark.parametrize("later", ["²", "9" * 4400, "Fri, 31 Dec 9999 23:59:59 -9959", "", "x"])
def test_a_retry_after_that_makes_no_sense(later):
    refused = lambda _: (503, {"Retry-After": later}, b"")  # noqa: E731
    with Recorder(refused) as server, pytest.raises(OnePlatformException):
        onep.OnepV1(**server.connection).info(CIK, X)


@pytest.mark.parametrize("body", [b"soon", b"", b"\xff", b"1,2,x"])
def test_a_utility_that_answers_nonsense(body):
    with Recorder(saying(body)) as server:
        device = DataInterface(CIK, **server.connection)
        for call in (device.timestamp, device.ip):
            with pytest.raises(OnePlatformException):
                call()


# --- how long an answer may be ---


def packed(body, coding="gzip"):
    return lambda _: (200, {"Content-Encoding": coding}, body)


def zeros(megabytes):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [packer.compress(bytes(1024 * 1024)) for _ in range(megabytes)]
    return b"".join([*pieces, packer.flush()])


def test_little_that_unpacks_to_much_is_refused():
    with Recorder(packed(zeros(300))) as server:
        with pytest.raises(JsonRPCResponseException, match="longer than 67,108,864 bytes"):
            onep.OnepV1(**server.connection).info(CIK, X)
        with pytest.raises(ProvisionTransportError, match="longer than 268,435,456 bytes"):
            Provision(**server.connection).model_list(CIK)


def test_it_is_refused_before_there_is_no_memory():
    with Recorder(packed(zeros(64))) as server:
        o, provision = onep.OnepV1(**server.connection), Provision(**server.connection)
        o.onephttp.answer_limit = provision.onephttp.answer_limit = 1024 * 1024
        tracemalloc.start()
        try:
            with pytest.raises(JsonRPCResponseException, match="longer"):
                o.info(CIK, X)
            with pytest.raises(ProvisionTransportError, match="longer"):
                provision.vendor_show(CIK)
            assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    "head", [b"Content-Length: 999999999999", b"Transfer-Encoding: chunked", b"Connection: close"]
)
def test_an_answer_that_is_long_without_being_packed(head):
    def behave(conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        while True:
            conn.sendall(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")

    with Socket(behave) as server:
        o = onep.OnepV1(**server.connection)
        o.onephttp.answer_limit = 1_000_000
        with pytest.raises(JsonRPCResponseException, match="longer than 1,000,000"):
            o.info(CIK, X)


def test_a_download_into_a_file_has_no_limit(tmp_path):
    with Recorder(packed(zeros(8))) as server:
        provision = Provision(**server.connection)
        provision.onephttp.answer_limit = 1000
        with open(tmp_path / "content", "wb+") as file:
            provision.content_download(CIK, "vendor", "model", "id", file=file)
            assert file.tell() == 8 * 1024 * 1024


def raw_deflate(body):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("pack", "coding"),
    [
        (gzip.compress, "gzip"),
        (gzip.compress, "X-GZIP"),
        (lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:]), "gzip"),
        (lambda body: gzip.compress(body) + bytes(20), "gzip"),
        (zlib.compress, "deflate"),
        (raw_deflate, "deflate"),
        (bytes, "identity"),
        (bytes, "utf-8"),
    ],
)
def test_a_packed_answer(pack, coding):
    body = json.dumps([{"id": 0, "status": "ok", "result": list(range(50_000))}]).encode()
    with Recorder(packed(pack(body), coding)) as server:
        assert onep.OnepV1(**server.connection).info(CIK, X) == (True, list(range(50_000)))
    if coding in ("gzip", "deflate"):
        with Recorder(packed(pack(body)[:5000], coding)) as server:
            with pytest.raises(OneException, match="cut off"):
                onep.OnepV1(**server.connection).info(CIK, X)


# --- redirects ---


def moved(target, status=307):
    def answer(request):
        if request[1] == "/new?x=1" or "Location" in request[2]:
            return results(request) if request[3] else (200, {}, b"moved")
        return status, {"Location": target}, b""

    return answer


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("reuse", [False, True])
def test_a_redirect_to_another_port_gets_no_key(scheme, reuse):
    with Recorder() as other, Recorder(moved(f"{scheme}://127.0.0.1:{other.port}/x")) as server:
        made = {**server.connection, "reuseconnection": reuse}
        with pytest.raises(OnePlatformException, match=f"{scheme}://127.0.0.1:{other.port}.*name"):
            onep.OnepV1(**made).info(CIK, X)
        for call in (lambda: Provision(**made).vendor_show(CIK), DataInterface(CIK, **made).read):
            with pytest.raises(ProvisionTransportError, match="another server"):
                call()
        assert other.requests == []
        assert len(server.requests) == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_server(status):
    with Recorder(moved("/new?x=1", status)) as server:
        o = onep.OnepV1(**server.connection, reuseconnection=True)
        if status in (307, 308):
            assert o.info(CIK, X) == (True, "R0")
        else:
            with pytest.raises(OnePlatformException, match="not JSON"):
                o.info(CIK, X)
        provision = Provision(**server.connection)
        assert provision.vendor_show(CIK).body == "moved"
        assert [request[0] for request in server.requests[2:]] == ["GET", "GET"]
        assert server.requests[-1][2]["X-Exosite-Token"] == CIK


@pytest.mark.parametrize("target", ["http://[", "//127.0.0.1:99999/", "/loop", "ftp://127.0.0.1/"])
def test_a_redirect_to_nowhere(target):
    with Recorder(moved(target)) as server, pytest.raises(OnePlatformException, match="HTTP 307"):
        onep.OnepV1(**server.connection).info(CIK, X)


# --- http where TLS was meant (AMD-046) ---

SAYS_HOW = r"it speaks http.*https=False.*http://"


def plain(conn):
    conn.recv(65536)
    conn.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    conn.shutdown(1)


def test_a_server_that_speaks_http_to_a_client_that_speaks_tls():
    """AMD-046"""
    with Listener(plain) as server:
        made = {"host": "127.0.0.1", "port": server.port, "https": True}
        with pytest.raises(JsonRPCRequestException, match=SAYS_HOW):
            onep.OnepV1(**made).info(CIK, X)
        with pytest.raises(ProvisionTransportError, match=SAYS_HOW):
            Provision(**made).vendor_show(CIK)
        with pytest.raises(ProvisionTransportError, match=SAYS_HOW):
            DataInterface(CIK, **made).read("x")


def test_the_platform_of_ours_says_so_as_well(platform):
    """AMD-046"""
    port = platform.connection["port"]
    with pytest.raises(JsonRPCRequestException, match=SAYS_HOW):
        onep.OnepV1("127.0.0.1", port).info(CIK, X)


def test_a_datastore_says_so_as_well(caplog):
    """AMD-046"""
    with Listener(plain) as server:
        transport = {"host": "127.0.0.1", "port": server.port, "https": True}
        store = Datastore(CIK, 60, transport=transport)
        store.write("x", 1)
        settles(lambda: not store.flush(0.5) and store.statistics().last_error)
        store.close(0.1)
    assert "it speaks http" in str(store.statistics().last_error)
    assert "https=False" in caplog.text


# --- what a timeout may be (AMD-040) ---


@pytest.mark.parametrize(
    ("given_as", "value"),
    [("60", 60.0), (" 2.5 ", 2.5), (3, 3), (0.25, 0.25), (None, None), (Decimal("1.5"), 1.5),
     (Fraction(1, 2), 0.5)],
)  # fmt: skip
def test_a_timeout_is_a_number_or_text_that_is_one(given_as, value):
    """AMD-040"""
    with Recorder() as server:
        made = {**server.connection, "httptimeout": given_as}
        for client in (onep.OnepV1(**made), Provision(**made), DataInterface(CIK, **made)):
            assert client.onephttp.httptimeout == value
        assert onep.OnepV1(**made).info(CIK, X) == (True, "R0")
        client.onephttp.httptimeout = "7"
        assert client.onephttp.httptimeout == 7


@pytest.mark.parametrize(
    "nonsense",
    ["", "soon", "nan", "inf", "-1", "0", 0, -1, math.nan, math.inf, True, b"60", [5], (1, 2),
     object(), 1j, 10**400],
    ids=lambda value: repr(value)[:12],
)  # fmt: skip
def test_a_timeout_that_is_none_of_these(nonsense):
    """AMD-040"""
    for make in (
        onep.OnepV1,
        Provision,
        lambda httptimeout: DataInterface(CIK, httptimeout=httptimeout),
    ):
        with pytest.raises(ValueError, match="number of seconds"):
            make(httptimeout=nonsense)
    with pytest.raises(ValueError, match="number of seconds"):
        Datastore(CIK, 60, transport={"timeout": nonsense})


def test_a_very_long_timeout():
    with Recorder() as server:
        assert onep.OnepV1(**server.connection, httptimeout=1e300).info(CIK, X) == (True, "R0")


def test_the_timeout_of_a_datastore_as_text(platform):
    """AMD-040"""
    cik, _ = platform.device()
    transport = {**platform.connection, "timeout": "5"}
    with Datastore(cik, 60, {"format": "integer"}, transport=transport) as store:
        store.write("x", 1)
        assert store.flush(10)


# --- forks ---

FORKS = """
import os, sys
from pyonep import OnepV1, Provision
from pyonep.data import DataInterface

CIK, X = "a" * 40, {"alias": "x"}
made = {"host": "127.0.0.1", "port": int(sys.argv[1]), "https": False, "reuseconnection": True}
o, provision, device = OnepV1(**made), Provision(**made), DataInterface(CIK, **made)

def use(times):
    for _ in range(times):
        number = o.startid
        assert o.info(CIK, X) == (True, f"R{number}")
        assert provision.vendor_show(CIK).body == "/provision/register"
        assert device.read("x")["body"].startswith("/onep")

use(1)
children = []
for number in range(1, 4):
    child = os.fork()
    if not child:
        try:
            o.startid = 1000 * number
            use(30)
            grandchild = os.fork()
            use(5)
            if grandchild:
                assert os.waitpid(grandchild, 0)[1] == 0
            o.close()
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
use(30)
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
use(1)
"""


def run(script, port):
    done = run_python("-W", "ignore::DeprecationWarning", "-c", script, port)
    assert done.returncode == 0, done.stdout + done.stderr


def echo(request):
    if request[0] == "POST":
        return results(request)
    path = request[1]
    return 200, {}, f"body={path}".encode() if path.startswith("/onep") else path.encode()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_two_processes_never_share_a_connection():
    with Recorder(echo) as server:
        run(FORKS, server.port)
        assert len(server.connections) == 3 * (1 + 3 + 3)


HELD = """
import os, sys, threading
from pyonep import OnepV1

CIK, X = "a" * 40, {"alias": "x"}
o = OnepV1("127.0.0.1", int(sys.argv[1]), https=False, reuseconnection=True)
held, over = threading.Event(), threading.Event()

def hold():
    with o._id_lock, o.deferred._lock, o.onephttp._lock:
        held.set()
        over.wait(30)

threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if not child:
    o.info(CIK, X, defer=True)
    os._exit(0 if o.send_deferred(CIK)[0][1:] == (True, "R0") else 1)
status = os.waitpid(child, 0)[1]
over.set()
assert status == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_while_another_thread_is_in_a_call():
    with Recorder() as server:
        run(HELD, server.port)


def test_an_answer_that_another_process_began_is_not_read_on():
    script = """
import os, sys
from pyonep import onephttp
request = onephttp.OneP_Request(f"127.0.0.1:{sys.argv[1]}", https=False)
pieces = onephttp.pieces(request.begin("GET", "/", None, None, 5), 10)
child = os.fork()
try:
    next(pieces)
    sys.exit(0 if child and os.waitpid(child, 0)[1] == 0 else 1)
except onephttp.requests.exceptions.ConnectionError:
    os._exit(1 if child else 0)
"""
    with Recorder(lambda _: (200, {}, b"x" * 1000)) as server:
        run(script, server.port)


def test_the_limits_are_documented():
    assert onephttp.ANSWER_LIMIT == 256 * 1024 * 1024
    assert jsonrpc.ANSWER_LIMIT == onep.OnepV1().onephttp.answer_limit == 64 * 1024 * 1024


@pytest.mark.parametrize("value", [b"[]", b"{}", b"1e1", b'"ab"', b"300", b"null", b"[[[]]]"])
@pytest.mark.parametrize(
    "form", [b"[%s]", b'[{"id":0,"status":"ok","result":[%s]}]', b'{"error":[%s]}']
)
def test_small_values_that_become_large_objects(value, form):
    many = gzip.compress(form % b",".join([value] * (1_000_000 // (len(value) + 1))))
    with Recorder(packed(many)) as server:
        o = onep.OnepV1(**server.connection)
        o.onephttp.answer_limit = 1024 * 1024
        tracemalloc.start()
        with pytest.raises(OnePlatformException, match="more than 104,857 values"):
            o.info(CIK, X)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 5_000_000


def test_small_values_meet_the_limit_that_there_is_by_default():
    with Recorder(packed(gzip.compress(b"[" + b"[]," * 10_000_000 + b"[]]"))) as server:
        with pytest.raises(OnePlatformException, match="more than 6,710,886 values"):
            onep.OnepV1(**server.connection).info(CIK, X)


def test_an_answer_of_many_points_is_read():
    count = 400_000
    points = [[1_700_000_000 + n, "1,2"] for n in range(count)]
    body = json.dumps([{"id": 0, "status": "ok", "result": points}]).encode()
    with Recorder(lambda _: (200, {}, body)) as server:
        isok, result = onep.OnepV1(**server.connection).read(CIK, X)
    assert isok and len(result) == count and result[-1] == points[-1]


LONG = "x" * 100_000
GOOD = {"id": 0, "status": "ok", "result": LONG}


@pytest.mark.parametrize("space", ["", "\n", " \t\r\n"])
def test_a_long_list_of_answers_is_not_read_further_than_calls_were_made(space):
    """What comes after the first that nobody asked for is not looked at."""
    entries = [json.dumps(one) for one in [GOOD, LONG, "never"]]
    body = f"[{space}" + f"{space},{space}".join([*entries, "this is no JSON"])
    with Recorder(lambda _: (200, {}, body.encode())) as server:
        o = onep.OnepV1(**server.connection)
        with pytest.raises(OnePlatformException, match="that no call asked for: 'xxx") as caught:
            o.info(CIK, X)
    assert [answer[1:] for answer in caught.value.answers] == [(True, LONG)]
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("behind", ["", "]]", "] x", ",]", " 1]", "}", "]\0"])
def test_a_long_list_that_does_not_end_as_it_should(behind):
    with Recorder(lambda _: (200, {}, ("[" + json.dumps(GOOD) + behind).encode())) as server:
        with pytest.raises(OnePlatformException, match="not JSON"):
            onep.OnepV1(**server.connection).info(CIK, X)


def test_long_lists_that_end_well():
    for body in (json.dumps([GOOD]) + " \n", json.dumps([GOOD], indent=2)):
        with Recorder(lambda _, body=body: (200, {}, body.encode())) as server:
            assert onep.OnepV1(**server.connection).info(CIK, X) == (True, LONG)
    with Recorder(lambda _: (200, {}, b"[" + b" " * 70_000 + b"]")) as server:
        with pytest.raises(OnePlatformException, match="no answer to the call"):
            onep.OnepV1(**server.connection).info(CIK, X)


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": 1, "message": "m", "context": [["x"] * 9] * 50_000}},
        {"a": [["x"] * 9] * 50_000},
        [[["x"] * 9] * 50_000],
        [{"id": [["x"] * 9] * 50_000, "status": "ok"}],
        [{"error": [["x"] * 9] * 50_000}],
        [{"id": "x" * 2_000_000}],
    ],
)
def test_of_a_long_answer_only_the_beginning_is_shown(answer):
    body = json.dumps(answer).encode()
    with Recorder(lambda _: (200, {}, body)) as server:
        with pytest.raises(OnePlatformException) as caught:
            onep.OnepV1(**server.connection).info(CIK, X)
    assert len(str(caught.value)) < 300


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no resource limits")
def test_no_memory_for_an_answer_is_an_error_of_ours():
    """The limit of memory lies so low that either unpacking or decoding meets it."""
    values = b'[{"id":0,"status":"ok","result":[' + b",".join([b'"ab"'] * 3_000_000) + b"]}]"
    script = """
import resource, sys
import pyonep.onep, pyonep.provision
from pyonep.exceptions import OneException, OnePlatformException
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
for more in (10, 40, 100):
    limit = used + more * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    o = pyonep.onep.OnepV1("127.0.0.1", int(sys.argv[1]), https=False)
    try:
        o.info("a" * 40, {"alias": "x"})
    except OneException as error:
        assert "no memory" in str(error), error
    else:
        raise SystemExit("that was enough memory")
"""
    with Recorder(packed(gzip.compress(values))) as server:
        run(script, server.port)


def test_unpacking_counts_in_the_time_of_a_call():
    now = [gzip.compress(bytes(60_000_000))]
    with Recorder(lambda _: (200, {"Content-Encoding": "gzip"}, now[0])) as server:
        o = onep.OnepV1(**server.connection)
        raw = o.onephttp.begin("POST", "/", b"", None, 10)
        deadline = Deadline(10, 0.001)
        while not deadline.is_over():
            pass
        with pytest.raises(requests.exceptions.ReadTimeout, match="altogether"):
            o.onephttp.rest(raw, deadline)
