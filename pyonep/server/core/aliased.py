"""Series of a client by their aliases, with values as text: what small devices use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple, Optional

from ..store import Node, Point
from . import dataports, flow, values
from .access import Grounds
from .budget import Budget
from .errors import Forbidden, Invalid, NotFound, Refused, TooLarge
from .results import Wait
from .turns import Pace, Steps
from .unit import Unit

_AT_ONCE = 200  # values that one step takes
_MANY = 5000  # positions that one step looks at

Recorded = list[tuple[float, flow.Input]]


class Writer(NamedTuple):
    """A client that writes.

    Attributes:
        client: Which.
        grounds: What its request stands on; what is written to is added to them.
        budget: What is left to the request.
        unknown: Aliases that lead nowhere are added here.
    """

    client: Node
    grounds: Grounds
    budget: Budget
    unknown: list[str]


# --- reading ---------------------------------------------------------------


def named(unit: Unit, client: Node, alias: str) -> Node | None:
    """What a client has mapped to an alias, when it has points and is its own."""
    node = unit.resources.aliased(client.id, alias) if alias else None
    if node is None or node.type == "client" or node.owner != client.id:
        return None
    return node


def newest(unit: Unit, client: Node, alias: str) -> str | None:
    """The newest value of what has an alias; None when there is none."""
    node = named(unit, client, alias)
    point = None if node is None else unit.series.newest(node.id)
    return None if point is None else point.value


def first_after(unit: Unit, node: Node, since: int) -> Point | None:
    """The first point after a time, if there is one already."""
    return unit.series.nth(node.id, since + 1, 2**62, 0)


def wait(
    unit: Unit,
    node: Node,
    alias: str,
    timeout: float,
    since: int | None,
    caller: Callable[[Unit], Node],
) -> Wait:
    """A wait for the next point of what has an alias.

    Args:
        unit: The work that this is part of.
        node: What has the alias.
        alias: The alias.
        timeout: Seconds after which no point comes any more.
        since: Only a point that is not older counts, in Unix seconds; None: any.
        caller: Gives the client that waits; raises when it may not act any more.
    """

    def objection() -> Optional[Refused]:
        """Why the client may not have the point any more; None while it may."""
        try:
            found = named(unit, caller(unit), alias)
        except Refused as refused:
            return refused
        is_same = found is not None and found.rid == node.rid
        return None if is_same else Forbidden("not its own now")

    return Wait(node.id, timeout, since, objection)


def text_of(unit: Unit, node: Node, value: Any) -> str:
    """A value of a series as text."""
    return values.keeper(flow.format_of(node))(value, unit.settings.max_text)


# --- writing ---------------------------------------------------------------


def write(unit: Unit, writer: Writer, pairs: Mapping[str, str]) -> Steps[None]:
    """Write values under one timestamp, by alias: all that are known, or none; in steps.

    Raises:
        Invalid: A value is none of its series.
        TooLarge: A value is too long.
    """
    inputs, pace = [], Pace(_AT_ONCE)
    for alias, value in pairs.items():
        node = _written(unit, writer, alias, value)
        if node is not None:
            inputs.append((node, _fitting(unit, writer, flow.prepared, node, value)))
        if pace.is_full(1 if node is None else flow.cost(node)):
            yield
    yield from flow.feed_all(unit, inputs, writer.grounds, pace, writer.budget)


def _written(unit: Unit, writer: Writer, alias: str, value: str) -> Node | None:
    """The series to write to, which is made when that is wanted; None when there is none."""
    dataports.provide(unit, writer.client, {"alias": alias}, value, spelled=True)
    node = named(unit, writer.client, alias)
    if node is None:
        writer.unknown.append(alias)
    else:
        writer.grounds[node.id] = (_check_there, unit, writer.client, node, alias)
    return node


def _check_there(unit: Unit, client: Node, node: Node, alias: str) -> None:
    """See that what is being written to is still the client's own.

    Raises:
        NotFound: It was dropped or moved away.
    """
    now = unit.resources.by_id(node.id)
    if now is None or now.owner != client.id:
        raise NotFound(f"what has the alias {alias!r} was dropped meanwhile")


def _fitting(
    unit: Unit,
    writer: Writer,
    prepare: Callable[[Unit, Node, Any], flow.Input],
    node: Node,
    value: str,
) -> flow.Input:
    writer.budget.work(flow.cost(node, value))
    if len(value.encode("utf-8")) > unit.settings.max_data_text:
        raise TooLarge(f"a value has at most {unit.settings.max_data_text} bytes")
    return prepare(unit, node, value)


# --- recording -------------------------------------------------------------


def timestamp(text: str) -> float:
    """The time at which a value is recorded, in Unix seconds.

    Raises:
        Invalid: It is none.
    """
    number = values.as_number(text)
    if number is None or not 1 <= number < 2**53:
        raise Invalid("a timestamp must be a positive number of Unix seconds")
    return number


def record(
    unit: Unit, writer: Writer, blocks: Mapping[str, Sequence[tuple[float, str]]]
) -> Steps[dict[str, list[float]]]:
    """Store points at given times, by alias; none when a value is none of its series. In steps.

    Args:
        unit: The work that this is part of.
        writer: Who records.
        blocks: By alias: ``[(Unix seconds, value), ...]``.

    Returns:
        By alias: the times of the points that are less than a second from another one, and
        were not stored.

    Raises:
        Invalid: A value is none of its series.
        TooLarge: A value is too long.
    """
    fitting: list[tuple[str, Node, Recorded]] = []
    for alias, points in blocks.items():
        node = _written(unit, writer, alias, points[0][1] if points else "")
        if node is not None:
            fitting.append((alias, node, (yield from _all_fitting(unit, writer, node, points))))
    conflicts: dict[str, list[float]] = {}
    for alias, node, inputs in fitting:
        refused = yield from _store(unit, writer, node, inputs)
        if refused:
            conflicts[alias] = yield from _times(inputs, refused)
    return conflicts


def _all_fitting(
    unit: Unit, writer: Writer, node: Node, points: Sequence[tuple[float, str]]
) -> Steps[Recorded]:
    inputs, pace = [], Pace(_AT_ONCE)
    for time, value in points:
        inputs.append((time, _fitting(unit, writer, flow.recordable, node, value)))
        if pace.is_full(flow.cost(node)):
            yield
    return inputs


def _store(unit: Unit, writer: Writer, node: Node, inputs: Recorded) -> Steps[set[int]]:
    """Store the points that clash with none; the positions of the others."""
    refused = yield from _clashing(inputs, unit.settings.replace_recorded)
    for first in range(0, len(inputs), _AT_ONCE):
        last = min(first + _AT_ONCE, len(inputs))
        places = [position for position in range(first, last) if position not in refused]
        points = [(int(inputs[position][0]), inputs[position][1]) for position in places]
        occupied = yield from flow.record(unit, node, points, replace=False, budget=writer.budget)
        refused.update(places[place] for place in occupied)
        yield
    return refused


def _clashing(inputs: Recorded, last_stays: bool) -> Steps[set[int]]:
    """Positions of the points less than a second from one that came first and stays."""
    clashing: set[int] = set()
    staying: dict[int, float] = {}  # at most one in each second
    positions, pace = range(len(inputs)), Pace(_AT_ONCE)
    for position in reversed(positions) if last_stays else positions:
        time = inputs[position][0]
        second = int(time)
        near = (staying.get(other) for other in (second - 1, second, second + 1))
        if any(other is not None and abs(time - other) < 1 for other in near):
            clashing.add(position)
        else:
            staying[second] = time
        if pace.is_full():
            yield
    return clashing


def _times(inputs: Recorded, positions: set[int]) -> Steps[list[float]]:
    times, pace = [], Pace(_MANY)
    for position, (time, _) in enumerate(inputs):
        if position in positions:
            times.append(time)
        if pace.is_full():
            yield
    return times
