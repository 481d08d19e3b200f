"""The serial numbers of a model: one, many, ranges of them, and the pages of their list."""

from __future__ import annotations

import pytest
from vendors import MODEL, SN, manage

from pyonep.exceptions import ProvisionException


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
