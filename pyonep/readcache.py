"""What was read a moment ago, so that it need not be asked for again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, Callable, NamedTuple, Optional

from .clock import Clock

__all__ = ["ReadCache"]

Points = list[Any]


class _Kept(NamedTuple):
    until: float  # on the monotonic clock
    asked: int  # how many points were asked for
    points: Points


class ReadCache:
    """The newest points of some aliases, each for a while.

    Args:
        size: Aliases at most; the one that was not read for longest goes first.
        seconds: How long what was read is good for.
        clock: What time it is.
    """

    def __init__(self, size: int, seconds: float, clock: Clock) -> None:
        self._size, self._seconds, self._clock = size, seconds, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def get(
        self, alias: str, count: int, ask: Callable[[], Points | None], anew: bool = False
    ) -> Points | None:
        """The newest points of an alias, asked for where they are not known.

        Args:
            alias: Of the dataport.
            count: At most so many.
            ask: Returns them; None: they cannot be read.
            anew: Ask in any case.
        """
        known = None if anew else self._known(alias, count)
        if known is None:
            known = ask()
            if known is not None:
                self._keep(alias, count, known)
        return None if known is None else [list(point) for point in known]  # theirs to change

    def _known(self, alias: str, count: int) -> Points | None:
        with self._lock:
            kept: Optional[_Kept] = self._kept.get(alias)
            if kept is None or self._clock.monotonic() >= kept.until:
                return None
            if count > kept.asked and len(kept.points) == kept.asked:
                return None  # there may be more than were asked for
            self._kept.move_to_end(alias)
            return kept.points[:count]

    def _keep(self, alias: str, count: int, points: Points) -> None:
        with self._lock:
            until = self._clock.monotonic() + self._seconds
            self._kept[alias] = _Kept(until, count, points)
            self._kept.move_to_end(alias)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
