"""Resources, info and aliases: rows RPC-080 to RPC-150."""

from __future__ import annotations

import pytest

from pyonep.exceptions import OnePlatformException

NOW = 1_700_000_000


def described(o, auth, rid):
    return o.info(auth, rid, {"description": True})[1]["description"]


def counts(o, auth, rid=None, key="counts"):
    return o.info(auth, rid or {"alias": ""}, {key: True})[1][key]


# --- create ---


def test_create_client(o, cik, new_client):
    """RPC-080"""
    rid, key = new_client(o, cik, name="pump", meta="{}")
    assert len(rid) == len(key) == 40 and rid != key
    assert o.lookup(key, "alias", "") == (True, rid)
    assert described(o, cik, rid)["name"] == "pump"


def test_a_client_made_with_nothing_owns_nothing(o, cik, new_client):
    """RPC-081"""
    _, key = new_client(o, cik)
    for kind, description in DESCRIPTIONS.items():
        assert o.create(key, kind, description) == (False, "invalid")
    assert set(described(o, cik, {"alias": ""})["limits"].values()) == {"inherit"}


DESCRIPTIONS = {
    "client": {},
    "dataport": {"format": "float"},
    "datarule": {
        "format": "integer",
        "rule": {"simple": {"comparison": "gt", "constant": 1, "repeat": True}},
    },
    "dispatch": {"method": "email", "recipient": "me@example.com"},
}


@pytest.mark.parametrize("kind", DESCRIPTIONS)
def test_numeric_limits(o, cik, new_client, kind):
    """RPC-082"""
    _, key = new_client(o, cik, limits={kind: 2})
    first = o.create(key, kind, DESCRIPTIONS[kind])[1]
    assert o.create(key, kind, DESCRIPTIONS[kind])[0]
    assert o.create(key, kind, DESCRIPTIONS[kind]) == (False, "invalid")
    o.drop(key, first)
    assert o.create(key, kind, DESCRIPTIONS[kind])[0]
    assert counts(o, key)[kind] == 2


def test_inherited_limits(o, cik, new_client):
    """RPC-083"""
    _, top = new_client(o, cik, limits={"dataport": 3, "client": 10})
    _, middle = new_client(o, top, limits={"dataport": "inherit", "client": "inherit"})
    leaf, low = new_client(o, middle, limits={"dataport": "inherit"})
    port = DESCRIPTIONS["dataport"]
    assert o.create(top, "dataport", port)[0]
    assert o.create(low, "dataport", port)[0]
    assert o.create(low, "dataport", port)[0]
    for key in (top, middle, low):
        assert o.create(key, "dataport", port) == (False, "invalid")
    o.drop(middle, leaf)
    assert o.create(middle, "dataport", port)[0]
    assert o.create(top, "dataport", port)[0]
    assert o.create(top, "dataport", port) == (False, "invalid")


@pytest.mark.parametrize("format", ["float", "integer", "string"])
def test_create_dataport(o, cik, format):
    """RPC-084"""
    isok, rid = o.create(cik, "dataport", {"format": format, "limits": {}, "unknown": 1})
    assert isok and described(o, cik, rid)["format"] == format


