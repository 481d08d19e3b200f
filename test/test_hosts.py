"""Whom the local platform answers: the names it may be called by."""

from __future__ import annotations

import json
import socket

import pytest

from pyonep import OnepV1
from pyonep.exceptions import OnePlatformException
from pyonep.server import LocalPlatform, Settings
from pyonep.server import __main__ as command_line
from pyonep.server.fronts.hosts import Hosts

GOOD = [
    *("127.0.0.1", "127.0.0.1:8080", "192.168.1.20:1", "10.0.0.1:", "[::1]", "[::1]:8080", "::1"),
    *("[fe80::1%25eth0]:80", "[2001:db8::7]", "127.1", "0x7f000001", "2130706433:80"),
    *("localhost", "LocalHost:8080", "localhost.", "app.localhost:8080", "a.b.localhost"),
    *("m2.exosite.com", "M2.Exosite.com:80", "m2.exosite.com.", "acme.m2.exosite.com:443", "", " "),
]
BAD = [
    *("evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example"),
    *("notlocalhost", "exosite.com", "xm2.exosite.com", "m2.exosite.com.evil.example"),
    *("127.0.0.1@evil.example", "evil.example@127.0.0.1", "[evil.example]", "256.1.1.1.1"),
    *("1.2.3.4x", "0xg", "my-box", "my-box.local:80", "[::1", "[::1].evil.example", "localhost:x"),
    *("127.0.0.1 evil", "127.0.0.1,evil.example", "m\xb2.exosite.com", "\xe9.example", "..", "-"),
]
ROADS = [
    ("POST", "/onep:v1/rpc/process"),
    ("POST", "/api:v1/rpc/process"),
    ("GET", "/onep:v1/stack/alias?a"),
    ("POST", "/onep:v1/stack/alias"),
    ("POST", "/provision/activate"),
    ("GET", "/provision/manage/model/"),
    ("POST", "/admin/devices"),
    ("GET", "/health"),
    ("GET", "/timestamp"),
    ("GET", "/nowhere"),
    ("PUT", "/onep:v1/rpc/process"),
]


def exchange(platform, head, body=b""):
    """Send a request as it stands; return the status line's number and all that came."""
    with socket.create_connection((platform.host, platform.port), timeout=10) as conn:
        length = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        conn.sendall(head.encode("latin-1") + length + body)
        answer = b"".join(iter(lambda: conn.recv(65536), b""))
    return int(answer.split(b" ", 2)[1]), answer


def ask(platform, host, method="GET", path="/timestamp", body=b""):
    named = "" if host is None else f"Host: {host}\r\n"
    version = "1.0" if host is None else "1.1"
    return exchange(platform, f"{method} {path} HTTP/{version}\r\n{named}", body)


@pytest.mark.parametrize("host", GOOD)
def test_names_that_are_answered(host):
    assert Hosts().refused([(b"host", host.encode("latin-1"))]) is None


@pytest.mark.parametrize("host", BAD)
def test_names_that_are_refused(host):
    sentence = Hosts().refused([(b"accept", b"*"), (b"host", host.encode("latin-1"))])
    assert "does not go by" in sentence
    assert sentence.isascii() and sentence.isprintable()


def test_no_name_at_all(platform):
    assert Hosts().refused([]) is None
    assert ask(platform, None)[0] == 200
    assert ask(platform, "")[0] == 200


@pytest.mark.parametrize(("method", "path"), ROADS)
def test_every_front_refuses_a_name_that_is_not_its_own(platform, method, path):
    status, answer = ask(platform, "page.example:80", method, path, b"x" * 100)
    assert status == 421
    assert b"--allow-host page.example" in answer
    if "/rpc/process" in path:
        error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
        assert (error["code"], error["context"]) == (421, "host")
    assert ask(platform, "127.0.0.1:80", method, path)[0] != 421


def test_a_page_that_rebinds_its_name_changes_nothing(platform, o, cik, new_dataport):
    rid = new_dataport(o, cik, alias="door")
    call = {"id": 1, "procedure": "write", "arguments": [rid, 1]}
    body = json.dumps({"auth": {"cik": cik}, "calls": [call]}).encode()
    head = f"POST /onep:v1/stack/alias HTTP/1.1\r\nHost: page.example\r\nX-Exosite-CIK: {cik}\r\n"
    assert ask(platform, "page.example", "POST", "/onep:v1/rpc/process", body)[0] == 421
    assert exchange(platform, head, b"door=1")[0] == 421
    assert o.read(cik, rid, {}) == (True, [])
    assert ask(platform, "m2.exosite.com", "POST", "/onep:v1/rpc/process", body)[0] == 200
    assert len(o.read(cik, rid, {})[1]) == 1


def test_the_host_of_a_target_and_every_header_count(platform):
    def status(target, *hosts):
        headers = "".join(f"Host: {host}\r\n" for host in hosts)
        return exchange(platform, f"GET {target} HTTP/1.1\r\n{headers}")[0]

    assert status("http://127.0.0.1:80/timestamp", "127.0.0.1") == 200
    assert status("http://m2.exosite.com/timestamp", "127.0.0.1") == 200
    assert status("http://page.example/timestamp", "127.0.0.1") == 421
    assert status("http://127.0.0.1@page.example:80/timestamp", "127.0.0.1") == 421
    assert status("HTTP://page.example?x", "127.0.0.1") in (400, 421)
    assert status("http://127.0.0.1/timestamp", "page.example") == 421
    assert status("/timestamp", "127.0.0.1", "page.example") in (400, 421)
    assert status("/timestamp?http://page.example/", "127.0.0.1") == 200


def test_names_that_the_platform_is_told():
    settings = Settings(allowed_hosts=["My-Box.local", "thermostat"])
    with LocalPlatform(settings=settings) as platform:
        assert ask(platform, "my-box.LOCAL:8080")[0] == 200
        assert ask(platform, "thermostat")[0] == 200
        assert ask(platform, "x.thermostat")[0] == 421
        assert ask(platform, "localhost")[0] == 200
    assert Hosts("one.name").refused([(b"host", b"one.name")]) is None


def test_the_name_it_listens_on_is_its_own():
    assert (
        Hosts(Settings().called("my-box").allowed_hosts).refused([(b"host", b"my-box:1")]) is None
    )
    one = Settings(allowed_hosts="a.name").called("my-box")
    assert list(one.allowed_hosts) == ["a.name", "my-box"]


def test_names_on_the_command_line():
    parse = command_line._parser().parse_args
    assert parse([]).allow_host == []
    assert parse(["--allow-host", "a", "--allow-host", "b.local"]).allow_host == ["a", "b.local"]


def test_a_client_that_uses_another_name_reads_the_sentence(platform, cik, monkeypatch):
    real = socket.getaddrinfo

    def rebound(host, *rest, **more):
        return real("127.0.0.1" if host == "my-box.example" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    o = OnepV1("my-box.example", platform.port, https=False)
    with pytest.raises(OnePlatformException, match="allow-host my-box.example"):
        o.info(cik, {"alias": ""}, {"basic": True})
