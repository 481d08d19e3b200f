"""Which second a value goes to that could not be written live.

The platform keeps one point per second. A value that missed its moment goes to the second
in which it was written, or to the next one that is free within a few seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .buffer import Point, Seconds

__all__ = ["Found", "Places", "place", "windows"]

Found = Mapping[int, Any]  # second -> value, as the platform has it


def windows(points: Iterable[Point], shift: int) -> list[Seconds]:
    """The seconds in which points may come to lie, as few stretches of them."""
    stretches: list[Seconds] = []
    for first, last in sorted(_reach(point, shift) for point in points):
        if stretches and first <= stretches[-1][1] + 1:
            stretches[-1] = (stretches[-1][0], max(last, stretches[-1][1]))
        else:
            stretches.append((first, last))
    return stretches


def _reach(point: Point, shift: int) -> Seconds:
    return point.time, point.time + (shift if point.moves else 0)


class Places(NamedTuple):
    """Where the points of an alias go.

    Attributes:
        at: Points to be recorded, and the second of each.
        there: Points in whose second the platform has a point already: it may be they.
        no_room: Points for which there is no free second.
    """

    at: list[tuple[Point, int]]
    there: list[Point]
    no_room: list[Point]


def place(points: Sequence[Point], found: Found, shift: int, kept: Iterable[int] = ()) -> Places:
    """Find a second for each of the points of an alias.

    Args:
        points: In the order in which they were accepted, which is kept among those that move
            where there is room.
        found: What the platform has in the `windows` of the points.
        shift: How many seconds after its own a point that moves may come to lie.
        kept: Seconds in which points may be that were sent without an answer.
    """
    places = Places([], [], [])
    taken = {*found, *kept, *(point.time for point in points if not point.moves)}
    # What may have arrived already keeps its second.
    taken.update(int(point.sent) for point in points if point.moves and point.sent is not None)
    earliest = 0
    for point in points:
        if not point.moves:
            second: int | None = point.time
        elif point.sent is not None:
            second = int(point.sent)
        else:
            free = [s for s in range(point.time, point.time + shift + 1) if s not in taken]
            # After a step back of the clock there may be room only before what came earlier.
            second = next((s for s in free if s >= earliest), free[0] if free else None)
        if second is None:
            places.no_room.append(point)
            continue
        if point.moves:
            taken.add(second)
            earliest = max(earliest, second + 1)
        if second in found:
            places.there.append(point)
        else:
            places.at.append((point, second))
    return places
