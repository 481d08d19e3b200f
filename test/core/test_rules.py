"""Rules: what each kind makes of its inputs and of its timer."""

from __future__ import annotations

import pytest
from conftest import fuzzed
from hypothesis import given
from hypothesis import strategies as st

from pyonep.server.core import rules
from pyonep.server.core.errors import Refused
from pyonep.server.core.rules import AT_REST, Rule, State, rule_of, start, step, truth

NOW = 1000.0
COMPARED = {"comparison": "gt", "constant": 5}
SIMPLE = Rule("simple", COMPARED)
TIMEOUT = Rule("timeout", {"timeout": 10})
INTERVAL = Rule("interval", {**COMPARED, "timeout": 10})
DURATION = Rule("duration", {**COMPARED, "timeout": 10})
COUNT = Rule("count", {**COMPARED, "timeout": 10, "count": 3})
ALL = (SIMPLE, TIMEOUT, INTERVAL, DURATION, COUNT)
RUNNING = State(NOW + 4, 1)
ANEW = State(NOW + 10, 0)


@pytest.mark.parametrize(
    ("rule", "state", "is_true", "output", "new"),
    [
        (SIMPLE, AT_REST, True, True, AT_REST),
        (SIMPLE, AT_REST, False, False, AT_REST),
        (TIMEOUT, RUNNING, True, False, ANEW),
        (TIMEOUT, RUNNING, False, False, ANEW),
        (TIMEOUT, RUNNING, None, True, ANEW),
        (INTERVAL, AT_REST, True, True, ANEW),
        (INTERVAL, RUNNING, True, True, RUNNING),
        (INTERVAL, AT_REST, False, False, AT_REST),
        (INTERVAL, RUNNING, False, False, AT_REST),
        (INTERVAL, RUNNING, None, True, ANEW),
        (DURATION, AT_REST, True, None, ANEW),
        (DURATION, RUNNING, True, None, RUNNING),
        (DURATION, AT_REST, False, False, AT_REST),
        (DURATION, RUNNING, False, False, AT_REST),
        (DURATION, RUNNING, None, True, AT_REST),
        (COUNT, AT_REST, True, None, State(NOW + 10, 1)),
        (COUNT, RUNNING, True, None, State(NOW + 4, 2)),
        (COUNT, State(NOW + 4, 2), True, True, ANEW),
        (COUNT, State(NOW + 4, 2), False, None, State(NOW + 4, 2)),
        (COUNT, AT_REST, False, None, AT_REST),
        (COUNT, State(NOW + 4, 2), None, False, AT_REST),
    ],
)
def test_each_step(rule, state, is_true, output, new):
    assert step(rule, state, is_true, NOW) == (output, new)


@pytest.mark.parametrize("rule", ALL)
def test_only_a_timeout_begins_with_a_timer(rule):
    assert start(rule, NOW) == (ANEW if rule is TIMEOUT else AT_REST)


@pytest.mark.parametrize("rule", ALL[1:])
def test_a_timeout_of_zero_never_rings(rule):
    at_once = rule._replace(given={**rule.given, "timeout": 0})
    assert start(at_once, NOW).due is None
    assert step(at_once, AT_REST, True, NOW).state.due is None


def test_a_short_timeout_leaves_time_for_others():
    short = Rule("timeout", {"timeout": 1e-9})
    assert start(short, NOW).due - NOW >= 0.04


@pytest.mark.parametrize("rule", ALL)
def test_which_rules_have_a_state(rule):
    assert rule.has_state == (rule is not SIMPLE)


def test_whether_a_rule_repeats():
    assert not SIMPLE.repeats
    assert Rule("simple", {**COMPARED, "repeat": True}).repeats


def test_the_rule_of_a_description():
    assert rule_of({"rule": {"timeout": {"timeout": 10}}}) == TIMEOUT


@pytest.mark.parametrize(("value", "fulfils"), [(6, True), ("6", True), (5, False), ("a", True)])
def test_what_fulfils_a_comparison(value, fulfils):
    for rule in (SIMPLE, INTERVAL, DURATION, COUNT):
        assert truth(rule, value) is fulfils


def test_any_input_stops_a_timeout():
    assert truth(TIMEOUT, None) is True


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(Refused, match="only numbers and texts"):
        truth(SIMPLE, [])


def test_a_script_does_not_run():
    with pytest.raises(Refused, match="scripts do not run"):
        truth(Rule("script", "x"), 1)


# --- a model ---


def ringing(since, until, every):
    """When a timer rings again and again: from one moment to another."""
    return range(since + every, until + 1, every) if every else ()


def expected(kind, inputs, every, enough, end):
    """What a rule puts out, told from all of its inputs at once: ``[(time, output), ...]``.

    A timer that runs out in the moment of an input rings before it.
    """
    return sorted(_MODELS[kind](inputs, every, enough, end), key=lambda one: one[0])


def simple(inputs, every, enough, end):
    return list(inputs)


def timeout(inputs, every, enough, end):
    times = [0, *[time for time, _ in inputs]]
    for since, until in zip(times, [*times[1:], end]):
        yield from ((time, True) for time in ringing(since, until, every))
        if until is not end:
            yield until, False


def runs(inputs, end):
    """The times of inputs that are true without a false one in between, and when that ends."""
    run = []
    for time, is_true in inputs:
        if is_true:
            run.append(time)
        elif run:
            yield run, time
            run = []
    if run:
        yield run, end


def interval(inputs, every, enough, end):
    for run, until in runs(inputs, end):
        yield from ((time, True) for time in ringing(run[0], until, every))
    yield from inputs


def duration(inputs, every, enough, end):
    for run, until in runs(inputs, end):
        rests_from = 0
        for time in run:
            if time >= rests_from and every:
                rests_from = time + every
                if rests_from <= until:
                    yield rests_from, True
                else:
                    break
    yield from ((time, False) for time, is_true in inputs if not is_true)


def count(inputs, every, enough, end):
    if not every:  # each input begins anew
        yield from ((time, True) for time, is_true in inputs if is_true and enough <= 1)
        return
    opened, counted = None, 0
    for time, is_true in inputs:
        if opened is not None and opened + every <= time:
            yield opened + every, False
            opened = None
        if is_true:
            opened, counted = (time, 1) if opened is None else (opened, counted + 1)
            if counted >= enough:
                yield time, True
                opened, counted = time, 0
    if opened is not None and opened + every <= end:
        yield opened + every, False


_MODELS = {model.__name__: model for model in (simple, timeout, interval, duration, count)}


@fuzzed(100)
@given(
    st.sampled_from(sorted(_MODELS)),
    st.integers(0, 5),
    st.integers(0, 4),
    st.lists(st.tuples(st.integers(1, 7), st.booleans()), max_size=12),
)
def test_any_sequence_of_inputs(kind, every, enough, drawn):
    rule = Rule(kind, {**COMPARED, "timeout": every, "count": enough})
    inputs, now = [], 0
    for delay, is_true in drawn:
        now += delay
        inputs.append((now, is_true))
    end, state, found = now + 8, start(rule, 0), []

    def take(is_true, time):
        nonlocal state
        output, state = step(rule, state, is_true, time)
        if output is not None:
            found.append((time, output))

    for time, is_true in [*inputs, (end, None)]:
        while state.due is not None and state.due <= time:
            take(None, state.due)
        if is_true is not None:
            take(is_true, time)
    want = expected(kind, inputs, every, enough, end)
    assert sorted(found) == sorted(want)
    assert [time for time, _ in found] == sorted(time for time, _ in found)


def test_every_kind_has_a_model():
    assert set(_MODELS) == set(rules._STEPS)
