"""The seconds in which the platform has points of a Datastore: no live value may replace them.

The platform keeps one point per second and dataport, and a live value gets its time there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from .buffer import Point, Seconds, linked
from .clock import Clock
from .sending import Outcome
from .waiting import Waiting

__all__ = ["Occupied"]


class Occupied:
    """What is known of such seconds; the buffer keeps it over a restart.

    Args:
        waiting: The points that wait.
        clock: What time it is here.
        reach: Seconds that may pass until a request is carried out.
    """

    def __init__(self, waiting: Waiting, clock: Clock, reach: float) -> None:
        self._waiting, self._clock, self._reach = waiting, clock, reach
        self._live_at: dict[str, float] = {}  # when a live value was last acknowledged

    def begin(self) -> None:
        """Another buffer: what the run before wrote, it wrote before this moment."""
        written = self._waiting.buffer.written()
        self._live_at = dict.fromkeys(written, self._clock.monotonic())

    def remember(self, outcome: Outcome, now: int) -> None:
        """Note the seconds of points that were written.

        Args:
            outcome: Of a request.
            now: The platform's second, or an earlier one.
        """
        written: dict[str, Seconds] = {}
        recorded: dict[str, set[int]] = {}
        for point, second in outcome.written:
            if point.live:
                self._live_at[point.alias] = self._clock.monotonic()
                written[point.alias] = outcome.between
                continue
            if point.number not in outcome.twins:
                recorded.setdefault(point.alias, set()).add(second)
            if point.moves:
                first, last = written.get(point.alias, (second, second))
                written[point.alias] = (min(first, second), max(last, second))
        self._waiting.buffer.wrote(written, recorded, now)

    def given_up(self, point: Point, second: int | None, now: float) -> None:
        """A point is forgotten that may have arrived: its seconds count as taken all the same.

        A live value that is sent there and lost would be found, although it is that point.

        Args:
            point: The point.
            second: Where it may be; None: a live value, or one that was not sent.
            now: The platform's time; 0: it is not known yet.
        """
        if second is not None:
            seconds = range(second, second + 1)
        elif point.live and point.sent is not None:
            # It was carried out before this moment, which may be two seconds later there.
            last = now + 2 if now else point.sent + self._reach
            seconds = range(int(max(point.sent, now - self._reach)), int(last) + 1)
        else:
            return
        # A request under way may have been timed earlier: what passed just now is kept for it.
        self._waiting.buffer.wrote({}, {point.alias: set(seconds)}, int(now - self._reach))

    def ahead(self, points: Iterable[Point]) -> Mapping[str, Set[int]]:
        """For the aliases of points the seconds near live values that have a recorded one."""
        return {point.alias: self._waiting.buffer.ahead(point.alias) for point in points}

    def may_be_written(self, point: Point) -> bool:
        """Whether the second of a point may hold a value of ours that was written."""
        first, last = self._waiting.buffer.written().get(point.alias, (0, -1))
        return first <= point.time <= last

    def hold(self, alias: str, taken: int, now: float) -> float:
        """Seconds until a live value of an alias is in the way of no point of ours.

        It must not replace one, and not be confused with one if its answer is lost.

        Args:
            alias: The alias.
            taken: The last second that will have, or may have, a point as well; 0: none.
            now: The platform's time: it may be up to two seconds later there.
        """
        hold = 0.0
        if alias in self._live_at:
            # A second after the last one was acknowledged, the platform's second is another one.
            hold = self._live_at[alias] + 1 - self._clock.monotonic()
        near = now + self._reach
        before = linked(self._waiting.buffer.acknowledged(alias), int(now))
        if before and taken >= before[0].first:
            taken = max(taken, before[-1].last)  # or it would be counted as one of these
        ahead = self._waiting.buffer.ahead(alias)
        taken = max([taken, *(second for second in ahead if second <= near)])
        return max(hold, taken + 1 - now) if taken >= int(now) > 0 else hold
