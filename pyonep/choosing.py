"""What goes into the next request of a Datastore, and into which second."""

from __future__ import annotations

import math
from typing import Callable, Optional

from .aliases import Resting
from .buffer import Point
from .doubts import Doubts
from .isolation import Isolation
from .line import Line
from .looking import by_alias, look
from .occupied import Occupied
from .placing import place
from .sending import size_of
from .waiting import Waiting

__all__ = ["Batch", "Choice"]

_LONGEST_HOLD = 3.0  # seconds for which a live value waits for a second of its own


class Batch:
    """What goes into one request.

    Attributes:
        live: Live values.
        recorded: Points with times of their own, and the second of each.
        there: Points in whose second the platform has one.
        no_room: Points for which there is no free second.
        hold: Seconds until a live value that is held back may go; infinity: there is none.
        is_group: Whether it is of suspects, which are tried by themselves.
        open: Points that are not answered yet.
        is_out: Whether an answer came: what fails afterwards is another request.
    """

    def __init__(self) -> None:
        self.live: list[Point] = []
        self.recorded: list[tuple[Point, int]] = []
        self.there: list[tuple[Point, int]] = []
        self.no_room: list[Point] = []
        self.hold: float = math.inf
        self.is_group = False
        self.open: list[Point] = []
        self.is_out = False

    def is_empty(self) -> bool:
        """Whether there is nothing to be sent."""
        return not (self.live or self.recorded or self.there or self.no_room)


class Choice:
    """Chooses among the points that wait.

    Args:
        waiting: The points.
        isolation: Which of them make requests fail.
        resting: Aliases that are left alone.
        occupied: Seconds in which the platform has points.
        doubts: Points that may have arrived.
        shift: How many seconds after its own a point that moves may come to lie.
        size: About how many bytes a request may have.
    """

    def __init__(
        self,
        waiting: Waiting,
        isolation: Isolation,
        resting: Resting,
        occupied: Occupied,
        doubts: Doubts,
        shift: int,
        size: int,
    ) -> None:
        self._waiting, self._isolation, self._resting = waiting, isolation, resting
        self._occupied, self._doubts = occupied, doubts
        self._shift, self._size = shift, size

    def take(self, batch: Batch, target: int, line: Line, now: float) -> None:
        """Choose what goes into the next request.

        Args:
            batch: Gets it.
            target: Live values accepted after the point of this number are left for later.
            line: For questions.
            now: On the monotonic clock.
        """
        there = line.platform_time()
        with self._waiting.changed:
            points = self._choose(batch, len(self._fresh(target)), now)
            self._waiting.in_flight = {point.number for point in points}
        self._place(batch, points, line)
        with self._waiting.changed:
            if not batch.is_group:
                # While the platform was asked, live values may have been replaced.
                fresh = self._fresh(target)[: self._isolation.limit]
                self._choose_live(batch, fresh, there, line.left())
            self._note_sending(batch, there)

    def _note_sending(self, batch: Batch, there: float) -> None:
        batch.open = [*batch.live, *(point for point, _ in batch.recorded)]
        live = [point.number for point in batch.live]
        seconds = {point.number: float(at) for point, at in batch.recorded if point.moves}
        self._waiting.in_flight.update(live)
        self._waiting.buffer.sending({**dict.fromkeys(live, there), **seconds})

    def _fresh(self, target: int) -> list[Point]:
        return [one for one in self._waiting.fresh(target) if one.alias not in self._resting]

    # --- points with times of their own ---

    def _choose(self, batch: Batch, live: int, now: float) -> list[Point]:
        """Points with times of their own for the next request."""
        most = max(1, self._isolation.limit - live)
        points = self._waiting.buffer.recorded(most, self._is_aside())
        if not points and not live:
            points = self._suspects(now)
            batch.is_group = bool(points)
        return _within(points, self._size)

    def _suspects(self, now: float) -> list[Point]:
        """Points that are to be tried by themselves now."""
        while group := self._isolation.due(now):
            points = self._waiting.buffer.these(group[: self._isolation.limit])
            tried = group[: self._isolation.limit]
            self._isolation.settled(set(tried) - {point.number for point in points})
            rest = [one.alias for one in points if one.alias in self._resting]
            if rest:
                self._isolation.postpone(group, max(map(self._resting.until, rest)))
            elif points:
                return points
        return []

    def _is_aside(self) -> Optional[Callable[[Point], bool]]:
        """What leaves out the points that are not to be sent with others now."""
        suspects = self._isolation.suspects
        if not suspects and not self._resting:
            return None
        return lambda point: point.number in suspects or point.alias in self._resting

    def _place(self, batch: Batch, points: list[Point], line: Line) -> None:
        """Find the second of each point; asks the platform where one may be taken by ours."""
        asked = [one for one in points if one.moves or self._occupied.may_be_written(one)]
        if not asked:
            batch.recorded = [(point, point.time) for point in points]
            return
        found = look(line, asked, self._shift)
        for alias, some in by_alias(points).items():
            if alias not in found:
                batch.recorded += [(point, point.time) for point in some]
                continue
            places = place(some, found[alias], self._shift, self._doubts.seconds(alias))
            batch.recorded += places.at
            batch.there += [
                (point, int(point.sent or 0) if point.moves else point.time)
                for point in places.there
            ]
            batch.no_room += places.no_room

    # --- live values ---

    def _choose_live(
        self, batch: Batch, fresh: list[Point], now: float, left: float | None
    ) -> None:
        """Live values go into a second in which the platform has nothing of ours, or wait.

        The platform's second is known to within one or two: those that may be it count. What
        may have arrived counts wherever it waits: alone as a suspect, or for its turn.
        """
        taken: dict[str, int] = {}
        # Those that were found there are settled only when this choice is made.
        for point, second in (*batch.recorded, *batch.there) if fresh else ():
            taken[point.alias] = max(second, taken.get(point.alias, 0))
        for point in fresh:
            seconds = (taken.get(point.alias, 0), *self._doubts.seconds(point.alias))
            hold = self._occupied.hold(point.alias, max(seconds), now)
            if hold <= 0:
                batch.live.append(point)
            elif hold > _LONGEST_HOLD or (left is not None and hold > left):
                self._waiting.missed([point])
                batch.hold = 0.0
            else:
                batch.hold = min(batch.hold, hold)


def _within(points: list[Point], most: int) -> list[Point]:
    """The first points that take about so many bytes together, at least one."""
    size = 0
    for position, point in enumerate(points):
        size += size_of(point)
        if size > most and position:
            return points[:position]
    return points
