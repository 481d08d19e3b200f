"""Turns: long work gives the event loop to others every few milliseconds.

Whatever takes long is a generator, whose steps are short. It runs as many of them as
fit in a turn; then everybody else who is ready comes first.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Generator, Iterator, Sequence
from typing import Callable, Optional, TypeVar

T = TypeVar("T")
K = TypeVar("K")
Steps = Generator[None, None, T]  # long work, whose result is known after the last step

TURN = 0.004  # seconds
_STEP = 0.001  # seconds that a step of work takes, which cannot tell beforehand
# Rounds of the event loop that belong to others: to receive a request takes one, to
# answer it another, to commit it a third.
_ROUNDS = 3
_LITTLE = 5 * TURN  # work in the background that needs no rest
_WHILE, _LONGEST_WHILE = 0.3, 30.0  # seconds without collecting cycles


class Pace:
    """Tells a loop when it has done as much as one step may.

    A step is full after a millisecond, or after so much work, whichever comes first.

    ::

        pace = Pace(200)
        for one in many:
            work(one)
            if pace.is_full():
                yield

    Args:
        most: How much one step may do.
    """

    __slots__ = ("_done", "_end", "_most")

    def __init__(self, most: float) -> None:
        self._most = most
        self._begin()

    def _begin(self) -> None:
        self._done = 0
        self._end = time.perf_counter() + _STEP

    def is_full(self, done: int = 1) -> bool:
        """Add what was done; whether the step is full, after which the next one begins."""
        self._done += done
        if self._done < self._most and time.perf_counter() < self._end:
            return False
        self._begin()
        return True


class Share:
    """Keeps work in the background to half of the time: it rests as long as it has worked."""

    __slots__ = ("_paid",)

    def __init__(self) -> None:
        self._paid = 0.0  # when it has rested enough for all it did

    def note(self, seconds: float) -> None:
        """Note work that was done."""
        self._paid = max(self._paid, time.perf_counter()) + seconds

    @property
    def rest(self) -> float:
        """Seconds until it may go on; 0 after little work."""
        return max(0.0, self._paid - time.perf_counter() - _LITTLE)


class Turn:
    """How long some work has had the loop without a break."""

    __slots__ = ("_end",)

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A new turn begins."""
        self._end = time.perf_counter() + TURN

    @property
    def is_over(self) -> bool:
        """Whether others should have the loop now."""
        return time.perf_counter() > self._end

    async def pass_on(self) -> None:
        """Let all others who are ready run first."""
        collector.hold_off()
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        self.begin()


def pages(
    read: Callable[[K, int], Sequence[T]], place: Callable[[T], K], after: K, size: int
) -> Iterator[Sequence[T]]:
    """All that a store gives page by page; each is read when the one before is done with.

    Args:
        read: Gives so many of what comes after a place.
        place: The place of one of them.
        after: A place before all of them.
        size: How many a page has.
    """
    while True:
        page = read(after, size)
        if page:
            yield page
        if len(page) < size:
            return
        after = place(page[-1])


def each(given: Sequence[K], work: Callable[[K], T], most: float = 50) -> Steps[list[T]]:
    """Do something with each, in steps.

    Args:
        given: Of what.
        work: What to do with one of them.
        most: With how many in one step.

    Returns:
        What `work` returned, one by one.
    """
    pace = Pace(most)
    results = []
    for one in given:
        results.append(work(one))
        if pace.is_full():
            yield
    return results


def step(steps: Steps[T]) -> Optional[tuple[T]]:
    """Carry out one step; the result, in a tuple, when it was the last one."""
    try:
        next(steps)
    except StopIteration as end:
        return (end.value,)
    return None


async def in_turns(steps: Steps[T]) -> T:
    """Carry out steps that change nothing that is stored; for others see `Batch.carry_out`."""
    turn = Turn()
    while (end := step(steps)) is None:
        if turn.is_over:
            await turn.pass_on()
    return end[0]


def at_once(steps: Steps[T]) -> T:
    """Carry out steps without a break, where there is no loop or they are few."""
    while (end := step(steps)) is None:
        pass
    return end[0]


class _Collector:
    """Keeps Python's collector of cycles away from the many lists of long work.

    It would walk over all of them several times, and nobody can interrupt it; they go
    when the work is done. Python has one for the whole process: it is held off only where
    somebody who owns the process has said so.
    """

    def __init__(self) -> None:
        self._is_ours = False
        self._is_off = False
        self._since = self._until = 0.0

    def begin(self) -> None:
        """From now on it may be held off: the process is ours."""
        self._is_ours = True

    def end(self) -> None:
        """It is not held off any more."""
        self._is_ours, self._since = False, 0.0
        self._release()

    def hold_off(self) -> None:
        """Keep it away for a while, in a process that is ours."""
        if not self._is_ours:
            return
        now = time.monotonic()
        self._until = now + _WHILE
        if not self._is_off and gc.isenabled() and now > self._since + _LONGEST_WHILE + _WHILE:
            gc.disable()
            self._is_off, self._since = True, now
            asyncio.get_running_loop().call_later(_WHILE, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        if self._is_off and now < min(self._until, self._since + _LONGEST_WHILE):
            asyncio.get_running_loop().call_later(_WHILE, self._look)
            return
        if now < self._since + _LONGEST_WHILE:
            self._since = 0.0  # may be held off again at once
        self._release()

    def _release(self) -> None:
        if self._is_off:
            self._is_off = False
            gc.enable()


collector: _Collector = _Collector()
