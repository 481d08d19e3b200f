"""How the client behaves: connections, ids, headers, logs, threads."""

from __future__ import annotations

import decimal
import logging
import os
import shlex
import subprocess
import threading

import pytest
from running import in_threads, run_python
from servers import Listener, Recorder, free_port, tls_context

from pyonep import channel, onep, onephttp
from pyonep.exceptions import JsonRPCRequestException

CIK = "a" * 40
X = {"alias": "x"}


def test_write_and_read_back(o, cik, new_dataport):
    new_dataport(o, cik, "float", alias="temperature")
    assert o.write(cik, {"alias": "temperature"}, 21.5) == (True, "ok")
    isok, [[time, value]] = o.read(cik, {"alias": "temperature"}, {})
    assert isok and value == 21.5 and time > 1_700_000_000


def test_create_dataport(o, cik):
    isok, rid = o.createDataport(cik, {"format": onep.FORMATS.STRING})
    assert isok and o.info(cik, rid)[1]["description"]["format"] == "string"


@pytest.mark.parametrize("reuse", [False, True])
def test_connections(reuse):
    with Recorder() as server:
        o = onep.OnepV1(**server.connection, reuseconnection=reuse)
        for _ in range(3):
            o.info(CIK, X)
        assert len(server.connections) == (1 if reuse else 3)
        o.close()
        assert o.info(CIK, X) == (True, "R3")
        assert len(server.connections) == (2 if reuse else 4)
        o.close()


