"""A fault of the platform harms the request that met it, and nobody else."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from servers import settles

from pyonep import OnepV1, Provision
from pyonep.exceptions import OnePlatformException
from pyonep.server import LocalPlatform
from pyonep.server.core import flow, lifecycle
from pyonep.server.core.procedures import table


@pytest.fixture
def faulty(monkeypatch):
    """A procedure ``explode`` that stores a point and a tag, and meets a fault."""

    def explode(call, resource):
        node = call.own(resource)
        unit = call.unit
        flow.feed(unit, node, flow.prepared(unit, node, 13), unit.now())
        unit.resources.add_tag(node.id, "exploded")
        raise ZeroDivisionError("as told")

    monkeypatch.setitem(table._TABLE, "explode", table._Entry(explode, 1, 1))


@pytest.fixture
def port(o, cik, new_dataport):
    return new_dataport(o, cik, "integer", alias="port")


def deferred(o, cik, *calls):
    for procedure, *arguments in calls:
        o._call(procedure, cik, arguments, True)
    return [(isok, response) for _, isok, response in o.send_deferred(cik)]


def open_waits(platform):
    return platform.run(lambda p: len(p.waits))


def test_a_fault_undoes_its_own_call_only(o, cik, port, faulty, platform):
    before = open_waits(platform)
    answers = deferred(
        o,
        cik,
        ("record", port, [[1, 1]]),
        ("explode", port),
        ("record", port, [[2, 2]]),
    )
    assert answers == [(True, "ok"), (False, "fail"), (True, "ok")]
    assert o.read(cik, port, {"limit": 9}) == (True, [[2, 2], [1, 1]])
    info = o.info(cik, port, {"tags": True, "storage": True})[1]
    assert info["tags"] == [] and info["storage"]["count"] == 2
    assert open_waits(platform) == before


def test_the_answer_to_a_call_that_met_a_fault(raw, cik, port, faulty):
    answer = raw.call(cik, "explode", port)
    assert answer["status"] == "fail"
    assert answer["error"]["code"] == 500 and "as told" not in json.dumps(answer)


def test_faults_fail_no_request_of_others(platform, faulty, new_dataport):
    failing, innocent = platform.device(), platform.device()
    done = threading.Event()

    def explode():
        o = OnepV1(**platform.connection, reuseconnection=True)
        port = new_dataport(o, failing.cik, "integer")
        while not done.is_set():
            assert o._call("explode", failing.cik, [port], False) == (False, "fail")
        o.close()

    thread = threading.Thread(target=explode)
    thread.start()
    o = OnepV1(**platform.connection, reuseconnection=True)
    port = new_dataport(o, innocent.cik, "integer")
    try:
        for stamp in range(1, 301):
            assert o.recordbatch(innocent.cik, port, [[stamp, stamp]]) == (True, "ok")
    finally:
        done.set()
        thread.join()
    assert len(o.read(innocent.cik, port, {"limit": 1000})[1]) == 300
    o.close()


def test_an_undone_point_wakes_nobody(platform, o, cik, port, faulty):
    before = open_waits(platform)
    answers = []
    waiter = OnepV1(**platform.connection)
    thread = threading.Thread(target=lambda: answers.append(waiter.wait(cik, port, {})))
    thread.start()
    settles(lambda: open_waits(platform) > before)
    assert o._call("explode", cik, [port], False) == (False, "fail")
    assert o.write(cik, port, 5) == (True, "ok")
    thread.join(20)
    assert answers[0][1][1] == 5


def test_a_fault_of_one_front_undoes_nothing_of_another(platform, o, cik, port, monkeypatch):
    """What raises in the HTTP Data Interface is that request's."""

    def fault(*_):
        raise ZeroDivisionError

    provision = Provision(**platform.connection)
    vendor = platform.vendor("faulty-front")
    monkeypatch.setattr("pyonep.server.fronts.data._values", fault)
    got = []
    thread = threading.Thread(
        target=lambda: got.extend(o.recordbatch(cik, port, [[n, n]]) for n in range(1, 101))
    )
    thread.start()
    reader = OnepV1(**platform.connection).onephttp
    while thread.is_alive():
        _, response = reader.request(
            "GET", "/onep:v1/stack/alias?port", headers={"X-Exosite-CIK": cik}
        )
        assert response.status_code == 500
    thread.join()
    assert got == [(True, "ok")] * 100
    assert provision.model_list(vendor.cik).isok


