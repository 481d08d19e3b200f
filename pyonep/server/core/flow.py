"""What happens to a value that comes in: preprocess, rule, store, subscribers.

Everything that writes a point goes through here, so that waits and subscriptions see
every written one, and retention every one. Recorded points, which come from the past,
are stored and retained; they wake nobody and start nothing.
"""

from __future__ import annotations

import math
import operator
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from ..store import EARLIEST, Node
from . import access, rules, values
from .budget import Budget
from .descriptions import COMPARISONS, is_key
from .errors import Refused, invalid
from .turns import Pace, Steps

if TYPE_CHECKING:
    from ..platform import Platform

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "geq": operator.ge,
    "lt": operator.lt,
    "leq": operator.le,
    "eq": operator.eq,
    "neq": operator.ne,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "mod": operator.mod,
}
UNDELIVERED = "undelivered"
_STEPS_AT_ONCE = 100
_CHARACTERS = 256  # of a value that are stored in one step of work


class Input(NamedTuple):
    """A value that was found good for a resource."""

    value: Any
    text: str  # as a dataport keeps it; empty for others
    truth: bool  # of a datarule's comparison; False for others


# --- one value -------------------------------------------------------------


def prepared(platform: Platform, node: Node, raw: Any) -> Input:
    """Preprocess a value and see whether the resource takes it.

    Raises:
        Refused: ``invalid``, with the reason; nothing was changed.
    """
    value = _preprocess(platform, node, raw)
    if node.type == "dataport":
        return Input(value, _kept(platform, node, value), False)
    if node.type == "datarule":
        return Input(value, "", rules.truth(node, value))
    values.keeper("string")(value, platform.settings.max_text)
    return Input(value, "", False)


def _kept(platform: Platform, node: Node, value: Any) -> str:
    return values.keeper(format_of(node))(value, platform.settings.max_text)


def cost(node: Node, value: Any = None) -> int:
    """Steps of work that a value of a resource takes, as it comes in."""
    steps = 1 + len(node.description["preprocess"])
    return steps + len(value) // _CHARACTERS if type(value) is str else steps


def _length(given: Input) -> int:
    """The same for what it has become beyond that: a preprocess may put in a long one."""
    return len(given.text) // _CHARACTERS


def feed(
    platform: Platform, node: Node, given: Input, time: int, budget: Budget | None = None
) -> Steps[None] | None:
    """Give a value to a resource and, as far as it is passed on, to its subscribers.

    A value passes each resource once, so that a cycle of subscriptions ends.

    Returns:
        The steps that pass it on; None when nobody subscribes.
    """
    passed_on = _take(platform, node, given, time)
    if passed_on is None or not platform.resources.subscribers(node.rid):
        return None
    return spread(platform, node, passed_on, time, budget)


def feed_all(
    platform: Platform,
    inputs: Sequence[tuple[Node, Input]],
    grounds: access.Grounds,
    pace: Pace,
    budget: Budget,
) -> Steps[None]:
    """Give values to resources under one timestamp: to all of them, in steps.

    Others may drop some of them meanwhile, or the caller; that is as if they did so when
    all had their values.
    """
    time, seen = platform.now(), platform.database.narrowings
    with access.decided(grounds):
        for node, given in inputs:
            if seen != platform.database.narrowings and not access.in_tree(platform, node):
                continue
            yield from feed(platform, node, given, time, budget) or ()
            if pace.is_full():
                yield


def spread(
    platform: Platform, source: Node, value: Any, time: int, budget: Budget | None = None
) -> Steps[None]:
    """Give what a resource stored to its subscribers, theirs, and so on, in steps."""
    seen, pace = {source.id}, Pace(_STEPS_AT_ONCE)
    queue = deque([(source, value)])
    while queue:
        source, value = queue.popleft()
        for number in platform.resources.subscribers(source.rid):
            node = platform.resources.by_id(number)
            if number in seen or node is None or not _may_subscribe(platform, node, source):
                continue
            seen.add(number)
            if budget is not None:
                budget.spend(cost(node))
            if pace.is_full(cost(node)):
                yield
            try:
                given = prepared(platform, node, value)
                if budget is not None:
                    budget.spend(_length(given))
                passed_on = _take(platform, node, given, time)
            except Refused:
                continue  # not good for this subscriber; the others still get it
            if passed_on is not None:
                queue.append((node, passed_on))


