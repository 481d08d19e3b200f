"""A call ends in time, whatever the other side does."""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import socket
import threading
import time

import pytest
import urllib3
from running import in_threads
from servers import Listener, Recorder, Socket, dripping, readable, tls_context

from pyonep import Provision, connections, deadline, onep
from pyonep.data import DataInterface
from pyonep.exceptions import (
    JsonRPCRequestException,
    JsonRPCResponseException,
    ProvisionTimeout,
)

CIK = "a" * 40
X = {"alias": "x"}
MUCH = 12  # seconds; a drip takes longer
OK = b"HTTP/1.1 200 OK\r\n"
DRIPS = {
    "nothing but a status line": (b"", b"H"),
    "headers": (OK, b"x"),
    "many headers": (OK, b"x: y\r\n"),
    "continue for ever": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (OK + b"Content-Length: 1000\r\n\r\n", b"x"),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "length of a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "body without a length": (OK + b"Connection: close\r\n\r\n", b"x"),
}


def seconds(error, call, *args):
    """How long a call takes to fail with this error."""
    start = time.monotonic()
    with pytest.raises(error):
        call(*args)
    return time.monotonic() - start


@pytest.fixture
def drips():
    with Socket(dripping(*DRIPS["body"])) as server:
        yield server


def slowly(conn, body, every):
    """Send an answer byte by byte."""
    conn.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(body))
    for byte in body:
        if readable(conn, timeout=every):
            return
        conn.sendall(bytes([byte]))


def together(*calls):
    """Make calls at the same time; return what each is answered or fails with, and the seconds."""
    outcomes = {}

    def one(number):
        start = time.monotonic()
        try:
            calls[number]()
        except Exception as error:
            outcomes[number] = type(error), time.monotonic() - start

    in_threads(one, range(len(calls)))
    return [outcomes.get(number) for number in range(len(calls))]


def in_time(outcomes, error, least):
    """A drip lasts longer than `MUCH`; a machine that is busy may take some of it."""
    return all(kind is error and least <= took < MUCH for kind, took in outcomes)


def test_an_answer_that_drips_takes_six_times_the_timeout():
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Socket(dripping(*drip))) for drip in DRIPS.values()]
        clients = [
            onep.OnepV1(**server.connection, httptimeout=0.4, reuseconnection=reuse)
            for server in servers
            for reuse in (False, True)
        ]
        calls = [functools.partial(o.info, CIK, X) for o in clients]
        assert in_time(together(*calls), JsonRPCResponseException, 0.4)


def test_provision_and_data_interface_end_as_well(drips):
    made = {**drips.connection, "httptimeout": 0.3}
    upload = functools.partial(Provision(**made).content_upload, CIK, "model", "id")
    outcomes = together(
        lambda: Provision(**made).vendor_show(CIK),
        lambda: upload(io.BytesIO(b"x"), "text/plain"),
        lambda: DataInterface(CIK, **made).read("x"),
    )
    assert in_time(outcomes, ProvisionTimeout, 0.3)


def test_a_wait_has_its_own_time_on_top(drips):
    o = onep.OnepV1(**drips.connection, httptimeout=0.3)
    device = DataInterface(CIK, **drips.connection, httptimeout=0.3)
    wait, poll = together(lambda: o.wait(CIK, X, {"timeout": 1500}), lambda: device.wait("x", 1500))
    assert in_time([wait], JsonRPCResponseException, 3.3)  # 6 times 0.3, and 1.5
    assert in_time([poll], ProvisionTimeout, 3.3)


def test_within_gives_another_time_and_leaves_the_object_alone(drips):
    o = onep.OnepV1(**drips.connection, httptimeout=60)
    with o.within(0.3):
        assert 0.25 < seconds(JsonRPCResponseException, o.info, CIK, X) < MUCH
    assert o.onephttp.httptimeout == 60
    with o.within(0.3), o.within(20), o.within(None):
        assert 0.25 < seconds(JsonRPCResponseException, o.info, CIK, X) < MUCH


def test_within_is_one_time_for_all_calls_of_this_thread():
    with Socket(dripping(*DRIPS["body"])) as slow, Recorder() as quick:
        o, fine = onep.OnepV1(**slow.connection), onep.OnepV1(**quick.connection)
        with o.within(3), fine.within(3):  # long enough for an answer from a busy machine
            assert fine.info(CIK, X) == (True, "R0")
            with pytest.raises(JsonRPCResponseException):
                o.info(CIK, X)
            with pytest.raises(JsonRPCRequestException, match="no time"):
                fine.info(CIK, X)
            other = []
            thread = threading.Thread(target=lambda: other.append(fine.info(CIK, X)))
            thread.start()
            thread.join()
            assert other == [(True, "R2")]
        assert fine.info(CIK, X) == (True, "R3")
        assert len(quick.requests) == 3


