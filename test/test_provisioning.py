"""Vendors, models, serial numbers, content, groups, shares: rows PRV-001 to PRV-204."""

from __future__ import annotations

import http.client
import io
import json
import os
import threading
import time
from urllib.parse import urlencode

import pytest
import requests
from conftest import Raw, client, dataport
from servers import Proxy, Recorder, Socket, free_port, settles

from pyonep import Provision, onep
from pyonep.exceptions import (
    OneException,
    OnePlatformException,
    ProvisionConnectionError,
    ProvisionException,
    ProvisionTimeout,
)
from pyonep.server import LocalPlatform, Settings
from pyonep.server.store import PIECE

FORM = "application/x-www-form-urlencoded; charset=utf-8"
MODEL, SN = "thermo-x2", "TX2-000417"
COUNTER = iter(range(10**6))


class World:
    """A vendor with a token, a model with a template, and one serial number."""

    def __init__(self, platform):
        self.platform = platform
        self.account = platform.vendor(f"acme{next(COUNTER)}")
        self.name, self.key = self.account.name, self.account.cik
        self.o = onep.OnepV1(**platform.connection, reuseconnection=True)
        limits = dict.fromkeys(("dataport", "client"), "inherit")
        self.template, template_key = client(self.o, self.key, name="template", limits=limits)
        port = dataport(self.o, template_key, "integer", alias="temp")
        self.o.recordbatch(template_key, port, [[1, 10], [2, 20]])
        self.p = Provision(**platform.connection, reuseconnection=True)
        self.raw = Raw(platform)
        assert self.p.model_create(self.key, MODEL, self.template).status == 205
        assert self.p.serialnumber_add(self.key, MODEL, SN).status == 205

    def close(self):
        self.o.close()
        self.p.close()
        self.raw.http.close()

    def enable(self, sn=SN, owner=None, model=MODEL):
        response = self.p.serialnumber_enable(self.key, model, sn, owner or self.account.portal_rid)
        assert response.status == 200, response
        return response.body

    def activate(self, sn=SN, model=MODEL):
        return self.p.serialnumber_activate(model, sn, self.name)

    def device(self, sn=SN):
        """Enable and activate; return RID and CIK."""
        rid = self.enable(sn)
        return rid, self.activate(sn).body

    def state(self, sn=SN):
        response = self.p.serialnumber_info(self.key, MODEL, sn)
        return response.rows()[0][0] if response.status == 200 else int(response.status)

    def send(self, method, path, body=b"", headers=None, key="cik"):
        """A request of our own; returns status, headers, body."""
        credentials = {
            "cik": {"X-Exosite-CIK": self.key},
            "token": {"X-Exosite-Token": self.account.token},
            None: {},
        }.get(key, {"X-Exosite-CIK": key})
        data = urlencode(body).encode() if isinstance(body, (list, dict)) else body
        all_headers = {**credentials, **({"Content-Type": FORM} if data else {}), **(headers or {})}
        all_headers = {name: value for name, value in all_headers.items() if value is not None}
        return self.raw.send(data, path, method, all_headers)

    def status(self, *args, **kwargs):
        return self.send(*args, **kwargs)[0]


@pytest.fixture
def w(platform):
    world = World(platform)
    yield world
    world.close()


@pytest.fixture
def tw(timed):
    """A world whose clock the test sets."""
    world = World(timed)
    yield world
    world.close()


def manage(*segments):
    return "/provision/manage/" + "/".join(segments)


# --- activation ---


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
    import socket

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

    def device():
        p = Provision(**w.platform.connection)
        gate.wait()
        answers.append(p.serialnumber_activate(MODEL, SN, w.name))

    threads = [threading.Thread(target=device) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] + [409] * 19
    assert len(w.p.serialnumber_info(w.key, MODEL, SN, True).rows()) == 1


# --- what a device downloads ---


@pytest.fixture
def firmware(w):
    """A device, and 100 bytes of content it may download: ``(cik, bytes)``"""
    _, cik = w.device()
    blob = os.urandom(100)
    w.p.content_create(w.key, MODEL, "fw.bin", "v1")
    w.p.content_upload(w.key, MODEL, "fw.bin", blob, "application/x-firmware")
    return cik, blob


def download(w, cik, **query):
    path = "/provision/download?" + urlencode({"vendor": w.name, "model": MODEL, **query})
    return path, cik


def test_list_content_as_a_device(w):
    """PRV-019 PRV-020 PRV-024"""
    _, cik = w.device()
    assert w.p.content_for_device(cik, w.name, MODEL).status == 204
    for name in ("a.bin", "b.bin", "c.bin"):
        w.p.content_create(w.key, MODEL, name, "")
    w.p.content_create(w.key, MODEL, "secret.bin", "", True)
    response = w.p.content_for_device(cik, w.name, MODEL)
    assert response.response.headers["Content-Type"].startswith("text/csv")
    assert response.body.split("\r\n") == ["a.bin", "b.bin", "c.bin", ""]


def test_download_by_strangers(w, firmware, platform):
    """PRV-021 PRV-022 PRV-023 PRV-031 PRV-035 PRV-036"""
    cik, _ = firmware
    for extra, status in (({}, 403), ({"id": "fw.bin"}, 403), ({"id": "x", "info": "true"}, 400)):
        for pair in ({"model": "unknown"}, {"vendor": "nobody"}):
            path, _ = download(w, cik, **{**extra, **pair})
            assert w.status("GET", path, key=cik) == status
    path, _ = download(w, cik)
    assert w.status("GET", path, key=None) == 401
    assert w.status("GET", path, key="0" * 40) == 401
    assert w.status("GET", path, key="token") == 401
    assert w.status("GET", path, key=platform.device().cik) == 403
    assert w.status("GET", "/provision/download?model=x", key=cik) == 400
    path, _ = download(w, cik, info="true")
    assert w.status("GET", path, key=cik) == 400


def test_download_whole(w, firmware):
    """PRV-025"""
    cik, _ = firmware
    blob = os.urandom(4096)
    w.p.content_create(w.key, MODEL, "other", "")
    w.p.content_upload(w.key, MODEL, "other", blob, "image/png")
    response = w.p.content_download(cik, w.name, MODEL, "other")
    assert (response.status, response.content) == (200, blob)
    assert response.response.headers["Content-Type"] == "image/png"
    assert response.response.headers["Content-Length"] == "4096"
    assert response.response.headers["Accept-Ranges"] == "bytes"


RANGES = [
    ("PRV-026", "0-9", 206, slice(0, 10), "bytes 0-9/100"),
    ("PRV-027", "90-", 206, slice(90, 100), "bytes 90-99/100"),
    ("PRV-028", "-7", 206, slice(93, 100), "bytes 93-99/100"),
    ("PRV-029", "100-", 416, None, "bytes */100"),
    ("PRV-143", "50-1000", 206, slice(50, 100), "bytes 50-99/100"),
    ("PRV-143", "-1000", 206, slice(0, 100), "bytes 0-99/100"),
    ("PRV-143", "-", 200, slice(0, 100), None),
    ("PRV-143", "9-5", 200, slice(0, 100), None),
    ("PRV-143", "0-1,5-6", 200, slice(0, 100), None),
    ("PRV-143", "x-y", 200, slice(0, 100), None),
    ("PRV-143", "-0", 416, None, "bytes */100"),
]


@pytest.mark.parametrize("side", ["device", "vendor"])
@pytest.mark.parametrize(("row", "spec", "status", "part", "shown"), RANGES)
def test_ranges(w, firmware, side, row, spec, status, part, shown):
    """PRV-026 PRV-027 PRV-028 PRV-029 PRV-143"""
    cik, blob = firmware
    path, _ = download(w, cik, id="fw.bin")
    key = cik
    if side == "vendor":
        path, key = manage("content", MODEL, "fw.bin?download=true"), "cik"
    found, headers, body = w.send("GET", path, headers={"Range": f"bytes={spec}"}, key=key)
    assert (found, headers["Content-Range"]) == (status, shown)
    if part is not None:
        assert body == blob[part] and int(headers["Content-Length"]) == len(body)
        assert headers["Content-Type"] == "application/x-firmware"