BAD_DESCRIPTIONS = [
    ("dataport", {}),
    ("dataport", {"format": "text"}),
    ("dataport", {"format": None}),
    ("dataport", {"format": "float", "name": 7}),
    ("dataport", {"format": "float", "meta": "\ud800"}),
    ("dataport", {"format": "float", "public": "yes"}),
    ("dataport", {"format": "float", "retention": 7}),
    ("dataport", {"format": "float", "retention": {"count": -1}}),
    ("dataport", {"format": "float", "retention": {"count": "many"}}),
    ("dataport", {"format": "float", "preprocess": {}}),
    ("dataport", {"format": "float", "preprocess": [["add"]]}),
    ("dataport", {"format": "float", "preprocess": [["raise", 2]]}),
    ("dataport", {"format": "float", "preprocess": [["add", []]]}),
    ("dataport", {"format": "float", "subscribe": 7}),
    ("dataport", {"format": "float", "subscribe": "x"}),
    ("dataport", {"format": "float", "subscribe": "0" * 40}),
    ("client", {"limits": []}),
    ("client", {"limits": {"dataport": -1}}),
    ("client", {"limits": {"dataport": "none"}}),
    ("client", {"limits": {"dataport": True}}),
    ("client", {"locked": 1}),
    ("datarule", {"format": "float"}),
    ("datarule", {"rule": {"simple": {"comparison": "gt", "constant": 1}}}),
    ("datarule", {"format": "float", "rule": {}}),
    ("datarule", {"format": "float", "rule": {"never": {}}}),
    ("datarule", {"format": "float", "rule": {"simple": {"comparison": "gt"}}}),
    ("datarule", {"format": "float", "rule": {"simple": {"comparison": "x", "constant": 1}}}),
    ("datarule", {"format": "float", "rule": {"timeout": {"timeout": "1"}}}),
    ("datarule", {"format": "float", "rule": {"script": "x"}}),
    ("datarule", {"format": "string", "rule": {"script": 7}}),
    ("dispatch", {"method": "email"}),
    ("dispatch", {"method": "pigeon", "recipient": "x"}),
    ("clone", {}),
    ("clone", {"rid": "0" * 40, "code": "0" * 40}),
    ("clone", {"code": "0" * 40}),
    ("cat", {}),
]


@pytest.mark.parametrize(("kind", "description"), BAD_DESCRIPTIONS, ids=repr)
def test_bad_description_says_what_is_wrong(raw, o, cik, kind, description):
    """RPC-085"""
    answer = raw.call(cik, "create", kind, description)
    assert answer["status"] == "invalid"
    assert answer["error"]["message"]
    assert o.listing(cik, ["client", "dataport", "datarule", "dispatch"])[1] == [[]] * 4


@pytest.mark.parametrize("kind", ["datarule", "dispatch"])
def test_create_datarule_and_dispatch(o, cik, kind):
    """RPC-086 RPC-087"""
    isok, rid = o.create(cik, kind, DESCRIPTIONS[kind])
    assert isok
    found = described(o, cik, rid)
    assert {name: found[name] for name in DESCRIPTIONS[kind]} == DESCRIPTIONS[kind]
    assert o.listing(cik, [kind])[1] == [[rid]]


def test_a_script_says_that_it_is_not_running(raw, o, cik):
    script = {"format": "string", "rule": {"script": "debug('x')"}}
    rid = o.create(cik, "datarule", script)[1]
    assert o.info(cik, rid, {"basic": True})[1]["basic"]["status"] == "notrunning"
    assert "not run" in raw.call(cik, "write", rid, "1")["error"]["message"]


def test_a_dispatch_does_not_pretend_to_deliver(o, cik):
    rid = o.create(cik, "dispatch", DESCRIPTIONS["dispatch"])[1]
    assert o.write(cik, rid, "help") == (True, "ok")
    assert o.read(cik, rid, {})[1][0][1] == "undelivered"


def test_create_with_a_leading_client(o, cik, new_client):
    """RPC-088"""
    child, key = new_client(o, cik, limits={"dataport": 1})
    isok, rid = o._call("create", cik, [child, "dataport", {"format": "float"}], False)
    assert isok and o.listing(key, ["dataport"])[1] == [[rid]]
    isok, status = o._call("create", cik, [rid, "dataport", {"format": "float"}], False)
    assert (isok, status) == (False, "invalid")


# --- clone ---


@pytest.fixture
def template(o, cik, new_client, new_dataport):
    """A client with two dataports, a rule, aliases, a child and points."""
    rid, key = new_client(
        o, cik, name="template", limits={"dataport": 5, "client": 2, "datarule": 2}
    )
    first = new_dataport(o, key, "integer", alias="first", public=True)
    o.recordbatch(key, first, [[1, 10], [2, 20]])
    second = new_dataport(
        o, key, "integer", alias="second", subscribe=first, preprocess=[["add", first]]
    )
    o.tag(key, second, "add", "blue")
    _, child_key = new_client(o, key, limits={"dataport": 1})
    new_dataport(o, child_key, "string", alias="deep")
    rule = o.create(key, "datarule", DESCRIPTIONS["datarule"])[1]
    return {"rid": rid, "key": key, "first": first, "second": second, "rule": rule}


