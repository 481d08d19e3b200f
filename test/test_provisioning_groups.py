"""Groups of serial numbers, content and other groups."""

from __future__ import annotations

import pytest
from vendors import MODEL, SN, manage


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