def test_consecutive_ranges(w, firmware):
    """PRV-030"""
    cik, _ = firmware
    blob = os.urandom(700_000)
    w.p.content_upload(w.key, MODEL, "fw.bin", blob, "x/y")
    parts, start = [], 0
    while start < len(blob):
        response = w.p.content_download(
            cik, w.name, MODEL, "fw.bin", byterange=(start, start + 99_999)
        )
        assert response.status == 206
        parts.append(response.content)
        start += 100_000
    assert b"".join(parts) == blob


def test_download_errors(w, firmware):
    """PRV-032 PRV-033 PRV-034"""
    cik, _ = firmware
    assert w.p.content_download(cik, w.name, MODEL, "unknown").status == 404
    w.p.content_create(w.key, MODEL, "empty", "")
    assert w.p.content_download(cik, w.name, MODEL, "empty").status == 404
    w.p.content_create(w.key, MODEL, "secret", "", True)
    w.p.content_upload(w.key, MODEL, "secret", b"x", "x/y")
    assert w.p.content_download(cik, w.name, MODEL, "secret").status == 403
    (info,) = w.p.content_info(cik, MODEL, "fw.bin", w.name).rows()
    assert info[:2] == ["application/x-firmware", "100"] and info[3:] == ["v1"]
    (info,) = w.p.content_info(cik, MODEL, "empty", w.name).rows()
    assert info[:2] == ["", "0"]
    w.p.serialnumber_remove(w.key, MODEL, SN)
    assert w.p.content_download(cik, w.name, MODEL, "fw.bin").status == 403


# --- models ---


def test_list_models(w, platform):
    """PRV-037 PRV-038 PRV-039 PRV-040"""
    w.p.model_create(w.key, "second", w.template)
    assert w.p.model_list(w.key).body == f"{MODEL}\r\nsecond\r\n"
    path = manage("model", "")
    assert w.send("GET", path, key="token")[2] == w.send("GET", path)[2]
    assert w.status("GET", path, key=None) == 401
    for key in ("", "0" * 40, "x"):
        assert w.status("GET", path, headers={"X-Exosite-CIK": key}, key=None) == 401
    assert w.status("GET", path, key=platform.device().cik) == 403
    assert w.status("GET", path + "?show=cats") == 400


@pytest.fixture
def guest(platform, w):
    """Another vendor, with whom the model is shared."""
    account = platform.vendor(f"guest{next(COUNTER)}")
    assert w.p.model_share(w.key, MODEL, account.name).status == 205
    return account


def test_models_shared_with_a_vendor(w, guest):
    """PRV-041"""
    assert w.p.model_list_shared(guest.cik).rows() == [[w.name, MODEL]]


def test_create_model(w):
    """PRV-042 PRV-044 PRV-051 PRV-052"""
    assert w.p.model_info(w.key, MODEL).body == f"rid={w.template}"
    response = w.p.model_create(w.key, "all", w.template, False, False, False)
    assert (response.status, response.response.headers["Content-Length"]) == (205, "0")
    words = "options[]=noaliases&options[]=nocomments&options[]=nohistorical"
    info = w.p.model_info(w.key, "all")
    assert info.body == f"rid={w.template}&{words}"
    assert info.response.headers["Content-Type"] == FORM
    body = f"model=raw&rid={w.template}&options[]=nohistorical&options[]=noaliases".encode()
    assert w.status("POST", manage("model", ""), body) == 205
    shown = f"rid={w.template}&options[]=noaliases&options[]=nohistorical"
    assert w.p.model_info(w.key, "raw").body == shown


def by_code(w):
    return Provision(**w.platform.connection, manage_by_sharecode=True)


def test_create_model_by_share_code(w):
    """PRV-043"""
    code = w.o.share(w.key, w.template)[1]
    assert by_code(w).model_create(w.key, "shared", code).status == 205
    assert w.p.model_info(w.key, "shared").body == f"code={code}"
    w.p.serialnumber_add(w.key, "shared", "1")
    w.enable("1", model="shared")
    assert w.activate("1", "shared").status == 200
    w.o.activate(w.account.portal_cik, "share", code)  # a code used up no longer clones
    w.p.serialnumber_add(w.key, "shared", "2")
    assert w.p.serialnumber_enable(w.key, "shared", "2", w.account.portal_rid).status == 412
    assert by_code(w).model_create(w.key, "again", code).status == 412


def test_create_model_errors(w, platform):
    """PRV-045 PRV-046 PRV-047 PRV-048 PRV-049"""
    path = manage("model", "")
    assert w.p.model_create(w.key, MODEL, w.template).status == 409
    both = {"model": "m", "rid": w.template, "code": "0" * 40}
    assert w.status("POST", path, both) == 400
    assert w.status("POST", path, {"model": "m"}) == 400
    assert w.status("POST", path, {"rid": w.template}) == 400
    for rid in ("0" * 40, "x", platform.device().rid, w.o.listing(w.key, ["dataport"])[1]):
        response = w.p.model_create(w.key, "m", str(rid))
        assert (response.status, response.body) == (412, "HTTP/1.1 412 Precondition Failed\r\n")
    odd = {"model": "m", "rid": w.template, "options[]": "nothing"}
    assert w.status("POST", path, odd) == 400
    for name in ("", "a/b", "a b", "x" * 129, "größe", "-a"):
        assert w.status("POST", path, {"model": name, "rid": w.template}) == 400


def test_remove_model(w):
    """PRV-050 PRV-058 PRV-059"""
    rid, cik = w.device()
    w.p.model_create(w.key, "second", w.template)
    assert w.status("POST", manage("model", ""), {"model": "second", "delete": "true"}) == 205
    assert w.p.model_list(w.key).rows() == [[MODEL]]
    assert w.p.model_remove(w.key, "second").status == 404
    assert w.p.model_remove(w.key, MODEL).status == 205
    assert w.activate().status == 404
    assert w.p.content_list(w.key, MODEL).status == 400
    assert w.o.lookup(cik, "alias", "") == (True, rid)


def test_update_model(w):
    """PRV-053 PRV-054 PRV-055 PRV-056 PRV-057"""
    assert w.p.model_info(w.key, "unknown").status == 404
    assert w.p.model_update(w.key, "unknown", w.template).status == 404
    w.p.model_update(w.key, MODEL, w.template, aliases=False)
    assert w.p.model_info(w.key, MODEL).body.endswith("noaliases")
    path = manage("model", MODEL)
    body = {"rid": w.template}
    assert w.status("PUT", path, body, {"Content-Type": None}) == 205
    assert w.p.model_info(w.key, MODEL).body == f"rid={w.template}"
    assert w.status("PUT", path, {**body, "options": "nohistorical"}) == 205
    assert w.p.model_info(w.key, MODEL).body == f"rid={w.template}&options[]=nohistorical"
    code = w.o.share(w.key, w.template)[1]
    assert by_code(w).model_update(w.key, MODEL, code).status == 205
    assert w.p.model_info(w.key, MODEL).body == f"code={code}"
    assert w.status("PUT", path, {}, {"Content-Type": FORM}) == 400
    assert w.status("PUT", path, {"rid": "0" * 40}) == 412


# --- serial numbers of a model ---


def listed(w, **kwargs):
    return w.p.serialnumber_list(w.key, MODEL, **kwargs).rows()


def test_add_one(w):
    """PRV-062 PRV-063 PRV-064 PRV-091"""
    assert listed(w) == [[SN, "", ""]]
    assert w.p.serialnumber_list(w.key, MODEL).body == f"{SN},,\r\n"
    assert w.p.serialnumber_add(w.key, MODEL, "a", "blue, round").status == 205
    assert listed(w)[1] == ["a", "", "blue, round"]
    assert w.p.serialnumber_add(w.key, MODEL, "a").status == 409
    assert w.status("POST", manage("model", MODEL, ""), {"sn": "b"}) == 205


