"""Timers of rules ring: before a call, as far as a turn goes, and else in turns of their own.

One ring is carried to its end before the next begins, so that a rule whose timer has run
out several times meanwhile rings once. Rings take half of the time at most: those who call
get the rest, however much hangs on a timer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Optional

from ..core import access, flow
from ..core.events import TimerChanged
from ..core.turns import TURN, Share, Steps
from ..core.unit import Unit
from .door import Door
from .events import Note

_SHORTEST, _LONGEST = 0.001, 3600.0  # seconds until the alarm
_PAUSE_AFTER_FAULT = 1.0


class Ringing:
    """The timers of a platform, and the ring that is under way."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._unit = door.unit
        self._steps: Optional[Steps[None]] = None  # of the ring that is under way
        self._number = 0  # of its rule
        self._next_due: Optional[float] = None
        self._is_stale = True  # the next timer may be another one
        self._alarm: Optional[asyncio.TimerHandle] = None
        self._share = Share()
        self._stopped = False

    def hear(self, notes: Sequence[Note]) -> None:
        """Set the alarm anew when timers were changed."""
        if any(type(note.event) is TimerChanged for note in notes):
            self._is_stale = True
        self.look()

    def look(self) -> None:
        """Set the alarm anew, when timers were changed."""
        if self._is_stale:
            self._set_alarm()

    def ring(self) -> None:
        """Let those ring that have run out; what takes longer than a turn goes on by itself."""
        if self._steps is None and not self._is_due():
            return
        if not _is_in_loop():
            self._ring_all()
        elif self._share.rest:
            self.look()  # the alarm is set, and goes on with it
        else:
            self._ring_for_a_turn()
            self._set_alarm()

    def _ring_all(self) -> None:
        now = self._unit.clock()
        while self._ring_step(now):
            pass

    def _is_due(self) -> bool:
        if self._is_stale:
            self._next_due = self._unit.timers.next_due()
        return self._next_due is not None and self._next_due <= self._unit.clock()

    def _ring_for_a_turn(self) -> None:
        # The time that this thread has worked: on a busy machine, others take some of a turn.
        began, now = time.thread_time(), self._unit.clock()
        took = 0.0
        while took < TURN and self._ring_step(now):
            took = time.thread_time() - began
        self._share.note(took)

    def _ring_step(self, now: float) -> bool:
        """Carry out one step of a ring; whether there was any."""
        door = self._door
        if self._steps is None:
            found = self._unit.timers.first_due(now)
            if found is None:
                self._next_due = self._unit.timers.next_due()
                return False
            self._number = found
            self._steps = _ring_one(self._unit, self._number)
        try:
            if door.step(self._steps) is not None:
                self._steps = None
        except Exception as error:
            self._steps = None
            door.report(error, "a timer ran out; it is given up")
            with door.reported("giving a timer up"):
                door.work(_give_up, self._number)
                return True
            self._share.note(_PAUSE_AFTER_FAULT)
            return False
        return True

    def forget(self) -> None:
        """All since the last commit was rolled back, the ring that is under way among it."""
        self._steps = None
        self._is_stale = True

    # --- the alarm ---

    def _set_alarm(self) -> None:
        self._is_stale = False
        self._next_due = self._unit.timers.next_due()
        self._cancel()
        if self._stopped or (self._steps is None and self._next_due is None):
            return
        delay = 0.0 if self._steps is not None else (self._next_due or 0.0) - self._unit.clock()
        delay = min(max(delay, self._share.rest, _SHORTEST), _LONGEST)
        with suppress(RuntimeError):  # no event loop yet: `start` comes later
            self._alarm = asyncio.get_running_loop().call_later(delay, self._on_alarm)

    def _on_alarm(self) -> None:
        self._is_stale = True
        with self._door.reported("ringing"):
            self.ring()
        self._door.commit_unless_asked()
        with self._door.reported("setting the alarm"):
            self.look()

    def _cancel(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    # --- life ---

    def start(self) -> None:
        """Begin to ring in the running event loop."""
        self._stopped = False
        self._set_alarm()

    def stop(self) -> None:
        """Ring no more; what is under way comes to its end."""
        self._stopped = True
        self._cancel()
        while self._steps is not None and self._ring_step(self._unit.clock()):
            pass


def _ring_one(unit: Unit, number: int) -> Steps[None]:
    node = unit.resources.by_id(number)
    if node is not None and access.in_tree(unit, node):
        yield from flow.ring(unit, node)
    elif node is not None and access.is_unfinished(unit, node):
        flow.start_rule(unit, node)  # nobody would hear it
    else:
        unit.timers.remove(number)


def _give_up(unit: Unit, number: int) -> None:
    unit.timers.remove(number)


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
