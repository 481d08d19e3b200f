"""What was taken away is removed bit by bit, and the points that a retention no longer keeps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Optional

from ..core import fleet, lifecycle
from ..core.events import Overfull, Remains
from ..core.unit import Unit
from ..store import Node
from .door import Door
from .events import Note

log: logging.Logger = logging.getLogger(__name__)

_BREATH = 0.001  # seconds between bits of the work, for requests that came in meanwhile
_PAUSE_AFTER_FAULT = 10.0


class Removal:
    """Removes, as long as there is anything to remove."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._overfull: set[int] = set()  # series with more points than their retention keeps
        self._node: Optional[Node] = None  # what is being removed
        self._is_due = False
        self._stopped = False

    def hear(self, notes: Sequence[Note]) -> None:
        """Begin when something was left to remove."""
        for note in notes:
            if type(note.event) is Overfull:
                self._overfull.add(note.event.resource)
            elif type(note.event) is not Remains:
                continue
            self.begin()

    def begin(self) -> None:
        """Begin to remove, if that is not going on already."""
        if not self._is_due and not self._stopped:
            with suppress(RuntimeError):  # no event loop yet: `start` comes later
                asyncio.get_running_loop().call_soon(self._go_on)
                self._is_due = True

    def _go_on(self) -> None:
        self._is_due = False
        if self._stopped:
            return
        pause = _PAUSE_AFTER_FAULT
        try:
            pause = _BREATH if self._door.work(self.remove_some) else 0.0
        except Exception as error:
            is_ours = self._door.report(error, "removing what was dropped") is None
            if is_ours and self._pass_over():
                pause = _BREATH
        if pause:
            self._is_due = True
            asyncio.get_running_loop().call_later(pause, self._go_on)
        self._door.commit_unless_asked()

    def remove_some(self, unit: Unit) -> bool:
        """Remove a bit; whether there was anything."""
        self._node = None
        if self._overfull:
            lifecycle.trim(unit, self._overfull.pop())
            return True
        self._node = unit.resources.dropped()
        if self._node is not None:
            lifecycle.remove_some(unit, self._node)
            return True
        return fleet.remove_some(unit) or unit.content.remove_some()

    def _pass_over(self) -> bool:
        """Leave what cannot be removed until the next start, so that it holds up nothing else.

        Returns:
            Whether the fault was met on removing something that was dropped.
        """
        if self._node is None:
            return False
        rid = self._node.rid
        log.error("resource %s was dropped and cannot be removed; it is left until a start", rid)
        self._door.unit.resources.pass_over(self._node)
        return True

    # --- life ---

    def start(self) -> None:
        """Begin in the running event loop."""
        self._stopped = False
        self.begin()

    def stop(self) -> None:
        """Remove no more; the next start goes on."""
        self._stopped = True