def test_add_batch(w):
    """PRV-065 PRV-066"""
    assert w.p.serialnumber_add_batch(w.key, MODEL, ["a", "b", "c", "a"]).status == 205
    assert listed(w)[1:] == [[sn, "", ""] for sn in "abc"]
    assert w.p.serialnumber_add_batch(w.key, MODEL, ["d", "b", "e"]).status == 409
    assert len(listed(w)) == 4
    assert w.p.serialnumber_add_batch(w.key, MODEL, []).status == 400
    union = b"sn=f&sn[]=g&sn%5B%5D=h"
    assert w.status("POST", manage("model", MODEL, ""), union) == 205
    assert [row[0] for row in listed(w)[4:]] == ["f", "g", "h"]


def test_add_csv(w):
    """PRV-067 PRV-068 PRV-069 PRV-085 PRV-200"""
    assert w.p.serialnumber_add_batch_csv(w.key, MODEL, "a,x\r\nb,y\r\n").status == 205
    assert w.p.serialnumber_add_batch_csv(w.key, MODEL, "c\n\nd").status == 205
    quoted = 'e,"{""a"":1,""b"":2}"\n'
    assert w.p.serialnumber_add_batch_csv(w.key, MODEL, quoted).status == 205
    rows = listed(w)
    assert rows[1:] == [
        ["a", "", "x"],
        ["b", "", "y"],
        ["c", "", ""],
        ["d", "", ""],
        ["e", "", '{"a":1,"b":2}'],
    ]
    assert 'e,,"{""a"":1,""b"":2}"\r\n' in w.p.serialnumber_list(w.key, MODEL).body


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb,1,2\nc\n", 2),
        ("a\n\nb c\n", 3),
        ('a\nb,"x', 2),
        ('a,"two\nlines"\n%\n', 3),
        ("a\nüber\n", 2),
        ("a\n" + "x" * 129, 2),
        ('a\n"b"c\n', 2),
    ],
    ids=repr,
)
def test_a_broken_row_adds_nothing_and_is_named(w, text, line):
    """PRV-067"""
    response = w.p.serialnumber_add_batch_csv(w.key, MODEL, text)
    assert (response.status, response.body) == (400, "HTTP/1.1 400 Bad Request\r\n")
    assert response.detail.startswith(f"line {line}: ")
    assert listed(w) == [[SN, "", ""]]


MAC = {"format": "mac:48", "length": None, "casing": "upper"}
WHOLE_MAC = {**MAC, "first": 1108152157440, "last": 1108152157695}


def test_ranges_of_serial_numbers(w):
    """PRV-070 PRV-071 PRV-072 PRV-079 PRV-080 PRV-081 PRV-199"""
    assert w.p.serialnumber_ranges(w.key, MODEL) == []
    path = manage("model", MODEL, "?show=ranges")
    assert w.send("GET", path)[::2] == (204, b"")
    assert w.p.serialnumber_add_ranges(w.key, MODEL, [WHOLE_MAC]).status == 205
    assert w.p.serialnumber_ranges(w.key, MODEL) == [WHOLE_MAC]
    assert w.send("GET", path)[2].startswith(b"[{")
    overlapping = {**WHOLE_MAC, "first": WHOLE_MAC["last"], "last": WHOLE_MAC["last"] + 5}
    for ranges in ([WHOLE_MAC], [overlapping]):
        assert w.p.serialnumber_add_ranges(w.key, MODEL, ranges).status == 409
    assert w.p.serialnumber_remove_ranges(w.key, MODEL, [overlapping]).status == 404
    assert w.p.serialnumber_remove_ranges(w.key, MODEL, [WHOLE_MAC]).status == 205
    assert w.p.serialnumber_ranges(w.key, MODEL) == []


def add_range(w, format, first, last, length=None, casing=None):
    new = {"format": format, "length": length, "casing": casing, "first": first, "last": last}
    return w.p.serialnumber_add_ranges(w.key, MODEL, [new])


def test_what_lies_in_a_range(w):
    """PRV-073 PRV-074 PRV-075 PRV-076 PRV-077"""
    assert add_range(w, "base10", 0, 255, 8).status == 205
    assert add_range(w, "base16", 160, 175, 4, "lower").status == 205
    assert add_range(w, "mac.48", 1108152157440, 1108152157695).status == 205
    assert add_range(w, "mac-48", 1108152157440, 1108152157695, None, "upper").status == 205
    for sn, status in (
        ("00000001", 204),
        ("00000256", 404),
        ("1", 404),
        ("00af", 204),
        ("00AF", 404),
        ("0102.0304.0500", 204),
        ("01-02-03-04-05-FF", 204),
        ("01-02-03-04-05-ff", 404),
        ("0x01", 404),
    ):
        assert w.p.serialnumber_info(w.key, MODEL, sn).status == status, sn


@pytest.mark.parametrize(
    "given",
    [
        ("base7", 0, 1),
        ("base10", 5, 1),
        ("base10", -1, 1),
        ("base10", 0, 1000, 3),
        ("base16", 0, 2**48, 4, "upper"),
        ("mac:48", 0, 2**48),
        ("base16", 0, 1, 4, "Upper"),
        ("base10", 0, 1, "4"),
        ("base10", 0, "1"),
        ("base10", 0, 1.5),
        ("base10", True, 1),
    ],
    ids=repr,
)
def test_bad_ranges(w, given):
    """PRV-070"""
    assert add_range(w, *given).status == 400
    assert w.p.serialnumber_ranges(w.key, MODEL) == []


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"ranges": []}', b'{"ranges": [7]}'])
def test_bad_range_bodies(w, body):
    """PRV-070"""
    headers = {"Content-Type": "application/json"}
    for method in ("POST", "DELETE"):
        assert w.status(method, manage("model", MODEL, ""), body, headers) == 400


def test_enable_from_a_range(w):
    """PRV-078"""
    add_range(w, "base10", 0, 255, 8)
    w.enable("00000007")
    assert w.activate("00000007").status == 200
    assert [row[0] for row in listed(w)] == [SN, "00000007"]
    assert w.p.serialnumber_remove(w.key, MODEL, "00000007").status == 205
    assert w.p.serialnumber_info(w.key, MODEL, "00000007").status == 204
    assert w.p.serialnumber_remove(w.key, MODEL, "00000008").status == 404
    assert w.p.serialnumber_add(w.key, MODEL, "00000009", "extra").status == 205
    w.enable("00000010")
    assert w.p.serialnumber_add(w.key, MODEL, "00000010", "now mine").status == 205
    assert listed(w)[-1][2] == "now mine"


def test_remove(w):
    """PRV-060 PRV-061 PRV-082 PRV-083 PRV-084"""
    w.p.serialnumber_add_batch(w.key, MODEL, list("abcdefg"))
    path = manage("model", MODEL, "")
    assert w.status("POST", path, {"delete": "true", "sn": "a"}) == 205
    assert w.status("POST", path, {"delete": "true", "sn": "a"}) == 404
    assert w.p.serialnumber_remove_batch(w.key, MODEL, ["b", "c", "unknown"]).status == 205
    csv = {"Content-Type": "text/csv; charset=utf-8"}
    assert w.status("DELETE", path, b"d,extra\r\ne\n", csv) == 205
    assert [row[0] for row in listed(w)] == [SN, "f", "g"]
    assert w.status("DELETE", path, b"", csv) == 400
    assert w.status("DELETE", path, b"\n", csv) == 400
    assert w.status("DELETE", path, b"f", {"Content-Type": "text/plain"}) == 415
    assert w.status("POST", path, {"delete": "true"}) == 400
    assert len(listed(w)) == 3 and w.p.model_info(w.key, MODEL).status == 200