def test_one_request_for_each_connection_whatever_the_server_says():
    ended = threading.Event()

    def keep(conn):
        conn.recv(65536)
        body = b'[{"id": 0, "status": "ok"}]'
        conn.sendall(b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n")
        conn.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        if conn.recv(1) == b"":
            ended.set()

    with Listener(keep) as server:
        o = onep.OnepV1(**server.connection)
        assert o.info(CIK, X) == (True, "ok")
        assert ended.wait(10)


def test_connection_closed_after_some_requests():
    with Recorder(lambda r: _closing(r)) as server:
        o = onep.OnepV1(**server.connection, reuseconnection=True)
        assert [o.info(CIK, X)[0] for _ in range(3)] == [True] * 3
        assert len(server.connections) == 3
        o.close()


def _closing(request):
    from servers import results

    status, headers, body = results(request)
    return status, {**headers, "Connection": "close"}, body


def test_close_without_a_connection():
    o = onep.OnepV1()
    o.close()
    o.close()


def test_headers_belong_to_one_object():
    with Recorder() as server:
        for agent in ("one/1.0", "two/2.0", None):
            onep.OnepV1(**server.connection, agent=agent).info(CIK, X)
        agents = [headers["User-Agent"] for _, _, headers, _ in server.requests]
    assert agents[:2] == ["one/1.0", "two/2.0"]
    assert agents[2].startswith("pyonep/")


def test_headers_of_one_request_do_not_reach_the_next():
    with Recorder() as server:
        given = {"X-Mine": "1"}
        http = onephttp.OneP_Request(f"127.0.0.1:{server.port}", https=False, headers=given)
        http.request("POST", "/", '{"calls": []}', {"X-Once": "1"})
        http.request("POST", "/", '{"calls": []}')
        second = server.requests[1][2]
    assert second["X-Mine"] == "1" and second["X-Once"] is None
    assert given == {"X-Mine": "1"}


def test_logged_requests_belong_to_one_object():
    with Recorder() as server:
        one = onep.OnepV1(**server.connection, logrequests=True)
        other = onep.OnepV1(**server.connection, logrequests=True)
        silent = onep.OnepV1(**server.connection)
        for o in (one, silent):
            o.info(CIK, X)
    call = {"id": 0, "procedure": "info", "arguments": [X, {}]}
    assert one.loggedrequests() == [{"auth": {"cik": CIK}, "calls": [call]}]
    assert other.loggedrequests() == silent.loggedrequests() == []


def test_equal_auth_objects_share_a_queue():
    with Recorder() as server:
        o = onep.OnepV1(**server.connection)
        o.info({"cik": CIK, "client_id": "b"}, X, defer=True)
        o.info({"client_id": "b", "cik": CIK}, X, defer=True)
        o.info(CIK, X, defer=True)
        o.info({"cik": CIK}, X, defer=True)
        assert len(o.send_deferred({"cik": CIK, "client_id": "b"})) == 2
        assert len(o.send_deferred(CIK)) == 2


def test_decimal_is_a_number():
    with Recorder() as server:
        onep.OnepV1(**server.connection).write(CIK, X, decimal.Decimal("72.50"))
        assert b'"arguments": [{"alias": "x"}, 72.50, {}]' in server.requests[0][3]


def test_many_threads_share_one_object(o, cik, new_dataport):
    rid = new_dataport(o, cik, "integer")
    wrong = []

    def work(number):
        for _ in range(20):
            for _alias in range(5):
                o.lookup({"cik": cik, "client_id": rids[number]}, "alias", "", defer=True)
            found = o.send_deferred({"cik": cik, "client_id": rids[number]})
            if [r for _, _, r in found] != [rids[number]] * 5:
                wrong.append(found)
            if not o.write(cik, rid, number)[0]:
                wrong.append(number)

    rids = [o.create(cik, "client", {})[1] for _ in range(8)]
    in_threads(work, range(8))
    assert wrong == []


def test_ids_are_not_used_twice_by_threads():
    o = onep.OnepV1(startid=5)
    found = []

    def compose(_):
        for _ in range(200):
            found.extend(call["id"] for call in o._composeCalls([("info", []), ("info", [])]))

    in_threads(compose, range(8))
    assert sorted(found) == list(range(5, 5 + 8 * 400))


# --- what is shown to whom ---


def test_credentials_stay_out_of_the_log(caplog):
    caplog.set_level(logging.DEBUG)
    with Recorder() as server:
        o = onep.OnepV1(**server.connection)
        o.read(CIK, X, {})
        o.read({"token": "d" * 40}, X, {})
        o.revoke("e" * 40, "client", "f" * 40)
        o.read("secret, but no key", X, {})
    text = caplog.text
    assert "'procedure': 'read'" in text
    for secret in (CIK, "d" * 40, "e" * 40, "f" * 40, "secret, but no key"):
        assert secret not in text
    assert CIK not in repr(o) + repr(o.onephttp) + repr(o.deferred)


def test_no_handler_but_a_null_handler():
    script = (
        "import logging, pyonep, pyonep.onep\n"
        "names = [n for n in logging.Logger.manager.loggerDict if n.startswith('pyonep')]\n"
        "found = [h for n in names for h in logging.getLogger(n).handlers]\n"
        "assert all(type(h) is logging.NullHandler for h in found), found\n"
    )
    run_python("-c", script, capture_output=False, check=True)


@pytest.mark.parametrize("value", ["it's", 'double " quote', "größe $HOME `x` \\ \n!"])
def test_curl_line_works_when_pasted(caplog, value):
    if not _has_curl():
        pytest.skip("no curl on this machine")
    caplog.set_level(logging.DEBUG, "pyonep.onep")
    with Recorder() as server:
        o = onep.OnepV1(**server.connection, curldebug=True)
        o.write(CIK, X, value)
        (line,) = [r.getMessage() for r in caplog.records if "curl" in r.getMessage()]
        subprocess.run(line, shell=True, check=True, capture_output=True)
        ours, curls = server.requests
    assert curls[:2] == ours[:2] and curls[3] == ours[3]
    assert curls[2]["Content-Type"] == ours[2]["Content-Type"]


def test_curl_line_of_a_bytes_body(caplog):
    if not _has_curl():
        pytest.skip("no curl on this machine")
    caplog.set_level(logging.DEBUG, "pyonep.onephttp")
    body = bytes(range(256))
    with Recorder(lambda _: (200, {}, b"")) as server:
        http = onephttp.OneP_Request(f"127.0.0.1:{server.port}", https=False, curldebug=True)
        http.request("POST", "/x", body)
        (line,) = [r.getMessage() for r in caplog.records]
        subprocess.run(line, shell=True, check=True, capture_output=True)
        assert [request[3] for request in server.requests] == [body, body]
    assert shlex.split(line)[0] == "printf"


def _has_curl():
    return subprocess.run(["sh", "-c", "command -v curl"], capture_output=True).returncode == 0


# --- where requests go ---


@pytest.mark.parametrize(
    ("given", "host", "https"),
    [
        ({}, "m2.exosite.com:443", True),
        ({"https": False}, "m2.exosite.com:80", False),
        ({"port": "80"}, "m2.exosite.com:80", False),
        ({"port": 8443}, "m2.exosite.com:8443", True),
        ({"port": "80", "https": True}, "m2.exosite.com:80", True),
        ({"host": "http://m2.exosite.com"}, "m2.exosite.com:80", False),
        ({"host": "https://m2.exosite.com/"}, "m2.exosite.com:443", True),
        ({"host": "http://m2.exosite.com", "https": True}, "m2.exosite.com:443", True),
        ({"host": "localhost:8080", "https": False}, "localhost:8080", False),
        ({"host": "::1", "port": 8080, "https": False}, "[::1]:8080", False),
    ],
    ids=repr,
)
def test_endpoint(given, host, https):
    o = onep.OnepV1(**given)
    assert (o.onephttp.host, o.onephttp.https) == (host, https)


@pytest.mark.parametrize(
    "given",
    [
        {"port": "http"},
        {"port": 0},
        {"port": 65536},
        {"host": ""},
        {"host": "ftp://x"},
        {"host": "http://x/path"},
        {"host": "http://user:password@x"},
    ],
    ids=repr,
)
def test_endpoint_that_makes_no_sense(given):
    with pytest.raises(ValueError, match="host|port"):
        onep.OnepV1(**given)


def test_endpoint_variable(monkeypatch, platform, device):
    monkeypatch.setenv("PYONEP_ENDPOINT", platform.endpoint)
    for given in (
        {},
        {"host": "m2.exosite.com", "port": "443", "https": True},
        {"host": "http://m2.exosite.com"},
        {"host": "acme.m2.exosite.com", "port": "80"},
    ):
        assert onep.OnepV1(**given).lookup(device.cik, "alias", "") == (True, device.rid)


def test_endpoint_variable_leaves_other_hosts_alone(monkeypatch, platform):
    monkeypatch.setenv("PYONEP_ENDPOINT", platform.endpoint)
    port = free_port()
    o = onep.OnepV1("127.0.0.1", port, https=False)
    assert o.onephttp.host == f"127.0.0.1:{port}"
    with pytest.raises(JsonRPCRequestException):
        o.info(CIK, X)


@pytest.mark.parametrize("value", ["127.0.0.1:8080", "m2", "ftp://x"])
def test_endpoint_variable_that_makes_no_sense(monkeypatch, value):
    monkeypatch.setenv("PYONEP_ENDPOINT", value)
    with pytest.raises(ValueError, match="PYONEP_ENDPOINT|host"):
        onep.OnepV1()


# --- redirects, proxies, TLS ---


def redirecting(target, status=307):
    def answer(request):
        if request[1] == "/onep:v1/rpc/process":
            return status, {"Location": target}, b""
        from servers import results

        return results(request)

    return answer


def test_redirect_on_the_same_host_is_followed():
    with Recorder(redirecting("/elsewhere")) as server:
        assert onep.OnepV1(**server.connection).info(CIK, X) == (True, "R0")
        assert [request[1] for request in server.requests][1] == "/elsewhere"


def test_redirect_to_another_host_gets_no_credentials():
    with Recorder() as other:
        with Recorder(redirecting(f"http://localhost:{other.port}/")) as server:
            with pytest.raises(onep.OnePlatformException, match="307"):
                onep.OnepV1(**server.connection).info(CIK, X)
        assert other.requests == []


def test_proxy_of_the_environment(monkeypatch):
    with Recorder() as proxy:
        monkeypatch.setenv("http_proxy", f"http://user:pw@127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        o = onep.OnepV1("platform.invalid", 80, https=False)
        assert o.info(CIK, X) == (True, "R0")
        _, path, headers, _ = proxy.requests[0]
    assert path == "http://platform.invalid:80/onep:v1/rpc/process"
    assert headers["Proxy-Authorization"].startswith("Basic ")


def test_no_proxy_is_honoured(monkeypatch, o, cik):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fresh = onep.OnepV1(o.onephttp.host, https=False)
    assert fresh.lookup(cik, "alias", "")[0]


def test_netrc_is_honoured(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Recorder() as server:
        onep.OnepV1(**server.connection).info(CIK, X)
        assert server.requests[0][2]["Authorization"] == "Basic bWU6c2VjcmV0"


@pytest.fixture
def tls(tmp_path):
    """A recorder over TLS with a certificate of its own, and the path of that."""
    context, certificate = tls_context(tmp_path)
    with Recorder(context=context) as recorder:
        yield recorder, certificate


def test_tls_with_a_ca_bundle_of_the_environment(tls, monkeypatch):
    server, certificate = tls
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    o = onep.OnepV1("127.0.0.1", server.port)
    assert [o.info(CIK, X)[0] for _ in range(3)] == [True] * 3
    assert len(server.connections) == 3


def test_tls_certificate_is_checked(tls, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    server, _ = tls
    with pytest.raises(JsonRPCRequestException, match="(?i)certificate"):
        onep.OnepV1("127.0.0.1", server.port).info(CIK, X)
    assert server.requests == []


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_requests_that_check_no_certificate_share_a_connection_of_their_own(tls):
    server, _ = tls
    http = onephttp.OneP_Request(f"127.0.0.1:{server.port}", reuseconnection=True)
    for _ in range(3):
        http.request("POST", "/", '{"calls": []}', verify=False)
    assert len(server.connections) == 1
    with pytest.raises(onephttp.requests.exceptions.SSLError):
        http.request("GET", "/")
    assert len(server.requests) == 3
    http.close()
    http.request("POST", "/", '{"calls": []}', verify=False)
    assert len(server.connections) > 1
    http.close()


def test_tls_context_is_made_once(tls, monkeypatch):
    server, certificate = tls
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    channel.tls_context.cache_clear()
    for _ in range(3):
        o = onep.OnepV1("127.0.0.1", server.port)
        o.info(CIK, X)
        o.info(CIK, X)
    assert channel.tls_context.cache_info().currsize == 1


def test_ca_bundle_that_does_not_exist(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.devnull + "/nothing")
    with pytest.raises(JsonRPCRequestException):
        onep.OnepV1("127.0.0.1", free_port()).info(CIK, X)


@pytest.mark.parametrize(
    ("args", "kwargs", "arguments"),
    [
        ((["client"], None, "R"), {}, [["client"]]),
        ((["client"],), {"resource": "R"}, [["client"]]),
        ((["client"],), {"rid": "R"}, [["client"]]),
        ((["client"], {}, "R"), {}, ["R", ["client"], {}]),
        (("R", ["client"], None), {}, ["R", ["client"], {}]),  # of 0.10.0
        (("R", ["client"]), {}, ["R", ["client"], {}]),
        (("R", ["client"]), {"options": {"owned": True}}, ["R", ["client"], {"owned": True}]),
    ],
)
def test_a_listing_without_options_names_no_resource(args, kwargs, arguments):
    """AMD-045"""
    with Recorder() as server:
        onep.OnepV1(**server.connection).listing(CIK, *args, **kwargs)
    assert server.bodies()[0]["calls"][0]["arguments"] == arguments


def test_a_listing_without_options_has_the_older_shape(o, cik, new_dataport):
    """AMD-045"""
    rid = new_dataport(o, cik)
    assert o.listing(cik, ["client", "dataport"], None, "0" * 40) == (True, [[], [rid]])
