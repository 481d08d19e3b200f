"""Ranges: serial numbers by rule, instead of one by one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..store import Model, Range
from .errors import Conflict, Invalid, NotFound, TooLarge
from .turns import Steps, each
from .unit import Unit

FORMATS = {"base10": "", "base16": "", "mac:48": ":", "mac-48": "-", "mac.48": "."}
_MAC_DIGITS = 12


def of_model(unit: Unit, model: Model) -> list[Range]:
    """The ranges of a model."""
    return unit.devices.ranges(model.id)


def add(unit: Unit, model: Model, new: Sequence[Range]) -> None:
    """Add ranges to a model: all or none.

    Raises:
        TooLarge: They would be too many.
        Conflict: Two ranges would have serial numbers in common.
    """
    known = unit.devices.ranges(model.id)
    most = unit.settings.max_ranges
    if len(known) + len(new) > most:
        raise TooLarge(f"a model has at most {most} ranges")
    if any_overlap([*known, *new]):
        raise Conflict("a range overlaps another; none was added")
    for one in new:
        unit.devices.add_range(model.id, one)


def remove(unit: Unit, model: Model, given: Sequence[Range]) -> None:
    """Remove ranges from a model: all or none.

    Raises:
        NotFound: The model has not all of them.
    """
    known = {one[1:]: one for one in reversed(unit.devices.ranges(model.id))}
    if any(one[1:] not in known for one in given):
        raise NotFound("no such range; none was removed")
    for one in given:
        unit.devices.remove_range(known[one[1:]])


def written(new: Range, value: int) -> str:
    """A value as the serial numbers of a range are written."""
    if new.format == "base10":
        return str(value).zfill(new.length or 0)
    digits = format(value, "X" if new.casing == "upper" else "x")
    if new.format == "base16":
        return digits.zfill(new.length or 0)
    digits = digits.zfill(_MAC_DIGITS)
    step = 4 if new.format == "mac.48" else 2
    parts = [digits[at : at + step] for at in range(0, _MAC_DIGITS, step)]
    return FORMATS[new.format].join(parts)


def in_range(known: Range, sn: str) -> bool:
    """Whether a serial number is one of a range, written exactly as it writes them."""
    digits = sn if known.format == "base10" else re.sub("[:.-]", "", sn)
    try:
        value = int(digits, 10 if known.format == "base10" else 16)
    except ValueError:
        return False
    return known.first <= value <= known.last and written(known, value) == sn


def parsed(unit: Unit, given: Any) -> Steps[list[Range]]:
    """The ranges that the JSON of a request has, in steps.

    Raises:
        Invalid: It is no ``{"ranges": [...]}``, or one of them is no range.
        TooLarge: They are too many.
    """
    ranges = given.get("ranges") if isinstance(given, dict) else None
    if not isinstance(ranges, list) or not ranges:
        raise Invalid("the body must be an object with a list of ranges")
    most = unit.settings.max_ranges
    if len(ranges) > most:
        raise TooLarge(f"at most {most} ranges")
    return (yield from each(ranges, parsed_range))


def parsed_range(given: Any) -> Range:
    """A range from the JSON of a request."""
    if not isinstance(given, dict):
        raise Invalid("a range is an object")
    kind, length, casing = given.get("format"), given.get("length"), given.get("casing")
    first, last = given.get("first"), given.get("last")
    if not isinstance(kind, str) or kind not in FORMATS:
        raise Invalid(f"format must be one of {', '.join(FORMATS)}")
    if length is not None and (type(length) is not int or not 0 < length <= 128):
        raise Invalid("length must be a number of digits or null")
    if casing is not None and casing not in ("upper", "lower"):
        raise Invalid("casing must be upper, lower or null")
    if type(first) is not int or type(last) is not int or not 0 <= first <= last < 2**63:
        raise Invalid("first and last must be integers, first not above last")
    new = Range(0, kind, length, casing, first, last)
    too_long = length is not None and len(written(new, last)) > length
    if (kind.startswith("mac") and last >= 2**48) or (kind.startswith("base") and too_long):
        raise Invalid("last does not fit")
    return new


def any_overlap(ranges: Sequence[Range]) -> bool:
    """Whether two of some ranges have values in common."""
    ordered = sorted(ranges, key=lambda one: (one.format, one.first))
    return any(
        one.format == other.format and other.first <= one.last
        for one, other in zip(ordered, ordered[1:])
    )
