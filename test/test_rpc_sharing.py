"""Shares, keys and tokens: rows RPC-160 to RPC-177."""

from __future__ import annotations

import pytest

from pyonep.exceptions import OnePlatformException
from pyonep.server.core.access import PERMISSIONS


@pytest.fixture
def other(platform):
    return platform.device()


@pytest.fixture
def port(o, cik, new_dataport):
    rid = new_dataport(o, cik)
    o.write(cik, rid, 2.5)
    return rid


def test_share(o, cik, port):
    """RPC-160"""
    isok, code = o.share(cik, port)
    assert isok and len(code) == 40
    assert o.share(cik, port, {"meta": "x"})[1] != code
    assert o.share(cik, port, {"meta": 7})[1] == "fail"
    assert o.share(cik, port, {"meta": "x" * 70_000}) == (False, "invalid")
    assert o.share(cik, {"alias": ""}) == (False, "restricted")


def test_change_the_meta_of_a_share(o, cik, port, new_dataport):
    """RPC-161"""
    code = o.share(cik, port, {"meta": "old"})[1]
    assert o.share(cik, port, {"meta": "new", "code": code}) == (True, code)
    assert o.info(cik, port, {"shares": True})[1]["shares"][0]["meta"] == "new"
    elsewhere = new_dataport(o, cik)
    assert o.share(cik, elsewhere, {"meta": "x", "code": code}) == (False, "invalid")


def test_activate_share(o, cik, other, port):
    """RPC-162"""
    assert o.read(other.cik, port, {}) == (False, "restricted")
    assert o.activate(other.cik, "share", o.share(cik, port)[1]) == (True, "ok")
    assert o.read(other.cik, port, {})[1][0][1] == 2.5
    assert o.activate(other.cik, "share", "0" * 40) == (False, "invalid")
    assert o.activate(other.cik, "share", "x") == (False, "invalid")


def test_a_second_activator(o, platform, cik, other, port):
    """RPC-163"""
    code = o.share(cik, port)[1]
    o.activate(other.cik, "share", code)
    assert o.activate(platform.device().cik, "share", code) == (False, "invalid")
    assert o.activate(other.cik, "share", code) == (False, "invalid")


def test_the_same_resource_twice(o, cik, other, port):
    """RPC-164"""
    o.activate(other.cik, "share", o.share(cik, port)[1])
    assert o.activate(other.cik, "share", o.share(cik, port)[1]) == (False, "invalid")


def test_what_an_activator_may_do(o, cik, other, port, new_dataport):
    """RPC-165"""
    o.activate(other.cik, "share", o.share(cik, port)[1])
    assert set(o.info(other.cik, port)[1]) == {"basic", "description", "storage"}
    assert o.wait(other.cik, port, {"since": 1})[0]
    follower = new_dataport(o, other.cik, subscribe=port)
    o.write(cik, port, 9)
    assert o.read(other.cik, follower, {})[1][0][1] == 9
    for answer in (
        o.write(other.cik, port, 1),
        o.record(other.cik, port, [[1, 1]]),
        o.flush(other.cik, port),
        o.update(other.cik, port, {}),
        o.drop(other.cik, port),
        o.share(other.cik, port),
        o.tag(other.cik, port, "add", "x"),
    ):
        assert answer == (False, "restricted")
    assert o.map(other.cik, port, "theirs") == (True, "ok")
    assert o.read(other.cik, {"alias": "theirs"}, {})[0]


@pytest.mark.parametrize("by", ["code", "rid"])
def test_deactivate_share(o, cik, other, port, by):
    """RPC-166 RPC-167"""
    code = o.share(cik, port)[1]
    o.activate(other.cik, "share", code)
    given = code if by == "code" else port
    assert o.deactivate(cik, "share", given) == (False, "invalid")
    assert o.deactivate(other.cik, "share", given) == (True, "ok")
    assert o.read(other.cik, port, {}) == (False, "restricted")
    assert o.deactivate(other.cik, "share", given) == (False, "invalid")
    assert o.activate(other.cik, "share", code) == (True, "ok")


def test_revoke_share(o, cik, other, port):
    """RPC-168"""
    code = o.share(cik, port)[1]
    o.activate(other.cik, "share", code)
    assert o.revoke(other.cik, "share", code) == (False, "noauth")
    assert o.revoke(cik, "share", code) == (True, "ok")
    assert o.read(other.cik, port, {}) == (False, "restricted")
    assert o.activate(other.cik, "share", code) == (False, "invalid")
    assert o.revoke(cik, "share", code) == (False, "invalid")
    assert o.info(cik, port, {"shares": True})[1]["shares"] == []
    assert o.info(cik, {"alias": ""}, {"counts": True})[1]["counts"]["share"] == 0


