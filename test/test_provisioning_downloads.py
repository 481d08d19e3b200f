"""What a device downloads: lists and contents, whole and in ranges."""

from __future__ import annotations

import os
from urllib.parse import urlencode

import pytest
from vendors import MODEL, SN, manage


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
