"""Which points may have arrived although no answer said so, and in which second each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Set

from .buffer import Point

__all__ = ["Doubts"]


class Doubts:
    """Points with times of their own that may be on the platform."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[str, int]] = {}
        self._seconds: dict[str, dict[int, set[int]]] = {}

    def begin(self, points: Iterable[Point], unsure: Iterable[Point]) -> None:
        """Begin anew, with points of a run before this one.

        Of what was recorded nobody noted whether it was sent; of what moves, its second. From
        the second of a live value without an answer on nothing else was sent.

        Args:
            points: Those with times of their own.
            unsure: Live values that were sent without an answer.
        """
        self._places.clear()
        self._seconds.clear()
        first = {point.alias: int(point.sent or 0) for point in unsure}
        for point in points:
            if point.sent is not None:
                self.add(point, int(point.sent))
            elif not point.moves and point.time < first.get(point.alias, math.inf):
                self.add(point, point.time)

    def __contains__(self, number: object) -> bool:
        return number in self._places

    def add(self, point: Point, second: int) -> None:
        """A point was sent under a second, and no answer came."""
        self.discard([point.number])
        self._places[point.number] = (point.alias, second)
        self._seconds.setdefault(point.alias, {}).setdefault(second, set()).add(point.number)

    def discard(self, numbers: Iterable[int]) -> None:
        """Of these it is known where they are, or that they are nowhere."""
        for number in numbers if self._places else ():
            alias, second = self._places.pop(number, ("", 0))
            if not alias and not second:
                continue
            sharing = self._seconds[alias][second]
            sharing.discard(number)
            if not sharing:
                del self._seconds[alias][second]
                if not self._seconds[alias]:
                    del self._seconds[alias]

    def second(self, number: int) -> int | None:
        """Where a point may have arrived; None: nowhere."""
        return self._places[number][1] if number in self._places else None

    def may_be_at(self, number: int, second: int) -> bool:
        """Whether a point may have arrived in a second."""
        return self.second(number) == second

    def at(self, alias: str, second: int) -> Set[int]:
        """Numbers of the points that may have arrived in a second; at most one of them has."""
        return self._seconds.get(alias, {}).get(second, set())

    def seconds(self, alias: str) -> Set[int]:
        """The seconds in which a point of an alias may have arrived."""
        return self._seconds.get(alias, {}).keys()
