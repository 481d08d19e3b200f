"""Procedures on time series: write, writegroup, record, recordbatch, read, flush, wait."""

from __future__ import annotations

import math
from typing import Any, Optional

from .. import flow, values
from ..access import Call
from ..errors import BadArguments, Partly, Refused, invalid
from ..store import Node, Point
from ..waits import DEFAULT_TIMEOUT, LONGEST_TIMEOUT, Waiter
from .table import a_list, an_object, procedure, seconds

INVALID = "invalid"
_NEWEST = {"limit": 1}


# --- writing ---------------------------------------------------------------


@procedure
def write(call: Call, resource: Any, value: Any, options: Any = None) -> None:
    """Write a value now."""
    node = call.series(call.own(resource))
    flow.feed(call.platform, node, flow.prepared(call.platform, node, value), call.platform.now())


@procedure
def writegroup(call: Call, entries: Any) -> None:
    """Write values under one timestamp: all, or none."""
    _limit(call, a_list(entries, "entries"))
    inputs = []
    for entry in entries:
        if not isinstance(entry, list) or len(entry) != 2:
            raise BadArguments("each entry must be [resource, value]")
        node = call.series(call.own(entry[0]))
        inputs.append((node, flow.prepared(call.platform, node, entry[1])))
    now = call.platform.now()
    for node, given in inputs:
        flow.feed(call.platform, node, given, now)


@procedure
def record(call: Call, resource: Any, entries: Any, options: Any = None) -> Optional[Partly]:
    """Write points at given times; superseded by recordbatch."""
    return recordbatch(call, resource, entries)


@procedure
def recordbatch(call: Call, resource: Any, entries: Any) -> Optional[Partly]:
    """Write points at given times; the status lists those that were refused."""
    node = call.series(call.own(resource))
    _limit(call, a_list(entries, "entries"))
    now = call.platform.now()
    good, places, refused = [], [], []
    for place, entry in enumerate(entries):
        if not isinstance(entry, list) or len(entry) != 2:
            raise BadArguments("each entry must be [timestamp, value]")
        time = entry[0]
        if type(time) is not int or time == 0 or abs(time) > 2**53:
            refused.append(place)
        else:
            good.append((time if time > 0 else now + time, entry[1]))
            places.append(place)
    refused += [places[index] for index in flow.feed_many(call.platform, node, good)]
    if refused:
        return Partly([[entries[place][0], INVALID] for place in sorted(refused)])
    return None


def _limit(call: Call, entries: list[Any]) -> None:
    most = call.platform.settings.max_points
    if len(entries) > most:
        raise invalid(f"at most {most} entries in one call, not {len(entries)}")


# --- reading ---------------------------------------------------------------


@procedure
def read(call: Call, resource: Any, options: Any = None) -> list[list[Any]]:
    """Points of a series: ``[[time, value], ...]``."""
    node = call.series(call.readable(resource))
    give = values.giver(flow.format_of(node))
    return [
        [time, give(text)] for time, text in _selected(call, node, an_object(options, "options"))
    ]


def _selected(call: Call, node: Node, options: dict[str, Any]) -> list[Point]:
    series = call.platform.series
    if _asks_for_newest(node, options):
        newest = series.newest(node.id)
        if newest is None or newest.time <= call.platform.now():
            return [newest] if newest else []
    low, high = _window(call, node, options)
    limit, ascending = _limit_option(options), _ascending(options)
    selection = options.get("selection") or "all"
    if selection == "all":
        return series.between(node.id, low, high, limit, ascending)
    if selection == "givenwindow":
        start = math.ceil(seconds(options.get("starttime"), "starttime", 0))
        points = _first_of_parts(call, node, (start, low, high), limit)
    elif selection == "autowindow":
        points = _evenly_spaced(call, node, (low, high), limit)
    else:
        raise invalid("selection must be all, givenwindow or autowindow")
    return points if ascending else points[::-1]