def test_share_limit(o, cik, new_client, new_dataport):
    _, key = new_client(o, cik, limits={"share": 1, "dataport": 1})
    port = new_dataport(o, key)
    code = o.share(key, port)[1]
    assert o.share(key, port) == (False, "invalid")
    o.revoke(key, "share", code)
    assert o.share(key, port)[0]


def test_shares_end_with_the_resource(o, cik, other, new_client, new_dataport):
    child, key = new_client(o, cik, limits={"share": 1, "dataport": 1})
    port = new_dataport(o, key)
    code = o.share(key, port)[1]
    o.activate(other.cik, "share", code)
    o.drop(cik, child)
    assert o.listing(other.cik, ["dataport"], {"activated": True})[1] == {"dataport": []}
    assert o.read(other.cik, port, {}) == (False, "restricted")
    assert o.lookup(other.cik, "shared", code) == (False, "invalid")


# --- keys ---


@pytest.fixture
def copy(o, cik, new_client):
    """A clone whose key is not activated: ``(rid, key)``"""
    source, _ = new_client(o, cik, limits={"client": 1})
    rid = o.create(cik, "clone", {"rid": source})[1]
    return rid, o.info(cik, rid, {"key": True})[1]["key"]


def status(o, cik, rid):
    return o.info(cik, rid, {"basic": True})[1]["basic"]["status"]


def test_activate_client_by_its_owner(o, cik, copy):
    """RPC-169"""
    rid, key = copy
    assert o.activate(cik, "client", key) == (True, "ok")
    assert status(o, cik, rid) == "activated"
    assert o.lookup(key, "alias", "") == (True, rid)


def test_activate_client_by_another(o, cik, other, copy):
    """RPC-170"""
    assert o.activate(other.cik, "client", copy[1]) == (False, "noauth")
    assert o.deactivate(other.cik, "client", copy[1]) == (False, "noauth")
    assert status(o, cik, copy[0]) == "notactivated"


def test_activate_client_twice(o, cik, copy):
    """RPC-171"""
    o.activate(cik, "client", copy[1])
    assert o.activate(cik, "client", copy[1]) == (False, "invalid")
    assert o.activate(cik, "client", "0" * 40) == (False, "invalid")


def test_deactivate_client(o, cik, copy, new_client):
    """RPC-172"""
    rid, key = new_client(o, cik)
    for number, cipher in ((rid, key), copy):
        assert o.deactivate(cik, "client", cipher) == (True, "ok")
        assert status(o, cik, number) == "expired"
        with pytest.raises(OnePlatformException, match="401"):
            o.lookup(cipher, "alias", "")
        assert o.activate(cik, "client", cipher) == (False, "invalid")


def test_revoke_client(timed, timed_o, clock, new_client):
    """RPC-173"""
    o, cik = timed_o, timed.device().cik
    rid, old = new_client(o, cik)
    assert o.revoke(cik, "client", old) == (True, "ok")
    new = o.info(cik, rid, {"key": True})[1]["key"]
    assert new != old and status(o, cik, rid) == "notactivated"
    for key in (old, new):
        with pytest.raises(OnePlatformException, match="401"):
            o.lookup(key, "alias", "")
    clock.now += 24 * 3600
    assert status(o, cik, rid) == "expired"
    assert o.revoke(cik, "client", new) == (True, "ok")
    newest = o.info(cik, rid, {"key": True})[1]["key"]
    assert o.activate(cik, "client", newest) == (True, "ok")
    assert o.lookup(newest, "alias", "") == (True, rid)


def test_revoke_client_not_owned(o, cik, other, new_client):
    """RPC-174"""
    _, key = new_client(o, cik)
    assert o.revoke(other.cik, "client", key) == (False, "noauth")
    assert o.revoke(key, "client", key) == (False, "noauth")
    assert o.revoke(cik, "client", "0" * 40) == (False, "invalid")
    assert o.lookup(key, "alias", "")[0]


def test_activate_with_a_leading_client(o, cik, copy, new_client):
    child, key = new_client(o, cik, limits={"client": 2})
    inner, _ = new_client(o, key)
    twin = o.create(key, "clone", {"rid": inner})[1]
    cipher = o.info(key, twin, {"key": True})[1]["key"]
    assert o.activate(cik, "client", cipher) == (False, "noauth")
    assert o._call("activate", cik, [child, "client", cipher], False) == (True, "ok")
    assert o._call("deactivate", cik, [child, "client", cipher], False) == (True, "ok")


