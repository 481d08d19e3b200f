"""Waiting: rows RPC-200 to RPC-209."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest
from servers import Socket, settles

from pyonep import onep
from pyonep.server import LocalPlatform, Settings


@pytest.fixture
def port(o, cik, new_dataport):
    return new_dataport(o, cik, "integer")


class Waiting:
    """A wait in a thread of its own; ``answer()`` is what it returned."""

    def __init__(self, platform, cik, rid, options):
        self._open = platform.run(lambda p: len(p.waits))
        self._answers = []
        o = onep.OnepV1(**platform.connection)
        self._thread = threading.Thread(
            target=lambda: self._answers.append(o.wait(cik, rid, options))
        )
        self._thread.start()
        settles(lambda: not self._thread.is_alive() or self._is_open(platform))

    def _is_open(self, platform):
        return platform.run(lambda p: len(p.waits)) > self._open

    def answer(self):
        self._thread.join(30)
        return self._answers[0]


@pytest.fixture
def wait(platform, cik):
    return lambda rid, **options: Waiting(platform, cik, rid, {"timeout": 20_000, **options})


def test_woken_by_write(o, cik, port, wait):
    """RPC-200"""
    o.write(cik, port, 1)
    waiting = wait(port)
    start = time.monotonic()
    o.write(cik, port, 2)
    isok, (stamp, value) = waiting.answer()
    assert isok and value == 2 and stamp > 1_700_000_000
    assert time.monotonic() - start < 15  # the wait is longer


def test_recorded_points_wake_nobody(o, cik, port, wait):
    """AMD-006"""
    waiting = [wait(port), wait(port, since=5)]
    o.recordbatch(cik, port, [[7, 70], [8, 80]])
    o.write(cik, port, 1)
    for one in waiting:
        isok, (_, value) = one.answer()
        assert isok and value == 1


def test_recorded_points_can_be_published(new_dataport):
    """RPC-201 AMD-006: the setting publish_recorded; AMD-005 holds all the same"""
    with LocalPlatform(settings=Settings(publish_recorded=True)) as platform:
        cik, o = platform.device().cik, onep.OnepV1(**platform.connection)
        port = new_dataport(o, cik, "integer")
        follower = new_dataport(o, cik, "integer", subscribe=port)
        waiting = Waiting(platform, cik, port, {"timeout": 20_000})
        assert o.recordbatch(cik, port, [[7, 70], [7, 71]]) == (False, [[7, "invalid"]])
        assert waiting.answer() == (True, [7, 70])
        assert o.recordbatch(cik, port, [[7, 72], [8, 80]]) == (False, [[7, "invalid"]])
        assert o.read(cik, follower, {"limit": 9}) == (True, [[8, 80], [7, 70]])


def test_woken_by_a_subscription(o, cik, port, wait, new_dataport):
    """RPC-202"""
    waiting = wait(new_dataport(o, cik, "integer", subscribe=port))
    o.write(cik, port, 5)
    assert waiting.answer()[1][1] == 5


def test_woken_by_a_rule(o, cik, wait):
    """RPC-203"""
    rule = {"timeout": {"timeout": 0.3, "repeat": True}}
    rid = o.create(cik, "datarule", {"format": "integer", "rule": rule})[1]
    assert wait(rid).answer()[1][1] == 1


def test_since(o, cik, port, wait):
    """RPC-204 AMD-006"""
    o.recordbatch(cik, port, [[5, 50], [6, 60], [7, 70]])
    assert o.wait(cik, port, {"since": 5}) == (True, [6, 60])
    assert o.wait(cik, port, {"since": 5.5}) == (True, [6, 60])
    waiting = wait(port, since=7)
    o.recordbatch(cik, port, [[9, 90]])
    o.write(cik, port, 1)
    assert waiting.answer()[1][1] == 1


@pytest.mark.parametrize(("early", "ends"), [(0, True), (1, True), (-1, False)])
def test_what_arrives_in_the_second_of_since_counts(
    timed, timed_o, clock, early, ends, new_dataport
):
    """RPC-204 AMD-004: since is the time of the last point plus one"""
    cik = timed.device().cik
    port = new_dataport(timed_o, cik, "integer")
    timed_o.write(cik, port, 1)
    now = int(clock.now)
    assert timed_o.wait(cik, port, {"since": now - 1}) == (True, [now, 1])  # stored: later only
    assert timed_o.wait(cik, port, {"since": now, "timeout": 0}) == (False, "expire")
    clock.now += 1
    waiting = Waiting(
        timed, cik, port, {"since": now + 1 - early, "timeout": 20_000 if ends else 300}
    )
    timed_o.write(cik, port, 2)
    assert waiting.answer() == ((True, [now + 1, 2]) if ends else (False, "expire"))


def test_expire(o, cik, port):
    """RPC-205"""
    o.write(cik, port, 1)
    for options in ({"timeout": 20}, {"timeout": 0}, {"timeout": 20, "since": 2**40}):
        assert o.wait(cik, port, options) == (False, "expire")


def test_default_timeout(platform, o, cik, port):
    """RPC-206"""
    found = []
    for options in ({}, {"timeout": None}, {"timeout": 10**9}):
        waiting = Waiting(platform, cik, port, options)
        found += platform.run(
            lambda p: [w.wait.timeout for some in p.waits._waiters.values() for w in some]
        )
        o.write(cik, port, 1)
        waiting.answer()
    assert found == [30, 30, 300]


@pytest.mark.parametrize("options", [{"timeout": -1}, {"timeout": "x"}, {"since": "x"}], ids=repr)
def test_bad_options(o, cik, port, options):
    """RPC-207"""
    assert o.wait(cik, port, options) == (False, "error")


def test_dropped_meanwhile(o, cik, port, wait, new_client, new_dataport):
    """RPC-207"""
    waiting = wait(port)
    o.drop(cik, port)
    assert waiting.answer() == (False, "error")
    box, key = new_client(o, cik, limits={"dataport": 1})
    waiting = wait(new_dataport(o, key))
    o.drop(cik, box)
    assert waiting.answer() == (False, "error")


def test_several_waits_in_one_request(platform, o, cik, new_dataport):
    """RPC-208"""
    ports = [new_dataport(o, cik, "integer") for _ in range(20)]
    for rid in ports:
        o.wait(cik, rid, {"timeout": 500}, defer=True)
    o.write(cik, ports[1], 7, defer=True)
    start = time.monotonic()
    first, woken, *others, written = [(ok, r) for _, ok, r in o.send_deferred(cik)]
    assert 0.4 < time.monotonic() - start < 8  # one after the other would take longer
    assert first == (False, "expire") and others == [first] * 18
    assert woken[1][1] == 7 and written == (True, "ok")


def test_a_wait_sees_only_what_comes_after_it(o, cik, port):
    """RPC-208"""
    o.write(cik, port, 1, defer=True)
    o.wait(cik, port, {"timeout": 50}, defer=True)
    assert [r for _, _, r in o.send_deferred(cik)] == ["ok", "expire"]


def test_thousands_at_once(platform, o, cik, port):
    """RPC-209"""
    number = 2000
    call = {"id": 1, "procedure": "wait", "arguments": [port, {"timeout": 60_000}]}
    body = json.dumps({"auth": {"cik": cik}, "calls": [call]}).encode()
    head = f"POST /onep:v1/rpc/process HTTP/1.1\r\nHost: ::1\r\nContent-Length: {len(body)}\r\n\r\n"
    threads = threading.active_count()
    already = platform.run(lambda p: len(p.waits))
    sockets = []
    try:
        for _ in range(number):
            waiting = socket.create_connection((platform.host, platform.port), timeout=30)
            waiting.sendall(head.encode() + body)
            sockets.append(waiting)
        settles(lambda: platform.run(lambda p: len(p.waits)) >= already + number)
        assert threading.active_count() == threads
        assert o.write(cik, port, 42) == (True, "ok")
        for waiting in sockets:
            received = waiting.recv(65536)
            while not received.endswith(b"}]"):
                received += waiting.recv(65536)
            assert b", 42]}]" in received
    finally:
        for waiting in sockets:
            waiting.close()


def test_the_client_waits_for_a_slow_answer(cik):
    def slowly(conn):
        time.sleep(0.4)
        conn.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n[{"id": 0, "status": "late"}]')

    with Socket(slowly) as server:
        o = onep.OnepV1(**server.connection, httptimeout=0.2)
        assert o.wait(cik, "x", {"timeout": 1000})[0] is False