def test_pages(w):
    """PRV-086 PRV-087 PRV-089 PRV-090 PRV-093 PRV-094"""
    w.p.serialnumber_add_batch(w.key, MODEL, [f"n{i}" for i in range(11)])
    path = manage("model", MODEL, "")
    everything = [SN, *(f"n{i}" for i in range(11))]

    def page(query):
        status, _, body = w.send("GET", path + query)
        return [line.split(",")[0] for line in body.decode().split()] if status == 200 else status

    assert page("") == page("?limit=1") == everything[:5]
    assert page("?limit=6") + page("?offset=6&limit=1000") == everything
    assert page("?offset=12") == page("?offset=99999999999999999999") == 204
    for query in ("?limit=abc", "?limit=-1", "?offset=-1", "?offset=1.5"):
        assert page(query) == 400
    w.p.serialnumber_remove_batch(w.key, MODEL, everything)
    assert page("") == 204


def test_large_pages(w):
    """PRV-088"""
    w.p.serialnumber_add_batch_csv(w.key, MODEL, "\n".join(f"n{i:05}" for i in range(4500)))
    assert len(listed(w, limit=5000)) == 1000
    names = [row[0] for row in w.p.serialnumbers(w.key, MODEL)]
    assert names == [SN, *(f"n{i:05}" for i in range(4500))]
    w.p.serialnumber_remove_batch(w.key, MODEL, names[100:3200:2])
    left = names[:100] + names[101:3200:2] + names[3200:]
    assert [row[0] for row in w.p.serialnumbers(w.key, MODEL, page=700)] == left
    with pytest.raises(ProvisionException):
        next(w.p.serialnumbers(w.key, "unknown"))


def test_list_with_status(w):
    """PRV-092"""
    w.p.serialnumber_add(w.key, MODEL, "unused", "x")
    rid = w.enable()
    rows = listed(w, status=True)
    assert rows == [[SN, "notactivated", rid, ""], ["unused", "", "", "x"]]


def test_media_types(w):
    """PRV-095"""
    path = manage("model", MODEL, "")
    assert w.status("POST", path, b"sn=a", {"Content-Type": "text/plain"}) == 415
    assert w.status("POST", manage("model", ""), b"x", {"Content-Type": "text/csv"}) == 415
    assert w.status("POST", path, b"sn=%ff") == 400
    assert w.status("POST", path, b"\xff", {"Content-Type": "text/csv"}) == 400


# --- one serial number ---


def test_info(w):
    """PRV-096 PRV-097 PRV-098 PRV-100 PRV-101"""
    assert w.state() == 204
    assert w.state("unknown") == 404
    rid = w.enable()
    assert len(rid) == 40
    assert w.o.lookup(w.key, "owner", rid) == (True, w.account.portal_rid)

    def both():
        basic = w.o.info(w.key, rid, {"basic": True})[1]["basic"]["status"]
        row = w.p.serialnumber_info(w.key, MODEL, SN).rows()[0]
        assert row[1:] == [rid, ""] and row[0] == basic
        return basic

    assert both() == "notactivated"
    w.activate()
    assert both() == "activated"
    w.p.serialnumber_disable(w.key, MODEL, SN)
    assert both() == "expired"


def test_enable_errors(w, platform):
    """PRV-102 PRV-103 PRV-104 PRV-105 PRV-106"""

    def enable(owner, sn=SN):
        return w.p.serialnumber_enable(w.key, MODEL, sn, owner).status

    full, _ = client(w.o, w.key, limits={"client": 0})
    assert enable(full) == 409
    assert enable(platform.device().rid) == 403
    assert enable("0" * 40) == 404
    assert enable("x") == 400
    assert enable(w.account.portal_rid, "unknown") == 404
    path = manage("model", MODEL, SN)
    both = {"enable": "true", "owner": w.account.portal_rid, "oldsn": "x"}
    assert w.status("POST", path, both) == 400
    w.enable()
    assert enable(w.account.portal_rid) == 409


@pytest.mark.parametrize("options", [{}, {"aliases": False}, {"historical": False}], ids=repr)
def test_what_a_device_gets(w, options):
    """PRV-107 PRV-108 PRV-109"""
    w.p.model_update(w.key, MODEL, w.template, **options)
    _, cik = w.device()
    aliases = w.o.info(cik, {"alias": ""}, {"aliases": True})[1]["aliases"]
    assert list(aliases.values()) == ([] if options.get("aliases") is False else [["temp"]])
    (port,) = w.o.listing(cik, ["dataport"])[1][0]
    points = w.o.read(cik, port, {})[1]
    assert points == ([] if options.get("historical") is False else [[2, 20]])


def data_status(w, cik):
    return w.status("GET", "/onep:v1/stack/alias?temp", key=cik)


def test_reenable(w):
    """PRV-110 PRV-111 PRV-112 PRV-113 PRV-114"""
    assert w.p.serialnumber_reenable(w.key, MODEL, SN).status == 409
    rid = w.enable()
    (child,) = [r for r in w.o.listing(w.account.portal_cik, ["client"])[1][0] if r == rid]
    waiting = w.o.info(w.account.portal_cik, child, {"key": True})[1]["key"]
    assert data_status(w, waiting) == 401
    old = w.activate().body
    assert data_status(w, old) == 200
    assert w.p.serialnumber_reenable(w.key, MODEL, SN).status == 205
    assert data_status(w, old) == 401 and w.state() == "notactivated"
    new = w.activate().body
    assert new != old and data_status(w, new) == 200
    assert w.o.lookup(new, "alias", "") == (True, rid)
    w.p.serialnumber_disable(w.key, MODEL, SN)
    assert w.p.serialnumber_reenable(w.key, MODEL, SN).status == 205
    assert w.activate().status == 200


def test_reenable_restarts_the_window(tw, clock):
    """PRV-115"""
    tw.enable()
    clock.now += 23 * 3600
    tw.p.serialnumber_reenable(tw.key, MODEL, SN)
    clock.now += 7 * 3600
    assert tw.activate().status == 200


def test_disable(w):
    """PRV-116 PRV-117"""
    assert w.p.serialnumber_disable(w.key, MODEL, SN).status == 409
    _, cik = w.device()
    response = w.p.serialnumber_disable(w.key, MODEL, SN)
    assert (response.status, response.body) == (205, "")
    assert data_status(w, cik) == 401 and w.state() == "expired"
    with pytest.raises(OnePlatformException, match="401"):
        w.o.lookup(cik, "alias", "")
    assert w.p.serialnumber_disable(w.key, MODEL, SN).status == 205


def test_remap(w):
    """PRV-118 PRV-119 PRV-120"""
    w.p.serialnumber_add_batch(w.key, MODEL, ["new", "busy"])
    rid, old = w.device()
    w.enable("busy")
    assert w.p.serialnumber_remap(w.key, MODEL, "busy", SN).status == 409
    assert w.p.serialnumber_remap(w.key, MODEL, "new", "unknown").status == 404
    assert w.p.serialnumber_remap(w.key, MODEL, "new", SN).status == 205
    assert w.state() == 204
    assert w.p.serialnumber_info(w.key, MODEL, "new").rows() == [["notactivated", rid, ""]]
    assert w.activate().status == 409
    assert data_status(w, old) == 401
    assert w.activate("new").status == 200
    assert w.p.serialnumber_remap(w.key, MODEL, "busy", SN).status == 409


def test_bad_actions(w):
    """PRV-121 PRV-122"""
    path = manage("model", MODEL, SN)
    assert w.status("POST", path, {"enable": "true", "disable": "true"}) == 400
    assert w.status("POST", path, b"") == 400
    assert w.status("POST", path, {"enable": "yes"}) == 400


def test_log(tw, clock):
    """PRV-123 PRV-124"""
    assert tw.p.serialnumber_info(tw.key, MODEL, SN, True).status == 204
    tw.device()
    tw.activate()
    clock.now += 60
    tw.p.serialnumber_reenable(tw.key, MODEL, SN)
    tw.activate()
    rows = tw.p.serialnumber_info(tw.key, MODEL, SN, True).rows()
    entry = f"model={MODEL}&vendor={tw.name}&sn={SN}"
    assert rows == [
        ["1700000000", "127.0.0.1", entry],
        ["1700000060", "127.0.0.1", entry],
    ]


