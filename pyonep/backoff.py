"""When to try again: exponential backoff with full jitter, a cap and a budget."""

from __future__ import annotations

import random

__all__ = ["Backoff", "Budget", "pause"]

_BUDGET = 10.0  # retries that may come quickly
_EARNED = 0.5  # how many of them a success gives back
_MOST_FAILURES = 30  # that are counted


def pause(failures: int, base: float, cap: float, is_quick: bool) -> float:
    """Draw how many seconds to wait after something failed again: the rule for all retries.

    Full jitter spreads a fleet that lost its platform at the same moment.

    Args:
        failures: How often it failed in a row, this time included.
        base: Seconds; the first pause is between 0 and twice this.
        cap: Seconds; the longest pause.
        is_quick: Whether there is budget; without, pauses come near the cap.
    """
    if not is_quick:
        return random.uniform(cap / 2, cap)
    return random.uniform(0.0, min(cap, base * 2 ** min(failures, _MOST_FAILURES)))


class Budget:
    """Retries that may come quickly; shared by all that speak to one platform.

    It keeps a client whose every second request fails from retrying quickly for ever: when it is
    used up, retries come at the pace of the cap.
    """

    def __init__(self) -> None:
        self._left = _BUDGET

    def spend(self) -> bool:
        """Take one retry; return whether there was one."""
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def earn(self) -> None:
        """A request was answered."""
        self._left = min(_BUDGET, self._left + _EARNED)


class Backoff:
    """Says how long to wait after a failure.

    Args:
        base: Seconds; the first delay is between 0 and twice this.
        cap: Seconds; the longest delay.
        budget: What retries are drawn from; one of its own when None.
    """

    def __init__(self, base: float, cap: float, budget: Budget | None = None) -> None:
        self._base, self._cap = base, cap
        self._failures = 0
        self._budget = budget or Budget()

    def succeeded(self) -> None:
        """A request was answered."""
        self._failures = 0
        self._budget.earn()

    def failed(self, retry_after: float | None = None) -> float:
        """A request failed; return how many seconds to wait.

        Args:
            retry_after: What the answer asked for, in seconds; waited in any case.
        """
        self._failures += 1
        delay = pause(self._failures, self._base, self._cap, self._budget.spend())
        return max(delay, retry_after or 0.0)
