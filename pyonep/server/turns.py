"""Turns: long work gives the event loop to others every few milliseconds.

Whatever takes long is a generator, whose steps are short. It runs as many of them as
fit in a turn; then everybody else who is ready comes first.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

TURN = 0.004  # seconds
# Rounds of the event loop that belong to others: to receive a request takes one, to
# answer it another, to commit it a third.
_ROUNDS = 3


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


_long_requests = 0
_collector_was_on = False


@contextmanager
def no_collection(is_long: bool) -> Iterator[None]:
    """Keep Python's collector of cycles away from the many lists of a long request.

    It would walk over all of them several times, and nobody can interrupt it; they go
    when the request does.
    """
    global _long_requests, _collector_was_on
    if not is_long:
        yield
        return
    if not _long_requests:
        _collector_was_on = gc.isenabled()
        gc.disable()
    _long_requests += 1
    try:
        yield
    finally:
        _long_requests -= 1
        if not _long_requests and _collector_was_on:
            gc.enable()


def at_once(steps: Generator[Any, None, T]) -> T:
    """Carry out steps without a break, where there is no loop or they are few."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