def test_groups_of_a_serial_number(w):
    """PRV-125"""
    assert w.p.serialnumber_groups(w.key, MODEL, SN).status == 204
    w.p.group_create(w.key, MODEL, "beta")
    w.p.group_add(w.key, MODEL, "beta", [["sn", SN]])
    assert w.p.serialnumber_groups(w.key, MODEL, SN).rows() == [["beta"]]


def test_delete(w):
    """PRV-126 PRV-127"""
    assert w.p.serialnumber_remove(w.key, MODEL, SN).status == 205
    assert w.p.serialnumber_list(w.key, MODEL).status == 204
    assert w.state() == 404
    assert w.p.serialnumber_remove(w.key, MODEL, SN).status == 404


def test_a_mac_as_serial_number(w):
    """PRV-128"""
    sn = "01:02:03:04:05:0a"
    w.p.serialnumber_add(w.key, MODEL, sn)
    path = manage("model", MODEL, sn)
    assert w.status("GET", path) == 204
    w.device(sn)
    assert w.p.serialnumber_info(w.key, MODEL, sn, True).status == 200
    assert w.status("POST", path, {"disable": "true"}) == 205
    assert w.status("POST", path, {"enable": "true"}) == 205
    assert w.status("GET", path + "?show=groups") == 204
    assert w.status("DELETE", path) == 205


# --- content ---


def test_content_entries(w):
    """PRV-129 PRV-130 PRV-131 PRV-132 PRV-133"""
    assert w.p.content_info(w.key, MODEL, "a").status == 404
    assert w.p.content_list(w.key, MODEL).status == 204
    assert w.p.content_create(w.key, MODEL, "a", "meta, text").status == 205
    assert w.p.content_create(w.key, MODEL, "a", "").status == 409
    path = manage("content", MODEL, "")
    assert w.status("POST", path, {"id": "b", "description": "old", "protected": "false"}) == 205
    assert w.status("POST", manage("content", MODEL), {"id": "c", "protected": "true"}) == 205
    assert w.p.content_list(w.key, MODEL).rows() == [["a"], ["b"], ["c"]]
    infos = [w.p.content_info(w.key, MODEL, name).rows()[0] for name in "abc"]
    assert [(row[3], row[4]) for row in infos] == [
        ("meta, text", "false"),
        ("old", "false"),
        ("", "true"),
    ]
    assert w.status("POST", path, {"meta": "x"}) == 400
    assert w.status("POST", path, {"id": "a b"}) == 400


@pytest.fixture
def entry(w):
    w.p.content_create(w.key, MODEL, "fw", "")

    def upload(data, type="application/octet-stream"):
        return w.p.content_upload(w.key, MODEL, "fw", data, type)

    return upload


def fetched(w):
    status, headers, body = w.send("GET", manage("content", MODEL, "fw?download=true"))
    assert status == 200
    return body, headers["Content-Type"]


def test_upload(w, entry):
    """PRV-134 PRV-135 PRV-136 PRV-140 PRV-142 PRV-197"""
    everything = bytes(range(256))
    assert entry(everything).status == 205
    (row,) = w.p.content_info(w.key, MODEL, "fw").rows()
    assert row[:2] == ["application/octet-stream", "256"] and len(row) == 5
    assert abs(int(row[2]) - time.time()) < 5
    assert fetched(w) == (everything, "application/octet-stream")
    _, cik = w.device()
    assert w.p.content_download(cik, w.name, MODEL, "fw").body == everything
    assert entry("a=b&c=d", FORM).status == 205
    assert fetched(w) == (b"a=b&c=d", FORM)
    path = manage("content", MODEL, "fw?download=true")
    assert w.status("GET", path, headers={"Accept": "*"}) == 200
    assert entry(b"").status == 205
    assert fetched(w)[0] == b""


def test_upload_with_odd_types(w, entry):
    """PRV-137 PRV-138"""
    path = manage("content", MODEL, "fw")
    connection = http.client.HTTPConnection(w.platform.host, w.platform.port)
    connection.putrequest("POST", path)
    for name, value in (
        ("X-Exosite-CIK", w.key),
        ("Content-Type", "first/type"),
        ("Content-Type", FORM),
        ("Content-Length", "1"),
    ):
        connection.putheader(name, value)
    connection.endheaders(b"x")
    assert connection.getresponse().status == 205
    connection.close()
    assert fetched(w) == (b"x", "first/type")
    assert w.status("POST", path, b"y", {"Content-Type": None}) == 205
    assert fetched(w) == (b"y", "application/octet-stream")


def test_upload_errors(w):
    """PRV-139"""
    assert w.p.content_upload(w.key, MODEL, "nothing", b"x", "x/y").status == 404
    assert w.p.content_upload(w.key, "unknown", "fw", b"x", "x/y").status == 404


def test_strict_upload():
    """PRV-141"""
    with LocalPlatform(settings=Settings(strict_content_upload=True)) as platform:
        w = World(platform)
        w.p.content_create(w.key, MODEL, "fw", "")
        assert w.p.content_upload(w.key, MODEL, "fw", b"x", "x/y").status == 205
        assert w.p.content_upload(w.key, MODEL, "fw", b"y", "x/y").status == 409
        w.close()


def test_content_limit():
    """PRV-139"""
    with LocalPlatform(settings=Settings(max_content_bytes=1000)) as platform:
        w = World(platform)
        w.p.content_create(w.key, MODEL, "fw", "")
        assert w.p.content_upload(w.key, MODEL, "fw", b"x" * 1000, "x/y").status == 205
        assert w.p.content_upload(w.key, MODEL, "fw", b"x" * 1001, "x/y").status == 413
        w.close()


def test_content_of_unknown_models(w):
    """PRV-144 PRV-145 PRV-146"""
    path = manage("content", "unknown", "fw")
    assert w.status("GET", path + "?download=true") == 403
    assert w.status("GET", manage("content", "unknown", "")) == 400
    assert w.status("GET", path) == 404
    assert w.status("GET", path + f"?sn={SN}") == 400
    assert w.p.content_list(w.key, MODEL, "unknown").status == 400


def test_protected_content(w, entry):
    """PRV-147 PRV-148 PRV-149 PRV-150"""
    w.p.content_create(w.key, MODEL, "secret", "s", True)
    w.p.content_upload(w.key, MODEL, "secret", b"x", "x/y")
    assert w.p.content_list(w.key, MODEL, SN).rows() == [["fw"]]
    path = manage("content", MODEL, "secret")
    assert w.status("GET", f"{path}?download=true&sn={SN}") == 403
    assert w.status("GET", f"{path}?sn={SN}") == 403
    assert w.p.content_groups(w.key, MODEL, "secret").status == 204
    w.p.group_create(w.key, MODEL, "inner")
    w.p.group_create(w.key, MODEL, "outer")
    w.p.group_add(w.key, MODEL, "inner", [["sn", SN]])
    w.p.group_add(w.key, MODEL, "outer", [["content", "secret"], ["group", "inner"]])
    assert w.p.content_groups(w.key, MODEL, "secret").rows() == [["outer"]]
    assert w.p.content_list(w.key, MODEL, SN).rows() == [["fw"], ["secret"]]
    assert w.send("GET", f"{path}?download=true&sn={SN}")[2] == b"x"
    row = w.send("GET", f"{path}?sn={SN}")[2].decode().split(",")
    assert len(row) == 4
    w.p.group_discard(w.key, MODEL, "inner", [["sn", SN]])
    assert w.p.content_list(w.key, MODEL, SN).rows() == [["fw"]]


def test_remove_content(w, entry):
    """PRV-151"""
    w.p.content_create(w.key, MODEL, "b", "")
    assert w.status("POST", manage("content", MODEL, ""), {"id": "b", "delete": "true"}) == 205
    entry(b"x" * 10**6)
    assert w.p.content_remove(w.key, MODEL, "fw").status == 205
    for name in ("fw", "b"):
        assert w.p.content_info(w.key, MODEL, name).status == 404
        assert w.p.content_remove(w.key, MODEL, name).status == 404


# --- groups ---


def test_groups(w):
    """PRV-152 PRV-153 PRV-154 PRV-163"""
    assert w.p.group_list(w.key, MODEL).status == 204
    assert w.p.group_create(w.key, MODEL, "a", "meta, a").status == 205
    assert w.p.group_create(w.key, MODEL, "a").status == 409
    path = manage("group", MODEL)
    assert w.status("POST", path, {"id": "b", "description": "old"}) == 205
    assert w.p.group_list(w.key, MODEL).rows() == [["a", "meta, a"], ["b", "old"]]
    assert w.status("POST", path, {"id": "b", "delete": "true"}) == 205
    assert w.p.group_remove(w.key, MODEL, "a").status == 205
    for name in ("a", "b"):
        assert w.p.group_info(w.key, MODEL, name).status == 404
        assert w.p.group_remove(w.key, MODEL, name).status == 404


@pytest.fixture
def group(w):
    w.p.group_create(w.key, MODEL, "g", "meta")
    return manage("group", MODEL, "g", "")


def members(w, **kwargs):
    return w.p.group_members(w.key, MODEL, "g", **kwargs).rows()


def test_members(w, group):
    """PRV-155 PRV-156 PRV-157 PRV-158 PRV-159 PRV-160"""
    assert w.p.group_members(w.key, MODEL, "g").status == 204
    form = [("type", "sn"), ("id[]", "a"), ("id[]", "b"), ("meta", "m"), ("expire", "0")]
    assert w.status("POST", group, form) == 205
    assert members(w) == [["sn", "a", "0", "m"], ["sn", "b", "0", "m"]]
    assert w.status("POST", group, {"type": "sn", "id": "a", "meta": "new"}) == 205
    assert members(w) == [["sn", "a", "0", "new"], ["sn", "b", "0", "m"]]
    assert (
        w.p.group_add(w.key, MODEL, "g", [["content", "a", 0, "x"], ["group", "c"]]).status == 205
    )
    assert w.p.group_info(w.key, MODEL, "g").rows() == [["meta", "4"]]
    assert members(w, type="content") == [["content", "a", "0", "x"]]
    assert [row[0] for row in members(w, member="a")] == ["sn", "content"]
    assert members(w, type="sn", member="a") == [["sn", "a", "0", "new"]]
    assert w.p.group_members(w.key, MODEL, "g", "sn", "c").status == 204


def test_remove_members(w, group):
    """PRV-161 PRV-162 PRV-168"""
    w.p.group_add(w.key, MODEL, "g", [["sn", name] for name in "abcde"])
    assert w.status("POST", group, {"type": "sn", "id": "a", "delete": "true"}) == 205
    form = [("type", "sn"), ("id[]", "b"), ("id[]", "x"), ("delete", "true")]
    assert w.status("POST", group, form) == 205
    assert w.p.group_discard(w.key, MODEL, "g", [["sn", "c"]]).status == 205
    assert [row[1] for row in members(w)] == ["d", "e"]
    assert w.status("DELETE", group, b"sn,d", {"Content-Type": "text/csv"}) == 205
    assert w.status("DELETE", group, b"", {"Content-Type": "text/csv"}) == 400
    assert w.p.group_info(w.key, MODEL, "g").rows() == [["meta", "1"]]
    assert w.status("DELETE", group.rstrip("/")) == 205
    assert w.p.group_info(w.key, MODEL, "g").status == 404


def test_nested_groups(w, group):
    """PRV-164 PRV-166"""
    w.p.group_create(w.key, MODEL, "h")
    w.p.group_add(w.key, MODEL, "g", [["group", "h"]])
    assert w.p.group_groups(w.key, MODEL, "h").rows() == [["g"]]
    assert w.p.group_groups(w.key, MODEL, "g").status == 204
    w.p.group_add(w.key, MODEL, "h", [["group", "g"], ["sn", SN]])
    w.p.content_create(w.key, MODEL, "secret", "", True)
    w.p.group_add(w.key, MODEL, "g", [["content", "secret"]])
    assert w.p.content_list(w.key, MODEL, SN).rows() == [["secret"]]


def test_expired_members(tw, clock):
    """PRV-165"""
    tw.p.group_create(tw.key, MODEL, "g", "")
    until = int(clock()) + 10
    tw.p.content_create(tw.key, MODEL, "secret", "", True)
    tw.p.group_add(tw.key, MODEL, "g", [["sn", SN, until, ""], ["content", "secret"]])
    assert tw.p.content_list(tw.key, MODEL, SN).rows() == [["secret"]]
    assert tw.p.group_info(tw.key, MODEL, "g").rows() == [["", "2"]]
    clock.now += 10
    assert tw.p.content_list(tw.key, MODEL, SN).status == 204
    assert members(tw) == [["content", "secret", "0", ""]]
    assert tw.p.group_info(tw.key, MODEL, "g").rows() == [["", "1"]]
    assert tw.p.serialnumber_groups(tw.key, MODEL, SN).status == 204


def test_bad_members(w, group):
    """PRV-167"""
    for form in (
        {"type": "cat", "id": "a"},
        {"id": "a"},
        {"type": "sn"},
        {"type": "sn", "id": "a", "expire": "soon"},
        {"type": "group", "id": "g"},
    ):
        assert w.status("POST", group, form) == 400
    assert w.status("POST", group, b"sn", {"Content-Type": "text/csv"}) == 400
    assert w.status("POST", group, b"x", {"Content-Type": "text/plain"}) == 415
    assert w.status("GET", group + "?type=cat") == 400
    assert w.status("GET", manage("group", MODEL, "unknown", "")) == 404


# --- shares, vendors, tokens ---


def test_shares(w, platform):
    """PRV-169 PRV-170 PRV-171 PRV-172"""
    partner = platform.vendor(f"partner{next(COUNTER)}").name
    assert w.p.model_share_list(w.key, MODEL).status == 204
    assert w.p.model_share_show(w.key, MODEL, partner).status == 404
    for _ in range(2):
        assert w.p.model_share(w.key, MODEL, partner).status == 205
    assert w.p.model_share_list(w.key, MODEL).rows() == [[partner]]
    assert w.p.model_share_show(w.key, MODEL, partner).status == 204
    assert w.p.model_unshare(w.key, MODEL, partner).status == 205
    assert w.p.model_share_show(w.key, MODEL, partner).status == 404
    assert w.p.model_unshare(w.key, MODEL, partner).status == 404
    path = manage("share", MODEL, "")
    w.p.model_share(w.key, MODEL, partner)
    assert w.status("POST", path, {"vendor": partner, "delete": "true"}) == 205
    assert w.p.model_share_show(w.key, MODEL, partner).status == 404
    assert w.p.model_share(w.key, MODEL, "nobody-at-all").status == 404
    assert w.p.model_share(w.key, MODEL, w.name).status == 409
    assert w.status("POST", path, {"delete": "true"}) == 400


def test_another_vendors_model(w, platform):
    """PRV-173"""
    stranger = platform.vendor(f"stranger{next(COUNTER)}")
    theirs = Provision(**platform.connection, shared_by=w.name)
    assert theirs.serialnumber_list(stranger.cik, MODEL).status == 403
    assert theirs.serialnumber_info(stranger.cik, MODEL, SN).status == 403
    assert w.p.serialnumber_list(stranger.cik, MODEL).status == 404
    assert theirs.serialnumber_list(w.key, MODEL).status == 200


