"""What became of points of a Datastore, and what is known of those without an answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .aliases import Resting, Unknown
from .buffer import Acknowledged, Point
from .choosing import Batch
from .confirming import confirm
from .doubts import Doubts
from .exceptions import OneException, OnePlatformException
from .isolation import Isolation
from .line import Line
from .looking import judge
from .occupied import Occupied
from .reports import Reports
from .sending import Outcome, rejecting
from .waiting import Waiting

__all__ = ["Settlement"]


class Settlement:
    """Lets buffer, counters and callbacks know what became of points.

    Args:
        waiting: The points.
        reports: Counters and callbacks.
        isolation: Which of the points make requests fail.
        resting: Aliases that are left alone.
        unknown: Aliases that are not there.
        occupied: Seconds in which the platform has points.
        doubts: Points that may have arrived.
    """

    def __init__(
        self,
        waiting: Waiting,
        reports: Reports,
        isolation: Isolation,
        resting: Resting,
        unknown: Unknown,
        occupied: Occupied,
        doubts: Doubts,
    ) -> None:
        self._waiting, self._reports = waiting, reports
        self._isolation, self._resting, self._unknown = isolation, resting, unknown
        self._occupied, self._doubts = occupied, doubts
        self._alone: set[int] = set()  # live values that go in a group of their own

    def groups(self, live: Iterable[Point]) -> list[list[Point]]:
        """Live values as they go together; each of a group that was refused goes alone."""
        together: list[Point] = []
        apart: list[list[Point]] = []
        for point in live:
            if point.number in self._alone:
                apart.append([point])
            else:
                together.append(point)
        return [together, *apart] if together else apart

    # --- answers ---

    def answered(self, outcome: Outcome, now: float) -> None:
        """A request was answered, all of it or a part."""
        first, last = outcome.between
        with self._waiting.changed:
            for point, _ in outcome.written:
                if point.live:
                    known = Acknowledged(point.number, first, last + 1, point.value)
                    self._waiting.buffer.acknowledge(point.alias, known)
        self.apply(outcome, now)

    def apply(self, outcome: Outcome, now: float, missing: Iterable[str] = ()) -> None:
        """Let all know what became of points.

        Args:
            outcome: That.
            now: The platform's time.
            missing: Aliases that are not there.
        """
        with self._waiting.changed:
            self._occupied.remember(outcome, int(now))
            self._resting.discard(point.alias for point, _ in outcome.written)
            self._settle_doubts(outcome)
            written = [point for point, _ in outcome.written]
            self.forget([*written, *(point for point, _ in outcome.rejected)])
            self._waiting.missed(outcome.to_recorded)
            go_again = [point.number for point in [*outcome.alone, *outcome.again]]
            self._waiting.buffer.unsent(go_again)
            self._alone.update(point.number for point in outcome.alone)
            self._reports.sent += len(written)
            self._reports.rejected += len(outcome.rejected)
            self._unknown.add(missing)
            self._waiting.changed.notify_all()
        for point, reason in outcome.rejected:
            self._reports.rejected_point(point, reason)

    def forget(self, points: Iterable[Point]) -> None:
        """Points are out of the buffer, whatever became of them."""
        numbers = [point.number for point in points]
        self._waiting.buffer.remove(numbers)
        self._isolation.settled(numbers)
        self._doubts.discard(numbers)
        self._alone.difference_update(numbers)

    def give_up(self, point: Point, now: float) -> None:
        """A point is forgotten, also where nobody knows whether it arrived.

        Args:
            point: The point.
            now: The platform's time.
        """
        self._occupied.given_up(point, self._doubts.second(point.number), now)
        self.forget([point])

    def rest(self, statuses: Mapping[str, str]) -> None:
        """Leave aliases alone for a while of which the platform says: not now."""
        self._resting.add(statuses)
        for status in statuses.values():
            self._reports.failed(OnePlatformException(f"the platform answers {status}"))
            self._reports.retried += 1

    # --- questions ---

    def judge(self, line: Line, refused: list[tuple[Point, int]]) -> None:
        """See why points were refused."""
        outcome = judge(line, refused, self._doubts.may_be_at)
        self.apply(outcome, line.there.now())

    def confirm(self, line: Line) -> None:
        """Ask after live values whose answer was lost."""
        while True:
            unsure = [one for one in self._waiting.unsure() if one.alias not in self._resting]
            if not unsure:
                return
            some = unsure[: self._isolation.limit]
            ahead = self._occupied.ahead(some)
            buffer = self._waiting.buffer
            acknowledged = {point.alias: buffer.acknowledged(point.alias) for point in some}
            outcome = confirm(line, some, acknowledged, ahead)
            self.apply(outcome, line.there.now())

    def settle_question(self, line: Line, now: float) -> None:
        """After a failure that may be due to a point: does the platform answer otherwise?

        Args:
            line: To ask.
            now: On the monotonic clock.
        """
        if not self._isolation.in_question:
            return
        line.probe()
        given_up = self._isolation.platform_answers(now)
        if given_up is not None:
            number, reason = given_up
            for point in self._waiting.buffer.these([number]):
                self._reject(line, point, reason)

    def _reject(self, line: Line, point: Point, reason: str) -> None:
        """Report a point that the platform never takes, unless it is there."""
        second, outcome = self._doubts.second(point.number), Outcome()
        if second is not None:
            try:
                outcome = judge(line, [(point, second)], self._doubts.may_be_at)
            except OneException:
                with self._waiting.changed:
                    self.give_up(point, line.there.now())
        if not outcome.written:
            outcome = rejecting([point], reason)
        self.apply(outcome, line.there.now())

    # --- doubts ---

    def doubt(self, batch: Batch, points: Iterable[Point]) -> None:
        """Recorded points were sent, and no answer came."""
        seconds = {point.number: second for point, second in batch.recorded}
        for point in points:
            if point.number in seconds:
                self._doubts.add(point, seconds[point.number])

    def take_back(self, points: Iterable[Point]) -> None:
        """Points that move and are known not to be where they were sent to may go elsewhere.

        Another one may take that second, and would be taken for them there.
        """
        with self._waiting.changed:
            buffer = self._waiting.buffer
            moving = [point.number for point in points if point.moves]
            known = [n for n in moving if n in buffer and n not in self._doubts]
            if known:
                buffer.unsent(known)

    def keep(self, batch: Batch, target: int, not_carried_out: bool) -> None:
        """A request failed: which points may have arrived, and which need not be asked after.

        Args:
            batch: What was to go into it.
            target: The point up to which live values were to be sent.
            not_carried_out: Whether the platform did nothing of what failed.
        """
        with self._waiting.changed:
            if not batch.live and not batch.is_group:
                self._waiting.missed(self._waiting.fresh(target))  # it did not come to sending them
            elif not_carried_out and not batch.is_out:
                self._waiting.missed(point for point in batch.open if point.live)
            if not (not_carried_out or batch.is_out):
                self.doubt(batch, batch.open)
            self.take_back(point for point, _ in batch.recorded)

    def _settle_doubts(self, outcome: Outcome) -> None:
        """In a second there is one point: where it is known which, it is none of the others."""
        self._doubts.discard(point.number for point in outcome.again)
        for point, second in outcome.written:
            others = self._doubts.at(point.alias, second) - {point.number}
            if others and not point.live:
                self._doubts.discard(others)
                self.take_back(self._waiting.buffer.these(others))
