"""Live values whose answer was lost: whether they arrived, under the platform's time.

Before such a value is recorded under its own time, the platform is asked. What is read is
compared with what is known to be there, so that equal values in a row are counted, not guessed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

from .buffer import Point
from .line import Line
from .looking import points_of, reading, same, transformed
from .sending import Outcome

__all__ = ["Acknowledged"]

_REMEMBERED = 8  # values of an alias that were acknowledged
_CLOCK = 2  # seconds; the platform's clock is known to within so many


class _Value(NamedTuple):
    """One that was acknowledged.

    Attributes:
        first: The platform's second before it was sent.
        last: The one after its answer.
        value: The value.
    """

    first: int
    last: int
    value: Any


class Acknowledged:
    """The last live values of each alias that were acknowledged."""

    def __init__(self) -> None:
        self._values: dict[str, deque[_Value]] = {}

    def add(self, outcome: Outcome) -> None:
        """Remember those of a request."""
        first, last = outcome.between
        for point, _ in outcome.written:
            if point.live:
                recent = self._values.setdefault(point.alias, deque(maxlen=_REMEMBERED))
                recent.append(_Value(first, last + 1, point.value))

    def confirm(
        self,
        line: Line,
        points: Sequence[Point],
        others: Mapping[str, Set[int]],
        doubts: Mapping[str, Set[int]],
    ) -> Outcome:
        """See which live values arrived although no answer did.

        Those that did not are to be recorded under their own time.

        Args:
            line: To the platform.
            points: The values.
            others: For each alias seconds in which the platform has another point of ours.
            doubts: The same, where it may have one.
        """
        outcome, unlike = Outcome(), []
        for point, found in zip(points, self._found(line, points, others)):
            if any(same(value, point.value) for value in found.values()):
                outcome.written.append((point, 0))
            elif found.keys() - doubts.get(point.alias, ()):
                unlike.append(point)
            else:
                outcome.to_recorded.append(point)
        changed = transformed(line, (point.alias for point in unlike))
        outcome.written += [(point, 0) for point in unlike if point.alias in changed]
        outcome.to_recorded += [point for point in unlike if point.alias not in changed]
        outcome.between = (min(map(_sent, points)), int(line.platform_time()) + 1)
        return outcome

    def _found(
        self, line: Line, points: Sequence[Point], others: Mapping[str, Set[int]]
    ) -> list[dict[int, Any]]:
        """What the platform has where each of the values may be, without what is known."""
        before = [self._before(point) for point in points]
        answers = line.inquire(
            [point.alias for point in points],
            [
                reading(
                    point.alias, (min([_sent(point), *(one.first for one in some)]), 2**53), "desc"
                )
                for point, some in zip(points, before)
            ],
        )
        latest = line.there.now() + _CLOCK  # what lies later was recorded
        result = []
        for point, some, (isok, response) in zip(points, before, answers):
            known = others.get(point.alias, ())
            read = points_of(isok, response).items()
            found = {at: value for at, value in read if at <= latest and at not in known}
            _leave_out(found, some)
            result.append({at: value for at, value in found.items() if at >= _sent(point)})
        return result

    def _before(self, point: Point) -> list[_Value]:
        """Those whose points may lie among the ones at which a lost one may be."""
        chain: list[_Value] = []
        first = _sent(point)
        for one in reversed(self._values.get(point.alias, ())):
            if one.last < first:
                break
            chain.insert(0, one)
            first = min(first, one.first)
        return chain


def _sent(point: Point) -> int:
    return int(point.sent or 0)


def _leave_out(found: dict[int, Any], known: Iterable[_Value]) -> None:
    """Take away a point for each value that is known to be there."""
    for first, last, value in known:
        within = sorted(at for at in found if first <= at <= last)
        alike = [at for at in within if same(found[at], value)]
        for at in (alike or within)[:1]:  # where a preprocess made something else of it: any
            del found[at]