def test_a_vendor_a_model_is_shared_with(w, guest):
    """PRV-174 PRV-175 PRV-176 PRV-177"""
    w.p.serialnumber_add(w.key, MODEL, "extra", "mine")
    w.enable()
    theirs = Provision(**w.platform.connection, shared_by=w.name)
    rid = theirs.serialnumber_enable(guest.cik, MODEL, "extra", guest.portal_rid).body
    assert len(rid) == 40
    assert theirs.serialnumber_list(guest.cik, MODEL).rows() == [["extra", rid, ""]]
    path = manage("model", MODEL, f"?shared={guest.name}")
    assert w.send("GET", path)[2] == f"extra,{rid},mine\r\n".encode()
    assert theirs.serialnumber_info(guest.cik, MODEL, "extra").rows() == [["notactivated", rid, ""]]
    assert theirs.serialnumber_info(guest.cik, MODEL, SN).status == 404
    assert theirs.serialnumber_info(guest.cik, MODEL, "extra", True).status == 204
    assert theirs.serialnumber_reenable(guest.cik, MODEL, "extra").status == 205
    assert theirs.serialnumber_disable(guest.cik, MODEL, "extra").status == 205
    for answer in (
        theirs.serialnumber_remove(guest.cik, MODEL, "extra"),
        theirs.serialnumber_add(guest.cik, MODEL, "x"),
        theirs.model_update(guest.cik, MODEL, w.template),
        theirs.content_list(guest.cik, MODEL),
        theirs.group_list(guest.cik, MODEL),
        theirs.model_share_list(guest.cik, MODEL),
        theirs.serialnumber_groups(guest.cik, MODEL, "extra"),
        theirs.serialnumber_enable(guest.cik, MODEL, "extra", w.account.portal_rid),
    ):
        assert answer.status == 403
    assert theirs.serialnumber_disable(guest.cik, MODEL, SN).status == 404
    w.p.model_unshare(w.key, MODEL, guest.name)
    assert theirs.serialnumber_list(guest.cik, MODEL).status == 403
    assert w.o.info(guest.portal_cik, rid, {"basic": True})[0]


def test_vendor_registration(w, platform):
    """PRV-178 PRV-179 PRV-180 PRV-181 PRV-182 PRV-183"""
    device = platform.device()
    name, path = f"new{next(COUNTER)}", "/provision/register"
    assert w.status("GET", path, key=device.cik) == 204
    assert w.status("GET", path, key=None) == 401
    assert w.status("POST", path, {"vendor": name}, {"Content-Type": None}, device.cik) == 205
    assert w.send("GET", path, key=device.cik)[2] == name.encode()
    assert w.p.vendor_register(device.cik, name).status == 205
    assert w.p.vendor_register(device.cik, "another").status == 409
    assert w.p.vendor_register(platform.device().cik, name).status == 409
    for bad in ("", "a b", "a/b", "x" * 65):
        assert w.p.vendor_register(platform.device().cik, bad).status == 400
    assert w.p.vendor_show(w.account.token).body == w.name
    body = {"vendor": name, "delete": "true"}
    assert w.status("POST", path, body, key=platform.device().cik) == 404
    assert w.status("POST", path, body, key=device.cik) == 205
    assert w.status("GET", path, key=device.cik) == 204
    assert w.p.vendor_unregister(w.account.token, w.name).status == 409
    w.p.model_remove(w.key, MODEL)
    assert w.p.vendor_unregister(w.account.token, w.name).status == 205
    assert w.p.vendor_show(w.account.token).status == 401


def test_tokens(w):
    """PRV-184 PRV-185 PRV-186 PRV-187 PRV-188 PRV-189"""
    by_token = Provision(**w.platform.connection, manage_by_cik=False)
    token = w.p.token_create(w.key, "ci").body
    assert len(token) == 40 and by_token.model_list(token).rows() == [[MODEL]]
    assert w.p.token_create(w.key, "ci").status == 409
    assert w.p.token_list(w.key).rows() == [["ci"], ["first"]]
    assert w.p.token_show(w.key, "ci").body == token
    assert w.p.token_show(w.key, "unknown").status == 404
    path = "/provision/admin/auth"
    assert w.status("GET", path, key="token") == 401
    assert w.status("POST", path, {"id": "x"}, key="token") == 401
    assert w.p.token_remove(w.key, "ci").status == 205
    assert by_token.model_list(token).status == 401
    assert w.status("POST", path, {"id": "first", "delete": "true"}) == 205
    assert by_token.model_list(w.account.token).status == 401
    assert w.p.token_remove(w.key, "ci").status == 404
    assert w.p.token_list(w.key).status == 204


# --- the wire in general ---


def test_error_bodies(w):
    """PRV-190 PRV-193 PRV-194"""
    for method, path, status, reason in (
        ("GET", "/provision/nothing", 404, "Not Found"),
        ("GET", "/provision", 404, "Not Found"),
        ("GET", "/provision/manage/model", 404, "Not Found"),
        ("GET", manage("model", MODEL, SN, ""), 404, "Not Found"),
        ("GET", manage("model", "", SN), 404, "Not Found"),
        ("GET", "/provision/callback", 404, "Not Found"),
        ("PUT", manage("model", MODEL, ""), 405, "Method Not Allowed"),
        ("DELETE", "/provision/register", 405, "Method Not Allowed"),
    ):
        found, headers, body = w.send(method, path)
        assert (found, body) == (status, f"HTTP/1.1 {status} {reason}\r\n".encode())
        assert headers["Content-Type"] == "text/plain; charset=utf-8"
        assert headers["Location"] is None
        assert (headers["Allow"] is not None) == (status == 405)


def test_answers_without_body(w):
    """PRV-191 PRV-192"""
    status, headers, body = w.send("POST", manage("model", MODEL, ""), {"sn": "z"})
    assert (status, headers["Content-Length"], body) == (205, "0", b"")
    status, headers, body = w.send("GET", manage("model", MODEL, "z"))
    assert (status, body) == (204, b"")
    assert w.status("GET", manage("model", MODEL, "")) == 200


def test_life_cycle(w):
    """PRV-202"""
    sn, model = "TX2-1", "life"
    p, key = w.p, w.key
    assert p.model_create(key, model, w.template, aliases=False).status == 205
    assert p.serialnumber_add(key, model, sn, "line 4").status == 205
    assert p.serialnumber_info(key, model, sn).status == 204
    assert w.activate(sn, model).status == 409
    rid = w.enable(sn, model=model)
    assert p.serialnumber_info(key, model, sn).rows() == [["notactivated", rid, "line 4"]]
    cik = w.activate(sn, model).body
    assert w.activate(sn, model).status == 409
    assert len(p.serialnumber_info(key, model, sn, True).rows()) == 1
    assert p.serialnumber_disable(key, model, sn).status == 205
    assert w.activate(sn, model).status == 409
    assert p.serialnumber_reenable(key, model, sn).status == 205
    new = w.activate(sn, model).body
    assert new != cik
    assert p.content_create(key, model, "fw-1.4.bin", "1.4").status == 205
    assert p.content_upload(key, model, "fw-1.4.bin", b"x" * 2000, "a/b").status == 205
    assert p.content_for_device(new, w.name, model).rows() == [["fw-1.4.bin"]]
    assert p.content_info(new, model, "fw-1.4.bin", w.name).status == 200
    part = p.content_download(new, w.name, model, "fw-1.4.bin", byterange=(0, 1023))
    assert (part.status, len(part.content)) == (206, 1024)
    assert p.serialnumber_remove(key, model, sn).status == 205
    assert p.model_remove(key, model).status == 205


def test_sixteen_megabytes(w, entry):
    """PRV-204"""
    blob = os.urandom(16 * 1024 * 1024)
    assert entry(blob).status == 205
    assert fetched(w)[0] == blob
    _, cik = w.device()
    assert w.p.content_download(cik, w.name, MODEL, "fw").content == blob
    file = io.BytesIO()
    assert w.p.content_download(cik, w.name, MODEL, "fw", file).status == 200
    assert file.getvalue() == blob
    assert w.p.content_download(cik, w.name, MODEL, "fw", file).status == 200
    assert file.getvalue() == blob


def test_ip(w):
    """PRV-196 DAT-072 DAT-073"""
    high, low = divmod(w.platform.port, 256)
    status, _, body = w.send("GET", "/ip", key=None)
    assert (status, body) == (200, f"127,0,0,1,{high},{low}".encode())


# --- the client ---


