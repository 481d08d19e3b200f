"""What a Datastore accepts, and what it does when there is no room."""

from __future__ import annotations

import sqlite3
from collections import deque
from typing import Any

from .buffer import Point
from .clock import Clock
from .delivery import Delivery
from .lifecycle import Lifecycle
from .reports import Reports
from .waiting import Waiting

__all__ = ["Intake"]

_FULL = "the buffer is full"


class Intake:
    """Takes points in, as long as there is room.

    Args:
        waiting: The points.
        delivery: What sends them.
        life: Whether any are accepted.
        reports: Counters and callbacks.
        config: The settings.
        clock: What time it is.
    """

    def __init__(
        self,
        waiting: Waiting,
        delivery: Delivery,
        life: Lifecycle,
        reports: Reports,
        config: dict[str, Any],
        clock: Clock,
    ) -> None:
        self._waiting, self._delivery, self._life = waiting, delivery, life
        self._reports, self._config, self._clock = reports, config, clock
        self._dropped: deque[tuple[Point, str]] = deque()  # and not reported yet

    def write(self, alias: str, value: Any) -> tuple[bool, bool]:
        """Take a live value.

        Returns:
            Whether it was accepted, and whether it replaced another one.
        """
        with self._waiting.changed:
            buffer = self._waiting.buffer
            if self._refuses(alias) or not (buffer.has_live(alias) or self._make_room(1)):
                return False, False
            try:
                replaced = buffer.put_live(alias, int(self._clock.time()), value)
            except sqlite3.Error as error:
                return self._disk_refuses(error), False
            self._reports.is_over("spool")
            self._reports.replaced += replaced
        return True, replaced

    def record(self, alias: str, points: list[tuple[int, Any]]) -> bool:
        """Take points with times of their own; return whether they were accepted."""
        with self._waiting.changed:
            if self._refuses(alias) or not self._make_room(len(points)):
                return False
            try:
                self._waiting.buffer.put(alias, points)
            except sqlite3.Error as error:
                return self._disk_refuses(error)
            self._reports.is_over("spool")
        return True

    def _refuses(self, alias: str) -> bool:
        return alias in self._delivery.unknown or not self._life.accepts

    def _disk_refuses(self, error: sqlite3.Error) -> bool:
        self._reports.says("spool", f"the spool refused a point: {error}")
        return False

    # --- room ---

    def _make_room(self, needed: int) -> bool:
        if self._fits(needed):
            return True
        overflow = self._config["overflow"]
        if needed > self._config["write_buffer_size"]:
            return False
        if overflow == "block":
            self._clock.wait_for(
                self._waiting.changed,
                lambda: not self._life.accepts or self._fits(needed),
                self._config["block_timeout"],
            )
            return self._life.accepts and self._fits(needed)
        while overflow == "drop_oldest" and not self._fits(needed):
            # What is being sent may arrive: it cannot be given up now.
            point = self._waiting.buffer.oldest(lambda one: one.number in self._waiting.in_flight)
            if point is None:
                break
            self._drop(point)
        return self._fits(needed)

    def _fits(self, needed: int) -> bool:
        return bool(len(self._waiting.buffer) + needed <= self._config["write_buffer_size"])

    # --- what is dropped ---

    def _drop(self, point: Point) -> None:
        reason = _FULL
        # While the network fails all that waits may have been sent: to keep it would be to
        # refuse what is newer, which is not what was asked for.
        if point.sent is not None or point.number in self._delivery.doubts:
            reason += "; it was sent without an answer and may have arrived"
        self._delivery.settlement.give_up(point, self._delivery.line.there.now())
        self._reports.dropped += 1
        self._dropped.append((point, reason))

    def report_dropped(self) -> None:
        """Tell of what was dropped, outside of the lock: a callback may do what it likes."""
        while self._dropped:
            try:
                point, reason = self._dropped.popleft()
            except IndexError:  # another thread reports them
                return
            self._reports.dropped_point(point, reason)