def clone(o, cik, **description):
    """Clone and activate; return RID and key."""
    isok, rid = o.create(cik, "clone", description)
    assert isok, rid
    key = o.info(cik, rid, {"key": True})[1]["key"]
    assert o.activate(cik, "client", key) == (True, "ok")
    return rid, key


def test_clone_by_rid(o, cik, template):
    """RPC-089 RPC-109"""
    rid, key = clone(o, cik, rid=template["rid"])
    assert rid != template["rid"] and key != template["key"]
    assert described(o, cik, rid)["name"] == "template"
    assert counts(o, key) == counts(o, template["key"])
    assert o.read(key, {"alias": "first"}, {"limit": 5})[1] == [[2, 20], [1, 10]]
    storage = o.info(key, {"alias": "first"}, {"storage": True})[1]["storage"]
    assert (storage["count"], storage["first"], storage["last"]) == (2, 1, 2)
    (child,) = o.listing(key, ["client"])[1][0]
    assert o.lookup({"cik": key, "client_id": child}, "alias", "deep")[0]
    assert o.info(key, {"alias": "second"}, {"tags": True})[1]["tags"] == ["blue"]
    first = o.lookup(key, "alias", "first")[1]
    assert first not in (template["first"], template["second"])


def test_clone_by_code(o, platform, cik, template):
    """RPC-090"""
    other = platform.device()
    code = o.share(cik, template["rid"])[1]
    assert o.create(other.cik, "clone", {"rid": template["rid"]}) == (False, "restricted")
    _, key = clone(o, other.cik, code=code)
    assert o.read(key, {"alias": "first"}, {})[1] == [[2, 20]]
    o.activate(other.cik, "share", code)
    assert o.create(other.cik, "clone", {"code": code}) == (False, "invalid")


def test_clone_without_aliases(o, cik, template):
    """RPC-091"""
    _, key = clone(o, cik, rid=template["rid"], noaliases=True)
    assert o.info(key, {"alias": ""}, {"aliases": True})[1]["aliases"] == {}
    assert counts(o, key)["dataport"] == 2


def test_clone_without_history(o, cik, template):
    """RPC-092"""
    _, key = clone(o, cik, rid=template["rid"], nohistorical=True)
    assert o.read(key, {"alias": "first"}, {}) == (True, [])
    o.write(key, {"alias": "first"}, 1)
    assert o.info(key, {"alias": "first"}, {"storage": True})[1]["storage"]["count"] == 1


def test_references_inside_a_clone(o, cik, template):
    """RPC-093"""
    _, key = clone(o, cik, rid=template["rid"])
    first, second = (o.lookup(key, "alias", name)[1] for name in ("first", "second"))
    found = described(o, key, second)
    assert found["subscribe"] == first and found["preprocess"] == [["add", first]]
    o.write(key, first, 5)
    assert o.read(key, second, {})[1][0][1] == 10
    assert o.read(template["key"], template["second"], {}) == (True, [])


def test_only_a_client_is_cloned(o, cik, template):
    port = o.listing(template["key"], ["dataport"])[1][0][0]
    assert o.create(cik, "clone", {"rid": port}) == (False, "invalid")
    assert o.create(cik, "clone", {"rid": "0" * 40}) == (False, "restricted")
    assert o.create(template["key"], "clone", {"rid": template["rid"]})[0] in (True, False)


def test_a_clone_needs_room(o, cik, new_client, template):
    owner, key = new_client(o, cik, limits={"client": 3, "dataport": "inherit"})
    o.move(cik, template["rid"], owner)
    assert o.create(key, "clone", {"rid": template["rid"]})[0]
    assert o.create(key, "clone", {"rid": template["rid"]})[0]
    assert o.create(key, "clone", {"rid": template["rid"]}) == (False, "invalid")
    assert counts(o, key)["client"] == 3


# --- update ---


def test_update_merges(o, cik, new_dataport):
    """RPC-095"""
    rid = new_dataport(o, cik, name="a", meta="b")
    assert o.update(cik, rid, {"name": "c"}) == (True, "ok")
    found = described(o, cik, rid)
    assert (found["name"], found["meta"]) == ("c", "b")
    assert o.update(cik, rid) == (True, "ok")
    assert o.update(cik, rid, {"name": 7}) == (False, "invalid")
    assert described(o, cik, rid)["name"] == "c"


