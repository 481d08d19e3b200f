"""When to try again: exponential backoff with full jitter, a cap and a budget."""

from __future__ import annotations

import random

_BUDGET = 10.0  # retries that may come quickly
_EARNED = 0.5  # how many of them a success gives back


class Backoff:
    """Says how long to wait after a failure.

    Full jitter spreads a fleet that lost its platform at the same moment. The
    budget keeps a client whose every second request fails from retrying quickly
    for ever: when it is used up, retries come at the pace of the cap.

    Args:
        base: Seconds; the first delay is between 0 and twice this.
        cap: Seconds; the longest delay.
    """

    def __init__(self, base: float, cap: float) -> None:
        self._base, self._cap = base, cap
        self._failures = 0
        self._budget = _BUDGET

    def succeeded(self) -> None:
        """A request was answered."""
        self._failures = 0
        self._budget = min(_BUDGET, self._budget + _EARNED)

    def failed(self, retry_after: float | None = None) -> float:
        """A request failed; return how many seconds to wait.

        Args:
            retry_after: What the answer asked for, in seconds; waited in any case.
        """
        self._failures = min(self._failures + 1, 30)
        highest = min(self._cap, self._base * 2**self._failures)
        lowest = 0.0
        if self._budget < 1:
            lowest, highest = self._cap / 2, self._cap
        else:
            self._budget -= 1
        return max(random.uniform(lowest, highest), retry_after or 0.0)
