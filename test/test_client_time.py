"""A call ends in time, whatever the other side does."""

from __future__ import annotations

import io
import socket
import threading
import time

import pytest
from servers import Listener, Recorder, Socket, dripping, readable, tls_context

from pyonep import Provision, onep
from pyonep.data import DataInterface
from pyonep.exceptions import (
    JsonRPCRequestException,
    JsonRPCResponseException,
    ProvisionTimeout,
)

CIK = "a" * 40
X = {"alias": "x"}
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
    with Socket(dripping(*DRIPS["body"], every=0.03)) as server:
        yield server


def slowly(conn, body, every=0.03):
    """Send an answer byte by byte."""
    conn.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(body))
    for byte in body:
        if readable(conn, timeout=every):
            return
        conn.sendall(bytes([byte]))


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS)
def test_an_answer_that_drips_takes_six_times_the_timeout(drip):
    with Socket(dripping(*drip, every=0.03)) as server:
        for reuse in (False, True):
            o = onep.OnepV1(**server.connection, httptimeout=0.1, reuseconnection=reuse)
            assert 0.55 < seconds(JsonRPCResponseException, o.info, CIK, X) < 1.2


def test_provision_and_data_interface_end_as_well(drips):
    made = {**drips.connection, "httptimeout": 0.1}
    file = io.BytesIO(b"x")
    for call in (
        lambda: Provision(**made).vendor_show(CIK),
        lambda: Provision(**made).content_upload(CIK, "model", "id", file, "text/plain"),
        lambda: DataInterface(CIK, **made).read("x"),
    ):
        assert 0.55 < seconds(ProvisionTimeout, call) < 1.2


def test_a_wait_has_its_own_time_on_top(drips):
    o = onep.OnepV1(**drips.connection, httptimeout=0.1)
    took = seconds(JsonRPCResponseException, o.wait, CIK, X, {"timeout": 500})
    assert 1.0 < took < 1.7
    device = DataInterface(CIK, **drips.connection, httptimeout=0.1)
    assert 1.0 < seconds(ProvisionTimeout, device.wait, "x", 500) < 1.7


def test_within_gives_another_time_and_leaves_the_object_alone(drips):
    o = onep.OnepV1(**drips.connection, httptimeout=60)
    with o.within(0.3):
        assert 0.25 < seconds(JsonRPCResponseException, o.info, CIK, X) < 0.8
    assert o.onephttp.httptimeout == 60
    with o.within(0.3), o.within(20), o.within(None):
        assert 0.25 < seconds(JsonRPCResponseException, o.info, CIK, X) < 0.8


def test_within_is_one_time_for_all_calls_of_this_thread():
    with Socket(dripping(*DRIPS["body"])) as slow, Recorder() as quick:
        o, fine = onep.OnepV1(**slow.connection), onep.OnepV1(**quick.connection)
        with o.within(0.2), fine.within(0.2):
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
    with Socket(lambda conn: slowly(conn, body)) as server:
        o = onep.OnepV1(**server.connection, httptimeout=0.1)
        with pytest.raises(JsonRPCResponseException, match="0.6 s altogether"):
            o.info(CIK, X)
        o.startid = 0
        with o.within(30):
            assert o.info(CIK, X) == (True, "ok")


def test_exchange_takes_a_total(drips):
    o = onep.OnepV1(**drips.connection)
    start = time.monotonic()
    with pytest.raises(onep.requests.exceptions.ReadTimeout):
        o.onephttp.exchange("POST", "/", "{}", None, 10, total=0.3)
    assert 0.25 < time.monotonic() - start < 0.8


def test_a_handshake_that_drips():
    with Listener(dripping(b"", b"\x16")) as server:
        o = onep.OnepV1("127.0.0.1", server.port, https=True, httptimeout=0.3)
        assert seconds(JsonRPCRequestException, o.info, CIK, X) < 0.8
        o.onephttp.httptimeout = 60
        with o.within(0.3):
            assert seconds(JsonRPCRequestException, o.info, CIK, X) < 0.8


def test_an_answer_that_drips_over_tls(tmp_path, monkeypatch):
    context, certificate = tls_context(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    with Socket(dripping(*DRIPS["body"], every=0.03), context) as server:
        o = onep.OnepV1("127.0.0.1", server.port, https=True, httptimeout=0.1)
        assert 0.55 < seconds(JsonRPCResponseException, o.info, CIK, X) < 1.2


@pytest.mark.parametrize("https", [False, True])
def test_a_server_that_takes_a_request_in_drips(https, tmp_path, monkeypatch):
    context, certificate = tls_context(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)

    def sip(conn):
        ended = threading.Event()
        while conn.recv(65536):
            ended.wait(0.01)

    with Listener(sip, context if https else None) as server:
        o = onep.OnepV1("127.0.0.1", server.port, https=https, httptimeout=0.2)
        assert 1.1 < seconds(JsonRPCResponseException, o.write, CIK, X, "x" * 30_000_000) < 2.5


def test_a_name_that_is_looked_up_for_ever(monkeypatch):
    over = threading.Event()

    def slow(host, *args, **kwargs):
        if not (*args, 0, 0, 0, 0, 0)[4] & socket.AI_NUMERICHOST:
            over.wait(10)
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    o = onep.OnepV1("slow.invalid", httptimeout=0.3)
    assert 0.25 < seconds(JsonRPCRequestException, o.info, CIK, X) < 0.8
    over.set()


def test_downloads_and_uploads_of_files_go_on_as_long_as_bytes_move():
    """Longer than six times the timeout, in small pieces, both ways."""

    class Slow(io.RawIOBase):
        left = 30

        def read(self, size=-1):
            threading.Event().wait(0.03)
            self.left -= 1
            return b"x" if self.left >= 0 else b""

    with Socket(lambda conn: slowly(conn, b"x" * 30)) as server:
        provision = Provision(**server.connection, httptimeout=0.1)
        file = io.BytesIO()
        provision.content_download(CIK, "vendor", "model", "id", file=file)
        assert file.getvalue() == b"x" * 30
    with Recorder(lambda request: (205, {}, b"")) as server:
        provision = Provision(**server.connection, httptimeout=0.1)
        raw, _ = provision.onephttp.exchange("POST", "/x", Slow(), {"Content-Length": "30"}, 0.1)
        assert (raw.status, server.requests[0][3]) == (205, b"x" * 30)
