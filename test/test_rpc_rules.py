"""Preprocess, subscriptions and datarules: rows RPC-180 to RPC-196."""

from __future__ import annotations

import pytest

from pyonep import onep
from pyonep.server import LocalPlatform

NOW = 1_700_000_000


def newest(o, cik, rid):
    points = o.read(cik, rid, {})[1]
    return points[0][1] if points else None


def processed(o, cik, new_dataport, preprocess, value, format="float"):
    """What a dataport with this preprocess keeps of a value."""
    rid = new_dataport(o, cik, format, preprocess=preprocess)
    answer = o.write(cik, rid, value)
    return newest(o, cik, rid) if answer == (True, "ok") else answer


@pytest.mark.parametrize(
    ("step", "value", "expected"),
    [
        (["add", 2], 5, 7),
        (["sub", 2], 5, 3),
        (["mul", 2], 5, 10),
        (["div", 2], 5, 2.5),
        (["mod", 3], 5, 2),
        (["add", "2.5"], "5", 7.5),
    ],
)
def test_arithmetic(o, cik, new_dataport, step, value, expected):
    """RPC-180"""
    assert processed(o, cik, new_dataport, [step], value) == expected


@pytest.mark.parametrize(
    ("operation", "truth"),
    [
        ("gt", [0, 0, 1]),
        ("geq", [0, 1, 1]),
        ("lt", [1, 0, 0]),
        ("leq", [1, 1, 0]),
        ("eq", [0, 1, 0]),
        ("neq", [1, 0, 1]),
    ],
)
def test_comparisons(o, cik, new_dataport, operation, truth):
    """RPC-181"""
    for value, expected in zip((4, 5, 6), truth):
        step = [operation, 5]
        assert processed(o, cik, new_dataport, [step], value, "integer") == expected
    assert processed(o, cik, new_dataport, [["eq", "on"]], "on", "string") == "1"


def test_value(o, cik, new_dataport):
    """RPC-182"""
    assert processed(o, cik, new_dataport, [["value", 7]], "whatever") == 7
    assert processed(o, cik, new_dataport, [["value", "x"]], 1, "string") == "x"


def test_operand_from_a_resource(o, cik, new_dataport):
    """RPC-183"""
    offset = new_dataport(o, cik, "integer")
    o.write(cik, offset, 100)
    for operation, expected in (("add", 105), ("value", 100), ("lt", 1)):
        assert processed(o, cik, new_dataport, [[operation, offset]], 5) == expected


@pytest.mark.parametrize(
    ("preprocess", "value", "format"),
    [
        ([["div", 0]], 1, "float"),
        ([["mod", 0]], 1, "float"),
        ([["add", "warm"]], 1, "float"),
        ([["add", 1]], "warm", "string"),
        ([["add", 1]], None, "float"),
        ([["add", 1]], [1], "float"),
        ([["mul", 1e308]], 1e308, "float"),
        ([["div", 2]], 5, "integer"),
        ([["gt", 1]], None, "integer"),
        ([["add", "0" * 40]], 1, "float"),
        ([["mul", 10**300], ["mul", 10**300], ["div", 0.5]], 10**300, "float"),
    ],
    ids=repr,
)
def test_preprocess_that_fails(o, cik, new_dataport, preprocess, value, format):
    """RPC-184"""
    assert processed(o, cik, new_dataport, preprocess, value, format) == (False, "invalid")


def test_operand_without_data_or_access(o, platform, cik, new_dataport):
    """RPC-184"""
    empty = new_dataport(o, cik)
    foreign = new_dataport(o, platform.device().cik)
    for rid in (empty, foreign):
        assert processed(o, cik, new_dataport, [["add", rid]], 1) == (False, "invalid")


def test_preprocess_chain(o, cik, new_dataport):
    """RPC-185"""
    chain = [["mul", 9], ["div", 5], ["add", 32]]
    assert processed(o, cik, new_dataport, chain, 100) == 212
    assert processed(o, cik, new_dataport, chain, "100", "string") == "212.0"
    assert processed(o, cik, new_dataport, [*chain, ["gt", 100]], 100, "integer") == 1


