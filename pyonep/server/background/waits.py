"""Callers that wait for the next point of a series."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable
from typing import Any, Callable, NamedTuple, Optional, TypeVar, Union

from ..core.errors import Refused
from ..core.turns import Pace, Steps

DEFAULT_TIMEOUT = 30_000  # milliseconds
LONGEST_TIMEOUT = 300_000


Hangup = Callable[[], Awaitable[None]]
T = TypeVar("T")


# Waits that one step looks at, and as how many of these one counts that ends: who waited
# goes on at once.
_LOOKED_AT, _ENDED = 200, 10


def _never() -> None:
    """The access of one who waits does not end."""


class HungUp(Exception):
    """The client that waited is gone."""


async def while_connected(hangup: Hangup | None, waiting: Awaitable[T]) -> T:
    """Await something as long as the client is there.

    Args:
        hangup: Returns when the client has hung up; None when that cannot be told.
        waiting: What is awaited; cancelled when the client hangs up.

    Raises:
        HungUp: The client did.
    """
    if hangup is None:
        return await waiting
    result = asyncio.ensure_future(waiting)
    gone = asyncio.ensure_future(hangup())
    both = (result, gone)
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            raise HungUp
        return result.result()
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)


class Arrival(NamedTuple):
    """A point that was stored, and its place among all that were."""

    resource: int
    time: int
    value: Any
    number: int
    moment: float  # by the clock of the loop


class Loss(NamedTuple):
    """A resource that was dropped."""

    resource: int


class Waiter:
    """One caller that waits; `result` is awaited by the front that answers it."""

    def __init__(
        self,
        resource: int,
        timeout: float,
        since: Optional[float],
        after: int,
        ended: Callable[[], Optional[Refused]],
    ) -> None:
        self.resource = resource
        self.timeout = timeout  # seconds
        self.deadline: float = math.inf  # by the clock of the loop, once the time runs
        self.since = since
        self.after = after
        self.ended = ended
        self.future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    def begin(self) -> None:
        """From now on its time runs, if it did not before."""
        if self.deadline == math.inf:
            self.deadline = asyncio.get_running_loop().time() + self.timeout

    def wants(self, arrival: Arrival) -> bool:
        """Whether this is what the caller waits for."""
        if arrival.number <= self.after or self.future.done():
            return False
        if arrival.moment > self.deadline:
            return False
        return self.since is None or arrival.time >= self.since

    def end(self) -> bool:
        """End it when the caller may not have the point any more; whether it did."""
        refused = self.ended()
        if refused is not None:
            self.fail(refused)
        return refused is not None

    def fail(self, error: Refused) -> None:
        """End it without a point."""
        if not self.future.done():
            self.future.set_exception(error)


class Waits:
    """All open waits, by resource. A wait costs a future and a timer, no thread.

    What happens to a resource is noted, and told to those who wait when it is durable;
    what a unit noted and opened is taken back when it is undone.
    """

    def __init__(self) -> None:
        self._waiters: dict[int, set[Waiter]] = {}
        self._noted: list[Union[Arrival, Loss]] = []
        self._told: deque[Union[Arrival, Loss]] = deque()  # what is durable
        self._is_telling = False
        self._opened: list[Waiter] = []  # by the unit that was begun last
        self._number = 0

    def __len__(self) -> int:
        return sum(map(len, self._waiters.values()))

    def arrived(self, resource: int, time: int, value: Any) -> None:
        """Note a point."""
        if resource in self._waiters:
            self._number += 1
            moment = asyncio.get_running_loop().time()
            self._noted.append(Arrival(resource, time, value, self._number, moment))

    def dropped(self, resource: int) -> None:
        """Note that a resource is gone."""
        if resource in self._waiters:
            self._noted.append(Loss(resource))

    def open(
        self,
        resource: int,
        timeout: float,
        since: float | None = None,
        ended: Callable[[], Optional[Refused]] = _never,
    ) -> Waiter:
        """Begin to wait for what arrives from now on.

        Args:
            resource: Number of the series.
            timeout: Seconds.
            since: Only a point that is not older counts.
            ended: Why the caller may not have the point any more; None while it may.
        """
        waiter = Waiter(resource, timeout, since, self._number, ended)
        self._waiters.setdefault(resource, set()).add(waiter)
        self._opened.append(waiter)
        return waiter

    def close(self, waiter: Waiter) -> None:
        """End a wait."""
        waiters = self._waiters.get(waiter.resource)
        if waiters is not None:
            waiters.discard(waiter)
            if not waiters:
                del self._waiters[waiter.resource]

    async def result(self, waiter: Waiter) -> list[Any]:
        """Wait for the point: ``[time, value]``.

        Raises:
            Refused: ``expire``: none came in time. ``error``: the resource was dropped.
        """
        waiter.begin()
        left = waiter.deadline - asyncio.get_running_loop().time()
        try:
            return await asyncio.wait_for(waiter.future, left)
        except asyncio.TimeoutError:
            raise Refused("expire", "no point came in time") from None
        finally:
            self.close(waiter)

    # --- units ---

    def begin_unit(self) -> int:
        """Begin a unit; returns what `undo` needs to take it back."""
        self._opened.clear()
        return len(self._noted)

    def undo(self, noted: int) -> None:
        """Take back what the unit noted and opened."""
        del self._noted[noted:]
        for waiter in self._opened:
            self.close(waiter)

    def durable(self) -> None:
        """What was noted so far is durable, and may be told."""
        self._told += self._noted
        self._noted.clear()

    def deliver(self) -> Steps[None]:
        """Tell those who wait what is durable, in steps.

        Each of them goes on as soon as others have their turn, so a step tells few. Where
        they are being told already, those who do it go on with the rest.
        """
        if self._is_telling:
            return
        self._is_telling, pace = True, Pace(_LOOKED_AT)
        try:
            while self._told:
                event = self._told.popleft()
                for waiter in list(self._waiters.get(event.resource, ())):
                    if pace.is_full(self._tell(waiter, event)):
                        yield
        finally:
            self._is_telling = False

    def _tell(self, waiter: Waiter, event: Union[Arrival, Loss]) -> int:
        """Tell one of them, if it is meant; returns how much that is of a step."""
        if isinstance(event, Loss):
            waiter.fail(Refused("error", "the resource was dropped"))
        elif not waiter.wants(event):
            return 1
        elif not waiter.end():
            waiter.future.set_result([event.time, event.value])
        return _ENDED

    def end_refused(self) -> Steps[None]:
        """End, in steps, the waits of those who may not have the point any more."""
        waiting = [waiter for waiters in self._waiters.values() for waiter in waiters]
        pace = Pace(_LOOKED_AT)
        for waiter in waiting:
            if pace.is_full(_ENDED if waiter.end() else 1):
                yield

    def forget(self) -> None:
        """All since the last commit was rolled back."""
        self.undo(0)

    def resources(self) -> list[int]:
        """What is being waited for."""
        return list(self._waiters)

    def expire_all(self) -> None:
        """End all waits: the platform stops."""
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.fail(Refused("expire", "the platform stops"))
