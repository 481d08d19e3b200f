"""The one table of procedures."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Callable, NamedTuple, TypeVar

from ..descriptions import UNSTORABLE, is_storable
from ..errors import BadArguments, BadWord, Invalid, NoProcedure
from ..results import Result

Procedure = TypeVar("Procedure", bound=Callable[..., Result])


class _Entry(NamedTuple):
    run: Callable[..., Result]
    fewest: int
    most: int


_TABLE: dict[str, _Entry] = {}


def procedure(function: Procedure) -> Procedure:
    """Enter a function into the table, under its own name.

    Its parameters after the first, the call, are the arguments of the procedure.
    """
    parameters = list(inspect.signature(function).parameters.values())[1:]
    required = [p for p in parameters if p.default is p.empty]
    _TABLE[function.__name__.rstrip("_")] = _Entry(function, len(required), len(parameters))
    return function


def names() -> list[str]:
    """All procedures there are."""
    return sorted(_TABLE)


def find(name: str, arguments: list[Any]) -> Callable[..., Result]:
    """The function of a procedure.

    Raises:
        NoProcedure: There is no such procedure.
        BadArguments: It does not take so many arguments.
    """
    entry = _TABLE.get(name)
    if entry is None:
        raise NoProcedure("there is no such procedure")
    if not entry.fewest <= len(arguments) <= entry.most:
        raise BadArguments(
            f"{name} takes {entry.fewest} to {entry.most} arguments, not {len(arguments)}"
        )
    return entry.run


# --- kinds of arguments ----------------------------------------------------


def an_object(value: Any, what: str) -> dict[str, Any]:
    """The argument, when it is an object; null counts as an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadArguments(f"{what} must be an object")
    return value


def a_list(value: Any, what: str) -> list[Any]:
    """The argument, when it is a list."""
    if not isinstance(value, list):
        raise BadArguments(f"{what} must be a list")
    return value


def a_text(value: Any, what: str) -> str:
    """The argument, when it is text.

    Raises:
        Invalid: It cannot be kept.
    """
    if not isinstance(value, str):
        raise BadArguments(f"{what} must be text")
    if not is_storable(value):
        raise Invalid(f"{what} {UNSTORABLE}")
    return value


def a_word(value: Any, words: Iterable[str]) -> str:
    """The argument, when it is one of these words.

    Raises:
        BadWord: It is not; the text lists them all.
    """
    known = list(words)
    if not isinstance(value, str) or value not in known:
        raise BadWord(f"expected {' or '.join(repr(word) for word in known)}")
    return value


def seconds(value: Any, what: str, default: float) -> float:
    """A time in Unix seconds; null counts as the default.

    Raises:
        Invalid: It is no number.
    """
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 2**61:
        raise Invalid(f"{what} must be a Unix time in seconds")
    return value
