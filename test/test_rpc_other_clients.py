"""What other clients taught about the platform: rows AMD-001 to AMD-010."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from platforms import Clock

from pyonep import Provision, onep
from pyonep.server import LocalPlatform

HERE = Path(__file__).parent
NOW = 1_700_000_000


def test_aliased_is_alias(raw, device, o, new_dataport, new_client):
    """AMD-001"""
    rid = new_dataport(o, device.cik, alias="x")
    box, key = new_client(o, device.cik, limits={"dataport": 1})
    inner = new_dataport(o, key, alias="y")
    for word in ("alias", "aliased"):
        for arguments, found in (
            ([word, "x"], rid),
            ([word, ""], device.rid),
            ([box, word, "y"], inner),
            ([box, word, ""], box),
        ):
            answer = raw.call(device.cik, "lookup", *arguments)
            assert answer == {"status": "ok", "result": found}
        assert raw.call(device.cik, "lookup", word, "nothing")["status"] == "invalid"


@pytest.mark.parametrize(
    ("procedure", "arguments", "words"),
    [
        ("lookup", ["alia", "x"], ("alias", "aliased", "owner", "shared")),
        ("lookup", [None, "x"], ("alias", "aliased", "owner", "shared")),
        ("lookup", [{"alias": ""}, ["alias"], "x"], ("alias", "aliased", "owner", "shared")),
        ("map", ["aliased", {"alias": ""}, "x"], ("alias",)),
        ("unmap", ["aliased", "x"], ("alias",)),
        ("activate", ["key", "0" * 40], ("client", "share")),
        ("deactivate", [1, "0" * 40], ("client", "share")),
        ("revoke", [{}, "0" * 40], ("client", "share")),
        ("tag", [{"alias": ""}, "set", "x"], ("add", "remove")),
        ("comment", [{"alias": ""}, "secret", "x"], ("public", "private")),
        ("create", ["device", {}], ("client", "dataport", "datarule", "dispatch", "clone")),
        ("usage", [{"alias": ""}, "x", 0, 1], ("client", "dataport", "share", "email")),
    ],
    ids=repr,
)
def test_a_refusal_lists_every_word_that_would_fit(raw, cik, procedure, arguments, words):
    """AMD-002"""
    answer = raw.call(cik, procedure, *arguments)
    assert answer["status"] in ("fail", "invalid")
    assert answer["error"]["context"] == "arguments"
    assert all(word in answer["error"]["message"] for word in words)


@pytest.mark.parametrize("end", [[], [None]], ids=repr)
def test_usage_without_an_end_counts_to_now(timed, timed_o, clock, end, new_dataport):
    """AMD-003"""
    cik = timed.device().cik
    new_dataport(timed_o, cik)
    clock.now += 10
    arguments = [{"alias": ""}, "dataport", NOW]
    assert timed_o._call("usage", cik, [*arguments, *end], False) == (True, 10)


def test_listing_says_which_types_there_are(raw, cik):
    """AMD-008"""
    for arguments in (["sensor"],), (["dataport", "sensor"], {}), ({"alias": ""}, [None], {}):
        answer = raw.call(cik, "listing", *arguments)
        assert answer["status"] == "error"
        assert all(kind in answer["result"] for kind in ("client", "dataport", "dispatch"))


FITTING = {
    "email": ["a@example.com", "größe@example.org"],
    "xmpp": ["a@example.com"],
    "sms": ["+4915112345678", "15551234567"],
    "http_get": ["http://example.com", "https://example.com:8080/a?b=c"],
    "http_post": ["HTTP://10.0.0.1/x"],
    "http_put": ["https://example.com/"],
}
NOT_FITTING = {
    "email": ["", "a", "a@", "@b", "a@b@c", "a @example.com", "a@example.com\n", "+15551234567"],
    "xmpp": ["http://example.com"],
    "sms": ["", "a@example.com", "+1 555 123", "0123", "1" * 16, "+", "1555123456\u0663"],
    "http_get": ["", "example.com", "ftp://example.com", "http://", "http:///x", "http://a b"],
    "http_post": ["a@example.com"],
    "http_put": ["https://example.com\n"],
}


@pytest.mark.parametrize("method", FITTING)
def test_a_recipient_fits_its_method(raw, cik, method):
    """AMD-009"""
    for recipient in FITTING[method]:
        given = {"method": method, "recipient": recipient}
        answer = raw.call(cik, "create", "dispatch", given)
        assert answer["status"] == "ok", recipient
    rid = answer["result"]
    for recipient in NOT_FITTING[method]:
        given = {"method": method, "recipient": recipient}
        created = raw.call(cik, "create", "dispatch", given)
        updated = raw.call(cik, "update", rid, {"recipient": recipient})
        for answer in (created, updated):
            assert answer["status"] == "invalid", recipient
            assert f"recipient of {method}" in answer["error"]["message"]
    assert raw.call(cik, "update", rid, {"name": "x"})["status"] == "ok"


def test_a_method_fits_its_recipient(raw, cik):
    """AMD-009"""
    mail = {"method": "email", "recipient": "a@example.com"}
    rid = raw.call(cik, "create", "dispatch", mail)["result"]
    assert raw.call(cik, "update", rid, {"method": "sms"})["status"] == "invalid"
    assert raw.call(cik, "update", rid, {"method": "xmpp"})["status"] == "ok"
    both = {"method": "sms", "recipient": "+15551234567"}
    assert raw.call(cik, "update", rid, both)["status"] == "ok"


def test_tagged_at_any_depth_and_shared(o, cik, platform, new_client, new_dataport):
    """AMD-010"""

    def tagged(word="hot", auth=cik, kind="dataport"):
        return o.listing(auth, [kind], {"tagged": [word]}, {"alias": ""})[1][kind]

    box, key = new_client(o, cik, limits={"dataport": 3, "client": 1})
    _, deeper = new_client(o, key, limits={"dataport": 1})
    rids = [new_dataport(o, auth) for auth in (cik, key, deeper)]
    for rid in rids:
        o.tag(cik, rid, "add", "hot")
    o.tag(cik, box, "add", "hot")
    assert tagged() == rids and tagged("cold") == [] and tagged(kind="client") == [box]
    assert tagged(auth=key) == rids[1:]
    other = platform.device().cik
    foreign, mute = new_dataport(o, other), new_dataport(o, other)
    for rid in (foreign, mute):
        o.tag(other, rid, "add", "hot")
    code = o.share(other, foreign, {})[1]
    assert foreign not in tagged()
    o.activate(cik, "share", code)
    assert tagged() == [*rids, foreign]
    o.drop(other, foreign)
    o.drop(cik, box)
    assert tagged() == rids[:1]


# --- comments ---


def comments(o, auth, rid):
    isok, info = o.info(auth, rid, {"comments": True})
    assert isok and list(info) == ["comments"]
    return info["comments"]


def comment(o, auth, *arguments):
    return o._call("comment", auth, list(arguments), False)


def test_comments(o, cik, platform, new_dataport):
    """AMD-007"""
    rid = new_dataport(o, cik, alias="x")
    assert comments(o, cik, rid) == []
    assert comment(o, cik, rid, "public", "calibrated") == (True, "ok")
    assert comment(o, cik, {"alias": "x"}, "private", "größe 😀") == (True, "ok")
    assert comment(o, cik, {"alias": ""}, "public", "") == (True, "ok")
    assert comments(o, cik, rid) == [["public", "calibrated"], ["private", "größe 😀"]]
    assert comments(o, cik, {"alias": ""}) == [["public", ""]]
    assert o.info(cik, rid)[1]["comments"] == comments(o, cik, rid)
    for visibility, text in (("secret", "x"), (None, "x"), ("public", "x" * 4097)):
        assert comment(o, cik, rid, visibility, text) == (False, "invalid")
    assert comment(o, platform.device().cik, rid, "public", "x") == (False, "restricted")
    assert len(comments(o, cik, rid)) == 2


def test_a_resource_has_so_many_comments(o, cik, new_dataport):
    """AMD-007"""
    rid = new_dataport(o, cik)
    for number in range(1001):
        o._call("comment", cik, [rid, "public", str(number)], True)
    answers = [isok for _, isok, _ in o.send_deferred(cik)]
    assert answers == [True] * 1000 + [False]
    assert comments(o, cik, rid)[-1] == ["public", "999"]


def test_comments_go_with_the_resource_and_are_cloned(platform, o, cik, new_client, new_dataport):
    """AMD-007"""
    box, key = new_client(o, cik, limits={"dataport": 2})
    rid = new_dataport(o, key, alias="x")
    for resource in (box, rid):
        comment(o, cik, resource, "public", "first")
        comment(o, cik, resource, "private", "second")
    for options, found in (({}, 2), ({"nocomments": True}, 0)):
        copy = o.create(cik, "clone", {"rid": box, **options})[1]
        inside = {"cik": cik, "client_id": copy}
        port = o.lookup(inside, "alias", "x")[1]
        expected = [["public", "first"], ["private", "second"]][:found]
        assert comments(o, cik, copy) == comments(o, cik, port) == expected

    def kept():
        return platform.run(
            lambda p: p.database._cursor.execute("SELECT count(*) FROM comments").fetchone()[0]
        )

    before = kept()
    o.drop(cik, box)
    while platform.run(lambda p: p.unit.resources.dropped()):
        pass
    assert kept() == before - 4


@pytest.mark.parametrize("option", [None, "nocomments"])
def test_comments_of_a_model(platform, o, option):
    """AMD-007"""
    vendor = platform.vendor(f"vendor{option}")
    template = o.create(vendor.portal_cik, "client", {"limits": {"dataport": 1}})[1]
    comment(o, vendor.portal_cik, template, "public", "as built")
    provision = Provision(**platform.connection)
    provision.model_create(vendor.cik, "thermo", template, comments=option is None)
    provision.serialnumber_add(vendor.cik, "thermo", "T-1")
    enabled = provision.serialnumber_enable(vendor.cik, "thermo", "T-1", vendor.portal_rid)
    rid = enabled.body.strip()
    assert comments(o, vendor.portal_cik, rid) == ([] if option else [["public", "as built"]])
    provision.close()


# --- a file from before ---


def test_a_file_made_before_goes_on_working(tmp_path):
    """AMD-007: the file has no table for comments"""
    path = tmp_path / "platform.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript((HERE / "data" / "format1.sql").read_text("utf-8"))
    database.close()
    cik, vendor = "c" * 40, "a" * 40
    for times in (1, 2):  # as it was, and as it is left
        with LocalPlatform(str(path), clock=Clock(NOW + 60)) as platform:
            o, provision = onep.OnepV1(**platform.connection), Provision(**platform.connection)
            port = {"alias": "temperature"}
            assert o.read(cik, port, {"limit": 9, "endtime": 999})[1] == [[200, 2.5], [100, 1.5]]
            assert o.read(cik, {"alias": "mode"})[1] == [[NOW, "eco"]]
            assert len(o.listing(cik, ["dataport"], {"tagged": ["old"]})[1]["dataport"]) == 2
            assert o.write(cik, port, times) == (True, "ok")
            assert comment(o, cik, port, "public", str(times)) == (True, "ok")
            assert comments(o, cik, port) == [["public", str(n + 1)] for n in range(times)]
            rows = provision.serialnumber_list(vendor, "thermo").body.split()
            assert [row.partition(",")[0] for row in rows] == ["T-1", "T-2"]
            listed = o.info(cik, {"alias": ""}, {"counts": True})[1]
            assert listed["counts"]["dataport"] == 2
            if times == 1:
                activated = provision.serialnumber_activate("thermo", "T-1", "acme").body
                assert o.read(activated, {"alias": "count"})[1] == [[NOW, 7]]
            o.close()
            provision.close()
