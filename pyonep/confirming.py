"""Live values whose answer was lost: whether they arrived, under the platform's time.

Before such a value is recorded under its own time, the platform is asked. What is read is
compared with what is known to be there, so that equal values in a row are counted, not guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from .buffer import Acknowledged, Point, linked
from .line import Line
from .looking import points_of, reading, same, transformed
from .sending import Outcome

__all__ = ["confirm"]

_CLOCK = 2  # seconds; the platform's clock is known to within so many

Known = Mapping[str, Sequence[Acknowledged]]
Others = Mapping[str, Set[int]]


def confirm(line: Line, points: Sequence[Point], acknowledged: Known, others: Others) -> Outcome:
    """See which live values arrived although no answer did.

    Those that did not are to be recorded under their own time. None of them was sent while
    another point might have come to lie in its second or after it.

    Args:
        line: To the platform.
        points: The values.
        acknowledged: For each alias the live values that the platform has.
        others: For each alias seconds in which the platform has another point of ours.
    """
    outcome, unlike = Outcome(), []
    for point, found in zip(points, _found(line, points, acknowledged, others)):
        if any(same(value, point.value) for value in found.values()):
            outcome.written.append((point, 0))
        elif found:
            unlike.append(point)
        else:
            outcome.to_recorded.append(point)
    changed = transformed(line, (point.alias for point in unlike))
    outcome.written += [(point, 0) for point in unlike if point.alias in changed]
    outcome.to_recorded += [point for point in unlike if point.alias not in changed]
    outcome.between = (min(map(_sent, points)), int(line.platform_time()) + 1)
    return outcome


def _found(
    line: Line, points: Sequence[Point], acknowledged: Known, others: Others
) -> list[dict[int, Any]]:
    """What the platform has where each of the values may be, without what is known."""
    before = [linked(acknowledged.get(point.alias, ()), _sent(point)) for point in points]
    firsts = [
        min([_sent(point), *(one.first for one in some)]) for point, some in zip(points, before)
    ]
    answers = line.inquire(
        [point.alias for point in points],
        [reading(point.alias, (first, 2**53), "desc") for point, first in zip(points, firsts)],
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


def _sent(point: Point) -> int:
    return int(point.sent or 0)


def _leave_out(found: dict[int, Any], known: Iterable[Acknowledged]) -> None:
    """Take away a point for each value that is known to be there."""
    for one in known:
        within = sorted(at for at in found if one.first <= at <= one.last)
        alike = [at for at in within if same(found[at], one.value)]
        for at in (alike or within)[:1]:  # where a preprocess made something else of it: any
            del found[at]
