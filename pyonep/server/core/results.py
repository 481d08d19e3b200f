"""What a procedure may come to, besides a value and steps that lead to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, NamedTuple, Optional

from .errors import Refused


class Wait(NamedTuple):
    """The result is the next point of a series.

    Attributes:
        resource: Number of the series.
        timeout: Seconds after which no point comes any more.
        since: Only a point that is not older counts, in Unix seconds; None: any.
        ended: Why the caller may not have the point any more; None while it may.
    """

    resource: int
    timeout: float
    since: Optional[float]
    ended: Callable[[], Optional[Refused]]


@dataclass(frozen=True)
class Partly:
    """Some points were stored and some refused: ``[[time, "invalid"], ...]``.

    A result, not an error: what was stored stays.
    """

    refused: list[list[Any]]