def test_within_may_be_longer():
    body = b'[{"id": 0, "status": "ok"}]'
    with Socket(lambda conn: slowly(conn, body, 0.1)) as server:
        usual, patient = (onep.OnepV1(**server.connection, httptimeout=0.4) for _ in "12")

        def longer():
            with patient.within(30):
                assert patient.info(CIK, X) == (True, "ok")

        (kind, _), answered = together(lambda: usual.info(CIK, X), longer)
        assert kind is JsonRPCResponseException
        assert answered is None


def test_exchange_takes_a_total(drips):
    o = onep.OnepV1(**drips.connection)
    start = time.monotonic()
    with pytest.raises(onep.requests.exceptions.ReadTimeout):
        o.onephttp.exchange("POST", "/", "{}", None, 10, total=0.3)
    assert 0.25 < time.monotonic() - start < MUCH


def test_a_handshake_that_drips():
    with Listener(dripping(b"", b"\x16")) as server:
        o = onep.OnepV1("127.0.0.1", server.port, https=True, httptimeout=0.3)
        assert seconds(JsonRPCRequestException, o.info, CIK, X) < MUCH
        o.onephttp.httptimeout = 60
        with o.within(0.3):
            assert seconds(JsonRPCRequestException, o.info, CIK, X) < MUCH


def test_a_handshake_that_drips_behind_a_proxy_is_no_request(monkeypatch):
    """What was not sent may be sent again: the error says so."""

    def tunnel(conn):
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        dripping(b"", b"\x16")(conn)

    with Listener(tunnel) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        o = onep.OnepV1("somewhere.example", httptimeout=0.3)
        assert seconds(JsonRPCRequestException, o.info, CIK, X) < MUCH


def test_an_answer_that_drips_over_tls(tmp_path, monkeypatch):
    context, certificate = tls_context(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    with Socket(dripping(*DRIPS["body"]), context) as server:
        o = onep.OnepV1("127.0.0.1", server.port, https=True)
        with o.within(2):
            assert 1.9 < seconds(JsonRPCResponseException, o.info, CIK, X) < MUCH


@pytest.mark.parametrize("https", [False, True])
def test_a_server_that_takes_a_request_in_drips(https, tmp_path, monkeypatch):
    context, certificate = tls_context(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)

    def sip(conn):
        ended = threading.Event()
        while conn.recv(65536):
            ended.wait(0.05)

    with Listener(sip, context if https else None) as server:
        o = onep.OnepV1("127.0.0.1", server.port, https=https)
        with o.within(2):
            assert seconds(JsonRPCResponseException, o.write, CIK, X, "x" * 30_000_000) < MUCH


def test_a_name_that_is_looked_up_for_ever(monkeypatch):
    over = threading.Event()

    def slow(host, *args, **kwargs):
        if not (*args, 0, 0, 0, 0, 0)[4] & socket.AI_NUMERICHOST:
            over.wait(10)
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    o = onep.OnepV1("slow.invalid", httptimeout=0.3)
    assert 0.25 < seconds(JsonRPCRequestException, o.info, CIK, X) < MUCH
    over.set()


def test_downloads_and_uploads_of_files_go_on_as_long_as_bytes_move():
    """Longer than six times the timeout, in small pieces, both ways."""

    class Slow(io.RawIOBase):
        left = 30

        def read(self, size=-1):
            threading.Event().wait(0.07)
            self.left -= 1
            return b"x" if self.left >= 0 else b""

    with Socket(lambda conn: slowly(conn, b"x" * 30, 0.07)) as server:
        provision = Provision(**server.connection, httptimeout=0.3)
        file = io.BytesIO()
        provision.content_download(CIK, "vendor", "model", "id", file=file)
        assert file.getvalue() == b"x" * 30
    with Recorder(lambda request: (205, {}, b"")) as server:
        provision = Provision(**server.connection, httptimeout=0.3)
        raw, _ = provision.onephttp.exchange("POST", "/x", Slow(), {"Content-Length": "30"}, 0.3)
        assert (raw.status, server.requests[0][3]) == (205, b"x" * 30)


def test_time_that_is_up_right_after_connecting_leaves_no_socket_open():
    class OverAfterConnecting(deadline.Deadline):
        asked = 0

        def next(self):
            self.asked += 1
            if self.asked > 1:
                raise socket.timeout("timed out")
            return 5.0

    with socket.create_server(("127.0.0.1", 0)) as listener, OverAfterConnecting(5, 5):
        connection = connections.PacedHTTPConnection(*listener.getsockname())
        with pytest.raises(urllib3.exceptions.ConnectTimeoutError):
            connection.connect()
    gc.collect()  # a socket that is still open is a warning, and warnings are errors
