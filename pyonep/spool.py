"""Points of a Datastore in an SQLite file, until the platform has them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sqlite3
import time
import warnings
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from . import jsonrpc
from .buffer import Acknowledged, MemoryBuffer, Point, Seconds
from .exceptions import SpoolError
from .redaction import redact

__all__ = ["SpoolBuffer"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS points (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    alias TEXT NOT NULL,
    time INTEGER NOT NULL,
    value TEXT NOT NULL,
    live INTEGER NOT NULL,
    sent REAL
);
CREATE TABLE IF NOT EXISTS written (
    alias TEXT PRIMARY KEY,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS ahead (
    alias TEXT NOT NULL,
    second INTEGER NOT NULL,
    PRIMARY KEY (alias, second)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS acknowledged (
    alias TEXT NOT NULL,
    number INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (alias, number)
) WITHOUT ROWID;
"""
_RECORDED, _LIVE, _MOVES = 0, 1, 2  # in the column live


class SpoolBuffer(MemoryBuffer):
    """Points in memory and in an SQLite file; each is on disk before `put` returns.

    What is read comes from memory; the file is for the next start. What the file does not take
    at the moment, because the disk is full, it is given as soon as it does: points that are
    accepted excepted, which are refused.

    Args:
        path: The file. One process at a time can have it open.
        synchronous: SQLite's setting of that name: ``FULL`` survives power loss,
            ``NORMAL`` survives the end of the process and is faster.
        before: One of the same file that was closed: what it knew and the file did not take.

    Raises:
        SpoolError: Another process has the file open, or it cannot be opened.
    """

    def __init__(
        self, path: str, synchronous: str = "FULL", before: SpoolBuffer | None = None
    ) -> None:
        super().__init__()
        self._path = os.fspath(path)
        if synchronous.upper() not in ("NORMAL", "FULL", "EXTRA"):
            raise SpoolError(f"synchronous must be NORMAL, FULL or EXTRA, not {synchronous!r}")
        try:
            self._open(synchronous)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise SpoolError(_explain(self._path, error)) from error
            self._set_aside(error)
            self._open(synchronous)
        self._unsaved: set[int] = set()  # numbers whose rows are out of date
        self._unsaved_aliases: set[str] = set()
        self._unsaved_ahead: set[tuple[str, int]] = set()
        self._unsaved_acknowledged: set[str] = set()  # aliases
        self._trouble: str | None = None
        self._is_closed = False
        self._file = _identity(self._path)
        if before is not None:
            self._take_over_seconds(before)
            if before._file == self._file:
                self._take_over(before)

    def _take_over_seconds(self, before: SpoolBuffer) -> None:
        """Know what another one knew of the platform, whatever became of its file."""
        self.wrote(before._written, before._ahead, 0)
        self._acknowledged = before._acknowledged
        self._unsaved_acknowledged.update(self._acknowledged)

    def _take_over(self, before: SpoolBuffer) -> None:
        """Know what another one knew of points that are still in the file."""
        for number in before._unsaved:
            known = before._points.get(number) or before._live.get(number)
            found = self._points.get(number) or self._live.get(number)
            if found is None or found == known:
                continue
            MemoryBuffer.remove(self, [number])
            with contextlib.suppress(ValueError):
                self._order.remove(number)  # or it would be there twice
            if known is not None:
                self._keep(known)
            self._unsaved.add(number)

    def _open(self, synchronous: str) -> None:
        database = sqlite3.connect(
            self._path, timeout=0.2, isolation_level=None, check_same_thread=False
        )
        try:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(f"PRAGMA synchronous = {synchronous}")
            if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("malformed")
            database.executescript(_SCHEMA)
            database.execute("BEGIN IMMEDIATE")
            database.execute("COMMIT")
            self._load(database)
        except BaseException:
            database.close()
            raise
        self._database = database

    def _load(self, database: sqlite3.Connection) -> None:
        """Take what the file has.

        Raises:
            sqlite3.DatabaseError: A row is none of ours.
        """
        try:
            self._load_all(database)
        except (ValueError, TypeError, RecursionError) as error:
            raise sqlite3.DatabaseError(f"malformed: {redact(error)}") from error

    def _load_all(self, database: sqlite3.Connection) -> None:
        rows = "SELECT number, alias, time, value, live, sent FROM points ORDER BY number"
        for number, alias, time_, value, kind, sent in database.execute(rows):
            point = Point(
                number, alias, time_, jsonrpc.loads(value), kind == _LIVE, sent, kind == _MOVES
            )
            self._keep(point)
        for alias, first, last in database.execute("SELECT alias, first, last FROM written"):
            self._written[alias] = (first, last)
        for alias, second in database.execute("SELECT alias, second FROM ahead"):
            self._ahead.setdefault(alias, set()).add(second)
        rows = "SELECT alias, number, first, last, value FROM acknowledged ORDER BY number"
        for alias, number, first, last, value in database.execute(rows):
            known = Acknowledged(number, first, last, jsonrpc.loads(value))
            MemoryBuffer.acknowledge(self, alias, known)
        row = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'points'").fetchone()
        self._next = int(row[0]) if row else 0

    def _keep(self, point: Point) -> None:
        if not point.live:
            self._points[point.number] = point
            insort(self._order, point.number)
            return
        self._live[point.number] = point
        if point.sent is None:
            self._fresh[point.alias] = point.number

    def _set_aside(self, error: Exception) -> None:
        """Move a damaged file out of the way, and say so."""
        aside = f"{self._path}.damaged-{int(time.time())}"
        for ending in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(self._path + ending, aside + ending)
        text = f"the spool {self._path} is damaged ({error}); it was moved to {aside}"
        warnings.warn(text, RuntimeWarning, stacklevel=5)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """All changes of the block, or none."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    # --- what is accepted: on disk first, else refused ---

    def put_live(self, alias: str, time: int, value: Any) -> bool:
        gone = self._fresh.get(alias)
        with self._changing() as database:
            if gone is not None:
                database.execute("DELETE FROM points WHERE number = ?", (gone,))
            self._insert(database, alias, [(time, value)], _LIVE)
        return super().put_live(alias, time, value)

    def put(self, alias: str, entries: Sequence[tuple[int, Any]]) -> None:
        with self._changing() as database:
            self._insert(database, alias, entries, _RECORDED)
        super().put(alias, entries)

    def _insert(
        self,
        database: sqlite3.Connection,
        alias: str,
        entries: Sequence[tuple[int, Any]],
        kind: int,
    ) -> None:
        rows = [
            (number, alias, time_, jsonrpc.dumps(value), kind)
            for number, (time_, value) in enumerate(entries, self._next + 1)
        ]
        database.executemany(
            "INSERT INTO points (number, alias, time, value, live) VALUES (?, ?, ?, ?, ?)", rows
        )

    # --- what becomes of it: in memory first, on disk as soon as it can be ---

    def sending(self, numbers: Mapping[int, float]) -> None:
        super().sending(numbers)
        self._save(numbers)

    def unsent(self, numbers: Iterable[int]) -> None:
        numbers = list(numbers)
        super().unsent(numbers)
        self._save(numbers)

    def to_recorded(self, numbers: Iterable[int]) -> None:
        numbers = list(numbers)
        super().to_recorded(numbers)
        self._save(numbers)

    def remove(self, numbers: Iterable[int]) -> None:
        numbers = list(numbers)
        super().remove(numbers)
        self._save(numbers)

    def wrote(
        self, seconds: Mapping[str, Seconds], ahead: Mapping[str, Set[int]], now: int
    ) -> None:
        before = {alias: set(self.ahead(alias)) for alias in ahead}
        super().wrote(seconds, ahead, now)
        self._unsaved_aliases.update(seconds)
        for alias, known in before.items():
            self._unsaved_ahead.update((alias, second) for second in known ^ self._ahead[alias])
        # It goes to disk with the removal of the points that were written.

    def acknowledge(self, alias: str, value: Acknowledged) -> None:
        super().acknowledge(alias, value)
        self._unsaved_acknowledged.add(alias)  # and so does this

    def _save(self, numbers: Iterable[int]) -> None:
        """Bring rows up to date."""
        self._unsaved.update(numbers)
        if not self._unsaved or self._is_closed:
            return
        try:
            with self._changing() as database:
                self._save_rows(database)
        except sqlite3.Error as error:
            self._trouble = str(error)
            return
        self._unsaved.clear()
        self._unsaved_aliases.clear()
        self._unsaved_ahead.clear()
        self._unsaved_acknowledged.clear()
        self._trouble = None

    def _save_rows(self, database: sqlite3.Connection) -> None:
        gone, changed = [], []
        for number in self._unsaved:
            point = self._points.get(number) or self._live.get(number)
            if point is None:
                gone.append((number,))
            else:
                kind = _LIVE if point.live else _MOVES if point.moves else _RECORDED
                changed.append((kind, point.sent, number))
        database.executemany("DELETE FROM points WHERE number = ?", gone)
        database.executemany("UPDATE points SET live = ?, sent = ? WHERE number = ?", changed)
        self._save_seconds(database)
        self._save_acknowledged(database)

    def _save_seconds(self, database: sqlite3.Connection) -> None:
        database.executemany(
            "INSERT OR REPLACE INTO written (alias, first, last) VALUES (?, ?, ?)",
            [(alias, *self._written[alias]) for alias in self._unsaved_aliases],
        )
        passed = [one for one in self._unsaved_ahead if one[1] not in self.ahead(one[0])]
        database.executemany("DELETE FROM ahead WHERE alias = ? AND second = ?", passed)
        database.executemany(
            "INSERT OR IGNORE INTO ahead (alias, second) VALUES (?, ?)",
            self._unsaved_ahead.difference(passed),
        )

    def _save_acknowledged(self, database: sqlite3.Connection) -> None:
        known = {alias: self._acknowledged[alias] for alias in self._unsaved_acknowledged}
        database.executemany(
            "DELETE FROM acknowledged WHERE alias = ? AND number < ?",
            [(alias, some[0].number) for alias, some in known.items()],
        )
        database.executemany(
            "INSERT OR IGNORE INTO acknowledged (alias, number, first, last, value)"
            " VALUES (?, ?, ?, ?, ?)",
            [
                (alias, one.number, one.first, one.last, jsonrpc.dumps(one.value))
                for alias, some in known.items()
                for one in some
            ],
        )

    def trouble(self) -> str | None:
        return self._trouble

    def close(self) -> None:
        self._save(())
        self._is_closed = True
        with contextlib.suppress(sqlite3.Error):
            self._database.close()

    def abandon(self) -> None:
        # Closing it here, even when the interpreter ends, would write into the file that
        # the parent goes on using: the connection is never to be freed.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._database))


def _identity(path: str) -> tuple[int, int]:
    """Which file it is: another one may have come to its place."""
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _is_damage(error: Exception) -> bool:
    text = str(error)
    return "malformed" in text or "not a database" in text


def _explain(path: str, error: Exception) -> str:
    if "locked" in str(error):
        return f"the spool {path} is in use by another process or Datastore"
    return f"the spool {path} cannot be used: {error}"
