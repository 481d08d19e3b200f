"""When a Datastore sends: now, as long as it takes, or every so many seconds in a thread."""

from __future__ import annotations

import threading
from typing import Callable

from .clock import Clock
from .delivery import NEVER, Delivery, Turn
from .lifecycle import Lifecycle, State
from .reports import Reports
from .waiting import Waiting

__all__ = ["Flusher", "Flushing"]


class Flusher(threading.Thread):
    """Flushes every so many seconds, until it is told to end.

    Args:
        changed: Its lock and what wakes it.
        clock: What it waits by.
        interval: Seconds.
        flush: Called with the thread itself, which may sleep in between.

    Attributes:
        is_ended: Whether it was told to.
    """

    def __init__(
        self,
        changed: threading.Condition,
        clock: Clock,
        interval: float,
        flush: Callable[[Flusher], None],
    ) -> None:
        super().__init__(name="pyonep-datastore", daemon=True)
        self._changed, self._clock = changed, clock
        self._interval, self._flush = interval, flush
        self.is_ended: bool = False

    def run(self) -> None:
        """What the thread does."""
        while self.sleep(self._interval):
            self._flush(self)

    def sleep(self, seconds: float) -> bool:
        """Wait; return whether to go on."""
        with self._changed:
            self._clock.wait_for(self._changed, lambda: self.is_ended, max(0.0, seconds))
            return not self.is_ended

    def end(self, timeout: float) -> None:
        """Tell it to end, and wait for that, but no longer than so many seconds."""
        with self._changed:
            self.is_ended = True
            self._changed.notify_all()
        if self is not threading.current_thread():
            self.join(max(0.0, timeout))


class Flushing:
    """Makes attempts, one after the other, until all is sent or it makes no sense any more.

    Args:
        waiting: The points.
        delivery: What makes an attempt.
        life: The state of the Datastore.
        reports: Where a fault is told.
        clock: What time it is.
    """

    def __init__(
        self,
        waiting: Waiting,
        delivery: Delivery,
        life: Lifecycle,
        reports: Reports,
        clock: Clock,
    ) -> None:
        self._waiting, self._delivery = waiting, delivery
        self._life, self._reports, self._clock = life, reports, clock

    def thread(self, interval: float) -> Flusher:
        """A thread that flushes every so many seconds."""
        return Flusher(self._waiting.changed, self._clock, interval, self._in_thread)

    def send_all(
        self, timeout: float | None, try_again: bool, may_go_on: Callable[[], bool]
    ) -> bool:
        """Send what waits now, in as many requests as it takes.

        Args:
            timeout: Seconds; None for no limit.
            try_again: Whether to go on after a failure.
            may_go_on: Asked before each request.

        Returns:
            Whether all of it reached the platform or was reported.
        """
        deadline = None if timeout is None else self._clock.monotonic() + timeout
        target = self._waiting.last()
        if self._delivery.is_under_way_here():  # a callback asks
            return self._waiting.is_sent(target)
        while not self._waiting.is_sent(target):
            left = self._left(deadline)
            turn = self._attempt(target, deadline) if left != 0 and may_go_on() else None
            if turn is None or turn.wait == NEVER:
                return False
            if turn.wait and (turn.failed or turn.idle) and not try_again:
                return False
            if turn.wait:
                self._pause(turn.wait, deadline)
        return True

    def _left(self, deadline: float | None) -> float | None:
        return None if deadline is None else max(0.0, deadline - self._clock.monotonic())

    def _attempt(self, target: int, deadline: float | None) -> Turn | None:
        """Make an attempt; None: another thread was in one for all the time there was."""
        left = self._left(deadline)
        if not self._delivery.lock.acquire(timeout=-1 if left is None else left):
            return None
        try:
            return self._delivery.attempt(target, deadline)
        finally:
            self._delivery.lock.release()

    def _pause(self, seconds: float, deadline: float | None) -> None:
        """Wait before the next attempt; `close` by another thread ends it."""
        left = self._left(deadline)  # of which the attempt has taken its part by now
        if left is not None:
            seconds = min(seconds, left)
        with self._waiting.changed:
            was_closed = self._life.is_closed  # a flush after `close` waits like any other
            self._clock.wait_for(
                self._waiting.changed, lambda: self._life.is_closed and not was_closed, seconds
            )

    # --- the thread ---

    def _in_thread(self, flusher: Flusher) -> None:
        if self._life.state is State.REFUSED:
            return
        try:
            self._flush_once(flusher)
        except Exception as error:  # whatever it is, the next round may go well
            self._reports.fault(error)

    def _flush_once(self, flusher: Flusher) -> None:
        """Send what waits now; what comes meanwhile waits for the next flush."""
        target = self._waiting.last()
        while not flusher.is_ended and not self._waiting.is_sent(target):
            with self._delivery.lock:
                turn = self._delivery.attempt(target)
            if turn.wait == NEVER or turn.idle:
                return
            if turn.wait:
                flusher.sleep(turn.wait)
            if turn.wait and turn.failed:
                target = self._waiting.last()  # the newest values as well