# --- tokens ---


def test_grant(o, device, port):
    """RPC-175"""
    isok, token = o.grant(device.cik, {"alias": ""}, {port: ["read"], device.rid: ["lookup"]}, 60)
    assert isok and len(token) == 40
    auth = {"token": token}
    assert o.read(auth, port, {})[1][0][1] == 2.5
    assert o.lookup(auth, "alias", "") == (True, device.rid)


def test_what_is_not_granted_is_restricted(o, device, other, port, new_dataport):
    """RPC-176"""
    elsewhere = new_dataport(o, device.cik, public=True)
    auth = {"token": o.grant(device.cik, {"alias": ""}, {port: ["read"]})[1]}
    for answer in (
        o.read(auth, elsewhere, {}),
        o.write(auth, port, 1),
        o.writegroup(auth, [[port, 1]]),
        o.recordbatch(auth, port, [[1, 1]]),
        o.flush(auth, port),
        o.info(auth, port),
        o.lookup(auth, "alias", ""),
        o.listing(auth, ["dataport"]),
        o.create(auth, "dataport", {"format": "float"}),
        o.drop(auth, port),
        o.update(auth, port, {}),
        o.map(auth, port, "x"),
        o.unmap(auth, "x"),
        o.share(auth, port),
        o.tag(auth, port, "add", "x"),
        o.usage(auth, {"alias": ""}, "client", 1, 2),
        o.wait(auth, port, {"timeout": 1}),
        o.grant(auth, {"alias": ""}, {port: ["write"]}),
        o.activate(auth, "share", "0" * 40),
        o.deactivate(auth, "client", other.cik),
    ):
        assert answer == (False, "restricted")
    assert o.read(auth, port, {})[0]


def test_every_permission_opens_its_procedure(o, device, new_client, new_dataport):
    """RPC-176"""
    limits = {"dataport": "inherit", "client": "inherit", "share": "inherit"}
    box, key = new_client(o, device.cik, limits=limits)
    port = new_dataport(o, key, alias="x")
    spare = new_dataport(o, key)
    _, inner = new_client(o, key)
    calls = {
        "read": [port, {}],
        "write": [port, 1],
        "writegroup": [[[port, 1]]],
        "record": [port, [[1, 1]]],
        "flush": [port],
        "wait": [port, {"since": 1}],
        "info": [port],
        "listing": [["dataport"]],
        "create": ["dataport", {"format": "float"}],
        "update": [port, {}],
        "usage": [{"alias": ""}, "dataport", 1, 2],
        "map": ["alias", port, "y"],
        "lookup": ["alias", "x"],
        "unmap": ["alias", "y"],
        "share": [port],
        "revoke": ["client", inner],
        "move": [spare, box],
        "drop": [spare],
    }
    assert set(calls) == set(PERMISSIONS)
    o.write(key, port, 1)
    for permission, arguments in calls.items():
        auth = {"token": o.grant(device.cik, box, {box: [permission]})[1]}
        isok, response = o._call(permission, auth, arguments, False)
        assert isok, (permission, response)
        o.write(key, port, 1)
    auth = {"token": o.grant(device.cik, box, {box: ["record"]})[1]}
    assert o.recordbatch(auth, port, [[1, 1]]) == (True, "ok")


@pytest.mark.parametrize(
    ("permissions", "ttl"),
    [({"x": ["read"]}, 1), (None, 0), (None, -5), (None, "1"), ("bad word", 1), ("no list", 1)],
    ids=repr,
)
def test_bad_grants(o, device, port, permissions, ttl):
    """RPC-177"""
    words = {None: ["read"], "bad word": ["fly"], "no list": "read"}
    given = permissions if isinstance(permissions, dict) else {port: words[permissions]}
    assert o.grant(device.cik, {"alias": ""}, given, ttl) == (False, "invalid")
    assert o.grant(device.cik, port, {port: ["read"]}) == (False, "invalid")


def test_a_token_ends_with_its_client(o, cik, new_client):
    box, _ = new_client(o, cik)
    auth = {"token": o.grant(cik, box, {box: ["lookup"]})[1]}
    assert o.lookup(auth, "alias", "")[0]
    o.drop(cik, box)
    with pytest.raises(OnePlatformException, match="401"):
        o.lookup(auth, "alias", "")
