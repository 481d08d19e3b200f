"""How long a request may take: for each step, and altogether.

A socket knows one limit, for one read or write. A server that sends a byte now and
then keeps each of them and never ends. So every step asks a `Deadline` how long it may
take: looking up the name, connecting, the TLS handshake, each piece that is sent and
each that is read, whether it belongs to a header, a chunk or the body.
"""

from __future__ import annotations

import contextlib
import decimal
import math
import numbers
import socket
import threading
import time
from typing import Any, Optional

__all__ = ["Deadline", "current", "time_limit"]

# A socket takes no more (24 days in milliseconds).
_LONGEST = 2_000_000.0


class Deadline:
    """The time a request has.

    Args:
        step: Seconds for each step; None for no limit.
        total: Seconds for all of them; None for no limit.
        once_sent: Whether the total begins when the request is sent: a body of any
            length may be on its way as long as it moves.
    """

    __slots__ = ("_before", "_begins", "_end", "step", "total")

    def __init__(self, step: float | None, total: float | None, once_sent: bool = False) -> None:
        self.step: Optional[float] = _LONGEST if step is not None and step > _LONGEST else step
        self.total: Optional[float] = total
        self._begins = once_sent
        self._end: Optional[float] = None
        if total is not None and not once_sent:
            self._end = time.monotonic() + total

    def is_over(self) -> bool:
        """Whether the total has passed."""
        return self._end is not None and time.monotonic() >= self._end

    def next(self) -> float | None:
        """Seconds that the next step may take; None for no limit.

        Raises:
            socket.timeout: The total has passed.
        """
        if self._end is None:
            return self.step
        left = self._end - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        if self.step is not None and self.step < left:
            return self.step
        return min(left, _LONGEST)

    def limit(self, sock: Any) -> None:
        """Give a socket the time that the next step may take.

        Raises:
            socket.timeout: The total has passed.
        """
        # This runs for each piece that is sent or read: the usual case is decided here.
        seconds = self.step
        if self._end is not None and (seconds is None or self._end - time.monotonic() <= seconds):
            seconds = self.next()
        if sock.gettimeout() != seconds:  # to ask costs nothing, to set calls the system
            sock.settimeout(seconds)

    def sent(self) -> None:
        """The request is out, and the answer is waited for."""
        if self._begins and self.total is not None:
            self._begins = False
            self._end = time.monotonic() + self.total

    def lift(self) -> None:
        """From now on each step has its limit, and the whole has none."""
        self._end = None
        self._begins = False

    def __enter__(self) -> None:
        """Connections that this thread uses inside the block keep to this deadline."""
        self._before = current()
        _under_way.deadline = self

    def __exit__(self, *_: object) -> None:
        _under_way.deadline = self._before


_NONE = Deadline(None, None)
_under_way = threading.local()


def current() -> Deadline:
    """The deadline that this thread works under; one without limits where there is none."""
    return getattr(_under_way, "deadline", _NONE)


def time_limit(value: Any, name: str = "httptimeout") -> float | None:
    """A time limit as programs of any era give it.

    Args:
        value: A number, text that is one (``"60"``), or None for no limit.
        name: What the error calls it.

    Raises:
        ValueError: It is something else, or not more than 0 and finite: NaN, an infinity, a
            truth value, bytes.
    """
    if value is None:
        return None
    number: Any = None
    if isinstance(value, (str, numbers.Real, decimal.Decimal)) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            number = float(value)
    if number is None or not 0 < number < math.inf:
        raise ValueError(
            f"{name} must be a number of seconds above 0, text that is one, or None, not {value!r}"
        )
    return value if isinstance(value, (int, float)) else float(number)
