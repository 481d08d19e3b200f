"""What happens to a value that comes in: preprocess, rule, store, subscribers.

Everything that writes a point goes through here, so that waits and subscriptions see
every written one, and retention every one. Recorded points, which come from the past,
are stored and retained; they wake nobody and start nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..store import EARLIEST, Node
from . import access, rules, values
from .budget import Budget
from .descriptions import COMPARISONS, is_key
from .errors import Invalid, Refused
from .events import Overfull, TimerChanged, Written
from .rules import AT_REST, Rule, State, rule_of
from .turns import Pace, Steps
from .unit import Unit

UNDELIVERED = "undelivered"
_STEPS_AT_ONCE = 100
_CHARACTERS = 256  # of a value that are stored in one step of work


class Input(NamedTuple):
    """A value that was found good for a resource."""

    value: Any
    text: str  # as a dataport keeps it; empty for others
    truth: bool  # of a datarule's comparison; False for others


# --- one value -------------------------------------------------------------


def prepared(unit: Unit, node: Node, raw: Any) -> Input:
    """Preprocess a value and see whether the resource takes it.

    Raises:
        Invalid: With the reason; nothing was changed.
    """
    value = _preprocess(unit, node, raw)
    if node.type == "dataport":
        return Input(value, _kept(unit, node, value), False)
    if node.type == "datarule":
        return Input(value, "", rules.truth(rule_of(node.description), value))
    values.keeper("string")(value, unit.settings.max_text)
    return Input(value, "", False)


def _kept(unit: Unit, node: Node, value: Any) -> str:
    return values.keeper(format_of(node))(value, unit.settings.max_text)


def cost(node: Node, value: Any = None) -> int:
    """Steps of work that a value of a resource takes, as it comes in."""
    steps = 1 + len(node.description["preprocess"])
    return steps + len(value) // _CHARACTERS if type(value) is str else steps


def _length(given: Input) -> int:
    """The same for what it has become beyond that: a preprocess may put in a long one."""
    return len(given.text) // _CHARACTERS


def feed(
    unit: Unit, node: Node, given: Input, time: int, budget: Budget | None = None
) -> Steps[None] | None:
    """Give a value to a resource and, as far as it is passed on, to its subscribers.

    A value passes each resource once, so that a cycle of subscriptions ends.

    Returns:
        The steps that pass it on; None when nobody subscribes.
    """
    passed_on = _take(unit, node, given, time)
    if passed_on is None or not unit.resources.subscribers(node.rid):
        return None
    return spread(unit, node, passed_on, time, budget)


def feed_all(
    unit: Unit,
    inputs: Sequence[tuple[Node, Input]],
    grounds: access.Grounds,
    pace: Pace,
    budget: Budget,
) -> Steps[None]:
    """Give values to resources under one timestamp: to all of them, in steps.

    Others may drop some of them meanwhile, or the caller; that is as if they did so when
    all had their values.
    """
    time, seen = unit.now(), unit.narrowings
    with access.decided(grounds):
        for node, given in inputs:
            if seen != unit.narrowings and not access.in_tree(unit, node):
                continue
            yield from feed(unit, node, given, time, budget) or ()
            if pace.is_full():
                yield


def spread(
    unit: Unit, source: Node, value: Any, time: int, budget: Budget | None = None
) -> Steps[None]:
    """Give what a resource stored to its subscribers, theirs, and so on, in steps."""
    seen, pace = {source.id}, Pace(_STEPS_AT_ONCE)
    queue = deque([(source, value)])
    while queue:
        source, value = queue.popleft()
        for number in unit.resources.subscribers(source.rid):
            node = unit.resources.by_id(number)
            if number in seen or node is None or not _may_subscribe(unit, node, source):
                continue
            seen.add(number)
            if budget is not None:
                budget.spend(cost(node))
            if pace.is_full(cost(node)):
                yield
            try:
                given = prepared(unit, node, value)
                if budget is not None:
                    budget.spend(_length(given))
                passed_on = _take(unit, node, given, time)
            except Refused:
                continue  # not good for this subscriber; the others still get it
            if passed_on is not None:
                queue.append((node, passed_on))


def _may_subscribe(unit: Unit, node: Node, source: Node) -> bool:
    owner = None if node.owner is None else unit.resources.by_id(node.owner)
    return owner is not None and access.may_read(unit, owner, source)


def _take(unit: Unit, node: Node, given: Input, time: int) -> Any:
    """Store what a value means to a resource; return what its subscribers get, or None."""
    if node.type == "dataport":
        unit.series.put(node.id, time, given.text)
        return _stored(unit, node, time, given.text)
    if node.type == "datarule":
        return _react(unit, node, given.truth, time)
    unit.series.put(node.id, time, UNDELIVERED)
    return _stored(unit, node, time, UNDELIVERED)


# --- rules -----------------------------------------------------------------


def start_rule(unit: Unit, node: Node) -> None:
    """Let a rule begin, or begin anew."""
    _keep_state(unit, node, rules.start(rule_of(node.description), unit.clock()))


def ring(unit: Unit, node: Node) -> Steps[None]:
    """The timer of a rule ran out; what it gives is passed on in steps."""
    time = unit.now()
    output = _react(unit, node, None, time)
    if output is not None:
        yield from spread(unit, node, output, time)


def _react(unit: Unit, node: Node, is_true: bool | None, time: int) -> Any:
    """Let an input, or None for the timer, have its effect; the output if one was stored."""
    rule = rule_of(node.description)
    state = State(*unit.timers.get(node.id)) if rule.has_state else AT_REST
    output, new = rules.step(rule, state, is_true, unit.clock())
    if new != state or is_true is None:
        _keep_state(unit, node, new)
    return None if output is None else _put_out(unit, node, rule, output, time)


def _keep_state(unit: Unit, node: Node, state: State) -> None:
    if state == AT_REST:
        unit.timers.remove(node.id)
    else:
        unit.timers.set(node.id, *state)
    unit.emit(TimerChanged())


def _put_out(unit: Unit, node: Node, rule: Rule, truth: bool, time: int) -> Any:
    """Store the output of a rule; return it, or None when it repeats the last one."""
    format = node.description["format"]
    if format == "string":
        text = "true" if truth else "false"
    else:
        text = values.keeper(format)(int(truth), unit.settings.max_text)
    newest = unit.series.newest(node.id)
    if not rule.repeats and newest is not None and newest.value == text:
        return None
    unit.series.put(node.id, time, text)
    return _stored(unit, node, time, text)


def _stored(unit: Unit, node: Node, time: int, text: str) -> Any:
    value = values.giver(format_of(node))(text)
    retain(unit, node)
    unit.emit(Written(node.id, time, value))
    return value


def format_of(node: Node) -> str:
    """The format of a series; what a dispatch keeps is text."""
    return str(node.description.get("format", "string"))


# --- recorded values -------------------------------------------------------


def recordable(unit: Unit, node: Node, raw: Any) -> Input:
    """Preprocess a value and see whether the series of a resource can keep it.

    Recorded into a rule or a dispatch it is no input, but a point of its series.

    Raises:
        Invalid: With the reason; nothing was changed.
    """
    if unit.settings.publish_recorded:
        return prepared(unit, node, raw)
    value = _preprocess(unit, node, raw)
    return Input(value, _kept(unit, node, value), False)


def record(
    unit: Unit,
    node: Node,
    entries: Sequence[tuple[int, Input]],
    replace: bool,
    budget: Budget | None = None,
) -> Steps[list[int]]:
    """Record values at given times, in steps.

    Args:
        unit: The work that this is part of.
        node: What has the series.
        entries: ``[(time, value found recordable), ...]``.
        replace: Replace a point of the same second, instead of leaving it as it is.
        budget: What is left to the request.

    Returns:
        The positions of those that were refused, because their second has a point.
    """
    if not unit.settings.publish_recorded:
        times, texts = [time for time, _ in entries], [given.text for _, given in entries]
        return _record_texts(unit, node, times, texts, replace)
    refused = []
    for position, (time, given) in enumerate(entries):
        if not replace and unit.series.has(node.id, time) and not _is_gone(unit, node, time):
            refused.append(position)
        else:
            yield from feed(unit, node, given, time, budget) or ()
    return refused


def record_many(
    unit: Unit, node: Node, times: Sequence[int], raws: Sequence[Any], budget: Budget
) -> Steps[list[int]]:
    """Record values as they came, in steps; each has its time.

    Returns:
        The positions of those it refused; the others are stored.
    """
    budget.spend(len(times))
    if unit.settings.publish_recorded or node.description["preprocess"]:
        return (yield from _record_each(unit, node, zip(times, raws), budget))
    replace = unit.settings.replace_recorded
    texts = values.all_kept(format_of(node), raws, unit.settings.max_text)
    if texts is not None:
        budget.spend(sum(map(len, texts)) // _CHARACTERS)
        return _record_texts(unit, node, times, texts, replace)
    texts, places, refused = _kept_of(unit, node, raws)
    budget.spend(sum(map(len, texts)) // _CHARACTERS)
    occupied = _record_texts(unit, node, [times[place] for place in places], texts, replace)
    return refused + [places[position] for position in occupied]


def _kept_of(unit: Unit, node: Node, raws: Sequence[Any]) -> tuple[list[str], list[int], list[int]]:
    """The texts of values that are good, their positions, and those of the others."""
    keep, max_text = values.keeper(format_of(node)), unit.settings.max_text
    texts, places, refused = [], [], []
    for position, raw in enumerate(raws):
        try:
            texts.append(keep(raw, max_text))
            places.append(position)
        except Refused:
            refused.append(position)
    return texts, places, refused


def _record_each(
    unit: Unit, node: Node, entries: Iterable[tuple[int, Any]], budget: Budget
) -> Steps[list[int]]:
    """Record one after the other: a preprocess may read what the one before left."""
    refused, pace = [], Pace(_STEPS_AT_ONCE)
    replace = unit.settings.replace_recorded
    for position, (time, raw) in enumerate(entries):
        try:
            budget.work(cost(node) - 1)
            given = recordable(unit, node, raw)
            budget.spend(_length(given))
        except Refused:
            refused.append(position)
            continue
        if (yield from record(unit, node, [(time, given)], replace, budget)):
            refused.append(position)
        if pace.is_full(cost(node)):
            yield
    return refused


def _record_texts(
    unit: Unit, node: Node, times: Sequence[int], texts: Sequence[str], replace: bool
) -> list[int]:
    if not times:
        return []
    refused: list[int] = []
    if replace:
        unit.series.put_many(node.id, times, texts)
    else:
        occupied = unit.series.add_many(node.id, times, texts)
        refused = [position for position in occupied if not _is_gone(unit, node, times[position])]
    retain(unit, node)
    return refused


def _is_gone(unit: Unit, node: Node, time: int) -> bool:
    """Whether a point of this time is too old to be read, though it may still be removed."""
    oldest = horizon(unit, node)
    return oldest is not None and time < oldest


# --- retention -------------------------------------------------------------


def horizon(unit: Unit, node: Node) -> int | None:
    """The time before which points are gone; None when they stay."""
    duration = node.description["retention"]["duration"]
    if duration == "infinity":
        return None
    # More hours than a point's time can go back are as good as for ever.
    return max(math.ceil(unit.clock() - float(duration) * 3600), EARLIEST)


def retain(unit: Unit, node: Node) -> None:
    """Remove the points that the retention of a series no longer keeps.

    Where that takes long it is done bit by bit, later.
    """
    done = True
    count = node.description["retention"]["count"]
    if count != "infinity":
        done = unit.series.keep_newest(node.id, int(count))
    oldest = horizon(unit, node)
    if oldest is not None:
        done = unit.series.remove_some(node.id, high=oldest - 1) and done
    if not done:
        unit.emit(Overfull(node.id))


# --- preprocess ------------------------------------------------------------


def _preprocess(unit: Unit, node: Node, raw: Any) -> Any:
    if not node.description["preprocess"]:
        return raw
    value = raw
    for operation, given in node.description["preprocess"]:
        operand = _operand(unit, node, given)
        if operation == "value":
            value = operand
        elif operation in COMPARISONS:
            value = int(values.compare(operation, value, operand))
        else:
            value = values.calculate(operation, value, operand)
    if format_of(node) == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _operand(unit: Unit, node: Node, given: Any) -> Any:
    """A constant, or the newest value of the resource that a RID names."""
    if not is_key(given):
        return given
    owner = unit.resources.by_id(node.owner or 0)
    source = unit.resources.by_rid(given)
    if owner is None or source is None or not access.may_read(unit, owner, source):
        raise Invalid(f"preprocess: {given} cannot be read")
    newest = unit.series.newest(source.id)
    if newest is None:
        raise Invalid(f"preprocess: {given} has no data")
    return values.giver(format_of(source))(newest.value)
