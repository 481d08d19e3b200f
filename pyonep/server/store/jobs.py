"""What is still to be done, and must not be forgotten when the process dies.

A job is written in the transaction of that which makes it necessary.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple, Optional

from sqlalchemy import bindparam, delete, func, or_, select

from .database import Database, Upsert
from .schema import jobs

TIMER = "timer"  # of the rule with this number; the payload is its counter
DROPPED, MODEL, GROUP, BLOB = "dropped", "model", "group", "blob"  # to be removed bit by bit
CLONE, UPLOAD = "clone", "upload"  # under way: the top of a copy, a blob

_j = jobs.c
_this = (_j.kind == bindparam("kind"), _j.number == bindparam("number"))
_SET = Upsert(
    jobs,
    {name: name for name in ("kind", "number", "due", "owner", "payload")},
    ["kind", "number"],
    replaced=["due", "owner", "payload"],
)
_GET = select(_j.number, _j.due, _j.payload).where(*_this)
_END = delete(jobs).where(*_this)
_AFTER = (
    select(_j.number)
    .where(_j.kind == bindparam("kind"), _j.number > bindparam("after"))
    .order_by(_j.number)
    .limit(bindparam("n"))
)
_NEXT = select(func.min(_j.due)).where(_j.kind == bindparam("kind"))
_DUE = (
    select(_j.number, _j.due, _j.payload)
    .where(_j.kind == bindparam("kind"), _j.due <= bindparam("now"))
    .order_by(_j.due, _j.number)
    .limit(1)
)
_INTERRUPTED = select(_j.number).where(
    _j.kind == bindparam("kind"),
    _j.owner != bindparam("me"),
    or_(_j.lease.is_(None), _j.lease <= bindparam("now")),
)


class Job(NamedTuple):
    """Something to be done about what has a number; when (Unix seconds), where that matters."""

    number: int
    due: Optional[float]
    payload: str


class JobStore:
    """Jobs by kind and number: one of a kind for each."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._me = secrets.token_hex(8)  # this process, as the owner of what it is about

    def get(self, kind: str, number: int) -> Job | None:
        """A job."""
        row = self._db.one(_GET, kind=kind, number=number)
        return Job(*row) if row else None

    def set(self, kind: str, number: int, due: float | None = None, payload: str = "") -> None:
        """Note a job, or change it; whoever comes to it does it."""
        self._db.change(_SET, kind=kind, number=number, due=due, owner=None, payload=payload)

    def begin(self, kind: str, number: int) -> None:
        """Note what this process has begun, so that another can clear up after it."""
        self._db.change(_SET, kind=kind, number=number, due=None, owner=self._me, payload="")

    def end(self, kind: str, number: int) -> None:
        """Forget a job: it is done."""
        self._db.change(_END, kind=kind, number=number)

    def after(self, kind: str, after: int, limit: int) -> list[int]:
        """The next numbers of a kind."""
        return [row[0] for row in self._db.all(_AFTER, kind=kind, after=after, n=limit)]

    def next_due(self, kind: str) -> float | None:
        """When the first of a kind is due."""
        found = self._db.one(_NEXT, kind=kind)[0]
        return None if found is None else float(found)

    def first_due(self, kind: str, now: float) -> Job | None:
        """The one of a kind that was due first."""
        row = self._db.one(_DUE, kind=kind, now=now)
        return Job(*row) if row else None

    def interrupted(self, kind: str, now: float) -> list[int]:
        """Numbers of what a process had begun that is no more."""
        return [row[0] for row in self._db.all(_INTERRUPTED, kind=kind, me=self._me, now=now)]
