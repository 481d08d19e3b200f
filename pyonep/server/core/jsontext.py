"""JSON as all fronts read and write it: what is not JSON goes neither in nor out."""

from __future__ import annotations

import json
import math
import sys
from typing import Any, Callable, NoReturn, Optional

try:
    import orjson
except ImportError:  # no wheel of it for this machine
    orjson = None  # type: ignore[assignment]

_MOST_DIGITS = 4300  # of an integer, as in Python


class NotJson(ValueError):
    """A text is not JSON; ``1e999``, which no float can hold, is no number of JSON."""


class NestedTooDeep(Exception):
    """Lists and objects are nested deeper than is taken."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number overflows")
    return number


def _int(text: str) -> int:
    if len(text.lstrip("-")) > _MOST_DIGITS:
        raise ValueError(f"an integer has more than {_MOST_DIGITS} digits")
    return int(text)


# Integers of thousands of digits take a time that grows with their square. Python itself refuses
# them but for early releases of 3.9 and 3.10; asking here doubles the time that a batch takes.
_own_limit: dict[str, Any] = {} if hasattr(sys, "get_int_max_str_digits") else {"parse_int": _int}

# Made once: json.loads and json.dumps make them anew for every call with options.
decoder: json.JSONDecoder = json.JSONDecoder(
    parse_constant=_no_constant, parse_float=_float, **_own_limit
)
to_text: Callable[[Any], str] = json.JSONEncoder(allow_nan=False, check_circular=False).encode


# orjson reads in a fifth of the time, but takes an integer beyond 64 bits for a float: what has so
# many digits in a row is not given to it.
_quickly: Optional[Callable[[bytes], Any]] = None if orjson is None else orjson.loads
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_MANY_DIGITS = b"0" * 19


def read(body: bytes) -> Any:
    """Read JSON that is nested as deep as may be, in UTF-8.

    Raises:
        ValueError: It is none.
        RecursionError: It is deeper than the decoder goes.
    """
    if _quickly is not None and _MANY_DIGITS not in body.translate(_DIGITS):
        try:
            return _quickly(body)
        except ValueError:
            pass  # no JSON, nested deep, or half of a surrogate pair: the decoder tells them apart
    return decoder.decode(body.decode("utf-8"))


def decode(body: bytes, deepest: int) -> Any:
    """Read the JSON of a request.

    Args:
        body: The text, as UTF-8.
        deepest: How deep lists and objects may be nested.

    Raises:
        NotJson: It is none; the text says why.
        NestedTooDeep: It is deeper than that.
    """
    try:
        value = read(body)
    except RecursionError:
        raise NestedTooDeep from None
    except ValueError as error:
        raise not_json(error) from None
    check_nesting(body, value, deepest)
    return value


def not_json(error: ValueError) -> NotJson:
    """The error for a body that cannot be read, from the one that the decoder had."""
    return NotJson(f"the body is not JSON: {str(error)[:200]}")


def check_nesting(body: bytes, value: Any, deepest: int) -> None:
    """See that lists and objects are nested at most so deep.

    Args:
        body: JSON.
        value: What it was read as.
        deepest: How deep they may be nested.

    Raises:
        NestedTooDeep: They are not.
    """
    if body.count(b"[") + body.count(b"{") <= deepest:
        return
    if b"\\" in body:
        _walk(value, deepest)
        return
    # Every other quote ends a text. Of the rest the brackets are left, and the innermost pairs
    # are taken away, level by level: that takes a tenth of the time of a walk.
    left = b"".join(body.split(b'"')[::2]).translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(deepest):
        if not left:
            return
        left = left.replace(b"[]", b"")
    if left:
        raise NestedTooDeep


_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _walk(value: Any, deepest: int) -> None:
    level = [value]
    for _ in range(deepest):
        level = [
            inner
            for outer in level
            if type(outer) in (dict, list)
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) in (dict, list)
        ]
        if not level:
            return
    raise NestedTooDeep


def encode(value: Any) -> bytes:
    """Write the JSON of an answer, in ASCII."""
    return to_text(value).encode("ascii")
