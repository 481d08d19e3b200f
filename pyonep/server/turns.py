"""Turns: long work gives the event loop to others every few milliseconds.

Whatever takes long is a generator, whose steps are short. It runs as many of them as
fit in a turn; then everybody else who is ready comes first.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Generator
from typing import Any, TypeVar

T = TypeVar("T")

TURN = 0.004  # seconds
# Rounds of the event loop that belong to others: to receive a request takes one, to
# answer it another, to commit it a third.
_ROUNDS = 3
_WHILE, _LONGEST_WHILE = 0.3, 30.0  # seconds without collecting cycles


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


async def in_turns(steps: Generator[Any, None, T]) -> T:
    """Carry out steps that change nothing that is stored; for others see `Platform.finished`."""
    turn = Turn()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        if turn.is_over:
            await turn.pass_on()


class _Collector:
    """Keeps Python's collector of cycles away from the many lists of long work.

    It would walk over all of them several times, and nobody can interrupt it; they go
    when the work is done.
    """

    def __init__(self) -> None:
        self._is_off = False
        self._since = self._until = 0.0

    def hold_off(self) -> None:
        """Keep it away for a while."""
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
        self.release()

    def release(self) -> None:
        """Let it do its work again."""
        if self._is_off:
            self._is_off = False
            gc.enable()


collector = _Collector()


def at_once(steps: Generator[Any, None, T]) -> T:
    """Carry out steps without a break, where there is no loop or they are few."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
