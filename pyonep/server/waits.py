"""Callers that wait for the next point of a series."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple, Optional

from .errors import Refused

DEFAULT_TIMEOUT = 30_000  # milliseconds
LONGEST_TIMEOUT = 300_000


class Arrival(NamedTuple):
    """A point that was stored, and its place among all that were."""

    resource: int
    time: int
    value: Any
    number: int


class Waiter:
    """One caller that waits; `result` is awaited by the front that answers it."""

    def __init__(self, resource: int, timeout: float, since: Optional[int], after: int) -> None:
        self.resource = resource
        self.timeout = timeout  # seconds
        self.since = since
        self.after = after
        self.future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    def wants(self, arrival: Arrival) -> bool:
        """Whether this is what the caller waits for."""
        if arrival.number <= self.after or self.future.done():
            return False
        return self.since is None or arrival.time > self.since


class Waits:
    """All open waits, by resource. A wait costs a future and a timer, no thread."""

    def __init__(self) -> None:
        self._waiters: dict[int, set[Waiter]] = {}
        self._arrived: list[Arrival] = []
        self._number = 0

    def __len__(self) -> int:
        return sum(map(len, self._waiters.values()))

    def is_awaited(self, resource: int) -> bool:
        """Whether anyone waits for this resource."""
        return resource in self._waiters

    def arrived(self, resource: int, time: int, value: Any) -> None:
        """Note a point; those who wait are told once it is durable."""
        if resource in self._waiters:
            self._number += 1
            self._arrived.append(Arrival(resource, time, value, self._number))

    def open(self, resource: int, timeout: float, since: int | None = None) -> Waiter:
        """Begin to wait for what arrives from now on."""
        waiter = Waiter(resource, timeout, since, self._number)
        self._waiters.setdefault(resource, set()).add(waiter)
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
        try:
            return await asyncio.wait_for(waiter.future, waiter.timeout)
        except asyncio.TimeoutError:
            raise Refused("expire", "no point came in time") from None
        finally:
            self.close(waiter)

    def deliver(self) -> None:
        """Tell those who wait about the points that are durable now."""
        arrived, self._arrived = self._arrived, []
        for arrival in arrived:
            for waiter in self._waiters.get(arrival.resource, ()):
                if waiter.wants(arrival):
                    waiter.future.set_result([arrival.time, arrival.value])

    def forget_arrivals(self) -> None:
        """The points noted were rolled back."""
        self._arrived = []

    def resources(self) -> list[int]:
        """What is being waited for."""
        return list(self._waiters)

    def expire_all(self) -> None:
        """End all waits: the platform stops."""
        for waiters in self._waiters.values():
            for waiter in waiters:
                if not waiter.future.done():
                    waiter.future.set_exception(Refused("expire", "the platform stops"))

    def dropped(self, resource: int) -> None:
        """End all waits for a resource that is gone."""
        for waiter in self._waiters.get(resource, ()):
            if not waiter.future.done():
                waiter.future.set_exception(Refused("error", "the resource was dropped"))