def _may_subscribe(platform: Platform, node: Node, source: Node) -> bool:
    owner = None if node.owner is None else platform.resources.by_id(node.owner)
    return owner is not None and access.may_read(platform, owner, source)


def _take(platform: Platform, node: Node, given: Input, time: int) -> Any:
    """Store what a value means to a resource; return what its subscribers get, or None."""
    if node.type == "dataport":
        platform.series.put(node.id, time, given.text)
        return _stored(platform, node, time, given.text)
    if node.type == "datarule":
        return rules.react(platform, node, given.truth, time)
    platform.series.put(node.id, time, UNDELIVERED)
    return _stored(platform, node, time, UNDELIVERED)


def emit(platform: Platform, node: Node, truth: bool, time: int, repeat: bool) -> Any:
    """Store the output of a rule; return it, or None when it repeats the last one."""
    format = node.description["format"]
    if format == "string":
        text = "true" if truth else "false"
    else:
        text = values.keeper(format)(int(truth), platform.settings.max_text)
    newest = platform.series.newest(node.id)
    if not repeat and newest is not None and newest.value == text:
        return None
    platform.series.put(node.id, time, text)
    return _stored(platform, node, time, text)


def _stored(platform: Platform, node: Node, time: int, text: str) -> Any:
    value = values.giver(format_of(node))(text)
    retain(platform, node)
    platform.waits.arrived(node.id, time, value)
    return value


def format_of(node: Node) -> str:
    """The format of a series; what a dispatch keeps is text."""
    return str(node.description.get("format", "string"))


# --- recorded values -------------------------------------------------------


def recordable(platform: Platform, node: Node, raw: Any) -> Input:
    """Preprocess a value and see whether the series of a resource can keep it.

    Recorded into a rule or a dispatch it is no input, but a point of its series.

    Raises:
        Refused: ``invalid``, with the reason; nothing was changed.
    """
    if platform.settings.publish_recorded:
        return prepared(platform, node, raw)
    value = _preprocess(platform, node, raw)
    return Input(value, _kept(platform, node, value), False)


def record(
    platform: Platform,
    node: Node,
    entries: Sequence[tuple[int, Input]],
    replace: bool,
    budget: Budget | None = None,
) -> Steps[list[int]]:
    """Record values at given times, in steps.

    Args:
        platform: The platform.
        node: What has the series.
        entries: ``[(time, value found recordable), ...]``.
        replace: Replace a point of the same second, instead of leaving it as it is.
        budget: What is left to the request.

    Returns:
        The positions of those that were refused, because their second has a point.
    """
    if not platform.settings.publish_recorded:
        texts = [(time, given.text) for time, given in entries]
        return _record_texts(platform, node, texts, replace)
    refused = []
    for position, (time, given) in enumerate(entries):
        if (
            not replace
            and platform.series.has(node.id, time)
            and not _is_gone(platform, node, time)
        ):
            refused.append(position)
        else:
            yield from feed(platform, node, given, time, budget) or ()
    return refused


