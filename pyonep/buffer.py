"""Where a Datastore keeps points until the platform has them: here in memory.

`SpoolBuffer` does the same on disk; a Datastore calls either under its own lock.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import Any, Callable, NamedTuple, Optional, Protocol

__all__ = ["Acknowledged", "Buffer", "MemoryBuffer", "Point", "Seconds", "Skip", "linked"]


_REMEMBERED = 8  # values of an alias that were acknowledged


class Point(NamedTuple):
    """A value that waits.

    Attributes:
        number: Its place among all that were accepted.
        alias: Where it goes.
        time: When it was written, or the time it was recorded under; Unix seconds.
        value: The value.
        live: Whether it is to be written under the platform's time.
        sent: Of a live value that was sent without an answer: when, in Unix seconds. Of one that
            moves: the second under which it was sent without an answer. None: never.
        moves: Whether it was to be written live and missed that moment: it goes to the second in
            which it was written, or to the next that is free.
    """

    number: int
    alias: str
    time: int
    value: Any
    live: bool = False
    sent: Optional[float] = None
    moves: bool = False


class Acknowledged(NamedTuple):
    """A live value that the platform has.

    Attributes:
        number: That of its point.
        first: The platform's second before it was sent.
        last: The one after its answer, the doubt about the platform's clock included.
        value: The value.
    """

    number: int
    first: int
    last: int
    value: Any


def linked(acknowledged: Sequence[Acknowledged], first: int) -> list[Acknowledged]:
    """Those whose points may lie among the ones at which a value sent in a second may be.

    Args:
        acknowledged: Of an alias, oldest first.
        first: The second.
    """
    chain: list[Acknowledged] = []
    for one in reversed(acknowledged):
        if one.last < first:
            break
        chain.insert(0, one)
        first = min(first, one.first)
    return chain


Seconds = tuple[int, int]  # the first and the last of some
Skip = Callable[[Point], bool]


class Buffer(Protocol):
    """What a Datastore asks of its buffer."""

    def __len__(self) -> int:
        """How many points wait."""
        ...

    def __contains__(self, number: object) -> bool:
        """Whether a point still waits."""
        ...

    def put_live(self, alias: str, time: int, value: Any) -> bool:
        """Keep the latest value of an alias; return whether it replaced one that waited."""
        ...

    def has_live(self, alias: str) -> bool:
        """Whether a value that was not sent yet waits for an alias."""
        ...

    def put(self, alias: str, entries: Sequence[tuple[int, Any]]) -> None:
        """Keep points with their times."""
        ...

    def live(self) -> list[Point]:
        """The live values, those sent without an answer included, oldest first."""
        ...

    def recorded(self, most: int, skip: Skip | None = None) -> list[Point]:
        """The oldest points with times of their own, but for some."""
        ...

    def these(self, numbers: Iterable[int]) -> list[Point]:
        """Those of some points that wait with times of their own."""
        ...

    def sending(self, numbers: Mapping[int, float]) -> None:
        """Note that points are being sent, and what `Point.sent` is to be for each."""
        ...

    def unsent(self, numbers: Iterable[int]) -> None:
        """Take that back: they were not carried out."""
        ...

    def to_recorded(self, numbers: Iterable[int]) -> None:
        """Live values missed their moment: they move to a time of their own."""
        ...

    def remove(self, numbers: Iterable[int]) -> None:
        """Forget points: the platform has them, or never will."""
        ...

    def wrote(
        self, seconds: Mapping[str, Seconds], ahead: Mapping[str, Set[int]], now: int
    ) -> None:
        """Note where the platform has points of ours.

        Args:
            seconds: Of aliases: those in which it may have values that were written.
            ahead: Of aliases: those in which it has a point that was recorded, or may have one
                that was given up.
            now: The platform's second; what has passed is forgotten, unless the point of a live
                value may lie around it.
        """
        ...

    def written(self) -> Mapping[str, Seconds]:
        """For each alias the seconds in which the platform may have values that were written."""
        ...

    def ahead(self, alias: str) -> Set[int]:
        """Seconds of an alias with a recorded point that are still to come, or near live values."""
        ...

    def acknowledge(self, alias: str, value: Acknowledged) -> None:
        """Note a live value that the platform has."""
        ...

    def acknowledged(self, alias: str) -> Sequence[Acknowledged]:
        """The last of them, oldest first."""
        ...

    def oldest(self, skip: Skip | None = None) -> Point | None:
        """The point that has waited longest, but for some."""
        ...

    def last(self) -> int:
        """Number of the point that was accepted last."""
        ...

    def trouble(self) -> str | None:
        """What keeps points from the disk now."""
        ...

    def close(self) -> None:
        """Give up files."""
        ...

    def abandon(self) -> None:
        """Leave files to the process that this one was forked from."""
        ...


class MemoryBuffer:
    """Points in memory."""

    def __init__(self) -> None:
        self._points: dict[int, Point] = {}
        # Their numbers, ascending: of two in one second, the one accepted later has to go later.
        # Some may be gone by now, never the first.
        self._order: deque[int] = deque()
        self._live: OrderedDict[int, Point] = OrderedDict()
        self._fresh: dict[str, int] = {}  # alias -> number of its live value not sent yet
        self._next = 0
        self._written: dict[str, Seconds] = {}
        self._ahead: dict[str, set[int]] = {}
        self._acknowledged: dict[str, deque[Acknowledged]] = {}

    def __len__(self) -> int:
        return len(self._points) + len(self._live)

    def __contains__(self, number: object) -> bool:
        return number in self._points or number in self._live

    def put_live(self, alias: str, time: int, value: Any) -> bool:
        replaced = self._fresh.pop(alias, None)
        if replaced is not None:
            del self._live[replaced]
        self._next = number = self._next + 1
        self._live[number] = Point(number, alias, time, value, True)
        self._fresh[alias] = number
        return replaced is not None

    def has_live(self, alias: str) -> bool:
        return alias in self._fresh

    def put(self, alias: str, entries: Sequence[tuple[int, Any]]) -> None:
        for time_, value in entries:
            self._next = number = self._next + 1
            self._points[number] = Point(number, alias, time_, value)
            self._order.append(number)

    def live(self) -> list[Point]:
        return list(self._live.values())

    def recorded(self, most: int, skip: Skip | None = None) -> list[Point]:
        points = self._in_order()
        if skip is not None:
            points = (point for point in points if not skip(point))
        return list(islice(points, most))

    def _in_order(self) -> Iterator[Point]:
        return (self._points[number] for number in self._order if number in self._points)

    def these(self, numbers: Iterable[int]) -> list[Point]:
        return [self._points[number] for number in numbers if number in self._points]

    def sending(self, numbers: Mapping[int, float]) -> None:
        for number, sent in numbers.items():
            point = self._live.get(number)
            if point is not None:
                self._live[number] = point._replace(sent=sent)
                self._forget_fresh(point)
            elif number in self._points:
                self._points[number] = self._points[number]._replace(sent=sent)

    def unsent(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            point = self._live.get(number)
            if point is None:
                if number in self._points:
                    self._points[number] = self._points[number]._replace(sent=None)
            elif point.alias in self._fresh:  # there is a newer one by now
                MemoryBuffer.to_recorded(self, [number])
            else:
                self._live[number] = point._replace(sent=None)
                self._fresh[point.alias] = number

    def to_recorded(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            point = self._live.pop(number, None)
            if point is not None:
                self._forget_fresh(point)
                self._points[number] = point._replace(live=False, sent=None, moves=True)
                insort(self._order, number)

    def remove(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if self._points.pop(number, None) is None:
                point = self._live.pop(number, None)
                if point is not None:
                    self._forget_fresh(point)
        while self._order and self._order[0] not in self._points:
            self._order.popleft()

    def _forget_fresh(self, point: Point) -> None:
        if self._fresh.get(point.alias) == point.number:
            del self._fresh[point.alias]

    def wrote(
        self, seconds: Mapping[str, Seconds], ahead: Mapping[str, Set[int]], now: int
    ) -> None:
        for alias, (first, last) in seconds.items():
            known = self._written.get(alias, (first, last))
            self._written[alias] = (min(first, known[0]), max(last, known[1]))
        unsure = {one.alias: int(one.sent) for one in self._live.values() if one.sent}
        for alias, some in ahead.items():
            since = self._not_passed(alias, min(now, unsure.get(alias, now)))
            noted = some | self.ahead(alias)
            self._ahead[alias] = {second for second in noted if second >= since}

    def _not_passed(self, alias: str, first: int) -> int:
        """The first second whose point is to be told from that of a live value.

        Args:
            alias: The alias.
            first: The first second in which such a value may lie whose answer is lost.
        """
        # What is taken for a value that is known to be there leaves the point of that one over,
        # which would be taken for the lost one.
        return min([first, *(one.first for one in linked(self.acknowledged(alias), first))])

    def written(self) -> Mapping[str, Seconds]:
        return self._written

    def ahead(self, alias: str) -> Set[int]:
        return self._ahead.get(alias, frozenset())

    def acknowledge(self, alias: str, value: Acknowledged) -> None:
        self._acknowledged.setdefault(alias, deque(maxlen=_REMEMBERED)).append(value)

    def acknowledged(self, alias: str) -> Sequence[Acknowledged]:
        return self._acknowledged.get(alias, ())

    def oldest(self, skip: Skip | None = None) -> Point | None:
        live: Iterable[Point] = self._live.values()
        if skip is not None:
            live = (point for point in live if not skip(point))
        return min([*self.recorded(1, skip), *islice(live, 1)], default=None)

    def last(self) -> int:
        return self._next

    def trouble(self) -> str | None:
        return None

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass
