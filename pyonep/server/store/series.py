"""Time series: points, and what is known about each series without counting.

Values are kept as text; the format of the resource says what they are.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple, Optional

from sqlalchemy import bindparam, delete, func, insert, select

from .database import Database, Upsert
from .schema import points, series

log: logging.Logger = logging.getLogger(__name__)

_CACHED = 50_000
_CACHED_CHARACTERS = 64 * 1024 * 1024  # of the newest values
_CHUNK = 500
# Points, and characters of their values, that are removed or copied at once.
_FEW = 2000
_FEW_CHARACTERS = 1024 * 1024
_NUMBERS = 16  # what the numbers of a series take, in characters

_p = points.c
_of = _p.series == bindparam("s")
_between = (_p.time >= bindparam("low"), _p.time <= bindparam("high"))

_PUT = Upsert(
    points, {"series": "s", "time": "t", "value": "v"}, ["series", "time"], replaced=["value"]
)
_STATS = select(series.c["count"], series.c.size).where(series.c.resource == bindparam("s"))
_SET_STATS = Upsert(
    series,
    {"resource": "s", "count": "n", "size": "z"},
    ["resource"],
    replaced=["count", "size"],
)
_pair = select(_p.time, _p.value).where(_of)
_NEWEST = _pair.order_by(_p.time.desc()).limit(1)
_OLDEST = select(_p.time).where(_of).order_by(_p.time).limit(1)
_AT = select(_p.value).where(_of, _p.time == bindparam("t"))
_ASCENDING = _pair.where(*_between).order_by(_p.time).limit(bindparam("n"))
_DESCENDING = _pair.where(*_between).order_by(_p.time.desc()).limit(bindparam("n"))
_HOP = _pair.where(*_between).order_by(_p.time).limit(1).offset(bindparam("skip"))
_COUNT = select(func.count(), func.coalesce(func.sum(func.length(_p.value)), 0)).where(
    _of, *_between
)
_LAST = _pair.where(*_between).order_by(_p.time.desc()).limit(1)
_HOW_MANY = select(func.count()).where(_of, *_between)
_KNOWN = select(_p.time, func.length(_p.value)).where(
    _of, _p.time.in_([bindparam(f"t{i}") for i in range(_CHUNK)])
)
_LENGTHS = select(_p.time, func.length(_p.value)).where(_of, *_between).limit(bindparam("n"))
_DELETE = delete(points).where(_of, *_between)
_DROP_STATS = delete(series).where(series.c.resource == bindparam("s"))
_COPY = insert(points).from_select(
    ["series", "time", "value"],
    select(bindparam("to"), _p.time, _p.value).where(_of, *_between),
)

EARLIEST, LATEST = -(2**62), 2**62


class Point(NamedTuple):
    """A value, as text, and its time in Unix seconds."""

    time: int
    value: str


@dataclass
class _Summary:
    count: int
    size: int
    newest: Optional[Point]


class SeriesStore:
    """Points of all series.

    Points may be written later, and together; the newest point and the number of points of a
    series in use are at hand without asking the database.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self._points = database.later(_PUT)
        self._numbers = database.later(_SET_STATS, often=True)
        self._summaries: dict[int, _Summary] = {}
        self._held = 0  # characters of values that summaries got
        self._are_behind = False  # numbers of a series without a summary may not be written yet
        # Series that the unit changed which changed one last.
        self._unit = 0
        self._touched: set[int] = set()
        database.on_undo.append(self._undo)
        database.on_forget.append(self._forget)

    def _forget(self) -> None:
        self._summaries.clear()
        self._held = 0
        self._are_behind = True
        self._touched.clear()

    def _undo(self, _: bool) -> None:
        """Read anew what is known of the series that a unit changed, now that it was undone."""
        if self._unit == self._db.unit and self._touched:
            for resource in self._touched:
                self._summaries.pop(resource, None)
            self._touched.clear()
            self._are_behind = True

    def _make_room(self) -> None:
        """When summaries take too much, forget them; who holds one must not change it after."""
        if self._held > _CACHED_CHARACTERS or len(self._summaries) > _CACHED:
            self._summaries.clear()
            self._held = 0
            self._are_behind = True

    def _note(self, resource: int) -> None:
        """Remember that the unit that is open changes a series."""
        if self._unit != self._db.unit:
            self._unit = self._db.unit
            self._touched.clear()
        self._touched.add(resource)

    def _summary(self, resource: int) -> _Summary:
        summary = self._summaries.get(resource)
        if summary is None:
            self._make_room()
            self._points.write_out()
            if self._are_behind:
                self._numbers.write_out()
                self._are_behind = False
            stats = self._db.one(_STATS, s=resource) or (0, 0)
            newest = self._db.one(_NEWEST, s=resource) if stats[0] else None
            summary = _Summary(stats[0], stats[1], Point(*newest) if newest else None)
            self._summaries[resource] = summary
            self._held += len(newest[1]) if newest else 0
        return summary

    def _keep(self, resource: int, summary: _Summary) -> None:
        """Have the numbers of a series written, now that they are others."""
        self._numbers.add(((resource, summary.count, summary.size),), _NUMBERS)
        if self._held > _CACHED_CHARACTERS:
            self._make_room()

    # --- writing ---

    def put(self, resource: int, time: int, value: str) -> None:
        """Write one point; it replaces one of the same second."""
        self._note(resource)
        summary = self._summary(resource)
        newest = summary.newest
        if newest is None or time > newest.time:
            summary.count += 1
            summary.size += len(value)
            summary.newest = Point(time, value)
        elif time == newest.time:
            summary.size += len(value) - len(newest.value)
            summary.newest = Point(time, value)
        else:
            self._note_older(resource, summary, {time: value})
        self._held += len(value)
        self._points.add(((resource, time, value),), len(value))
        self._keep(resource, summary)

    def put_many(self, resource: int, times: Sequence[int], values: Sequence[str]) -> None:
        """Write many points; of several in one second the last one stays."""
        if not times:
            return
        self._note(resource)
        summary = self._summary(resource)
        unique = dict(zip(times, values))
        if summary.newest is None or min(unique) > summary.newest.time:
            self._note_new(summary, unique)
        else:
            self._note_older(resource, summary, unique)
        self._hold(resource, summary, unique)

    def add_many(self, resource: int, times: Sequence[int], values: Sequence[str]) -> list[int]:
        """Write those of many points whose second is free.

        Returns:
            The positions of the others: their second has a point, or an earlier one of
            the points takes it.
        """
        if not times:
            return []
        self._note(resource)
        summary = self._summary(resource)
        free = dict(zip(times, values))
        refused: list[int] = []
        if len(free) < len(times) or (summary.newest and min(free) <= summary.newest.time):
            free, refused = self._sorted_out(resource, summary, times, values)
        if free:
            self._note_new(summary, free)
            self._hold(resource, summary, free)
        return refused

    def _sorted_out(
        self, resource: int, summary: _Summary, times: Sequence[int], values: Sequence[str]
    ) -> tuple[dict[int, str], list[int]]:
        """The points whose second is free, and the positions of the others."""
        newest = summary.newest.time if summary.newest else EARLIEST
        self._points.write_out()
        known = self._known(resource, [time for time in times if time <= newest])
        free: dict[int, str] = {}
        refused = []
        for position, (time, value) in enumerate(zip(times, values)):
            if time in known or time in free:
                refused.append(position)
            else:
                free[time] = value
        return free, refused

    def _hold(self, resource: int, summary: _Summary, entries: dict[int, str]) -> None:
        rows = zip(repeat(resource), entries, entries.values())
        self._points.add(rows, sum(map(len, entries.values())))
        self._keep(resource, summary)

    def _note_new(self, summary: _Summary, entries: dict[int, str]) -> None:
        """Account for points none of which replaces another."""
        summary.count += len(entries)
        summary.size += sum(map(len, entries.values()))
        last = max(entries)
        if summary.newest is None or last > summary.newest.time:
            summary.newest = Point(last, entries[last])
            self._held += len(entries[last])

    def _note_older(self, resource: int, summary: _Summary, entries: dict[int, str]) -> None:
        """Account for points some of which may replace others."""
        self._points.write_out()
        known = self._known(resource, list(entries))
        summary.count += len(entries) - len(known)
        summary.size += sum(map(len, entries.values())) - sum(known.values())
        last = max(entries)
        if summary.newest is None or last >= summary.newest.time:
            summary.newest = Point(last, entries[last])
            self._held += len(entries[last])

    def _known(self, resource: int, times: list[int]) -> dict[int, int]:
        """Which of these seconds have a point, and the length of its value."""
        if not times:
            return {}
        if len(times) == 1:
            found = self._db.one(_AT, s=resource, t=times[0])
            return {times[0]: len(found[0])} if found else {}
        # Mostly they follow each other, and few others lie between them: one look into the range.
        few = 2 * len(times)
        found = self._db.all(_LENGTHS, s=resource, low=min(times), high=max(times), n=few + 1)
        if len(found) <= few:
            wanted = set(times)
            return {time: length for time, length in found if time in wanted}
        known: dict[int, int] = {}
        for start in range(0, len(times), _CHUNK):
            part = times[start : start + _CHUNK]
            part += part[-1:] * (_CHUNK - len(part))
            names = {f"t{i}": time for i, time in enumerate(part)}
            known.update(self._db.all(_KNOWN, s=resource, **names))
        return known

    def remove(self, resource: int, low: int = EARLIEST, high: int = LATEST) -> None:
        """Remove the points from `low` to `high`, both inclusive."""
        self._points.write_out()
        count, size = self._db.one(_COUNT, s=resource, low=low, high=high)
        if not count:
            return
        summary = self._summary(resource)
        self._note(resource)
        self._db.change(_DELETE, s=resource, low=low, high=high)
        summary.count -= count
        summary.size -= size
        if summary.newest is not None and low <= summary.newest.time <= high:
            newest = self._db.one(_NEWEST, s=resource)
            summary.newest = Point(*newest) if newest else None
            self._held += len(newest[1]) if newest else 0
        self._keep(resource, summary)
        if summary.count < 0 or summary.size < 0 or (summary.newest is None) != (not summary.count):
            self._count_anew(resource, summary)

    def remove_some(self, resource: int, low: int = EARLIEST, high: int = LATEST) -> bool:
        """Remove the oldest points from `low` to `high`, as many as can be removed quickly.

        Returns:
            Whether that was all of them.
        """
        return self.remove_from(resource, low, high) is None

    def remove_from(self, resource: int, low: int, high: int) -> int | None:
        """The same.

        Returns:
            The time of the next point that is to be removed, None when there is none: who
            goes on from there comes to an end, whatever is written meanwhile.
        """
        beyond = self.nth(resource, low, high, self._few(resource))
        self.remove(resource, low, high if beyond is None else beyond.time - 1)
        return None if beyond is None else beyond.time

    def _count_anew(self, resource: int, summary: _Summary) -> None:
        """Let what is known about a series be what there is; the series has been noted."""
        log.warning("the number of points of series %d was wrong; they are counted anew", resource)
        summary.count, summary.size = self._db.one(_COUNT, s=resource, low=EARLIEST, high=LATEST)
        newest = self._db.one(_NEWEST, s=resource) if summary.count else None
        summary.newest = Point(*newest) if newest else None
        self._keep(resource, summary)

    def _few(self, resource: int) -> int:
        """How many points can be handled quickly: fewer when their values are long."""
        summary = self._summary(resource)
        return max(1, min(_FEW, _FEW_CHARACTERS * summary.count // max(1, summary.size)))

    def keep_newest(self, resource: int, count: int) -> bool:
        """Remove the oldest points, as many as can be quickly, until at most `count` stay.

        Returns:
            Whether at most `count` are left.
        """
        surplus = self._summary(resource).count - count
        if surplus <= 0:
            return True
        some = min(surplus, self._few(resource))
        last = self.nth(resource, EARLIEST, LATEST, some - 1)
        if last is None:  # there are fewer than are known: whoever asks again would never rest
            self._note(resource)
            self._count_anew(resource, self._summary(resource))
            return True
        self.remove(resource, high=last.time)
        return some == surplus

    def forget(self, resource: int) -> None:
        """Remove what is known about a series whose points are gone."""
        self._note(resource)
        self._summaries.pop(resource, None)
        self._numbers.write_out()
        self._db.change(_DROP_STATS, s=resource)

    def copy(self, source: int, target: int, low: int, high: int) -> int | None:
        """Copy the oldest points from `low` to `high`, as many as can be copied quickly.

        What is known about the target afterwards was counted of what was copied: others may
        change the source between two calls.

        Args:
            source: The series to copy from.
            target: A series without points from `low` on.
            low: Where to begin.
            high: Where to end, inclusive.

        Returns:
            Where to go on, or None when all are copied.
        """
        self._points.write_out()
        beyond = self.nth(source, low, high, self._few(source))
        last = high if beyond is None else beyond.time - 1
        count, size = self._db.one(_COUNT, s=source, low=low, high=last)
        if count:
            newest = Point(*self._db.one(_LAST, s=source, low=low, high=last))
            summary = self._summary(target)
            self._note(target)
            self._db.change(_COPY, to=target, s=source, low=low, high=last)
            summary.count += count
            summary.size += size
            summary.newest = newest
            self._held += len(newest.value)
            self._keep(target, summary)
        return None if beyond is None else beyond.time

    # --- reading ---

    def newest(self, resource: int) -> Point | None:
        """The point with the highest time."""
        summary = self._summaries.get(resource)
        if summary is not None:
            return summary.newest
        # No need to count what is only read.
        found = self._db.one(_NEWEST, s=resource)
        return Point(*found) if found else None

    def has(self, resource: int, time: int) -> bool:
        """Whether there is a point at this second."""
        summary = self._summaries.get(resource)
        if summary is not None and (summary.newest is None or time > summary.newest.time):
            return False
        self._points.write_out()
        return self._db.one(_AT, s=resource, t=time) is not None

    def page(
        self, resource: int, low: int, high: int, limit: int, ascending: bool, size: int
    ) -> tuple[list[Point], bool]:
        """Points from `low` to `high`, both inclusive, at most `limit` of them.

        They are fewer when their values take more than `size` characters.

        Returns:
            The points, and whether there may be more of them.
        """
        self._points.write_out()
        statement = _ASCENDING if ascending else _DESCENDING
        rows = self._db.rows(statement, s=resource, low=low, high=high, n=limit)
        found: list[Point] = []
        for row in rows:
            found.append(row)
            size -= len(row[1])
            if size < 0:
                return found, True
        return found, len(found) == limit

    def nth(self, resource: int, low: int, high: int, index: int) -> Point | None:
        """The point number `index` (from 0, oldest first) from `low` to `high`."""
        self._points.write_out()
        found = self._db.one(_HOP, s=resource, low=low, high=high, skip=index)
        return Point(*found) if found else None

    def count(self, resource: int, low: int = EARLIEST, high: int = LATEST) -> int:
        """How many points there are from `low` to `high`."""
        known = self.count_at_once(resource, low, high)
        if known is not None:
            return known
        self._points.write_out()
        return int(self._db.one(_HOW_MANY, s=resource, low=low, high=high)[0])

    def count_at_once(self, resource: int, low: int, high: int) -> int | None:
        """The same where it is known without counting, else None."""
        summary = self._summary(resource)
        if summary.newest is None:
            return 0
        if high >= summary.newest.time and low <= self.oldest(resource):
            return summary.count
        return None

    def size(self, resource: int) -> int:
        """Characters that the values of a series take."""
        return self._summary(resource).size

    def oldest(self, resource: int) -> int:
        """Time of the oldest point; 0 when there is none."""
        self._points.write_out()
        found = self._db.one(_OLDEST, s=resource)
        return found[0] if found else 0
