"""Callers that wait for the next point of a series."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Callable

from ..core import access
from ..core.errors import Expired, Gone, HungUp
from ..core.events import Dropped, Written
from ..core.results import Wait
from ..core.turns import Pace, Steps
from ..core.unit import Unit
from .events import Note

Hangup = Callable[[], Awaitable[None]]


# Waits that one step looks at, and as how many of these one counts that ends: who waited
# goes on at once.
_LOOKED_AT, _ENDED = 200, 10


@contextmanager
def ended_by(hangup: Hangup | None, waiters: Sequence[Waiter]) -> Iterator[None]:
    """End waits with `HungUp` when the client hangs up while the block runs.

    Args:
        hangup: Returns when the client has hung up; None when that cannot be told.
        waiters: Its waits.
    """
    if hangup is None:
        yield
        return

    def end(watching: asyncio.Future[None]) -> None:
        if not watching.cancelled():
            watching.exception()  # it is seen: whatever it is, the client cannot be heard any more
            for waiter in waiters:
                waiter.fail(HungUp())

    watching = asyncio.ensure_future(hangup())
    watching.add_done_callback(end)
    try:
        yield
    finally:
        watching.cancel()


class Waiter:
    """One caller that waits; `result` is awaited by the front that answers it."""

    def __init__(self, wait: Wait, after: int) -> None:
        self.wait = wait
        self.after = after  # number of the last event before it
        self.deadline: float = math.inf  # by the clock of the loop, once the time runs
        self.future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    def begin(self) -> None:
        """From now on its time runs, if it did not before."""
        if self.deadline == math.inf:
            self.deadline = asyncio.get_running_loop().time() + self.wait.timeout

    def wants(self, written: Written, note: Note) -> bool:
        """Whether this is what the caller waits for."""
        if note.number <= self.after or self.future.done() or note.moment > self.deadline:
            return False
        return self.wait.since is None or written.time >= self.wait.since

    def end_if_refused(self) -> bool:
        """End it when the caller may not have the point any more; whether that is so."""
        refused = self.wait.objection()
        if refused is not None:
            self.fail(refused)
        return refused is not None

    def fail(self, error: Exception) -> None:
        """End it without a point."""
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # not a fault if nobody looks: another wait may end first


class Waits:
    """All open waits, by resource. A wait costs a future and a timer, no thread.

    They listen to what happens, and tell those who wait when it is durable.

    Args:
        unit: What is there, and who may have it.
    """

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._waiters: dict[int, set[Waiter]] = {}
        self._told: deque[Note] = deque()  # what is durable
        self._is_telling = False
        self._narrowings = unit.narrowings  # those after which all were looked at

    def __len__(self) -> int:
        return sum(map(len, self._waiters.values()))

    def open(self, wait: Wait, after: int) -> Waiter:
        """Begin to wait for what arrives from now on.

        Args:
            wait: For what.
            after: Number of the last event before it.
        """
        waiter = Waiter(wait, after)
        self._waiters.setdefault(wait.resource, set()).add(waiter)
        return waiter

    def close(self, waiter: Waiter) -> None:
        """End a wait."""
        waiters = self._waiters.get(waiter.wait.resource)
        if waiters is not None:
            waiters.discard(waiter)
            if not waiters:
                del self._waiters[waiter.wait.resource]

    async def result(self, waiter: Waiter) -> list[Any]:
        """Wait for the point: ``[time, value]``.

        Raises:
            Expired: None came in time.
            Gone: The resource was dropped.
            Refused: The caller may not have the point any more.
            HungUp: The client did, see `ended_by`.
        """
        waiter.begin()
        late = Expired("no point came in time")
        timer = asyncio.get_running_loop().call_at(waiter.deadline, waiter.fail, late)
        try:
            return await waiter.future
        finally:
            timer.cancel()
            self.close(waiter)

    # --- what happens ---

    def hear(self, notes: Sequence[Note]) -> None:
        """Tell those who wait what is durable."""
        if not self._waiters:
            return
        self._told += [note for note in notes if self._concerns(note.event)]
        if self._told or self._has_narrowed:
            _go_on(self._deliver())

    @property
    def _has_narrowed(self) -> bool:
        """Whether somebody came to may do less since all waits were looked at."""
        return self._narrowings != self._unit.narrowings

    def _concerns(self, event: object) -> bool:
        if type(event) is Written:
            return event.resource in self._waiters
        return type(event) is Dropped

    def _deliver(self) -> Steps[None]:
        """Tell those who wait, in steps.

        Each of them goes on as soon as others have their turn, so a step tells few. Where
        they are being told already, those who do it go on with the rest.
        """
        if self._is_telling:
            return
        self._is_telling, pace = True, Pace(_LOOKED_AT)
        try:
            while self._told or self._has_narrowed:
                if self._told:
                    yield from self._tell_all(self._told.popleft(), pace)
                else:
                    yield from self._end_refused(pace)
        finally:
            self._is_telling = False

    def _tell_all(self, note: Note, pace: Pace) -> Steps[None]:
        if type(note.event) is not Written:
            yield from self._end_gone(pace)
            return
        for waiter in list(self._waiters.get(note.event.resource, ())):
            if pace.is_full(self._tell(waiter, note.event, note)):
                yield

    def _tell(self, waiter: Waiter, written: Written, note: Note) -> int:
        """Tell one of them, if it is meant; returns how much that is of a step."""
        if not waiter.wants(written, note):
            return 1
        # Whoever drops something narrows what others may: else there is no need to look.
        if self._has_narrowed and self._is_gone(written.resource):
            waiter.fail(Gone("the resource was dropped"))
        elif not waiter.end_if_refused():
            waiter.future.set_result([written.time, written.value])
        return _ENDED

    def _end_gone(self, pace: Pace) -> Steps[None]:
        """End the waits for what was dropped."""
        for resource, waiters in list(self._waiters.items()):
            is_gone = self._is_gone(resource)
            for waiter in list(waiters) if is_gone else ():
                waiter.fail(Gone("the resource was dropped"))
            if pace.is_full(_ENDED * len(waiters) if is_gone else 1):
                yield

    def _is_gone(self, resource: int) -> bool:
        node = self._unit.resources.by_id(resource)
        return node is None or not access.in_tree(self._unit, node)

    def _end_refused(self, pace: Pace) -> Steps[None]:
        """End the waits of those who may not have the point any more."""
        self._narrowings = self._unit.narrowings
        waiting = [waiter for waiters in self._waiters.values() for waiter in waiters]
        for waiter in waiting:
            if pace.is_full(_ENDED if waiter.end_if_refused() else 1):
                yield

    def expire_all(self) -> None:
        """End all waits: the platform stops."""
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.fail(Expired("the platform stops"))


def _go_on(steps: Steps[None]) -> None:
    """Carry out steps, and let others run in between."""
    for _ in steps:
        asyncio.get_running_loop().call_soon(_go_on, steps)
        return