def _asks_for_newest(node: Node, options: dict[str, Any]) -> bool:
    """Whether the newest point is all that is asked for, and it cannot be out of date."""
    if options and (options != _NEWEST or options["limit"] is True):
        return False
    return bool(node.description["retention"]["duration"] == "infinity")


def _window(call: Call, node: Node, options: dict[str, Any]) -> tuple[int, int]:
    low = math.ceil(seconds(options.get("starttime"), "starttime", 0))
    high = math.floor(seconds(options.get("endtime"), "endtime", call.platform.now()))
    oldest = flow.horizon(call.platform, node)
    return (low if oldest is None else max(low, oldest)), high


def _limit_option(options: dict[str, Any]) -> int:
    limit = options.get("limit")
    if limit is None:
        return 1
    if type(limit) is not int or not 0 <= limit <= 2**62:
        raise invalid("limit must be an integer that is not negative")
    return limit


def _ascending(options: dict[str, Any]) -> bool:
    sort = options.get("sort") or "desc"
    if sort not in ("asc", "desc"):
        raise invalid("sort must be asc or desc")
    return bool(sort == "asc")


def _first_of_parts(
    call: Call, node: Node, window: tuple[int, int, int], limit: int
) -> list[Point]:
    """The first point of each of `limit` equal parts of the window, oldest first."""
    start, low, high = window
    length = high - start + 1
    points: list[Point] = []
    position = low
    while limit and position <= high:
        found = call.platform.series.nth(node.id, position, high, 0)
        if found is None:
            break
        points.append(found)
        part = (found.time - start) * limit // length
        position = start - (-(part + 1) * length // limit)  # first second of the next part
    return points


def _evenly_spaced(call: Call, node: Node, window: tuple[int, int], limit: int) -> list[Point]:
    """`limit` points evenly spaced by index, first and last included, oldest first."""
    series = call.platform.series
    low, high = window
    count = series.count(node.id, low, high)
    if count <= limit:
        return series.between(node.id, low, high, limit, True)
    if limit < 2:
        return series.between(node.id, low, high, limit, False)
    points: list[Point] = []
    index, position = 0, low
    for part in range(limit):
        wanted = (part * (count - 1) + (limit - 1) // 2) // (limit - 1)
        found = series.nth(node.id, position, high, wanted - index)
        if found is None:
            break
        points.append(found)
        index, position = wanted, found.time
    return points


# --- flush, wait -----------------------------------------------------------


@procedure
def flush(call: Call, resource: Any, options: Any = None) -> None:
    """Remove points, all or those strictly between two times."""
    node = call.series(call.own(resource))
    given = an_object(options, "options")
    newer = seconds(given.get("newerthan"), "newerthan", -(2**61))
    older = seconds(given.get("olderthan"), "olderthan", 2**61)
    call.platform.series.remove(node.id, math.floor(newer) + 1, math.ceil(older) - 1)


@procedure
def wait(call: Call, resource: Any, options: Any = None) -> list[Any] | Waiter:
    """The next point, or the first one after a time."""
    node = call.series(call.readable(resource))
    given = an_object(options, "options")
    try:
        timeout, since = _timeout(given.get("timeout")), _since(given.get("since"))
    except Refused as error:
        raise Refused("error", error.reason) from error
    if since is not None:
        found = call.platform.series.nth(node.id, since + 1, 2**62, 0)
        if found is not None:
            return [found.time, values.giver(flow.format_of(node))(found.value)]
    return call.platform.waits.open(node.id, timeout, since, lambda: call.no_longer_reads(node.rid))


def _timeout(given: Any) -> float:
    """Seconds, from the milliseconds of the call."""
    if given is None:
        given = DEFAULT_TIMEOUT
    if isinstance(given, bool) or not isinstance(given, (int, float)) or given < 0:
        raise invalid("timeout must be a number of milliseconds")
    return min(given, LONGEST_TIMEOUT) / 1000


def _since(given: Any) -> Optional[int]:
    return None if given is None else math.floor(seconds(given, "since", 0))
