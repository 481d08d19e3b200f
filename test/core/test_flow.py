"""What happens to a value: preprocess, store, subscribers, rules, retention; and what is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyonep.server.core import flow, lifecycle
from pyonep.server.core.budget import Budget
from pyonep.server.core.descriptions import LIMITS
from pyonep.server.core.errors import Refused
from pyonep.server.core.events import Dropped, Overfull, Remains, TimerChanged, Written
from pyonep.server.core.settings import Settings
from pyonep.server.core.turns import at_once

GREATER = {"comparison": "gt", "constant": 5}
INHERIT = {"limits": dict.fromkeys(LIMITS, "inherit")}


def give(unit, node, value):
    """Write a value, and pass it on."""
    steps = flow.feed(unit, node, flow.prepared(unit, node, value), unit.now())
    if steps is not None:
        at_once(steps)


def kept(unit, node):
    """The values of a series, the oldest first."""
    return [value for _, value in unit.series.page(node.id, 0, 2**40, 100, True, 10**6)[0]]


def written(unit, node):
    return [one.value for one in unit.events if isinstance(one, Written) and one[0] == node.id]


def test_a_value_is_stored_and_told(unit, make):
    port = make()
    give(unit, port, "7")
    assert kept(unit, port) == ["7"]
    assert unit.events == [Written(port.id, unit.now(), 7)]


def test_a_value_that_does_not_fit_changes_nothing(unit, make):
    port = make()
    with pytest.raises(Refused, match="must be an integer"):
        give(unit, port, "warm")
    assert kept(unit, port) == []
    assert unit.events == []


# --- preprocess ---


@pytest.mark.parametrize(
    ("steps", "value", "result"),
    [
        ([], 5, "5"),
        ([["add", 2], ["mul", 3]], 1, "9"),
        ([["div", 2]], 4, "2"),  # which is whole
        ([["gt", 3]], 4, "1"),
        ([["gt", 3], ["eq", 0]], 4, "0"),
        ([["value", 8]], "whatever", "8"),
    ],
)
def test_a_preprocess_goes_from_left_to_right(unit, make, steps, value, result):
    port = make(preprocess=steps)
    give(unit, port, value)
    assert kept(unit, port) == [result]


def test_an_operand_is_the_newest_value_of_another(unit, make):
    other = make()
    port = make(preprocess=[["add", other.rid]])
    with pytest.raises(Refused, match="has no data"):
        give(unit, port, 1)
    give(unit, other, 10)
    give(unit, port, 1)
    assert kept(unit, port) == ["11"]
    lifecycle.drop(unit, other)
    with pytest.raises(Refused, match="cannot be read"):
        give(unit, port, 1)


# --- subscribers ---


def test_a_value_goes_on_to_subscribers_and_theirs(unit, make):
    first = make()
    second = make(subscribe=first.rid, preprocess=[["mul", 2]])
    third = make(subscribe=second.rid, format="string")
    give(unit, first, 4)
    assert [kept(unit, one) for one in (first, second, third)] == [["4"], ["8"], ["8"]]
    assert [one.resource for one in unit.events] == [first.id, second.id, third.id]


def test_a_circle_of_subscribers_has_an_end(unit, make):
    first = make()
    second = make(subscribe=first.rid, preprocess=[["add", 1]])
    lifecycle.update(unit, first, {"subscribe": second.rid})
    give(unit, unit.resources.by_id(first.id), 1)
    assert kept(unit, first) == ["1"]
    assert kept(unit, second) == ["2"]


def test_one_subscriber_that_refuses_holds_up_no_other(unit, make):
    first = make(format="string")
    number, text = make(subscribe=first.rid), make(subscribe=first.rid, format="string")
    give(unit, first, "warm")
    assert kept(unit, number) == []
    assert kept(unit, text) == ["warm"]


def test_who_may_not_read_any_more_gets_nothing(unit, make):
    client = make("client", **INHERIT)
    source = make(public=True)
    follower = make(of=client, subscribe=source.rid)
    lifecycle.update(unit, source, {"public": False})
    give(unit, unit.resources.by_id(source.id), 1)
    assert kept(unit, follower) == []


def test_a_dispatch_that_is_not_delivered_says_so(unit, make):
    sent = make("dispatch", method="email", recipient="a@b.example")
    give(unit, sent, "hello")
    assert kept(unit, sent) == [flow.UNDELIVERED]


def test_passing_on_is_work(unit, make):
    source = make()
    for _ in range(3):
        make(subscribe=source.rid, preprocess=[["add", 1]])
    budget = Budget(replace(Settings(), max_work=6))
    given = flow.prepared(unit, source, 1)
    at_once(flow.feed(unit, source, given, unit.now(), budget))
    with pytest.raises(Refused, match="at most 6 steps of work"):
        budget.work(1)


# --- rules ---


def rule(make, source, **given):
    return make("datarule", subscribe=source.rid, **given)


def test_a_rule_stores_what_changes(unit, clock, make):
    source = make()
    simple = rule(make, source, rule={"simple": GREATER})
    for value in (1, 6, 7, 2):
        give(unit, source, value)
        clock.now += 1
    assert kept(unit, simple) == ["0", "1", "0"]


def test_a_rule_that_repeats_stores_all(unit, clock, make):
    source = make()
    simple = rule(make, source, rule={"simple": {**GREATER, "repeat": True}})
    for value in (6, 7):
        give(unit, source, value)
        clock.now += 1
    assert kept(unit, simple) == ["1", "1"]
    assert written(unit, simple) == [1, 1]


@pytest.mark.parametrize(
    ("format", "outputs"), [("integer", "01"), ("float", ["0.0", "1.0"]), ("string", None)]
)
def test_what_a_rule_puts_out_has_its_format(unit, clock, make, format, outputs):
    source = make()
    simple = rule(make, source, rule={"simple": GREATER}, format=format)
    give(unit, source, 1)
    clock.now += 1
    give(unit, source, 9)
    assert kept(unit, simple) == list(outputs or ("false", "true"))


def test_a_timer_rings(unit, clock, make):
    source = make()
    timeout = rule(make, source, rule={"timeout": {"timeout": 5}})
    follower = make(subscribe=timeout.rid)
    assert unit.timers.get(timeout.id).due == clock() + 5
    assert TimerChanged() in unit.events
    clock.now += 5
    at_once(flow.ring(unit, timeout))
    assert kept(unit, timeout) == kept(unit, follower) == ["1"]
    assert unit.timers.get(timeout.id).due == clock() + 5


def test_a_rule_at_rest_has_no_timer(unit, make):
    source = make()
    interval = rule(make, source, rule={"interval": {**GREATER, "timeout": 5}})
    due = unit.timers.get(interval.id).due
    assert due is None
    give(unit, source, 9)
    assert unit.timers.get(interval.id).due is not None
    give(unit, source, 1)
    assert unit.timers.get(interval.id).due is None


def test_a_rule_that_is_changed_begins_anew(unit, make):
    source = make()
    changed = rule(make, source, rule={"timeout": {"timeout": 5}})
    lifecycle.update(unit, changed, {"rule": {"timeout": {"timeout": 50}}})
    assert unit.timers.get(changed.id).due == unit.clock() + 50


# --- recorded values ---


def recorded(unit, node, entries):
    times, raws = zip(*entries)
    return sorted(at_once(flow.record_many(unit, node, times, raws, Budget(Settings()))))


def test_what_is_recorded_wakes_nobody(unit, make):
    port = make()
    follower = make(subscribe=port.rid)
    assert recorded(unit, port, [(5, 1), (6, "2")]) == []
    assert kept(unit, port) == ["1", "2"]
    assert kept(unit, follower) == []
    assert unit.events == []


def test_what_is_refused_does_not_keep_the_rest_away(unit, make):
    port = make()
    assert recorded(unit, port, [(5, 1), (6, "warm"), (5, 2), (7, 3)]) == [1, 2]
    assert kept(unit, port) == ["1", "3"]
    assert recorded(unit, port, [(7, 9)]) == [0]


def test_where_it_is_set_what_is_recorded_is_passed_on(unit, make):
    unit.settings = Settings(publish_recorded=True)
    port = make()
    follower = make(subscribe=port.rid)
    assert recorded(unit, port, [(5, 1)]) == []
    assert kept(unit, follower) == ["1"]
    assert written(unit, port) == [1]


def test_a_preprocess_takes_what_is_recorded_too(unit, make):
    port = make(preprocess=[["mul", 2]])
    assert recorded(unit, port, [(5, 1), (6, "warm")]) == [1]
    assert kept(unit, port) == ["2"]


# --- retention ---


def test_so_many_points_are_kept(unit, clock, make):
    port = make(retention={"count": 2})
    for value in range(4):
        give(unit, port, value)
        clock.now += 1
    assert kept(unit, port) == ["2", "3"]


def test_points_are_kept_for_so_long(unit, clock, make):
    port = make(retention={"duration": 1})
    give(unit, port, 1)
    clock.now += 3600
    flow.retain(unit, port)
    assert kept(unit, port) == ["1"]
    clock.now += 1
    flow.retain(unit, port)
    assert kept(unit, port) == []


def test_what_a_retention_has_too_many_of_goes_later(unit, make):
    port = make()
    unit.series.put_many(port.id, range(1, 5001), ["1"] * 5000)
    lifecycle.update(unit, port, {"retention": {"count": 1}})
    flow.retain(unit, unit.resources.by_id(port.id))
    assert unit.events == [Overfull(port.id)]


def test_what_is_dropped_is_told(unit, make):
    port = make()
    lifecycle.drop(unit, port)
    assert unit.events == [Dropped(port.id), Remains()]
