"""Content of a model, as its vendor keeps it."""

from __future__ import annotations

import http.client
import time

from vendors import FORM, MODEL, SN, World, fetched, manage

from pyonep.server import LocalPlatform, Settings


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