def test_format_is_fixed(o, cik, new_dataport):
    """RPC-096"""
    rid = new_dataport(o, cik, "float")
    assert o.update(cik, rid, {"format": "integer"}) == (False, "invalid")
    assert o.update(cik, rid, {"format": "float", "name": "x"}) == (True, "ok")


def test_a_client_does_not_update_drop_or_move_itself(o, device, new_client):
    """RPC-097"""
    child, _ = new_client(o, device.cik)
    for resource in ({"alias": ""}, device.rid):
        assert o.update(device.cik, resource, {"name": "x"}) == (False, "restricted")
        assert o.drop(device.cik, resource) == (False, "restricted")
        assert o.move(device.cik, resource, child) == (False, "restricted")


def test_limits_not_below_use(o, cik, new_client, new_dataport):
    """RPC-098"""
    rid, key = new_client(o, cik, limits={"dataport": 3})
    for _ in range(2):
        new_dataport(o, key)
    assert o.update(cik, rid, {"limits": {"dataport": 1}}) == (False, "invalid")
    assert o.update(cik, rid, {"limits": {"dataport": 2}}) == (True, "ok")
    assert o.create(key, "dataport", {"format": "float"}) == (False, "invalid")
    assert o.update(cik, rid, {"limits": {"dataport": "inherit"}}) == (True, "ok")
    assert o.create(key, "dataport", {"format": "float"})[0]


def test_limits_from_and_to_inherit(o, cik, new_client, new_dataport):
    """RPC-098"""
    _, top = new_client(o, cik, limits={"dataport": 2, "client": 2})
    rid, key = new_client(o, top, limits={"dataport": "inherit"})
    new_dataport(o, key)
    new_dataport(o, top)
    assert o.create(top, "dataport", {"format": "float"}) == (False, "invalid")
    assert o.update(top, rid, {"limits": {"dataport": 5}}) == (True, "ok")
    new_dataport(o, top)
    assert o.update(top, rid, {"limits": {"dataport": "inherit"}}) == (False, "invalid")
    new_dataport(o, key)


# --- drop, move ---


def test_drop(o, cik, new_dataport):
    """RPC-099"""
    rid = new_dataport(o, cik)
    assert o.drop(cik, rid) == (True, "ok")
    assert o.listing(cik, ["dataport"])[1] == [[]]
    assert o.drop(cik, rid) == (False, "restricted")


def test_drop_takes_what_is_below(o, cik, template):
    """RPC-100"""
    assert o.drop(cik, template["rid"]) == (True, "ok")
    assert o.read(cik, template["first"], {}) == (False, "restricted")
    with pytest.raises(OnePlatformException, match="401"):
        o.lookup(template["key"], "alias", "")
    assert set(counts(o, cik, key="usage").values()) == {0}


def test_drop_restricted(o, platform, cik, new_dataport):
    """RPC-101"""
    rid = new_dataport(o, platform.device().cik, public=True)
    assert o.drop(cik, rid) == (False, "restricted")


def test_aliases_go_with_the_resource(o, cik, new_dataport, new_client):
    """RPC-102"""
    rid = new_dataport(o, cik, alias="x")
    o.map(cik, rid, "y")
    o.drop(cik, rid)
    for alias in ("x", "y"):
        assert o.lookup(cik, "alias", alias) == (False, "invalid")
    new_dataport(o, cik, alias="x")

    child, key = new_client(o, cik, limits={"dataport": 1})
    deep = new_dataport(o, key)
    o.map(cik, deep, "deep")
    o.drop(cik, child)
    assert o.read(cik, {"alias": "deep"}, {}) == (False, "invalid")
    new_dataport(o, cik, alias="deep")
    assert deep not in o.info(cik, {"alias": ""}, {"aliases": True})[1]["aliases"]
    assert deep not in o.listing(cik, ["dataport"], {"aliased": True})[1]["dataport"]


@pytest.fixture
def two(o, cik, new_client):
    """Two clients side by side: ``(rid, key), (rid, key)``"""
    limits = {"dataport": 2, "client": 1}
    return new_client(o, cik, limits=limits), new_client(o, cik, limits=limits)


