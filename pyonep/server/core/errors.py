"""How the platform says no: one tree of refusals. Each front has one table of how it says them.

    Refused
        Invalid            it makes no sense, or a limit stands against it
            NoSuchAlias    no resource has the alias
            BadValue       the series cannot keep the value
            NotFound       there is no such thing
                NoSuchModel    no such vendor or model
            Conflict       it exists already, or is in another state
            Unusable       the template of a model cannot be cloned
            TooLarge       a body or a value is longer than the limit
            Unsupported    the body is of another type than is taken here
        Unauthorized       the credentials name nobody who may call
        Forbidden          the caller may not do this
            Locked         it is locked
            OutOfReach     there is no such resource, or none that the caller may know of
            NotOwner       it may where it is the owner, which it is not here
        Mistaken           asked in a way of which a procedure says just that it is wrong
            NoSuchType     the same, of a type to list: the answer has the reason
            Gone           what was waited for was dropped
        Expired            what was waited for did not come in time
        BadArguments       a procedure does not take such arguments
            BadWord        an argument is none of the words that would fit: the answer has them
        NoProcedure        there is no such procedure

Nothing here knows HTTP or the words of the RPC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

_LONGEST = 200  # characters of a text that an error names


class Refused(Exception):
    """What was asked for is not done, and nothing of it is left.

    Args:
        reason: What was wrong and what is expected, for the one who reads it.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Invalid(Refused):
    """It makes no sense, or a limit stands against it."""


class NoSuchAlias(Invalid):
    """No resource has the alias.

    Args:
        reason: As for `Refused`.
        alias: The alias.
    """

    def __init__(self, reason: str = "", alias: str = "") -> None:
        super().__init__(reason)
        self.alias = alias


class BadValue(Invalid):
    """The series cannot keep the value, which is not of its format."""


class NotFound(Invalid):
    """There is no such thing."""


class NoSuchModel(NotFound):
    """There is no such vendor or model."""


class Conflict(Invalid):
    """It exists already, or is in another state."""


class Unusable(Invalid):
    """The template of a model cannot be cloned."""


class TooLarge(Invalid):
    """A body or a value is longer than the limit."""


class Unsupported(Invalid):
    """The body is of another type than is taken here."""


class Unauthorized(Refused):
    """The credentials do not name a client that may call."""


class Forbidden(Refused):
    """The caller may not do this."""


class Locked(Forbidden):
    """The caller is locked."""


class OutOfReach(Forbidden):
    """There is no such resource, or none that the caller may know of."""


class NotOwner(Forbidden):
    """The caller is not the owner, who alone may do this."""


class Mistaken(Refused):
    """It was asked for in a way of which a procedure says just that it is wrong."""


class NoSuchType(Mistaken):
    """There is no such type of resource to list; the answer has the reason."""


class Gone(Mistaken):
    """What was waited for was dropped."""


class Expired(Refused):
    """What was waited for did not come in time."""


class BadArguments(Refused):
    """A procedure was called with arguments it does not take."""


class BadWord(BadArguments):
    """An argument is none of the words that would fit; the caller is told which do."""


class NoProcedure(Refused):
    """There is no such procedure."""


Said = TypeVar("Said")


def said_in(table: Mapping[type[Refused], Said], refused: Refused) -> Said:
    """How a table says a refusal; one that has no line is said as what it is a kind of."""
    return next(table[kind] for kind in type(refused).__mro__ if kind in table)


class NotKept(Exception):
    """What was done could not be made durable, and is undone."""


class HungUp(Exception):
    """The client that waited is gone."""


def shown(text: str) -> str:
    """A text as an error names it: quoted, and cut where it is long."""
    return repr(text) if len(text) <= _LONGEST else f"{text[:_LONGEST]!r}…"
