"""Values: what a format accepts and how it is kept, comparisons and arithmetic."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Sequence
from typing import Any, Callable

from .descriptions import UNSTORABLE, is_storable
from .errors import BadValue, Invalid

_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_LONGEST_NUMBER = 400


def as_number(value: Any) -> int | float | None:
    """The number that a value is or spells, or None.

    An integer beyond 64 bits counts as the float nearest to it; what no float can hold
    is no number. So whatever is calculated with numbers stays small.
    """
    if isinstance(value, str):
        if len(value) > _LONGEST_NUMBER:
            return None
        if not _INTEGER.match(value):
            return _finite(value) if _NUMBER.match(value) else None
        value = int(value)
    if type(value) is int:
        return value if _SMALLEST <= value <= _LARGEST else _finite(value)
    return value if isinstance(value, float) and math.isfinite(value) else None


def _finite(text: Any) -> float | None:
    try:
        number = float(text)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _integer(value: Any, _: int) -> str:
    number = as_number(value)
    if not isinstance(number, int):
        raise BadValue("the value must be an integer, or text that is one, of 64 bits with sign")
    return str(number)


def _float(value: Any, _: int) -> str:
    if type(value) is float and math.isfinite(value):
        return repr(value)
    number = as_number(value)
    number = None if number is None else _finite(number)
    if number is None:
        raise BadValue("the value must be a finite number, or text that is one")
    return repr(number)


def _string(value: Any, max_text: int) -> str:
    if not isinstance(value, str):
        if as_number(value) is None:
            raise BadValue("the value must be text or a finite number")
        return str(value) if isinstance(value, int) else repr(value)
    if len(value) > max_text:
        raise BadValue(f"the text must have at most {max_text} characters")
    if not is_storable(value):
        raise BadValue(f"the text {UNSTORABLE}")
    return value


Keep = Callable[[Any, int], str]
_KEEP: dict[str, Keep] = {"integer": _integer, "float": _float, "string": _string}
_GIVE: dict[str, Callable[[str], Any]] = {"integer": int, "float": float, "string": str}


def keeper(format: str) -> Keep:
    """What turns a value into the text that is kept, or refuses it as ``invalid``."""
    return _KEEP[format]


def all_kept(format: str, raws: Sequence[Any], max_text: int) -> Sequence[str] | None:
    """What `keeper` makes of many values, in a fifth of the time.

    Returns:
        The texts; None when some are not what nearly all values of the format are, and each has
        to be looked at.
    """
    kinds = set(map(type, raws))
    if format == "integer" and kinds == {int}:
        are_plain = min(raws) >= _SMALLEST and max(raws) <= _LARGEST
        return list(map(repr, raws)) if are_plain else None  # takes half the time of `str`
    if format == "float" and kinds <= {float, int}:
        try:
            return list(map(repr, map(float, raws))) if all(map(math.isfinite, raws)) else None
        except OverflowError:
            return None
    if format == "string" and kinds == {str}:
        are_plain = max(map(len, raws)) <= max_text and is_storable("".join(raws))
        return raws if are_plain else None
    return None


def giver(format: str) -> Callable[[str], Any]:
    """What turns the text that is kept into the value again."""
    return _GIVE[format]


# --- comparisons and arithmetic --------------------------------------------

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "geq": operator.ge,
    "lt": operator.lt,
    "leq": operator.le,
    "eq": operator.eq,
    "neq": operator.ne,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "mod": operator.mod,
}


def compare(comparison: str, value: Any, constant: Any) -> bool:
    """Compare as numbers where both are, else as texts.

    Raises:
        Invalid: Neither numbers nor texts.
    """
    left, right = as_number(value), as_number(constant)
    if left is None or right is None:
        if not isinstance(value, (str, int, float)) or isinstance(value, bool):
            raise Invalid("only numbers and texts can be compared")
        left, right = str(value), str(constant)  # type: ignore[assignment]
    return bool(_COMPARE[comparison](left, right))


def calculate(operation: str, value: Any, operand: Any) -> Any:
    """Carry out one operation of a ``preprocess`` that is no comparison.

    Raises:
        Invalid: It needs numbers, or has no result.
    """
    left, right = as_number(value), as_number(operand)
    if left is None or right is None:
        raise Invalid(f"preprocess: {operation} needs numbers")
    try:
        result = as_number(_ARITHMETIC[operation](left, right))
    except (ZeroDivisionError, OverflowError, TypeError) as error:
        raise Invalid(f"preprocess: {operation}: {error}") from error
    if result is None:
        raise Invalid(f"preprocess: {operation}: the result overflows")
    return result