def test_move(o, cik, two, new_dataport):
    """RPC-103"""
    (_, one), (other, two_key) = two
    rid = new_dataport(o, one)
    o.write(one, rid, 5)
    assert o.move(cik, rid, other) == (True, "ok")
    assert o.listing(one, ["dataport"])[1] == [[]]
    assert o.listing(two_key, ["dataport"])[1] == [[rid]]
    assert o.read(two_key, rid, {})[1][0][1] == 5
    assert (counts(o, one)["dataport"], counts(o, two_key)["dataport"]) == (0, 1)


def test_move_with_aliases(o, cik, two, new_dataport):
    """RPC-104"""
    (_, one), (other, two_key) = two
    rid = new_dataport(o, one, alias="kept")
    o.map(one, rid, "taken")
    mine = new_dataport(o, two_key, alias="taken")
    assert o.move(cik, rid, other) == (True, "ok")
    assert o.lookup(two_key, "alias", "kept") == (True, rid)
    assert o.lookup(two_key, "alias", "taken") == (True, mine)
    assert o.lookup(one, "alias", "kept") == (False, "invalid")


def test_move_without_aliases(o, cik, two, new_dataport):
    """RPC-105"""
    (_, one), (other, two_key) = two
    rid = new_dataport(o, one, alias="x")
    assert o.move(cik, rid, other, {"aliases": False}) == (True, "ok")
    for key in (one, two_key):
        assert o.lookup(key, "alias", "x") == (False, "invalid")


def test_not_below_itself(o, cik, two):
    """RPC-106"""
    (one, _), (other, _) = two
    assert o.move(cik, other, one) == (True, "ok")
    assert o.move(cik, one, other) == (False, "invalid")
    assert o.move(cik, one, one) == (False, "invalid")
    assert o.lookup(cik, "owner", other) == (True, one)


def test_move_minds_the_limits(o, cik, two, new_dataport):
    (_, one), (other, two_key) = two
    for _ in range(2):
        new_dataport(o, two_key)
    rid = new_dataport(o, one, alias="x")
    assert o.move(cik, rid, other) == (False, "invalid")
    assert o.lookup(one, "alias", "x") == (True, rid)
    assert counts(o, one)["dataport"] == 1
    assert o.move(cik, rid, rid) == (False, "invalid")


# --- listing, usage, tags ---


def test_listing_with_a_resource(o, cik, new_client, new_dataport):
    """RPC-107"""
    child, key = new_client(o, cik, limits={"dataport": 2})
    rid = new_dataport(o, key)
    found = o.listing(cik, ["dataport", "client"], {"owned": True}, child)
    assert found == (True, {"dataport": [rid], "client": []})
    assert o.listing(cik, ["dataport"], {}, rid) == (False, "invalid")


def test_listing_without_a_resource(o, cik, new_dataport):
    """RPC-108"""
    rid = new_dataport(o, cik)
    assert o.listing(cik, ["dataport"], {"owned": True}) == (True, {"dataport": [rid]})
    assert o.listing(cik, ["dataport"], {}) == (True, {"dataport": [rid]})
    assert o.listing(cik, [], {}) == (True, {})


def test_listing_without_options(o, cik, new_dataport):
    """RPC-109"""
    first, second = new_dataport(o, cik), new_dataport(o, cik)
    assert o.listing(cik, ["client", "dataport"]) == (True, [[], [first, second]])


def test_listing_options(o, platform, cik, new_dataport):
    """RPC-110 RPC-111 RPC-112 RPC-113 RPC-114"""
    other = platform.device()
    theirs = new_dataport(o, other.cik)
    o.activate(cik, "share", o.share(other.cik, theirs)[1])
    plain = new_dataport(o, cik)
    named = new_dataport(o, cik, alias="x")
    public = new_dataport(o, cik, public=True)
    tagged = new_dataport(o, cik)
    o.tag(cik, tagged, "add", "blue")

    def listing(**options):
        return o.listing(cik, ["dataport"], options)[1]["dataport"]

    assert listing(owned=True) == [plain, named, public, tagged]
    assert listing(activated=True) == [theirs]
    assert listing(aliased=True) == [named]
    assert listing(public=True) == [public]
    assert listing(tagged=["blue", "red"]) == [tagged]
    assert listing(tagged=["red"]) == []
    assert listing(owned=True, aliased=True, activated=True) == [
        plain,
        named,
        public,
        tagged,
        theirs,
    ]
    assert listing(owned=False, nonsense=True) == listing(owned=False, public=False, owner=1)


