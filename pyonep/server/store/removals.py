"""Models and groups that were removed, as long as something of them is left."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, select

from .database import Database
from .schema import removals

MODEL, GROUP = "model", "group"

_x = removals.c
_FIRST = select(_x.id, _x.kind, _x.number).order_by(_x.id).limit(1)
_ADD = insert(removals).values(kind=bindparam("kind"), number=bindparam("number"))
_END = delete(removals).where(_x.id == bindparam("id"))


class RemovalStore:
    """What is removed bit by bit."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, kind: str, number: int) -> None:
        """Note that something was removed of which something is left."""
        self._db.change(_ADD, kind=kind, number=number)

    def first(self) -> tuple[int, str, int] | None:
        """What was removed first: ``(id, kind, number)``."""
        row = self._db.one(_FIRST)
        return (row[0], row[1], row[2]) if row else None

    def end(self, id: int) -> None:
        """Forget a removal: nothing is left."""
        self._db.change(_END, id=id)
