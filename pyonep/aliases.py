"""Aliases that a Datastore leaves alone for a while."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .backoff import Budget, pause
from .clock import Clock

__all__ = ["Resting", "Unknown"]

_UNKNOWN_FOR = 60.0  # seconds


class Unknown:
    """Aliases that were not there: for a while their points are refused at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def add(self, aliases: Iterable[str]) -> None:
        """These are not there."""
        self._until.update(dict.fromkeys(aliases, self._clock.monotonic() + _UNKNOWN_FOR))

    def discard(self, alias: str) -> None:
        """It is there now."""
        self._until.pop(alias, None)

    def __contains__(self, alias: str) -> bool:
        until = self._until.get(alias) if self._until else None
        if until is not None and self._clock.monotonic() > until:
            self.discard(alias)
            return False
        return until is not None


class Resting:
    """Aliases of which the platform says: not now.

    Args:
        base: Seconds; how long one rests the first time.
        cap: Seconds; the longest rest.
        budget: What quick retries are drawn from.
        clock: What time it is.
    """

    def __init__(self, base: float, cap: float, budget: Budget, clock: Clock) -> None:
        self._base, self._cap = base, cap
        self._budget, self._clock = budget, clock
        self._known: dict[str, tuple[float, int]] = {}  # until when, times in a row

    def add(self, aliases: Iterable[str]) -> None:
        """The platform said so of these."""
        pauses: dict[int, float] = {}  # those that fail together are tried again together
        for alias in aliases:
            times = self._known.get(alias, (0.0, 0))[1] + 1
            if times not in pauses:
                pauses[times] = pause(times, self._base, self._cap, self._budget.spend())
            self._known[alias] = (self._clock.monotonic() + pauses[times], times)

    def discard(self, aliases: Iterable[str]) -> None:
        """The platform took points of these."""
        for alias in aliases if self._known else ():
            self._known.pop(alias, None)

    def __bool__(self) -> bool:
        return bool(self._known)

    def __contains__(self, alias: str) -> bool:
        return self.until(alias) > self._clock.monotonic() if self._known else False

    def until(self, alias: str) -> float:
        """When an alias may be tried again, on the monotonic clock."""
        return self._known.get(alias, (-math.inf, 0))[0]

    def next_due(self) -> float:
        """When the first of those that rest may be tried again; infinity: none rests."""
        now = self._clock.monotonic()
        return min((until for until, _ in self._known.values() if until > now), default=math.inf)
