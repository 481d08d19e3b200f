"""JSON as all fronts read and write it: what is not JSON goes neither in nor out."""

from __future__ import annotations

import json
import math
import sys
from typing import Any, Callable, NoReturn

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
        value = decoder.decode(body.decode("utf-8"))
    except RecursionError:
        raise NestedTooDeep from None
    except ValueError as error:
        raise not_json(error) from None
    if body.count(b"[") + body.count(b"{") > deepest:
        check_nesting(value, deepest)
    return value


def not_json(error: ValueError) -> NotJson:
    """The error for a body that cannot be read, from the one that the decoder had."""
    return NotJson(f"the body is not JSON: {str(error)[:200]}")


def check_nesting(value: Any, deepest: int) -> None:
    """See that lists and objects are nested at most so deep.

    Raises:
        NestedTooDeep: They are not.
    """
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
