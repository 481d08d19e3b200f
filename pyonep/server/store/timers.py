"""Timers of datarules; they survive a restart."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, select

from .database import Database, Upsert
from .schema import timers

_t = timers.c
_SET = Upsert(
    timers,
    {"resource": "r", "due": "d", "counter": "n"},
    ["resource"],
    replaced=["due", "counter"],
)
_GET = select(_t.due, _t.counter).where(_t.resource == bindparam("r"))
_DUE = (
    select(_t.resource, _t.due, _t.counter)
    .where(_t.due <= bindparam("now"))
    .order_by(_t.due, _t.resource)
    .limit(1)
)
_NEXT = select(func.min(_t.due))
_DELETE = delete(timers).where(_t.resource == bindparam("r"))


class Timer(NamedTuple):
    """When a rule's timer runs out (Unix seconds, None: not running), and its counter."""

    due: float | None
    counter: int


class TimerStore:
    """One timer per datarule."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, resource: int) -> Timer:
        """The timer of a rule."""
        found = self._db.one(_GET, r=resource)
        return Timer(*found) if found else Timer(None, 0)

    def set(self, resource: int, due: float | None, counter: int = 0) -> None:
        """Start, move or (with None) stop the timer of a rule."""
        self._db.change(_SET, r=resource, d=due, n=counter)

    def remove(self, resource: int) -> None:
        """Forget the timer of a rule."""
        self._db.change(_DELETE, r=resource)

    def next_due(self) -> float | None:
        """When the next timer runs out."""
        found = self._db.one(_NEXT)[0]
        return None if found is None else float(found)

    def first_due(self, now: float) -> tuple[int, float, int] | None:
        """The timer that ran out first: ``(resource, due, counter)``."""
        found = self._db.one(_DUE, now=now)
        return tuple(found) if found else None
