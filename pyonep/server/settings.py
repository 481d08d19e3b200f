"""What can be set on a platform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Settings:
    """Limits and habits of a platform.

    Attributes:
        max_request_bytes: Longest request body.
        max_nesting: How deep lists and objects of a request may be nested.
        max_calls: Calls in one request.
        max_points: Points in one ``record`` or ``recordbatch``, and values in one
            ``writegroup``.
        max_text: Characters in one value of format ``string``.
        requests_per_connection: Close a connection after so many requests, as the
            hosted service did after 100; None never does.
        synchronous: SQLite's setting of that name.
        activation_window: Seconds in which a key that was not activated yet may be.
    """

    max_request_bytes: int = 32 * 1024 * 1024
    max_nesting: int = 64
    max_calls: int = 10_000
    max_points: int = 100_000
    max_text: int = 1024 * 1024
    requests_per_connection: Optional[int] = None
    synchronous: str = "FULL"
    activation_window: int = 24 * 3600