def test_preprocess_of_recorded_points(o, cik, new_dataport):
    """RPC-185"""
    rid = new_dataport(o, cik, preprocess=[["add", 1]])
    answer = o.recordbatch(cik, rid, [[1, 1], [2, "x"], [3, 3]])
    assert answer == (False, [[2, "invalid"]])
    assert o.read(cik, rid, {"limit": 5})[1] == [[3, 4], [1, 2]]


# --- subscriptions ---


def test_subscribe(o, cik, new_dataport):
    """RPC-186"""
    source = new_dataport(o, cik, preprocess=[["add", 1]])
    follower = new_dataport(o, cik, subscribe=source, preprocess=[["mul", 2]])
    o.write(cik, source, 5)
    assert newest(o, cik, follower) == 12
    o.update(cik, follower, {"subscribe": None})
    o.write(cik, source, 100)
    assert newest(o, cik, follower) == 12


def test_recorded_points_start_nothing(o, cik, new_dataport):
    """AMD-006: no subscription, no rule, no dispatch"""
    source = new_dataport(o, cik, "integer", preprocess=[["add", 1]])
    follower = new_dataport(o, cik, "integer", subscribe=source)
    above = {"simple": {"comparison": "gt", "constant": 1, "repeat": True}}
    rule = {"format": "integer", "rule": above, "subscribe": source}
    mail = {"method": "email", "recipient": "a@example.com", "subscribe": source}
    followers = [o.create(cik, "datarule", rule)[1], o.create(cik, "dispatch", mail)[1], follower]
    assert o.recordbatch(cik, source, [[10, 1], [20, 2]]) == (True, "ok")
    assert o.read(cik, source, {"limit": 9}) == (True, [[20, 3], [10, 2]])
    assert [newest(o, cik, rid) for rid in followers] == [None, None, None]
    o.write(cik, source, 3)
    assert [newest(o, cik, rid) for rid in followers] == [1, "undelivered", 4]


def test_recorded_into_a_rule_or_a_dispatch(o, cik):
    """AMD-005 AMD-006: points of its series, not inputs"""
    above = {"simple": {"comparison": "gt", "constant": 100, "repeat": True}}
    rule = o.create(cik, "datarule", {"format": "integer", "rule": above})[1]
    mail = {"method": "email", "recipient": "a@example.com"}
    for rid, value in ((rule, 7), (o.create(cik, "dispatch", mail)[1], "delivered")):
        assert o.recordbatch(cik, rid, [[10, value], [20, None]]) == (False, [[20, "invalid"]])
        assert o.recordbatch(cik, rid, [[10, value]]) == (False, [[10, "invalid"]])
        assert o.read(cik, rid, {"limit": 9}) == (True, [[10, value]])


def test_a_follower_that_cannot_take_a_value_stops_no_other(o, cik, new_dataport):
    """RPC-186"""
    source = new_dataport(o, cik, "string")
    numeric = new_dataport(o, cik, "float", subscribe=source)
    textual = new_dataport(o, cik, "string", subscribe=source)
    assert o.write(cik, source, "warm") == (True, "ok")
    assert (newest(o, cik, numeric), newest(o, cik, textual)) == (None, "warm")


def test_subscription_chain(o, cik, new_dataport):
    """RPC-187"""
    chain = [new_dataport(o, cik, "integer")]
    for _ in range(60):
        chain.append(new_dataport(o, cik, "integer", subscribe=chain[-1], preprocess=[["add", 1]]))
    o.write(cik, chain[0], 0)
    assert newest(o, cik, chain[-1]) == 60


def test_subscription_cycle(o, cik, new_dataport):
    """RPC-188"""
    first = new_dataport(o, cik, "integer", preprocess=[["add", 1]])
    second = new_dataport(o, cik, "integer", subscribe=first, preprocess=[["add", 1]])
    assert o.update(cik, first, {"subscribe": second}) == (True, "ok")
    o.write(cik, first, 0)
    assert (newest(o, cik, first), newest(o, cik, second)) == (1, 2)
    itself = new_dataport(o, cik, "integer")
    o.update(cik, itself, {"subscribe": itself})
    assert o.write(cik, itself, 3) == (True, "ok")