@pytest.mark.parametrize("types", [["cat"], ["dataport", "x"], [7], [None], [[]]], ids=repr)
def test_listing_of_a_wrong_type(o, cik, types):
    """RPC-115"""
    assert o.listing(cik, types) == (False, "error")
    assert o.listing(cik, types, {}) == (False, "error")


def test_usage_of_an_entity(timed, timed_o, clock, new_client, new_dataport):
    """RPC-116"""
    o, cik = timed_o, timed.device().cik

    def usage(kind, start, end):
        return o.usage(cik, {"alias": ""}, kind, start, end)[1]

    child, key = new_client(o, cik, limits={"dataport": 5})
    new_dataport(o, cik)
    new_dataport(o, key)
    clock.now += 100
    assert usage("dataport", NOW, NOW + 100) == 200
    assert usage("dataport", NOW + 90, NOW + 1000) == 20
    assert usage("client", NOW, NOW + 100) == 100
    o.drop(cik, child)
    clock.now += 100
    assert usage("dataport", NOW, NOW + 200) == 300
    assert usage("client", NOW, NOW + 200) == 100
    assert usage("dispatch", NOW, NOW + 200) == 0
    assert o.usage(cik, {"alias": ""}, "cats", 1, 2) == (False, "invalid")
    assert o.usage(cik, {"alias": ""}, "client", "x", 2) == (False, "invalid")


def test_usage_of_a_consumable(timed, timed_o, clock, new_dataport):
    """RPC-117"""
    o, cik = timed_o, timed.device().cik
    rid = new_dataport(o, cik)
    for _ in range(3):
        o.share(cik, rid)
    clock.now += 10
    o.share(cik, rid)

    def usage(kind, start, end):
        return o.usage(cik, {"alias": ""}, kind, start, end)[1]

    assert usage("share", NOW, NOW + 5) == 3
    assert usage("share", NOW, NOW + 10) == 4
    assert usage("email", NOW, NOW + 10) == 0


def test_tags(o, cik, new_dataport):
    """RPC-118"""
    rid = new_dataport(o, cik)
    for tag in ("b", "a", "b"):
        assert o.tag(cik, rid, "add", tag) == (True, "ok")
    assert o.info(cik, rid, {"tags": True}) == (True, {"tags": ["a", "b"]})
    for _ in range(2):
        assert o.tag(cik, rid, "remove", "a") == (True, "ok")
    assert o.info(cik, rid, {"tags": True}) == (True, {"tags": ["b"]})
    assert o.tag(cik, rid, "add", "") == (False, "invalid")


# --- info ---

OF_A_CLIENT = {
    *("aliases", "basic", "comments", "counts", "description", "key", "shares"),
    *("subscribers", "tagged", "tags", "usage"),
}
OF_A_SERIES = {
    *("aliases", "basic", "comments", "description", "shares", "storage"),
    *("subscribers", "tagged", "tags"),
}


def test_info_tells_everything_by_default(o, cik, new_client, new_dataport):
    """RPC-120"""
    child, _ = new_client(o, cik)
    port = new_dataport(o, cik)
    for options in ({}, None):
        assert set(o.info(cik, child, options)[1]) == OF_A_CLIENT
        assert set(o.info(cik, port, options)[1]) == OF_A_SERIES
    assert set(o._call("info", cik, [port], False)[1]) == OF_A_SERIES


def test_info_tells_what_is_asked_for(o, cik, new_dataport):
    """RPC-121"""
    port = new_dataport(o, cik)
    found = o.info(cik, port, {"basic": True, "storage": False, "tags": True, "nonsense": True})
    assert set(found[1]) == {"basic", "tags"}


def test_info_aliases(o, cik, new_client, new_dataport):
    """RPC-122"""
    port = new_dataport(o, cik, alias="b")
    o.map(cik, port, "a")
    assert o.info(cik, {"alias": ""}, {"aliases": True})[1]["aliases"] == {port: ["a", "b"]}
    assert o.info(cik, port, {"aliases": True})[1]["aliases"] == ["a", "b"]
    child, key = new_client(o, cik, limits={"client": 1})
    grandchild, _ = new_client(o, key)
    assert o.info(cik, child, {"aliases": True})[1]["aliases"] == {}
    assert o.info(cik, grandchild, {"aliases": True})[1]["aliases"] == "undefined"


