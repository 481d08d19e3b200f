"""How the platform says no. Fronts translate; nothing here knows HTTP."""

from __future__ import annotations


class Refused(Exception):
    """A call ends with a status other than ok.

    Args:
        status: The status, for example ``invalid`` or ``restricted``.
        reason: What was wrong and what is expected, for the one who reads it.
    """

    def __init__(self, status: str, reason: str = "") -> None:
        super().__init__(reason or status)
        self.status = status
        self.reason = reason


class BadArguments(Exception):
    """A procedure was called with arguments it does not take."""


class Unauthorized(Exception):
    """The credentials do not name a client that may call."""


def invalid(reason: str) -> Refused:
    """Status ``invalid``, with its reason."""
    return Refused("invalid", reason)
