"""How the platform says no. Fronts translate; nothing here knows HTTP."""

from __future__ import annotations

from typing import Any

_LONGEST = 200  # characters of a text that an error names


class Refused(Exception):
    """A call ends with a status other than ok.

    Args:
        status: The status, for example ``invalid`` or ``restricted``.
        reason: What was wrong and what is expected, for the one who reads it.
        result: What the answer gives as its result; None gives none.
    """

    def __init__(self, status: str, reason: str = "", result: Any = None) -> None:
        super().__init__(reason or status)
        self.status = status
        self.reason = reason
        self.result = result


class NotKept(Exception):
    """What was done could not be made durable, and is undone."""


class HungUp(Exception):
    """The client that waited is gone."""


class BadArguments(Exception):
    """A procedure was called with arguments it does not take."""


class BadWord(BadArguments):
    """An argument is none of the words that would fit; the caller is told which do."""


def invalid(reason: str) -> Refused:
    """Status ``invalid``, with its reason."""
    return Refused("invalid", reason)


class Problem(Exception):
    """A provisioning or data request that is not carried out.

    Args:
        detail: What was wrong and what is expected, for the one who reads it.
    """

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class Unauthorized(Problem):
    """The credentials do not name a client that may call."""


class Malformed(Problem):
    """The request makes no sense."""


class Forbidden(Problem):
    """The caller may not do this."""


class NotFound(Problem):
    """There is no such thing."""


class Conflict(Problem):
    """It exists already, or is in another state."""


class Unusable(Problem):
    """The template of a model cannot be cloned."""


class TooLarge(Problem):
    """A body or a value is longer than the limit."""


class Unsupported(Problem):
    """The body is of another type than is taken here."""


def shown(text: str) -> str:
    """A text as an error names it: quoted, and cut where it is long."""
    return repr(text) if len(text) <= _LONGEST else f"{text[:_LONGEST]!r}…"
