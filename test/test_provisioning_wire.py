"""What all provisioning answers have in common, and the life of a device from end to end."""

from __future__ import annotations

import io
import os

from vendors import MODEL, SN, fetched, manage


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