def record_many(
    platform: Platform, node: Node, entries: Sequence[Sequence[Any]], budget: Budget
) -> Steps[list[int]]:
    """Record values as they came, ``[(time, value), ...]``, in steps.

    Returns:
        The positions of those it refused; the others are stored.
    """
    budget.spend(len(entries))
    if platform.settings.publish_recorded or node.description["preprocess"]:
        return (yield from _record_each(platform, node, entries, budget))
    kept, places, refused = _all_kept(platform, node, entries)
    budget.spend(sum([len(text) for _, text in kept]) // _CHARACTERS)
    occupied = _record_texts(platform, node, kept, platform.settings.replace_recorded)
    return refused + [places[position] for position in occupied]


def _all_kept(
    platform: Platform, node: Node, entries: Sequence[Sequence[Any]]
) -> tuple[list[tuple[int, str]], Sequence[int], list[int]]:
    """What is kept of entries, the positions of these, and of those that are refused."""
    format, max_text = format_of(node), platform.settings.max_text
    texts = values.all_kept(format, [raw for _, raw in entries], max_text)
    if texts is not None:
        return list(zip([time for time, _ in entries], texts)), range(len(entries)), []
    keep = values.keeper(format)
    kept, places, refused = [], [], []
    for position, (time, raw) in enumerate(entries):
        try:
            kept.append((time, keep(raw, max_text)))
            places.append(position)
        except Refused:
            refused.append(position)
    return kept, places, refused


def _record_each(
    platform: Platform, node: Node, entries: Sequence[Sequence[Any]], budget: Budget
) -> Steps[list[int]]:
    """Record one after the other: a preprocess may read what the one before left."""
    refused, pace = [], Pace(_STEPS_AT_ONCE)
    replace = platform.settings.replace_recorded
    for position, (time, raw) in enumerate(entries):
        try:
            budget.work(cost(node) - 1)
            given = recordable(platform, node, raw)
            budget.spend(_length(given))
        except Refused:
            refused.append(position)
            continue
        if (yield from record(platform, node, [(time, given)], replace, budget)):
            refused.append(position)
        if pace.is_full(cost(node)):
            yield
    return refused


def _record_texts(
    platform: Platform, node: Node, entries: Sequence[tuple[int, str]], replace: bool
) -> list[int]:
    if not entries:
        return []
    refused: list[int] = []
    if replace:
        platform.series.put_many(node.id, entries)
    else:
        occupied = platform.series.add_many(node.id, entries)
        refused = [
            position for position in occupied if not _is_gone(platform, node, entries[position][0])
        ]
    retain(platform, node)
    return refused


def _is_gone(platform: Platform, node: Node, time: int) -> bool:
    """Whether a point of this time is too old to be read, though it may still be removed."""
    oldest = horizon(platform, node)
    return oldest is not None and time < oldest


# --- retention -------------------------------------------------------------


def horizon(platform: Platform, node: Node) -> int | None:
    """The time before which points are gone; None when they stay."""
    duration = node.description["retention"]["duration"]
    if duration == "infinity":
        return None
    # More hours than a point's time can go back are as good as for ever.
    return max(math.ceil(platform.clock() - float(duration) * 3600), EARLIEST)


def retain(platform: Platform, node: Node) -> None:
    """Remove the points that the retention of a series no longer keeps.

    Where that takes long it is done bit by bit, later.
    """
    done = True
    count = node.description["retention"]["count"]
    if count != "infinity":
        done = platform.series.keep_newest(node.id, int(count))
    oldest = horizon(platform, node)
    if oldest is not None:
        done = platform.series.remove_some(node.id, high=oldest - 1) and done
    if not done:
        platform.overfull.add(node.id)
        platform.remove_dropped()


# --- preprocess ------------------------------------------------------------


def _preprocess(platform: Platform, node: Node, raw: Any) -> Any:
    if not node.description["preprocess"]:
        return raw
    value = raw
    for operation, given in node.description["preprocess"]:
        operand = _operand(platform, node, given)
        if operation == "value":
            value = operand
        elif operation in COMPARISONS:
            value = int(compare(operation, value, operand))
        else:
            value = _calculate(operation, value, operand)
    if format_of(node) == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _operand(platform: Platform, node: Node, given: Any) -> Any:
    """A constant, or the newest value of the resource that a RID names."""
    if not is_key(given):
        return given
    owner = platform.resources.by_id(node.owner or 0)
    source = platform.resources.by_rid(given)
    if owner is None or source is None or not access.may_read(platform, owner, source):
        raise invalid(f"preprocess: {given} cannot be read")
    newest = platform.series.newest(source.id)
    if newest is None:
        raise invalid(f"preprocess: {given} has no data")
    return values.giver(format_of(source))(newest.value)


def _calculate(operation: str, value: Any, operand: Any) -> Any:
    left, right = values.as_number(value), values.as_number(operand)
    if left is None or right is None:
        raise invalid(f"preprocess: {operation} needs numbers")
    try:
        result = values.as_number(_ARITHMETIC[operation](left, right))
    except (ZeroDivisionError, OverflowError, TypeError) as error:
        raise invalid(f"preprocess: {operation}: {error}") from error
    if result is None:
        raise invalid(f"preprocess: {operation}: the result overflows")
    return result


def compare(comparison: str, value: Any, constant: Any) -> bool:
    """Compare as numbers where both are, else as texts.

    Raises:
        Refused: ``invalid``: neither numbers nor texts.
    """
    left, right = values.as_number(value), values.as_number(constant)
    if left is None or right is None:
        if not isinstance(value, (str, int, float)) or isinstance(value, bool):
            raise invalid("only numbers and texts can be compared")
        left, right = str(value), str(constant)  # type: ignore[assignment]
    return bool(_COMPARE[comparison](left, right))
