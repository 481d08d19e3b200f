"""The points of a Datastore that wait, and the lock that all of it shares."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from .buffer import Buffer, Point

__all__ = ["Waiting"]


class Waiting:
    """Points that wait.

    Args:
        buffer: Where they are kept.

    Attributes:
        changed: Held while points come or go, and notified when they do.
        buffer: Where they are kept; another one after `close` and `start`.
        in_flight: Numbers of those that are being sent.
    """

    def __init__(self, buffer: Buffer) -> None:
        # Callbacks, which are called under it now and then, may ask for statistics.
        self.changed: threading.Condition = threading.Condition(threading.RLock())
        self.buffer: Buffer = buffer
        self.in_flight: set[int] = set()

    def last(self) -> int:
        """Number of the point that was accepted last."""
        with self.changed:
            return self.buffer.last()

    def is_sent(self, target: int) -> bool:
        """Whether none waits any more of those up to a number."""
        with self.changed:
            oldest = self.buffer.oldest()
            return oldest is None or oldest.number > target

    def fresh(self, target: int) -> list[Point]:
        """Live values up to a number that were not sent yet."""
        with self.changed:
            live = self.buffer.live()
        return [point for point in live if point.sent is None and point.number <= target]

    def unsure(self) -> list[Point]:
        """Live values that were sent without an answer."""
        with self.changed:
            return [point for point in self.buffer.live() if point.sent is not None]

    def missed(self, live: Iterable[Point]) -> None:
        """Live values missed their moment: they are recorded later, under their own time."""
        with self.changed:
            self.buffer.to_recorded([point.number for point in live])

    def trouble(self) -> str | None:
        """What keeps points from the disk now, in words."""
        found = self.buffer.trouble()
        return None if found is None else f"the spool cannot be kept up to date: {found}"
