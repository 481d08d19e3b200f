"""Finding the point on account of which the platform fails a request.

A value may be one that the platform, or a proxy in front of it, never takes: nested too deep,
too long, one that makes it answer 500. The request that holds it fails each time; what else is
in it must not wait for ever.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Optional

from .backoff import Budget, pause
from .exceptions import JsonStringException, OnePlatformException

__all__ = ["Blame", "Isolation", "blame"]

# HTTP statuses that speak of the moment or of the caller, not of what a request holds.
_NOT_THE_CONTENT = frozenset({401, 407, 408, 425, 429, 502, 503, 504})
_NOT_JSON = -1


class Blame(NamedTuple):
    """What a failure says about the request that met it.

    Attributes:
        refused: Whether the platform says that the request is at fault; nothing was carried out.
        times: How often a point has to fail alone, while the platform answers others, before it
            is given up.
        text: The failure, in a few words.
    """

    refused: bool
    times: int
    text: str


def blame(error: Exception) -> Blame:
    """Read from a failure whether what was sent may be the reason."""
    if isinstance(error, JsonStringException):
        return Blame(True, 1, "it cannot be written as JSON")
    status = code = None
    if isinstance(error, OnePlatformException):
        status, code = error.http_status, error.code
    if code in (400, _NOT_JSON):
        return Blame(True, 3, f"the platform answers {code} to it")
    if status in _NOT_THE_CONTENT or (status is None and code is None):
        return Blame(False, 20, "no request with it is answered")
    if status is not None and 400 <= status < 500:
        return Blame(True, 3, f"HTTP {status} is the answer to it")
    what = f"HTTP {status} is the answer" if code is None else f"the platform answers {code}"
    return Blame(False, 10, f"{what} to it, and takes others")


class _Group:
    """Points that are tried by themselves."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers = list(numbers)
        self.due = 0.0
        self.failures = 0


class Isolation:
    """Halves a request that fails until the point that makes it fail is alone.

    A platform that is down fails everything: nothing is concluded from a failure before the
    platform has answered something harmless after it (`in_question`, `platform_answers`).

    Args:
        most: Points in a request when nothing is suspected.
        base: Seconds; how long the first point found alone rests before it is tried again.
        cap: Seconds; the longest rest.
        budget: What quick retries are drawn from.
    """

    def __init__(self, most: int, base: float, cap: float, budget: Budget) -> None:
        self._most = most
        self.limit: int = most
        self._base, self._cap, self._budget = base, cap, budget
        self._groups: list[_Group] = []
        self._failed: Optional[tuple[list[int], Blame]] = None
        self._failed_before: set[int] = set()
        self.suspects: set[int] = set()

    @property
    def in_question(self) -> bool:
        """Whether it has to be seen if the platform answers at all."""
        return self._failed is not None

    def due(self, now: float) -> list[int] | None:
        """Numbers of the points that are to be tried by themselves now."""
        self._tidy()
        for group in self._groups:
            if group.due <= now:
                return group.numbers
        return None

    def postpone(self, numbers: Sequence[int], until: float) -> None:
        """Leave the group of these points alone for a while: the platform said: not now."""
        self._group_of(numbers).due = until

    def next_due(self) -> float:
        """When the next of them is to be tried; infinity: there are none."""
        return min((group.due for group in self._groups), default=math.inf)

    def failed(self, numbers: Sequence[int], found: Blame) -> bool:
        """A request with these points failed.

        Returns:
            Whether the next request may follow at once: the platform answered, and will answer
            others.
        """
        if not numbers:
            return False
        if found.refused and len(numbers) > 1:
            self.limit = min(self.limit, max(1, len(numbers) // 2))
            self._split(numbers)
            return True
        # The first failure of points that are not suspected may have been of the moment.
        again = not self._failed_before.isdisjoint(numbers)
        if found.refused or again or self.suspects.issuperset(numbers):
            self._failed = (list(numbers), found)
        self._failed_before = set(numbers)
        return found.refused

    def platform_answers(self, now: float) -> tuple[int, str] | None:
        """The platform answered something harmless after a failure.

        Returns:
            A point that is to be given up, and why.
        """
        if self._failed is None:
            return None
        (numbers, found), self._failed = self._failed, None
        if len(numbers) > 1:
            self._split(numbers)
            return None
        group = self._group_of(numbers)
        group.failures += 1
        if group.failures >= found.times:
            return numbers[0], found.text
        group.due = now
        if not found.refused:
            group.due += pause(group.failures, self._base, self._cap, self._budget.spend())
        return None

    def settled(self, numbers: Iterable[int]) -> None:
        """Points had an answer, or are out of the buffer."""
        if not (self.suspects or self._failed_before):
            return
        gone = set(numbers)
        self._failed_before -= gone
        if self.suspects & gone:
            self.suspects -= gone
            if not self.suspects:
                self.limit = self._most

    def _split(self, numbers: Sequence[int]) -> None:
        group = self._group_of(numbers)
        self._groups.remove(group)
        half, sent = (len(numbers) + 1) // 2, set(numbers)
        rest = [number for number in group.numbers if number not in sent]
        self._groups[:0] = [_Group(numbers[:half]), _Group(numbers[half:]), _Group(rest)]
        self.suspects.update(numbers)

    def _group_of(self, numbers: Sequence[int]) -> _Group:
        for group in self._groups:
            if numbers[0] in group.numbers:
                return group
        group = _Group(numbers)
        self._groups.append(group)
        self.suspects.update(numbers)
        return group

    def _tidy(self) -> None:
        for group in self._groups:
            group.numbers = [number for number in group.numbers if number in self.suspects]
        self._groups = [group for group in self._groups if group.numbers]
