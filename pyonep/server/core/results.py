"""What a procedure comes to."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional

from .errors import Refused
from .turns import Steps


class Wait(NamedTuple):
    """The result is the next point of a series.

    Attributes:
        resource: Number of the series.
        timeout: Seconds after which no point comes any more.
        since: Only a point that is not older counts, in Unix seconds; None: any.
        objection: Why the caller may not have the point any more; None while it may.
    """

    resource: int
    timeout: float
    since: Optional[float]
    objection: Callable[[], Optional[Refused]]


class Result(NamedTuple):
    """What a procedure comes to: a value, a wait for it, or the steps to another result.

    Attributes:
        value: The value; None when there is only a status.
        refused: Points that were refused, while the others are stored: ``[[time, "invalid"],
            ...]``; None when all are.
        is_written: Whether the value is JSON already, as `pieces.Encoded`.
        wait: What comes later.
        steps: Long work, at whose end there is a result without steps.
        check: Raises when the steps may not go on; asked whenever others have run.
    """

    value: Any = None
    refused: Optional[list[list[Any]]] = None
    is_written: bool = False
    wait: Optional[Wait] = None
    steps: Optional[Steps[Result]] = None
    check: Callable[[], None] = lambda: None


DONE = Result()


def long(steps: Steps[Any]) -> Result:
    """The result of long work that ends with a value, or with None."""
    return Result(steps=_valued(steps))


def _valued(steps: Steps[Any]) -> Steps[Result]:
    return Result((yield from steps))