def test_a_clone_that_meets_a_fault_leaves_nothing(o, cik, new_client, monkeypatch, platform):
    box, key = new_client(o, cik, limits={"dataport": 10})
    for _ in range(3):
        o.create(key, "dataport", {"format": "float"})
    count = platform.run(lambda p: p.database._cursor.execute(COUNT).fetchone()[0])

    def fault(*_):
        raise ZeroDivisionError
        yield

    monkeypatch.setattr(lifecycle, "_copy_references", fault)
    assert o.create(cik, "clone", {"rid": box}) == (False, "fail")
    monkeypatch.undo()
    settles(
        lambda: platform.run(lambda p: p.database._cursor.execute(COUNT).fetchone()[0]) == count
    )
    assert o.create(cik, "clone", {"rid": box})[0]


COUNT = "SELECT count(*) FROM resources"


def test_a_rule_whose_timer_meets_a_fault_is_given_up(timed, timed_o, clock, monkeypatch):
    cik = timed.device().cik
    rule = {"timeout": {"timeout": 10, "repeat": True}}
    ports = [
        timed_o.create(cik, "datarule", {"format": "integer", "rule": rule})[1] for _ in range(2)
    ]
    broken = timed_o.info(cik, ports[0], {})[0] and ports[0]
    ring = flow.ring

    def fault(unit, node):
        yield from ring(unit, node)
        if node.rid == broken:
            raise ZeroDivisionError

    monkeypatch.setattr(flow, "ring", fault)
    clock.now += 11
    assert timed_o.read(cik, ports[1])[1][0][1] == 1
    assert timed_o.read(cik, ports[0]) == (True, [])
    clock.now += 11
    assert timed_o.read(cik, ports[0]) == (True, [])


# --- what cannot be kept ---


@pytest.fixture
def on_file(tmp_path, new_dataport):
    """A platform with a file: itself, a client, the key of a device, and a dataport for text."""
    with LocalPlatform(str(tmp_path / "data.sqlite")) as platform:
        cik = platform.device().cik
        o = OnepV1(**platform.connection)
        yield platform, o, cik, new_dataport(o, cik, "string")


def test_what_does_not_fit_is_told_and_service_goes_on(on_file):
    """A full disk: SQLite gives up the transaction; nothing that was acknowledged is lost."""
    platform, o, cik, port = on_file
    leave(platform, 8)
    kept = []
    with pytest.raises(OnePlatformException) as refused:
        for stamp in range(1, 200):
            assert o.recordbatch(cik, port, [[stamp, "x" * 2000]]) == (True, "ok")
            kept.append(stamp)
    assert refused.value.code == 500
    limit(platform, 2**30)
    assert o.write(cik, port, "again") == (True, "ok")
    found = o.read(cik, port, {"limit": 1000, "sort": "asc"})[1]
    assert [stamp for stamp, _ in found][:-1] == kept


def leave(platform, pages):
    """Let the file grow by so many pages."""
    (used,) = platform.run(lambda p: p.database._cursor.execute("PRAGMA page_count").fetchone())
    limit(platform, used + pages)


def limit(platform, pages):
    platform.run(
        lambda p: p.database._cursor.execute(f"PRAGMA max_page_count = {pages}").fetchone()
    )


# --- clients that hang up ---


def hang_up(platform, request):
    """Send a request that waits, and hang up when it does."""
    before = open_waits(platform)
    conn = socket.create_connection((platform.host, platform.port))
    conn.sendall(request)
    settles(lambda: open_waits(platform) > before)
    conn.close()
    settles(lambda: open_waits(platform) == before)


def test_a_wait_ends_when_its_client_hangs_up(platform, cik, port):
    calls = [{"id": 1, "procedure": "wait", "arguments": [port, {"timeout": 300_000}]}]
    body = json.dumps({"auth": {"cik": cik}, "calls": calls * 3}).encode()
    head = b"POST /onep:v1/rpc/process HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    hang_up(platform, head % len(body) + body)


def test_a_long_poll_ends_when_its_client_hangs_up(platform, cik, port):
    hang_up(
        platform,
        b"GET /onep:v1/stack/alias?port HTTP/1.1\r\nHost: localhost\r\n"
        b"Request-Timeout: 300000\r\nX-Exosite-CIK: " + cik.encode() + b"\r\n\r\n",
    )


def test_a_wait_alias_ends_when_its_client_hangs_up(platform, cik, port):
    hang_up(
        platform,
        b"POST /onep:v1/stack/waitalias?port HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Length: 14\r\nX-Exosite-CIK: " + cik.encode() + b"\r\n\r\ntimeout=300000",
    )


def test_a_wait_is_closed_when_a_later_call_of_its_request_cannot_be_kept(on_file):
    platform, o, cik, port = on_file
    leave(platform, 0)
    o.wait(cik, port, {"timeout": 300_000}, defer=True)
    o.recordbatch(cik, port, [[n, "x" * 4000] for n in range(1, 100)], defer=True)
    with pytest.raises(OnePlatformException):
        o.send_deferred(cik)
    assert open_waits(platform) == 0