def test_subscription_ends_with_the_access(o, platform, cik, new_dataport):
    other = platform.device().cik
    source = new_dataport(o, cik, "integer", public=True)
    follower = new_dataport(o, other, "integer", subscribe=source)
    o.write(cik, source, 1)
    assert newest(o, other, follower) == 1
    o.update(cik, source, {"public": False})
    o.write(cik, source, 2)
    assert newest(o, other, follower) == 1


# --- rules ---


class Rule:
    """A rule on a platform with a clock that is set."""

    def __init__(self, o, cik, clock, kind, **parameters):
        self.o, self.cik, self.clock = o, cik, clock
        description = {"format": "integer", "rule": {kind: {"repeat": True, **parameters}}}
        isok, self.rid = o.create(cik, "datarule", description)
        assert isok, self.rid

    def feed(self, value, after=0):
        self.clock.now += after
        assert self.o.write(self.cik, self.rid, value) == (True, "ok")

    def outputs(self, after=0):
        """All outputs so far, oldest first, as ``[(seconds since NOW, value), ...]``."""
        self.clock.now += after
        options = {"limit": 100, "sort": "asc"}
        return [(t - NOW, v) for t, v in self.o.read(self.cik, self.rid, options)[1]]


@pytest.fixture
def rule(timed, timed_o, clock):
    cik = timed.device().cik
    return lambda kind, **parameters: Rule(timed_o, cik, clock, kind, **parameters)


ABOVE = {"comparison": "gt", "constant": 10}


def test_simple(rule):
    """RPC-189"""
    r = rule("simple", **ABOVE)
    for value in (5, 11, "12", 10):
        r.feed(value, after=1)
    assert r.outputs() == [(1, 0), (2, 1), (3, 1), (4, 0)]


@pytest.mark.parametrize(
    ("format", "words"), [("string", ["true", "false"]), ("float", [1.0, 0.0])]
)
def test_output_formats(o, cik, format, words):
    """RPC-189"""
    description = {"format": format, "rule": {"simple": {**ABOVE, "repeat": True}}}
    rid = o.create(cik, "datarule", description)[1]
    for value, word in zip((11, 9), words):
        o.write(cik, rid, value)
        assert newest(o, cik, rid) == word


def test_input_that_cannot_be_compared(o, cik):
    """RPC-189"""
    description = {"format": "integer", "rule": {"simple": ABOVE}}
    rid = o.create(cik, "datarule", description)[1]
    assert o.write(cik, rid, None) == (False, "invalid")
    assert o.write(cik, rid, [1]) == (False, "invalid")


def test_timeout(rule):
    """RPC-190"""
    r = rule("timeout", timeout=60)
    assert r.outputs(after=59) == []
    assert r.outputs(after=1) == [(60, 1)]
    r.feed("any", after=10)
    assert r.outputs() == [(60, 1), (70, 0)]
    assert r.outputs(after=59) == [(60, 1), (70, 0)]
    assert r.outputs(after=1) == [(60, 1), (70, 0), (130, 1)]
    assert r.outputs(after=60)[-1] == (190, 1)


def test_timeout_of_zero_never_rings(rule):
    """RPC-190"""
    r = rule("timeout", timeout=0)
    assert r.outputs(after=1000) == []
    r.feed(1)
    assert r.outputs(after=1000) == [(1000, 0)]


def test_interval(rule):
    """RPC-191"""
    r = rule("interval", timeout=60, **ABOVE)
    r.feed(5)
    r.feed(11, after=10)
    assert r.outputs() == [(0, 0), (10, 1)]
    assert r.outputs(after=60)[2:] == [(70, 1)]
    assert r.outputs(after=60)[3:] == [(130, 1)]
    r.feed(9, after=10)
    assert r.outputs(after=600)[4:] == [(140, 0)]


def test_duration(rule):
    """RPC-192"""
    r = rule("duration", timeout=60, **ABOVE)
    r.feed(11)
    r.feed(12, after=30)
    assert r.outputs(after=29) == []
    assert r.outputs(after=1) == [(60, 1)]
    r.feed(13, after=1)
    r.feed(9, after=10)
    assert r.outputs(after=600) == [(60, 1), (71, 0)]


