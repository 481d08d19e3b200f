"""How a device becomes one of ours: it activates with vendor, model and serial number."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlencode

from running import in_threads
from vendors import MODEL, SN, World

from pyonep import Provision


def test_activate(w):
    """PRV-001 PRV-002"""
    rid = w.enable()
    status, headers, body = w.send(
        "POST", "/provision/activate", {"vendor": w.name, "model": MODEL, "sn": SN}, key=None
    )
    assert status == 200 and len(body) == 40 and set(body) <= set(b"0123456789abcdef")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert b"Content-Length: 40".lower() in str(headers).encode().lower()
    assert headers["Transfer-Encoding"] is None
    assert w.o.lookup(body.decode(), "alias", "") == (True, rid)


def test_content_length_of_the_key_is_spelled_as_devices_search_it(w):
    """PRV-002"""
    w.enable()
    body = urlencode({"vendor": w.name, "model": MODEL, "sn": SN})
    with socket.create_connection((w.platform.host, w.platform.port)) as conn:
        conn.sendall(
            f"POST /provision/activate HTTP/1.1\r\nHost: ::1\r\nContent-Length: {len(body)}\r\n"
            f"Connection: close\r\n\r\n{body}".encode()
        )
        answer = b""
        while piece := conn.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"content-length: 40\r\n" in answer.lower()


def test_activate_twice(w):
    """PRV-003"""
    w.enable()
    assert w.activate().status == 200
    assert (w.activate().status, w.activate().body) == (409, "HTTP/1.1 409 Conflict\r\n")


def test_activate_what_is_not_open(w):
    """PRV-004 PRV-005 PRV-006 PRV-007 PRV-008"""
    assert w.activate().status == 409
    assert w.activate(sn="unknown").status == 404
    assert w.activate(model="unknown").status == 404
    assert w.p.serialnumber_activate(MODEL, SN, "nobody").status == 404
    w.enable()
    w.p.serialnumber_disable(w.key, MODEL, SN)
    assert w.activate().status == 409


def test_activation_window(tw, clock):
    """PRV-009 PRV-010"""
    tw.p.serialnumber_add(tw.key, MODEL, "late")
    tw.enable()
    tw.enable("late")
    clock.now += 86399
    assert tw.activate().status == 200
    clock.now += 1
    assert tw.activate("late").status == 409
    assert tw.state("late") == "expired"
    clock.now += 10**6
    assert tw.state() == "activated"


def test_activate_requests_of_all_kinds(w):
    """PRV-011 PRV-012 PRV-013 PRV-014 PRV-015 PRV-018 PRV-195"""
    fields = {"vendor": w.name, "model": MODEL, "sn": SN}
    path = "/provision/activate"
    for missing in fields:
        left = {name: value for name, value in fields.items() if name != missing}
        assert w.status("POST", path, left, key=None) == 400
    for headers in (
        {"X-Exosite-CIK": ""},
        {"X-Exosite-Token": ""},
        {"X-EXOSITE-CIK": "nonsense"},
        {"Content-Type": "application/x-www-form-urlencoded; charset=utf=8"},
        {"Content-Type": None},
    ):
        assert w.status("POST", path, fields, headers, key=None) == 409
    assert w.status("GET", path, key=None) == 405
    w.enable()
    assert w.status("POST", path, dict(reversed(fields.items())), key=None) == 200


def test_orphan(w):
    """PRV-016 PRV-099"""
    rid = w.enable()
    w.o.drop(w.key, rid)
    assert w.activate().status == 404
    assert w.state() == 409
    for call in (
        w.p.serialnumber_reenable(w.key, MODEL, SN),
        w.p.serialnumber_disable(w.key, MODEL, SN),
        w.p.serialnumber_enable(w.key, MODEL, SN, w.account.portal_rid),
    ):
        assert call.status == 409
    assert w.p.serialnumber_list(w.key, MODEL, status=True).rows()[0][:2] == [SN, "orphan"]


def test_one_model_name_under_two_vendors(w, platform):
    """PRV-017"""
    other = World(platform)
    mine, theirs = w.device(), other.device()
    assert w.o.lookup(mine[1], "alias", "") == (True, mine[0])
    assert w.o.lookup(theirs[1], "alias", "") == (True, theirs[0])
    other.close()


def test_parallel_activations(w):
    """PRV-203"""
    w.enable()
    answers = []
    gate = threading.Barrier(20)

    def device(_):
        p = Provision(**w.platform.connection)
        gate.wait()
        answers.append(p.serialnumber_activate(MODEL, SN, w.name))

    in_threads(device, range(20))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 19
    assert len(w.p.serialnumber_info(w.key, MODEL, SN, True).rows()) == 1
