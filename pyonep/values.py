"""What `write` and `record` of a Datastore take, as it is kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from . import jsonrpc
from .exceptions import JsonStringException

__all__ = ["check_alias", "kept", "timed"]

_LARGEST_TIME = 2**53  # what the platform takes
_DEEPEST = 200  # levels of lists and dicts
_WIDE = 2**64  # integers beyond are looked at more closely
_ATOMS = (bool, type(None))


def check_alias(alias: Any) -> None:
    """Find an alias to be text.

    Raises:
        JsonStringException: It holds half of a surrogate pair.
        ValueError: It is no text.
    """
    if type(alias) is not str and not isinstance(alias, str):
        raise ValueError(f"an alias is text, not {type(alias).__name__}")
    if not alias.isascii():
        _check_text(alias)


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise JsonStringException(
            "a text holds half of a surrogate pair, which is no character"
        ) from None


def kept(value: Any) -> Any:
    """A value as it is kept: found to be JSON, and not changed by who changes the original.

    Raises:
        JsonStringException: It is not JSON.
    """
    kind = type(value)
    if (kind is float and math.isfinite(value)) or (kind is int and -_WIDE < value < _WIDE):
        return value
    if kind in _ATOMS:
        return value
    if kind is str and value.isascii():
        return value
    jsonrpc.check("write", [value])
    _check_inside(value)
    try:
        copy = jsonrpc.loads(jsonrpc.dumps(value))
        jsonrpc.check("write", [copy])  # as a spool brings it back
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise JsonStringException(f"a value cannot be written as JSON: {error}") from None
    return copy if isinstance(value, (dict, list, tuple, bytes)) else value


def _check_inside(value: Any) -> None:
    """Look at all that a value holds."""
    stack = [(value, 0)]
    while stack:
        item, depth = stack.pop()
        if depth > _DEEPEST:
            raise JsonStringException(f"a value is nested more than {_DEEPEST} levels deep")
        if isinstance(item, str):
            _check_text(item)
        elif isinstance(item, dict):
            stack += [(one, depth + 1) for one in (*item, *item.values())]
        elif isinstance(item, (list, tuple)):
            stack += [(one, depth + 1) for one in item]


def timed(entries: Sequence[Sequence[Any]], now: int) -> list[tuple[int, Any]]:
    """Entries with times of their own: whole seconds, offsets resolved.

    Args:
        entries: ``[[timestamp, value], ...]``; Unix seconds, negative for an offset from now.
        now: Unix second.

    Raises:
        JsonStringException: A value is not JSON.
        ValueError: A timestamp is no number of seconds, is 0, or out of range.
    """
    points = []
    for stamp, value in entries:
        if type(stamp) is not int:
            stamp = _whole(stamp)
        second = stamp if stamp > 0 else now + stamp
        if not stamp or not 0 < second <= _LARGEST_TIME:
            raise ValueError(f"a timestamp is a number of seconds, not 0: {str(stamp)[:40]}")
        points.append((second, kept(value)))
    return points


def _whole(stamp: Any) -> int:
    """A timestamp in whole seconds; 0 when it is none."""
    if isinstance(stamp, bool) or not isinstance(stamp, (int, float)):
        raise ValueError(f"a timestamp is a number of seconds, not 0: {stamp!r}")
    return int(stamp) if math.isfinite(stamp) else 0