def test_count(rule):
    """RPC-193"""
    r = rule("count", timeout=60, count=3, **ABOVE)
    r.feed(11)
    r.feed(5, after=1)
    r.feed(11, after=1)
    assert r.outputs() == []
    r.feed(11, after=1)
    assert r.outputs() == [(3, 1)]
    r.feed(11, after=50)
    assert r.outputs(after=9) == [(3, 1)]
    assert r.outputs(after=1) == [(3, 1), (63, 0)]
    r.feed(11, after=1)
    r.feed(11)
    assert r.outputs(after=59)[2:] == []


def test_count_of_one(rule):
    """RPC-193"""
    r = rule("count", timeout=60, count=1, **ABOVE)
    r.feed(11)
    assert r.outputs() == [(0, 1)]


def test_without_repeat(rule):
    """RPC-194"""
    r = rule("simple", **ABOVE, repeat=False)
    for value in (11, 12, 5, 6, 13):
        r.feed(value, after=1)
    assert r.outputs() == [(1, 1), (3, 0), (5, 1)]


def test_timers_survive_a_restart(tmp_path, clock):
    """RPC-195"""
    file = str(tmp_path / "x.sqlite")
    with LocalPlatform(file, clock=clock) as platform:
        cik = platform.device().cik
        r = Rule(onep.OnepV1(**platform.connection), cik, clock, "duration", timeout=60, **ABOVE)
        r.feed(11)
    clock.now += 30
    with LocalPlatform(file, clock=clock) as platform:
        r.o = onep.OnepV1(**platform.connection)
        assert r.outputs(after=29) == []
        assert r.outputs(after=1) == [(60, 1)]


def test_timers_ring_by_themselves(o, cik):
    """RPC-195"""
    description = {"format": "integer", "rule": {"timeout": {"timeout": 0.05, "repeat": False}}}
    rid = o.create(cik, "datarule", description)[1]
    isok, (_, value) = o.wait(cik, rid, {"timeout": 20_000, "since": 1})
    assert isok and value == 1


def test_changing_a_rule_starts_it_anew(rule):
    r = rule("timeout", timeout=60)
    changed = {"rule": {"timeout": {"timeout": 10, "repeat": True}}}
    assert r.o.update(r.cik, r.rid, changed) == (True, "ok")
    assert r.outputs(after=10) == [(10, 1)]


def test_a_dropped_rule_rings_no_more(rule, timed_o):
    r = rule("timeout", timeout=60)
    assert r.o.drop(r.cik, r.rid) == (True, "ok")
    r.clock.now += 1000
    assert r.o.read(r.cik, r.rid, {}) == (False, "restricted")


def test_the_output_of_a_rule_is_a_series(o, cik, new_dataport):
    """RPC-196"""
    source = new_dataport(o, cik, "integer")
    description = {"format": "integer", "rule": {"simple": {**ABOVE, "repeat": True}}}
    rule = o.create(cik, "datarule", {**description, "subscribe": source})[1]
    follower = new_dataport(o, cik, "integer", subscribe=rule)
    o.write(cik, source, 11)
    assert newest(o, cik, rule) == newest(o, cik, follower) == 1
    assert o.wait(cik, rule, {"since": 1})[1][1] == 1
    assert o.info(cik, rule, {"storage": True})[1]["storage"]["count"] == 1
    assert o.flush(cik, rule) == (True, "ok")
    assert newest(o, cik, rule) is None


def test_a_timer_that_rings_at_once_leaves_others_their_turn(timed, timed_o):
    """The clock stands still: what is set anew must not be due again already."""
    cik = timed.device().cik
    rule = {"interval": {"comparison": "gt", "constant": 0, "timeout": 5e-324, "repeat": False}}
    isok, rid = timed_o.create(cik, "datarule", {"format": "integer", "rule": rule})
    assert isok
    assert timed_o.write(cik, rid, 1) == (True, "ok")
    assert timed_o.lookup(cik, "alias", "")[0]