def test_info_basic(timed, timed_o, clock, new_client, new_dataport):
    """RPC-123"""
    o, cik = timed_o, timed.device().cik
    port = new_dataport(o, cik)
    new_dataport(o, cik, subscribe=port)

    def basic(rid):
        return o.info(cik, rid, {"basic": True})[1]["basic"]

    assert basic(port) == {"modified": NOW, "subscribers": 1, "type": "dataport"}
    clock.now += 5
    o.update(cik, port, {"name": "x"})
    assert basic(port)["modified"] == NOW + 5
    child, _ = new_client(o, cik)
    assert (basic(child)["type"], basic(child)["status"]) == ("client", "activated")
    rule = o.create(cik, "datarule", DESCRIPTIONS["datarule"])[1]
    assert basic(rule)["type"] == "datarule" and "status" not in basic(rule)
    dispatch = o.create(cik, "dispatch", {**DESCRIPTIONS["dispatch"], "locked": True})[1]
    assert (basic(dispatch)["type"], basic(dispatch)["status"]) == ("dispatch", "locked")


def test_info_counts(o, cik, template):
    """RPC-124 RPC-130"""
    assert counts(o, template["key"])["dataport"] == 2
    assert counts(o, template["key"], key="usage")["dataport"] == 3
    assert counts(o, cik)["dataport"] == 0
    assert counts(o, cik, key="usage")["client"] == 2
    assert set(counts(o, cik)) == {
        *("client", "dataport", "datarule", "disk", "dispatch", "email", "http", "share"),
        *("sms", "xmpp"),
    }


def test_info_description_has_the_defaults(o, cik, new_client, new_dataport):
    """RPC-125"""
    assert described(o, cik, new_dataport(o, cik)) == {
        "format": "float",
        "meta": "",
        "name": "",
        "preprocess": [],
        "public": False,
        "retention": {"count": "infinity", "duration": "infinity"},
        "subscribe": None,
    }
    found = described(o, cik, new_client(o, cik, visibility="private", writeinterval=5)[0])
    assert found.pop("limits") == dict.fromkeys(described(o, cik, {"alias": ""})["limits"], 0)
    assert found == {
        "locked": False,
        "meta": "",
        "name": "",
        "public": False,
        "visibility": "private",
        "writeinterval": 5,
    }


def test_info_key_is_for_the_owner(o, cik, new_client):
    """RPC-126"""
    _, key = new_client(o, cik, limits={"client": 1})
    grandchild, _ = new_client(o, key)
    assert o.info(key, {"alias": ""}, {"key": True}) == (True, {})
    assert o.info(cik, grandchild, {"key": True}) == (True, {})
    assert set(o.info(key, grandchild, {"key": True})[1]) == {"key"}


def test_info_shares(o, platform, cik, new_dataport):
    """RPC-127"""
    port, other = new_dataport(o, cik), platform.device()
    code = o.share(cik, port, {"meta": "text"})[1]
    share = {"activator": None, "code": code, "meta": "text"}
    assert o.info(cik, port, {"shares": True})[1]["shares"] == [share]
    o.activate(other.cik, "share", code)
    share["activator"] = other.rid
    assert o.info(cik, port, {"shares": True})[1]["shares"] == [share]
    assert o.info(other.cik, port, {"shares": True}) == (True, {})


def test_info_storage(o, cik, new_dataport):
    """RPC-128"""
    port = new_dataport(o, cik, "string")
    empty = {"count": 0, "first": 0, "last": 0, "size": 0}
    assert o.info(cik, port, {"storage": True})[1]["storage"] == empty
    o.recordbatch(cik, port, [[5, "abc"], [3, "de"], [5, "f"]])
    full = {"count": 2, "first": 3, "last": 5, "size": 5}
    assert o.info(cik, port, {"storage": True})[1]["storage"] == full


def test_info_subscribers(o, cik, new_dataport):
    """RPC-129"""
    port = new_dataport(o, cik)
    first = new_dataport(o, cik, subscribe=port)
    rule = o.create(cik, "datarule", {**DESCRIPTIONS["datarule"], "subscribe": port})[1]
    found = o.info(cik, port, {"subscribers": True})[1]["subscribers"]
    assert found == [["dataport", first], ["datarule", rule]]
    o.update(cik, first, {"subscribe": None})
    o.drop(cik, rule)
    assert o.info(cik, port, {"subscribers": True})[1]["subscribers"] == []


