"""Lists that are read bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, NamedTuple, Optional

EVERYTHING = 2**62  # as the limit of a list


def _skips_nothing(after: int, many: int) -> Optional[int]:
    """Of a list that is always shown from its beginning."""


def _at_its_first(offset: int) -> tuple[int, int]:
    return 0, offset


class Listing(NamedTuple):
    """Something to list, in an order in which each has a number.

    Attributes:
        read: ``read(after, most)`` gives rows after a number, each behind its own.
        skip: ``skip(after, many)`` gives the number of the one so many further on, or None.
        begin: ``begin(offset)`` gives where a part of the list begins: after which number, and
            how many there are to be skipped; None when the list is shorter.
    """

    read: Callable[[int, int], Sequence[Sequence[Any]]]
    skip: Callable[[int, int], Optional[int]] = _skips_nothing
    begin: Callable[[int], Optional[tuple[int, int]]] = _at_its_first


NOTHING = Listing(lambda after, most: ())
