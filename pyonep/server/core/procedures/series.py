"""Procedures on time series: write, writegroup, record, recordbatch, read, flush, wait."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Optional

from ...store import Node, Point
from .. import access, dataports, flow, lifecycle, values
from ..access import Call
from ..errors import BadArguments, Invalid, Mistaken
from ..jsontext import to_text
from ..pieces import Encoded
from ..results import DONE, Result, Wait, long
from ..turns import Pace, Steps
from .table import a_list, an_object, procedure, seconds

INVALID = "invalid"
DEFAULT_TIMEOUT = 30_000  # milliseconds that a wait lasts
LONGEST_TIMEOUT = 300_000
_NEWEST = {"limit": 1}
# What one step does: points or entries, characters of values, points looked for one by
# one, points counted or passed over.
_AT_ONCE = 1000
_LATEST = 2**53
_CHARACTERS = 256 * 1024
_HOPS = 50
_HOP = 20_000


# --- writing ---------------------------------------------------------------


@procedure
def write(call: Call, resource: Any, value: Any, options: Any = None) -> Result:
    """Write a value now."""
    node = _written(call, resource, value)
    call.budget.work(flow.cost(node, value))
    given = flow.prepared(call.unit, node, value)
    steps = flow.feed(call.unit, node, given, call.unit.now(), call.budget)
    return DONE if steps is None else long(_passed_on(call, steps))


def _passed_on(call: Call, steps: Steps[None]) -> Steps[None]:
    """Pass on what is stored already, so that the call has come true whatever follows."""
    with access.decided(call.grounds):
        yield from steps


@procedure
def writegroup(call: Call, entries: Any) -> Result:
    """Write values under one timestamp: all, or none."""
    _limit(call, a_list(entries, "entries"))
    return long(_write_group(call, entries))


def _write_group(call: Call, entries: list[Any]) -> Steps[None]:
    inputs, pace = [], Pace(_AT_ONCE)
    for entry in entries:
        if not isinstance(entry, list) or len(entry) != 2:
            raise BadArguments("each entry must be [resource, value]")
        node = _written(call, entry[0], entry[1])
        call.budget.work(flow.cost(node, entry[1]))
        inputs.append((node, flow.prepared(call.unit, node, entry[1])))
        if pace.is_full():
            yield
    yield from flow.feed_all(call.unit, inputs, call.grounds, pace, call.budget)


@procedure
def record(call: Call, resource: Any, entries: Any, options: Any = None) -> Result:
    """Write points at given times; superseded by recordbatch."""
    return recordbatch(call, resource, entries)


@procedure
def recordbatch(call: Call, resource: Any, entries: Any) -> Result:
    """Write points at given times; the status lists those that were refused.

    A point at a second that has one is refused, and the old value stays.
    """
    node = _written(call, resource, _first_value(entries))
    _limit(call, a_list(entries, "entries"))
    return Result(steps=_record(call, node, entries))


def _record(call: Call, node: Node, entries: list[Any]) -> Steps[Result]:
    now = call.unit.now()
    parts: list[tuple[Sequence[int], Sequence[Any], Sequence[int]]] = []
    refused: list[int] = []
    for first in range(0, len(entries), _AT_ONCE):
        if first:
            yield
        parts.append(_columns(entries[first : first + _AT_ONCE], first, now, refused))
    for number, (times, raws, places) in enumerate(parts):
        if number:
            yield
        occupied = yield from flow.record_many(call.unit, node, times, raws, call.budget)
        refused += [places[index] for index in occupied]
    if refused:
        return Result(refused=[[entries[place][0], INVALID] for place in sorted(refused)])
    return DONE


def _columns(
    entries: list[Any], first: int, now: int, refused: list[int]
) -> tuple[Sequence[int], Sequence[Any], Sequence[int]]:
    """Times, values and places of entries whose time is good; adds the places of others."""
    with suppress(ValueError):  # one has other than two parts
        if set(map(type, entries)) == {list}:
            times = [time for time, _ in entries]
            if set(map(type, times)) == {int} and min(times) > 0 and max(times) <= _LATEST:
                return times, [raw for _, raw in entries], range(first, first + len(entries))
    # Not all of them are what nearly all are: one by one.
    good = []
    for place, entry in enumerate(entries, first):
        time = _time(entry, now)
        if time is None:
            refused.append(place)
        else:
            good.append((time, entry[1], place))
    return [one[0] for one in good], [one[1] for one in good], [one[2] for one in good]


def _time(entry: Any, now: int) -> int | None:
    """The time of an entry, which may count back from now; None when it is none."""
    if not isinstance(entry, list) or len(entry) != 2:
        raise BadArguments("each entry must be [timestamp, value]")
    time = entry[0]
    if type(time) is not int or time == 0 or abs(time) > _LATEST:
        return None
    return time if time > 0 else now + time


def _written(call: Call, resource: Any, value: Any) -> Node:
    """The series to write to, which is made when that is wanted."""
    if call.unit.settings.autocreate and call.permissions is None:
        dataports.provide(call.unit, call.client, resource, value)
    return call.require_points(call.own(resource))


def _first_value(entries: Any) -> Any:
    """The first value of some entries, whatever else they are."""
    first = entries[0] if isinstance(entries, list) and entries else None
    return first[1] if isinstance(first, list) and len(first) == 2 else None


def _limit(call: Call, entries: list[Any]) -> None:
    most = call.unit.settings.max_points
    if len(entries) > most:
        raise Invalid(f"at most {most} entries in one call, not {len(entries)}")


# --- reading ---------------------------------------------------------------


@procedure
def read(call: Call, resource: Any, options: Any = None) -> Result:
    """Points of a series: ``[[time, value], ...]``."""
    node = call.require_points(call.readable(resource))
    given = an_object(options, "options")
    if _asks_for_newest(node, given):
        newest = call.unit.series.newest(node.id)
        if newest is None or newest.time <= call.unit.now():
            return Result(_given(node, [newest] if newest else []))
    return _selected(call, node, given)


def _selected(call: Call, node: Node, options: dict[str, Any]) -> Result:
    low, high = _window(call, node, options)
    limit, ascending = _limit_option(options), _ascending(options)
    selection = options.get("selection") or "all"
    if selection == "all":
        return _all(call, node, (low, high), limit, ascending)
    if selection == "givenwindow":
        start = math.ceil(seconds(options.get("starttime"), "starttime", 0))
        steps = _first_of_parts(call, node, (start, low, high), limit)
    elif selection == "autowindow":
        steps = _evenly_spaced(call, node, (low, high), limit)
    else:
        raise Invalid("selection must be all, givenwindow or autowindow")
    return long(_chosen(node, steps, ascending))


def _given(node: Node, points: list[Point]) -> list[list[Any]]:
    give = values.giver(flow.format_of(node))
    return [[time, give(text)] for time, text in points]


def _chosen(node: Node, steps: Steps[list[Point]], ascending: bool) -> Steps[list[list[Any]]]:
    points = yield from steps
    return _given(node, points if ascending else points[::-1])


def _all(call: Call, node: Node, window: tuple[int, int], limit: int, ascending: bool) -> Result:
    """All points of a window: at once when they are few, else written page by page."""
    page, goes_on = _page(call, node, window, min(limit, _AT_ONCE), ascending)
    if not goes_on or len(page) >= limit:
        return Result(_given(node, page))
    return Result(steps=_pages(call, node, window, limit, ascending, page))


def _page(
    call: Call, node: Node, window: tuple[int, int], limit: int, ascending: bool
) -> tuple[list[Point], bool]:
    found = call.unit.series.page(node.id, *window, limit, ascending, _CHARACTERS)
    call.budget.tell(len(found[0]), 0)
    return found


def _pages(
    call: Call,
    node: Node,
    window: tuple[int, int],
    limit: int,
    ascending: bool,
    page: list[Point],
) -> Steps[Result]:
    written, (low, high), goes_on = Encoded(), window, True
    while True:
        _add_page(call, node, page, written)
        limit -= len(page)
        if page:
            last = page[-1][0]
            low, high = (last + 1, high) if ascending else (low, last - 1)
        if not goes_on or not limit:
            written.parts.append("]")
            return Result(written, is_written=True)
        yield
        page, goes_on = _page(call, node, (low, high), min(limit, _AT_ONCE), ascending)


def _add_page(call: Call, node: Node, page: list[Point], written: Encoded) -> None:
    """Write points as JSON; the text that is kept of a number is JSON already."""
    if not page:
        return
    if flow.format_of(node) == "string":
        text = to_text(page)[1:-1]
    else:
        text = ", ".join([f"[{time}, {value}]" for time, value in page])
    call.budget.tell(0, len(text))
    written.parts += [", " if written.parts else "[", text]


def _asks_for_newest(node: Node, options: dict[str, Any]) -> bool:
    """Whether the newest point is all that is asked for, and it cannot be out of date."""
    if options and (options != _NEWEST or options["limit"] is True):
        return False
    return bool(node.description["retention"]["duration"] == "infinity")


def _window(call: Call, node: Node, options: dict[str, Any]) -> tuple[int, int]:
    low = math.ceil(seconds(options.get("starttime"), "starttime", 0))
    high = math.floor(seconds(options.get("endtime"), "endtime", call.unit.now()))
    oldest = flow.horizon(call.unit, node)
    return (low if oldest is None else max(low, oldest)), high


def _limit_option(options: dict[str, Any]) -> int:
    limit = options.get("limit")
    if limit is None:
        return 1
    if type(limit) is not int or not 0 <= limit <= 2**62:
        raise Invalid("limit must be an integer that is not negative")
    return limit


def _ascending(options: dict[str, Any]) -> bool:
    sort = options.get("sort") or "desc"
    if sort not in ("asc", "desc"):
        raise Invalid("sort must be asc or desc")
    return bool(sort == "asc")


def _first_of_parts(
    call: Call, node: Node, window: tuple[int, int, int], limit: int
) -> Steps[list[Point]]:
    """The first point of each of `limit` equal parts of the window, oldest first."""
    start, low, high = window
    length = high - start + 1
    points: list[Point] = []
    position, pace = low, Pace(_HOPS)
    while limit and position <= high:
        found = call.unit.series.nth(node.id, position, high, 0)
        if found is None:
            break
        _add(call, points, found)
        if pace.is_full():
            yield
        part = (found.time - start) * limit // length
        position = start - (-(part + 1) * length // limit)  # first second of the next part
    return points


def _add(call: Call, points: list[Point], found: Point) -> None:
    call.budget.work(1)
    call.budget.tell(1, len(found.value))
    points.append(found)


def _evenly_spaced(
    call: Call, node: Node, window: tuple[int, int], limit: int
) -> Steps[list[Point]]:
    """`limit` points evenly spaced by index, first and last included, oldest first."""
    series = call.unit.series
    low, high = window
    count = yield from _counted(call, node, low, high)
    if count <= limit or limit < 2:
        points = yield from _plainly(call, node, window, limit, count <= limit)
        return points
    points = []
    index, position, pace = 0, low, Pace(_HOPS)
    for part in range(limit):
        wanted = (part * (count - 1) + (limit - 1) // 2) // (limit - 1)
        while wanted - index > _HOP:
            found = series.nth(node.id, position, high, _HOP)
            if found is None:
                break
            index, position = index + _HOP, found.time
            yield
        found = series.nth(node.id, position, high, wanted - index)
        if found is None:
            break
        _add(call, points, found)
        is_far = wanted - index > _HOP // _HOPS
        index, position = wanted, found.time
        if pace.is_full() or is_far:
            yield
    return points


def _plainly(
    call: Call, node: Node, window: tuple[int, int], limit: int, ascending: bool
) -> Steps[list[Point]]:
    points: list[Point] = []
    (low, high), goes_on = window, limit > 0
    while goes_on:
        page, goes_on = _page(call, node, (low, high), min(limit, _AT_ONCE), ascending)
        points += page
        limit -= len(page)
        goes_on = goes_on and limit > 0
        if page and ascending:
            low = page[-1][0] + 1
        elif page:
            high = page[-1][0] - 1
        yield
    return points


def _counted(call: Call, node: Node, low: int, high: int) -> Steps[int]:
    """How many points there are in a window."""
    series = call.unit.series
    known = series.count_at_once(node.id, low, high)
    if known is not None:
        return known
    count, position = 0, low
    while True:
        found = series.nth(node.id, position, high, _HOP)
        if found is None:
            return count + series.count(node.id, position, high)
        count, position = count + _HOP, found.time
        yield


# --- flush, wait -----------------------------------------------------------


@procedure
def flush(call: Call, resource: Any, options: Any = None) -> Result:
    """Remove points, all or those strictly between two times."""
    node = call.require_points(call.own(resource))
    given = an_object(options, "options")
    newer = seconds(given.get("newerthan"), "newerthan", -(2**61))
    older = seconds(given.get("olderthan"), "olderthan", 2**61)
    steps = lifecycle.remove_points(call.unit, node, math.floor(newer) + 1, math.ceil(older) - 1)
    return long(steps)


@procedure
def wait(call: Call, resource: Any, options: Any = None) -> Result:
    """The next point, or the first one after a time.

    A point that is there is later than ``since``; one that arrives may be as old: who
    follows a series asks for what is after its last point plus one second.
    """
    node = call.require_points(call.readable(resource))
    given = an_object(options, "options")
    try:
        timeout, since = _timeout(given.get("timeout")), _since(given.get("since"))
    except Invalid as error:
        raise Mistaken(error.reason) from error
    if since is not None:
        found = call.unit.series.nth(node.id, math.floor(since) + 1, 2**62, 0)
        if found is not None:
            return Result([found.time, values.giver(flow.format_of(node))(found.value)])
    return Result(wait=Wait(node.id, timeout, since, lambda: call.no_longer_reads(node.rid)))


def _timeout(given: Any) -> float:
    """Seconds, from the milliseconds of the call."""
    if given is None:
        given = DEFAULT_TIMEOUT
    if isinstance(given, bool) or not isinstance(given, (int, float)) or given < 0:
        raise Invalid("timeout must be a number of milliseconds")
    return min(given, LONGEST_TIMEOUT) / 1000


def _since(given: Any) -> Optional[float]:
    return None if given is None else seconds(given, "since", 0)