def test_raised_exceptions(w):
    """PRV-198"""
    strict = Provision(**w.platform.connection, raise_api_exceptions=True)
    with pytest.raises(ProvisionException, match="^409 Conflict$") as caught:
        strict.serialnumber_add(w.key, MODEL, SN)
    response = caught.value.response
    assert (response.status, response.reason) == (409, "Conflict")
    assert (response.status(), response.reason()) == (409, "Conflict")
    assert response.body == "HTTP/1.1 409 Conflict\r\n" and not response.isok
    assert w.key not in str(caught.value) + repr(response) + str(response)


GOOD_NAMES = ("..", ".", "a;b")
BAD_NAMES = ("a/b", "x?y", "a b", "größe", "%2e%2e", "a#b", "x" * 10_000, "a\nb")


@pytest.mark.parametrize("name", GOOD_NAMES + BAD_NAMES, ids=lambda name: repr(name[:8]))
def test_names_reach_no_other_endpoint(w, name):
    """PRV-201"""
    before = w.p.serialnumber_list(w.key, MODEL).body
    for answer in (
        w.p.model_info(w.key, name),
        w.p.model_remove(w.key, name),
        w.p.serialnumber_list(w.key, name),
        w.p.serialnumber_info(w.key, name, SN),
        w.p.content_info(w.key, MODEL, name or "-"),
        w.p.serialnumber_remove(w.key, MODEL, name) if name else w.p.model_info(w.key, "-"),
    ):
        assert answer.status in (400, 404, 405), (answer.response.url[:200], answer)
    assert w.p.serialnumber_add(w.key, MODEL, name).status == (
        205 if name in ("..", ".", "a;b") else 400
    )
    if name in ("..", ".", "a;b"):
        assert w.p.serialnumber_info(w.key, MODEL, name).status == 204
        assert w.p.serialnumber_remove(w.key, MODEL, name).status == 205
    assert w.p.serialnumber_list(w.key, MODEL).body == before


def test_an_empty_name_is_not_sent(w):
    """PRV-201"""
    for call in (
        lambda: w.p.model_remove(w.key, ""),
        lambda: w.p.model_info(w.key, ""),
        lambda: w.p.serialnumber_remove(w.key, MODEL, ""),
        lambda: w.p.content_remove(w.key, "", "x"),
    ):
        with pytest.raises(OneException, match="empty"):
            call()
    assert w.p.model_list(w.key).rows() == [[MODEL]]
    assert w.p.serialnumber_add(w.key, MODEL, "").status == 400


def test_a_device_key_where_a_vendors_is_needed(w):
    _, cik = w.device()
    assert w.p.model_list(cik).status == 403
    assert w.p.serialnumber_add(cik, MODEL, "x").status == 403
    assert w.p.token_list(cik).status == 403
    assert w.p.content_upload(cik, MODEL, "x", b"", "x/y").status == 403


# --- connections that break ---


def test_a_download_that_breaks_is_resumed(w, entry, tmp_path):
    blob = os.urandom(3_000_000)
    entry(blob)
    _, cik = w.device()
    with Proxy(w.platform.port) as proxy:
        p = Provision(**proxy.connection)
        with open(tmp_path / "fw", "w+b") as file:
            for cut in (100_000, 1_000_000, 40):
                proxy.cut_after = cut
                response = p.content_download(cik, w.name, MODEL, "fw", file)
                assert response.isok
                file.seek(0)
                assert file.read() == blob
                file.truncate(1_500_000)
        assert proxy.faults == 3


def test_a_download_that_never_ends_well_says_so(w, entry):
    entry(b"x" * 100_000)
    _, cik = w.device()
    with Proxy(w.platform.port) as proxy:
        proxy.swallow = True
        p = Provision(**proxy.connection)
        with pytest.raises(ProvisionConnectionError) as caught:
            p.content_download(cik, w.name, MODEL, "fw", io.BytesIO())
        assert cik not in str(caught.value) and proxy.faults == 5
        proxy.swallow, proxy.cut_after = False, 50_000
        with pytest.raises(ProvisionConnectionError):
            p.content_download(cik, w.name, MODEL, "fw")


def test_content_that_changes_between_two_downloads(w, entry):
    """A longer file of another content is continued; a shorter one starts anew."""
    _, cik = w.device()
    entry(b"a" * 1000)
    file = io.BytesIO(b"b" * 2000)
    file.seek(0, 2)
    with pytest.raises(ProvisionException, match="416"):
        Provision(**w.platform.connection, raise_api_exceptions=True).content_download(
            cik, w.name, MODEL, "fw", file
        )


def test_an_upload_that_breaks_changes_nothing(w, entry):
    def count():
        return w.platform.run(lambda p: p.database.run(COUNT_PIECES).fetchone()[0])

    entry(b"old")
    before = count()
    blob = os.urandom(3_000_000)
    with Proxy(w.platform.port) as proxy:
        proxy.cut_request_after = 1_000_000
        p = Provision(**proxy.connection)
        with pytest.raises(ProvisionConnectionError):
            p.content_upload(w.key, MODEL, "fw", io.BytesIO(blob), "x/y")
        assert fetched(w)[0] == b"old"
        assert p.content_upload(w.key, MODEL, "fw", io.BytesIO(blob), "x/y").status == 205
    assert fetched(w) == (blob, "x/y")
    settles(lambda: count() <= before - 1 + -(-len(blob) // PIECE))


def test_no_platform_there():
    for given, error in (
        ({"port": free_port()}, ProvisionConnectionError),
        ({"host": "no-such-host.invalid"}, ProvisionConnectionError),
    ):
        p = Provision(**{"host": "127.0.0.1", "https": False, **given})
        with pytest.raises(error) as caught:
            p.model_list("secret-key")
        assert isinstance(caught.value, http.client.HTTPException)
        assert isinstance(caught.value, requests.exceptions.ConnectionError)
        assert isinstance(caught.value, OneException)
        assert caught.value.__cause__ is not None and "secret-key" not in str(caught.value)
    with Socket(lambda conn: None) as dead:
        with pytest.raises(ProvisionTimeout) as caught:
            Provision(**dead.connection, httptimeout=0.1).model_list("k")
        assert isinstance(caught.value, requests.exceptions.Timeout)
        assert isinstance(caught.value, http.client.HTTPException)


def test_close_and_go_on(w):
    w.p.close()
    w.p.close()
    assert w.p.model_list(w.key).isok
    Provision().close()


def test_text_and_bytes(w, entry):
    entry("größe".encode())
    assert w.p.content_download(w.device()[1], w.name, MODEL, "fw").body == "größe"
    with Recorder(lambda _: (200, {"Content-Type": "text/plain"}, "größe".encode())) as server:
        assert Provision(**server.connection).model_list("k").body == "größe"
    with Recorder(lambda _: (200, {}, b"\xff\x00")) as server:
        response = Provision(**server.connection).model_list("k")
        assert response.body == b"\xff\x00" and repr(response) == "b'\\xff\\x00'"
        assert "200" in str(response)


def test_ranges_from_any_platform():
    """PRV-199"""
    one = {"format": "base10", "length": 4, "casing": None, "first": 0, "last": 9}
    for body in (json.dumps([one]), json.dumps({"ranges": [one]})):
        with Recorder(lambda _, body=body: (200, {}, body.encode())) as server:
            assert Provision(**server.connection).serialnumber_ranges("k", "m") == [one]


@pytest.mark.parametrize("text", ['a,x\r\nb,"y"\r\n', "a,x\nb,y", "a,x\n\nb,y\n"])
def test_lists_from_any_platform(text):
    """PRV-200"""
    with Recorder(lambda _: (200, {}, text.encode())) as server:
        rows = Provision(**server.connection).serialnumber_list("k", "m").rows()
    assert rows == [["a", "x"], ["b", "y"]]


def _count_pieces():
    from sqlalchemy import func, select

    from pyonep.server.store.schema import pieces

    return select(func.count()).select_from(pieces)


COUNT_PIECES = _count_pieces()
