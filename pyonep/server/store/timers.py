"""Timers of datarules, which are jobs: they survive a restart."""

from __future__ import annotations

from typing import NamedTuple

from .jobs import TIMER, JobStore


class Timer(NamedTuple):
    """When a rule's timer runs out (Unix seconds, None: not running), and its counter."""

    due: float | None
    counter: int


class TimerStore:
    """One timer per datarule."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    def get(self, resource: int) -> Timer:
        """The timer of a rule."""
        job = self._jobs.get(TIMER, resource)
        return Timer(job.due, int(job.payload)) if job else Timer(None, 0)

    def set(self, resource: int, due: float | None, counter: int = 0) -> None:
        """Start, move or (with None) stop the timer of a rule."""
        self._jobs.set(TIMER, resource, due, str(counter))

    def remove(self, resource: int) -> None:
        """Forget the timer of a rule."""
        self._jobs.end(TIMER, resource)

    def next_due(self) -> float | None:
        """When the next timer runs out."""
        return self._jobs.next_due(TIMER)

    def first_due(self, now: float) -> int | None:
        """The rule whose timer ran out first."""
        job = self._jobs.first_due(TIMER, now)
        return job.number if job else None
