"""What a Datastore knows of time: it reads a clock and pauses here alone.

Locks, the end of a thread and the network have waits of their own, on the machine's clock.
A test that has a time of its own puts it in `Datastore.clock`.
"""

from __future__ import annotations

import threading
import time
from typing import Callable

__all__ = ["Clock"]


class Clock:
    """The clocks of the machine."""

    def time(self) -> float:
        """Unix seconds; may jump."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment; never jumps."""
        return time.monotonic()

    def wait_for(
        self, condition: threading.Condition, is_met: Callable[[], bool], seconds: float | None
    ) -> bool:
        """Wait until something is so, or for `seconds`; return whether it is.

        Args:
            condition: Held by the caller; notified when it may have become so.
            is_met: What is waited for.
            seconds: At most so long; None waits for ever.
        """
        return condition.wait_for(is_met, seconds)
