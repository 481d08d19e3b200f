"""Events: collected as units emit them, told to all who listen after the commit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Callable, NamedTuple

from ..core.events import Event


class Note(NamedTuple):
    """An event, its number among all that were, and when it was emitted.

    Attributes:
        event: What happened.
        number: Its place among all events.
        moment: By the clock of the event loop.
    """

    event: Event
    number: int
    moment: float


Listener = Callable[[Sequence[Note]], None]


class Events:
    """What happened since the last commit; what a unit emitted goes with it when it is undone.

    Args:
        reported: Logs the fault of a listener. What it was told is durable, and the others are
            to hear of it, too.
    """

    def __init__(self, reported: Callable[[str], AbstractContextManager[None]]) -> None:
        self.listeners: list[Listener] = []
        self._reported = reported
        self._notes: list[Note] = []
        self._told = 0

    @property
    def count(self) -> int:
        """How many events there were: one that follows has a higher number."""
        return self._told + len(self._notes)

    @property
    def are_waiting(self) -> bool:
        """Whether there are some that were not told yet."""
        return bool(self._notes)

    def emit(self, event: Event) -> None:
        """Note an event."""
        self._notes.append(Note(event, self.count + 1, time.monotonic()))

    def begin_unit(self) -> int:
        """Begin a unit; returns what `undo` needs to take it back."""
        return len(self._notes)

    def undo(self, noted: int) -> None:
        """Take back what a unit emitted."""
        del self._notes[noted:]

    def publish(self) -> None:
        """Tell what is durable now; who listens is called at each commit."""
        notes, self._notes = self._notes, []
        self._told += len(notes)
        for listener in self.listeners:
            with self._reported("telling what happened"):
                listener(notes)

    def forget(self) -> None:
        """All since the last commit was rolled back.

        The numbers are not given again: who began to wait meanwhile waits for higher ones.
        """
        self._told += len(self._notes)
        self._notes.clear()
