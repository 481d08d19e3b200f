"""Bad input, bad answers, bad networks: a clear error, and nothing lost."""

from __future__ import annotations

import ast
import json
import math
import re
import socket
import time
from contextlib import nullcontext

import pytest
import requests
from servers import Recorder, Socket, free_port, results, saying

from pyonep import Provision, onep
from pyonep.exceptions import (
    JsonRPCRequestException,
    JsonRPCResponseException,
    JsonStringException,
    OneException,
    OnePlatformException,
    in_words,
)

CIK = "a" * 40
X = {"alias": "x"}


def answered(value, calls=1, **kwargs):
    """Make calls to a server that always answers the same; return the error."""
    with Recorder(saying(value, **kwargs)) as server:
        o = onep.OnepV1(**server.connection)
        for _ in range(calls):
            o.info(CIK, X, defer=True)
        with pytest.raises(OneException) as caught:
            o.send_deferred(CIK)
        assert not o.has_deferred(CIK)
    assert CIK not in str(caught.value)
    return caught.value


# --- against the real platform ---


def test_wrong_cik(o):
    """AMD-043"""
    with pytest.raises(OnePlatformException) as caught:
        o.read("0" * 40, X, {})
    error = caught.value
    assert str(error) == "{'code': 401, 'message': 'Invalid', 'context': 'auth'}"
    assert (error.code, error.message, error.context) == (401, "Invalid", "auth")
    assert ast.literal_eval(error.args[0])["code"] == 401  # as scripts found the code out
    assert in_words(error) == "401 Invalid (auth)"


def test_unknown_alias(o, cik):
    assert o.read(cik, {"alias": "nothing"}, {}) == (False, "invalid")


def test_value_of_the_wrong_format(o, cik, new_dataport):
    rid = new_dataport(o, cik, "float")
    assert o.write(cik, rid, "warm") == (False, "invalid")
    assert o.read(cik, rid, {}) == (True, [])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, object(), {1, 2}, 1j])
def test_value_that_is_no_json(o, cik, new_dataport, value):
    rid = new_dataport(o, cik, "float")
    for call in (
        lambda: o.write(cik, rid, value),
        lambda: o.write(cik, rid, value, defer=True),
        lambda: o.record(cik, rid, [[1, 2.0], [2, value]]),
        lambda: o.recordbatch(cik, rid, [[n, n] for n in range(100)] + [[1, value]], defer=True),
    ):
        with pytest.raises(JsonStringException, match=r"write|record"):
            call()
    assert o.read(cik, rid, {}) == (True, [])


def test_a_bad_deferred_call_does_not_spoil_the_others(o, cik, new_dataport):
    rid = new_dataport(o, cik, "float")
    o.write(cik, rid, 1.5, defer=True)
    with pytest.raises(JsonStringException):
        o.write(cik, rid, math.nan, defer=True)
    o.write(cik, {"alias": "nothing"}, 1, defer=True)
    o.read(cik, rid, {}, defer=True)
    (_, ok1, r1), (_, ok2, r2), (_, ok3, r3) = o.send_deferred(cik)
    assert (ok1, r1) == (True, "ok")
    assert (ok2, r2) == (False, "invalid")
    assert ok3 and r3[0][1] == 1.5


def test_an_auth_that_is_no_auth():
    with pytest.raises(JsonRPCRequestException, match="CIK string or a dict"):
        onep.OnepV1().info(12, X)


def test_nothing_deferred():
    with pytest.raises(JsonRPCRequestException, match="No deferred"):
        onep.OnepV1().send_deferred(CIK)


# --- answers ---


@pytest.mark.parametrize(
    "body", [b"<html>Bad Gateway</html>", b"", b"\xff\xfe", b"[" * 100_000, b'{"a"'], ids=repr
)
def test_a_body_that_is_not_json(body):
    error = answered(body, status=502, content_type="text/html")
    assert type(error) is OnePlatformException


def test_502_with_html_names_the_status():
    assert "502 Bad Gateway" in str(answered(b"<html>", status=502, content_type="text/html"))


def test_error_for_the_whole_request():
    error = answered({"error": {"code": 500, "message": "oops", "context": "calls"}})
    assert str(error) == "{'code': 500, 'message': 'oops', 'context': 'calls'}"
    assert (error.code, error.answers, in_words(error)) == (500, [], "500 oops (calls)")


@pytest.mark.parametrize("body", [{"error": "text"}, {"error": None}, {"error": {"code": "x"}}])
def test_error_of_an_unexpected_shape(body):
    assert type(answered(body)) is OnePlatformException