def test_what_a_stranger_sees_of_a_public_resource(o, platform, cik, new_client, new_dataport):
    """RPC-131"""
    port = new_dataport(o, cik, public=True, name="tide")
    o.write(cik, port, 3.5)
    stranger = platform.device().cik
    assert o.read(stranger, port, {})[1][0][1] == 3.5
    assert set(o.info(stranger, port)[1]) == {"basic", "description", "storage"}
    assert o.write(stranger, port, 1) == (False, "restricted")
    assert o.update(stranger, port, {"name": "x"}) == (False, "restricted")
    child, _ = new_client(o, cik, public=True)
    assert set(o.info(stranger, child)[1]) == {"basic", "description"}
    o.update(cik, port, {"public": False})
    assert o.read(stranger, port, {}) == (False, "restricted")


# --- aliases ---


def test_map(o, cik, new_dataport):
    """RPC-140"""
    port = new_dataport(o, cik)
    assert o.map(cik, port, "x") == (True, "ok")
    assert o.write(cik, {"alias": "x"}, 1) == (True, "ok")
    assert o.map(cik, port, "") == (False, "invalid")
    assert o.map(cik, "0" * 40, "y") == (False, "restricted")


def test_map_a_used_name(o, cik, new_dataport):
    """RPC-141"""
    port = new_dataport(o, cik, alias="x")
    for rid in (port, new_dataport(o, cik)):
        assert o.map(cik, rid, "x") == (False, "invalid")
    assert o.lookup(cik, "alias", "x") == (True, port)


def test_several_names(o, cik, new_dataport):
    """RPC-142"""
    port = new_dataport(o, cik, alias="x")
    assert o.map(cik, port, "y") == (True, "ok")
    assert o.map(cik, {"alias": "x"}, "z") == (True, "ok")
    assert {o.lookup(cik, "alias", name)[1] for name in "xyz"} == {port}


def test_unmap(o, cik, new_dataport):
    """RPC-143"""
    new_dataport(o, cik, alias="x")
    assert o.unmap(cik, "x") == (True, "ok")
    assert o.read(cik, {"alias": "x"}, {}) == (False, "invalid")
    new_dataport(o, cik, alias="x")


def test_unmap_an_unmapped_name(o, cik):
    """RPC-144"""
    assert o.unmap(cik, "nothing") == (True, "ok")


def test_lookup(o, device, new_client, new_dataport):
    """RPC-145 RPC-146 RPC-147 RPC-148 RPC-149"""
    cik = device.cik
    port = new_dataport(o, cik, alias="x")
    assert o.lookup(cik, "alias", "x") == (True, port)
    assert o.lookup(cik, "alias", "y") == (False, "invalid")
    assert o.lookup(cik, "alias", "") == (True, device.rid)
    assert o.lookup(cik, "owner", port) == (True, device.rid)
    child, key = new_client(o, cik, limits={"client": 1})
    grandchild, _ = new_client(o, key)
    assert o.lookup(cik, "owner", grandchild) == (True, child)
    assert o.lookup(cik, "owner", device.rid) == (False, "restricted")
    code = o.share(cik, port)[1]
    assert o.lookup(cik, "shared", code) == (True, port)
    assert o.lookup(cik, "shared", "0" * 40) == (False, "invalid")


def test_alias_procedures_with_a_leading_client(o, cik, new_client, new_dataport):
    """RPC-150"""
    child, key = new_client(o, cik, limits={"dataport": 1})
    port = new_dataport(o, key)

    def call(procedure, *arguments):
        return o._call(procedure, cik, list(arguments), False)

    assert call("map", child, "alias", port, "x") == (True, "ok")
    assert call("lookup", child, "alias", "x") == (True, port)
    assert call("lookup", child, "owner", port) == (True, child)
    assert call("unmap", child, "alias", "x") == (True, "ok")
    assert call("lookup", child, "alias", "x") == (False, "invalid")
    assert call("lookup", "0" * 40, "alias", "x") == (False, "restricted")
