"""What the platform has where points of a Datastore may be, and what it says of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Callable

from .buffer import Point, Seconds
from .line import Line
from .placing import windows
from .sending import OCCUPIED, Outcome

__all__ = ["by_alias", "judge", "look", "points_of", "reading", "same", "transformed"]


def look(line: Line, points: Iterable[Point], shift: int) -> dict[str, dict[int, Any]]:
    """See what the platform has in the seconds in which points may come to lie.

    Returns:
        For each alias second and value.
    """
    wanted = [
        (alias, window)
        for alias, some in by_alias(points).items()
        for window in windows(some, shift)
    ]
    names = [alias for alias, _ in wanted]
    answers = line.inquire(names, [reading(alias, window) for alias, window in wanted])
    found: dict[str, dict[int, Any]] = {alias: {} for alias, _ in wanted}
    for (alias, _), (isok, response) in zip(wanted, answers):
        found[alias].update(points_of(isok, response))
    return found


def transformed(line: Line, aliases: Iterable[str]) -> set[str]:
    """Those dataports that keep something else than what is written to them."""
    names = list(dict.fromkeys(aliases))
    pairs = [("info", [{"alias": name}, {"description": True}]) for name in names]
    answers = line.inquire(names, pairs)
    return {name for name, (isok, info) in zip(names, answers) if isok and _changes(info)}


Refused = Sequence[tuple[Point, int]]
There = dict[str, dict[int, Any]]


def judge(line: Line, refused: Refused, may_be_at: Callable[[int, int], bool]) -> Outcome:
    """See why points were refused: they may be there since an answer was lost.

    Args:
        line: To the platform.
        refused: Points, and the second under which each was refused.
        may_be_at: Whether the point of a number was sent to a second before without an answer.
    """
    sought = [point._replace(time=second, moves=False) for point, second in refused]
    there = look(line, sought, 0)
    outcome, unlike = _compare(refused, there)
    outcome.twins = {
        point.number for point, second in outcome.written if not may_be_at(point.number, second)
    }
    doubtful = {
        point.number: point.alias
        for point, second in unlike
        if may_be_at(point.number, second) and _may_become(point.value, there[point.alias][second])
    }
    changed = transformed(line, doubtful.values())
    claimed = {(point.alias, second) for point, second in outcome.written}
    for point, second in unlike:
        if doubtful.get(point.number) in changed and (point.alias, second) not in claimed:
            outcome.written.append((point, second))
            claimed.add((point.alias, second))  # in a second there is one point
        elif point.moves:
            outcome.again.append(point)
        else:
            outcome.rejected.append((point, OCCUPIED))
    return outcome


def _compare(refused: Refused, there: There) -> tuple[Outcome, list[tuple[Point, int]]]:
    """Sort out what is there as it was sent, and what is not; return what is left as well."""
    outcome, unlike = Outcome(), []
    for point, second in refused:
        found = there[point.alias]
        if second not in found:
            outcome.rejected.append((point, "invalid"))
        elif same(found[second], point.value):
            outcome.written.append((point, second))
        else:
            unlike.append((point, second))
    return outcome, unlike


def reading(alias: str, window: Seconds, sort: str = "asc") -> tuple[str, list[Any]]:
    """The call that reads the points of an alias in some seconds."""
    first, last = window
    options: dict[str, Any] = {"starttime": first, "limit": min(last - first + 1, 1000)}
    if last < 2**53:
        options["endtime"] = last
        options["limit"] = last - first + 1
    return "read", [{"alias": alias}, {**options, "sort": sort}]


def points_of(isok: bool, response: Any) -> dict[int, Any]:
    """The points of an answer to `read`; none where it makes no sense."""
    if not isok or not isinstance(response, list):
        return {}
    return {
        point[0]: point[1]
        for point in response
        if isinstance(point, list) and len(point) == 2 and isinstance(point[0], int)
    }


def _changes(info: Any) -> bool:
    """Whether a dataport keeps something else than what is written to it."""
    description = info.get("description") if isinstance(info, dict) else None
    return isinstance(description, dict) and bool(description.get("preprocess"))


def by_alias(points: Iterable[Point]) -> dict[str, list[Point]]:
    """Points sorted by their aliases."""
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.alias, []).append(point)
    return found


def same(one: Any, other: Any) -> bool:
    """Whether a value read is one written, whatever the format made of it."""
    if one == other or str(one) == str(other):
        return True
    try:
        return float(one) == float(other)
    except (TypeError, ValueError, OverflowError):
        return False


def _may_become(value: Any, found: Any) -> bool:
    """Whether a preprocess may have made what was found of a value."""
    if isinstance(found, str):
        return True
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