def test_error_inside_an_answer_without_status():
    error = answered(
        [{"id": 0, "status": "ok", "result": 7}, {"id": 1, "error": {"code": 501}}], calls=2
    )
    assert error.code == 501
    assert [(ok, r) for _, ok, r in error.answers] == [(True, 7)]


def test_error_inside_an_answer_with_status_is_a_status():
    with Recorder(saying([{"id": 0, "status": "fail", "error": {"code": 501}}])) as server:
        assert onep.OnepV1(**server.connection).info(CIK, X) == (False, "fail")


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ([], "id 0"),
        ([{"status": "ok"}], "without an id"),
        ([{"id": 99, "status": "ok"}], "id 99"),
        ([{"id": "0", "status": "ok"}], "id '0'"),
        ([{"id": [1], "status": "ok"}], "id [1]"),
        ([{"id": True, "status": "ok"}], "id True"),
        ([{"id": 0, "status": "ok"}, {"id": 0, "status": "ok"}], "id 0"),
        ([{"id": 0}], "without a status"),
        (["x"], "'x'"),
        ({"id": 0, "status": "ok"}, "not a list"),
        (7, "not a list"),
        (None, "not a list"),
    ],
    ids=repr,
)
def test_missing_and_strange_answers(body, names):
    error = answered(body)
    assert type(error) is OnePlatformException
    assert names in str(error)


def test_answers_that_did_come_are_kept():
    error = answered([{"id": 1, "status": "ok", "result": "kept"}], calls=3)
    assert "id 0" in str(error)
    assert [(call["id"], ok, r) for call, ok, r in error.answers] == [(1, True, "kept")]


def test_answers_in_another_order():
    def reverse(request):
        status, headers, body = results(request)
        return status, headers, json.dumps(json.loads(body)[::-1]).encode()

    with Recorder(reverse) as server:
        o = onep.OnepV1(**server.connection)
        for _ in range(3):
            o.info(CIK, X, defer=True)
        assert [r for _, _, r in o.send_deferred(CIK)] == ["R0", "R1", "R2"]


def test_text_is_utf8_whatever_the_type_says():
    body = json.dumps([{"id": 0, "status": "ok", "result": "größe"}], ensure_ascii=False)
    with Recorder(saying(body.encode(), content_type="text/plain")) as server:
        assert onep.OnepV1(**server.connection).info(CIK, X) == (True, "größe")


def test_an_echoed_credential_is_masked():
    secret = "not-hexadecimal-at-all"
    with Recorder(saying({"error": {"code": 401, "message": f"bad {secret}"}})) as server:
        with pytest.raises(OnePlatformException) as caught:
            onep.OnepV1(**server.connection).info(secret, X)
    assert in_words(caught.value) == "401 bad <redacted>"
    assert caught.value.message == "bad <redacted>"


# --- networks ---


def test_a_server_that_is_not_there():
    o = onep.OnepV1("127.0.0.1", free_port(), https=False)
    with pytest.raises(JsonRPCRequestException, match="not sent") as caught:
        o.info(CIK, X)
    assert isinstance(caught.value.__cause__, requests.exceptions.ConnectionError)


INTERNAL = re.compile(r"Paced|Kept|OneShot|HTTPS?Connection|object at|\(host=|[A-Z]\w*Error\(")


def failures():
    """How a request can fail on the way, and what the error says of it."""
    yield "refused", lambda conn: None, {"port": free_port()}, "Is a local platform running there"
    yield "no TLS", lambda conn: conn.close(), {"https": True}, "not sent"
    yield "hangs up", lambda conn: conn.close(), {}, "no complete answer"
    yield "silent", lambda conn: None, {}, "timed out"
    yield "no HTTP", lambda conn: conn.sendall(b"x\r\n\r\n"), {}, "no complete answer"
    yield "short", lambda conn: conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n") or conn.close(), {}, "cut"
    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"
    yield "no gzip", lambda conn: conn.sendall(packed), {}, "unpacked"


@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize("case", list(failures()), ids=lambda case: case[0])
def test_an_error_speaks_of_what_happened_and_not_of_the_insides(case, reuse):
    _, behave, where, says = case
    with Socket(behave) as server:
        connection = {**server.connection, "httptimeout": 0.5, "reuseconnection": reuse, **where}
        with pytest.raises(OneException, match=says) as caught:
            onep.OnepV1(**connection).info(CIK, X)
        with pytest.raises(OneException) as other:
            Provision(**connection).model_list(CIK)
    for error in (caught.value, other.value):
        assert not INTERNAL.search(str(error)), error


def test_a_proxy_that_is_not_there(monkeypatch):
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(JsonRPCRequestException, match="proxy") as caught:
        onep.OnepV1("somewhere.example").info(CIK, X)
    assert not INTERNAL.search(str(caught.value)), caught.value


