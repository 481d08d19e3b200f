"""Rows that are held back, and written out together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from sqlalchemy import ClauseElement, bindparam
from sqlalchemy.dialects.sqlite import Insert, insert

from ..database import Later, Upsert

# Characters that are held back; those who write more see at once what it costs.
_MOST = 256 * 1024
_WIDE = 100  # rows; one statement for so many takes half the time of one for each


def made(one: Upsert, rows: int = 1) -> Insert:
    """An upsert in the words of SQLite, for so many rows.

    The parameters of the first row have the names that were given, in the order of the columns.
    """
    statement = insert(one.table)
    if one.source is not None:
        statement = statement.from_select(list(one.values), one.source)
    elif rows == 1:
        statement = statement.values(_row(one, ""))
    else:
        statement = statement.values([_row(one, str(number)) for number in range(rows)])
    if not one.replaced and not one.added:
        return statement.on_conflict_do_nothing()
    new, old = statement.excluded, one.table.c
    changes: dict[str, Any] = {column: new[column] for column in one.replaced}
    changes.update({column: old[column] + new[column] for column in one.added})
    return statement.on_conflict_do_update(index_elements=list(one.keys), set_=changes)


def _row(one: Upsert, number: str) -> dict[str, Any]:
    return {column: bindparam(f"{name}{number}") for column, name in one.values.items()}


class Transaction(Protocol):
    """What holding back needs of the engine."""

    unit: int

    def promise(self) -> None:
        """Open the transaction for a change that is held back."""

    def save(self) -> None:
        """Make the savepoint of the open unit; before it, all of earlier ones is written."""

    def settle(self, statement: ClauseElement, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement once per row, for units that may have ended."""

    def settle_wide(self, statement: ClauseElement, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement that takes exactly so many rows."""


class Behind(Later):
    """Rows for one table, held back until they are read or committed, or are many.

    Those of the unit that is open come last, so that they can be undone alone.
    """

    def __init__(self, transaction: Transaction, statement: Upsert, often: bool) -> None:
        self._transaction = transaction
        self._narrow = made(statement)
        self._wide = made(statement, _WIDE)
        self._keys = len(statement.keys) if often else 0
        self._waiting: list[tuple[Any, ...]] = []
        self._size = 0  # characters in it, at most
        self._unit = 0  # the unit that added last
        self._earlier = 0  # rows held back before it

    def add(self, rows: Iterable[tuple[Any, ...]], size: int) -> None:
        """Add rows; of those with one key the last one stays."""
        if self._unit != self._transaction.unit:
            self._enter()
        self._transaction.promise()
        self._waiting += rows
        self._size += size
        if self._size > _MOST:
            self.write_out()

    def _enter(self) -> None:
        self._unit = self._transaction.unit
        self._earlier = len(self._waiting)

    def write_out(self) -> None:
        """Write all of them."""
        if not self._waiting:
            return
        if self._unit == self._transaction.unit and len(self._waiting) > self._earlier:
            self._transaction.save()  # some are of the unit that is open
        self._put_out(self._waiting)
        self._waiting.clear()
        self._size = self._earlier = 0

    def write_earlier(self) -> None:
        """Write those of units before the one that is open."""
        if self._unit != self._transaction.unit:
            self._enter()
        if self._earlier:
            self._put_out(self._waiting[: self._earlier])
            del self._waiting[: self._earlier]
            self._earlier = 0

    def _put_out(self, rows: Sequence[tuple[Any, ...]]) -> None:
        if self._keys and len(rows) > 1:
            rows = list({row[: self._keys]: row for row in rows}.values())
        narrow = len(rows) % _WIDE  # first: of one key, the last row stays
        self._transaction.settle(self._narrow, rows[:narrow])
        for start in range(narrow, len(rows), _WIDE):
            self._transaction.settle_wide(self._wide, rows[start : start + _WIDE])

    def undo(self, was_saved: bool) -> None:
        """Forget the rows of the unit that is open."""
        if self._unit != self._transaction.unit:
            return
        if was_saved:  # those from before are written
            self._waiting.clear()
            self._size = 0
        else:
            del self._waiting[self._earlier :]

    def forget(self) -> None:
        """Forget all of them: they were rolled back."""
        self._waiting.clear()
        self._size = self._earlier = 0
