"""The main job, on the embedded platform and on the one named in testconfig.py."""

from __future__ import annotations

import importlib.util

import pytest

from pyonep import onep

CONFIGURED = importlib.util.find_spec("testconfig") is not None


@pytest.fixture(
    params=[
        "embedded",
        pytest.param(
            "configured", marks=pytest.mark.skipif(not CONFIGURED, reason="no test/testconfig.py")
        ),
    ]
)
def target(request):
    """``(OnepV1, cik)``"""
    if request.param == "embedded":
        platform = request.getfixturevalue("platform")
        return onep.OnepV1(**platform.connection), platform.device().cik
    import testconfig

    return onep.OnepV1(**testconfig.CONNECTION), testconfig.CIK


def test_main_job(target):
    o, cik = target
    isok, rid = o.create(cik, "dataport", {"format": "float", "name": "pyonep test"})
    assert isok, rid
    try:
        assert o.write(cik, rid, 21.5) == (True, "ok")
        assert o.read(cik, rid, {})[1][0][1] == 21.5
        assert o.recordbatch(cik, rid, [[-60, 1.5], [-30, 2.5]]) == (True, "ok")
        assert [v for _, v in o.read(cik, rid, {"limit": 3})[1]] == [21.5, 2.5, 1.5]
        assert o.info(cik, rid, {"basic": True})[1]["basic"]["type"] == "dataport"
        assert o.flush(cik, rid) == (True, "ok")
        assert o.read(cik, rid, {}) == (True, [])
    finally:
        assert o.drop(cik, rid) == (True, "ok")


def test_deferred(target):
    o, cik = target
    o.lookup(cik, "alias", "", defer=True)
    o.listing(cik, ["dataport"], {"owned": True}, defer=True)
    (_, ok1, _), (_, ok2, listing) = o.send_deferred(cik)
    assert ok1 and ok2 and set(listing) == {"dataport"}