def test_only_on_this_machine_a_local_platform_is_asked_for():
    with pytest.raises(JsonRPCRequestException) as caught:
        onep.OnepV1("no-such-host.invalid", 80, https=False).info(CIK, X)
    assert "local platform" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:abc",
        "http://127.0.0.1:99999",
        "http://h/path",
        "http://",
        "h",
        "http://[",
        "ftp://h",
    ],
)
@pytest.mark.parametrize("made", [onep.OnepV1, Provision])
def test_a_variable_that_makes_no_sense_is_named(monkeypatch, url, made):
    monkeypatch.setenv("PYONEP_ENDPOINT", url)
    with pytest.raises(ValueError, match=r"^PYONEP_ENDPOINT"):
        made()
    with pytest.raises(ValueError, match=r"^host must|^port must") if url != "h" else nullcontext():
        made(url)


@pytest.mark.parametrize(
    "host", ["m2.exosite.com.", "https://M2.exosite.com.", "x.m2.exosite.com."]
)
def test_a_name_that_ends_in_a_dot_is_the_hosted_service_too(monkeypatch, host):
    monkeypatch.setenv("PYONEP_ENDPOINT", "http://127.0.0.1:8080")
    assert onep.OnepV1(host).onephttp.base == "http://127.0.0.1:8080"


def test_what_a_port_means():
    """As `docs/migrating.md` says it."""
    for port, base in ((None, "https://h:443"), (80, "http://h:80"), ("8080", "https://h:8080")):
        assert onep.OnepV1("h", port).onephttp.base == base
    for port, base in ((None, "https://h:443"), (443, "https://h:443"), ("8080", "http://h:8080")):
        assert Provision("h", port).onephttp.base == base
    for made in (onep.OnepV1, Provision):
        assert made("h", "8080", https=False).onephttp.base == "http://h:8080"
        assert made("http://h:8080").onephttp.base == "http://h:8080"


def test_a_name_that_does_not_resolve():
    with pytest.raises(JsonRPCRequestException):
        onep.OnepV1("no-such-host.invalid", 80, https=False).info(CIK, X)


def test_a_server_without_tls():
    with Socket(lambda conn: conn.close()) as server, pytest.raises(JsonRPCRequestException):
        onep.OnepV1("127.0.0.1", server.port, https=True, httptimeout=0.5).info(CIK, X)


def test_a_server_that_never_answers():
    with Socket(lambda conn: None) as server:
        o = onep.OnepV1(**server.connection, httptimeout=0.2)
        with pytest.raises(JsonRPCResponseException):
            o.info(CIK, X)


@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"nonsense\r\n\r\n",
    ],
    ids=repr,
)
def test_an_answer_that_is_cut_off_or_no_http(answer, reuse):
    def behave(conn):
        conn.sendall(answer)
        conn.shutdown(socket.SHUT_RDWR)

    with Socket(behave) as server:
        o = onep.OnepV1(**server.connection, reuseconnection=reuse)
        with pytest.raises(JsonRPCResponseException):
            o.info(CIK, X)


def test_wait_outlasts_the_timeout_but_not_a_dead_server():
    with Socket(lambda conn: None) as server:
        o = onep.OnepV1(**server.connection, httptimeout=0.2)
        start = time.monotonic()
        with pytest.raises(JsonRPCResponseException):
            o.wait(CIK, X, {"timeout": 300})
        assert 0.45 < time.monotonic() - start < 15


def test_a_deferred_wait_lifts_the_timeout_of_its_own_batch_only(o, cik, new_dataport):
    rid = new_dataport(o, cik)
    o.onephttp.httptimeout = 0.5
    o.wait(cik, rid, {"timeout": 900}, defer=True)
    ((_, isok, response),) = o.send_deferred(cik)
    assert (isok, response) == (False, "expire")
    with Socket(lambda conn: None) as server:
        dead = onep.OnepV1(**server.connection, httptimeout=0.2)
        dead.wait(cik, rid, {"timeout": 60_000}, defer=True)
        dead.deferred.reset(cik)
        dead.info(cik, rid, defer=True)
        start = time.monotonic()
        with pytest.raises(JsonRPCResponseException):
            dead.send_deferred(cik)
        assert time.monotonic() - start < 15


def test_an_interrupt_is_not_a_platform_error():
    def interrupt(conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")

    class Impatient(onep.OnepV1):
        def _composeCalls(self, pairs):
            raise KeyboardInterrupt

    with Socket(interrupt) as server, pytest.raises(KeyboardInterrupt):
        Impatient(**server.connection).info(CIK, X)
