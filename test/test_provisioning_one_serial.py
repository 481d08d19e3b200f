"""One serial number: enabled, activated, disabled, moved to another, and its log."""

from __future__ import annotations

import pytest
from platforms import client
from vendors import MODEL, SN, manage

from pyonep.exceptions import OnePlatformException


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
