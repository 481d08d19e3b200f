"""Where a Datastore keeps points until the platform has them: in memory, or on disk.

Both buffers do the same; a Datastore calls them under its own lock.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sqlite3
import time
import warnings
from bisect import insort
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import Any, Callable, NamedTuple, Optional, Protocol

from . import jsonrpc
from .exceptions import SpoolError
from .redaction import redact

__all__ = ["Buffer", "MemoryBuffer", "Point", "SpoolBuffer"]


class Point(NamedTuple):
    """A value that waits.

    Attributes:
        number: Its place among all that were accepted.
        alias: Where it goes.
        time: When it was written, or the time it was recorded under; Unix seconds.
        value: The value.
        live: Whether it is to be written under the platform's time.
        sent: Of a live value that was sent without an answer: when, in Unix seconds. Of one that
            moves: the second under which it was sent without an answer. None: never.
        moves: Whether it was to be written live and missed that moment: it goes to the second in
            which it was written, or to the next that is free.
    """

    number: int
    alias: str
    time: int
    value: Any
    live: bool = False
    sent: Optional[float] = None
    moves: bool = False


Seconds = tuple[int, int]  # the first and the last of some
Skip = Callable[[Point], bool]


class Buffer(Protocol):
    """What a Datastore asks of its buffer."""

    def __len__(self) -> int:
        """How many points wait."""
        ...

    def __contains__(self, number: object) -> bool:
        """Whether a point still waits."""
        ...

    def put_live(self, alias: str, time: int, value: Any) -> bool:
        """Keep the latest value of an alias; return whether it replaced one that waited."""
        ...

    def has_live(self, alias: str) -> bool:
        """Whether a value that was not sent yet waits for an alias."""
        ...

    def put(self, alias: str, entries: Sequence[tuple[int, Any]]) -> None:
        """Keep points with their times."""
        ...

    def live(self) -> list[Point]:
        """The live values, those sent without an answer included, oldest first."""
        ...

    def recorded(self, most: int, skip: Skip | None = None) -> list[Point]:
        """The oldest points with times of their own, but for some."""
        ...

    def these(self, numbers: Iterable[int]) -> list[Point]:
        """Those of some points that wait with times of their own."""
        ...

    def sending(self, numbers: Mapping[int, float]) -> None:
        """Note that points are being sent, and what `Point.sent` is to be for each."""
        ...

    def unsent(self, numbers: Iterable[int]) -> None:
        """Take that back: they were not carried out."""
        ...

    def to_recorded(self, numbers: Iterable[int]) -> None:
        """Live values missed their moment: they move to a time of their own."""
        ...

    def remove(self, numbers: Iterable[int]) -> None:
        """Forget points: the platform has them, or never will."""
        ...

    def wrote(
        self, seconds: Mapping[str, Seconds], ahead: Mapping[str, Set[int]], now: int
    ) -> None:
        """Note where the platform has points of ours.

        Args:
            seconds: Of aliases: those in which it may have values that were written.
            ahead: Of aliases: those that are still to come in which it has a point.
            now: The platform's second; what was ahead and has passed is forgotten.
        """
        ...

    def written(self) -> Mapping[str, Seconds]:
        """For each alias the seconds in which the platform may have values that were written."""
        ...

    def ahead(self, alias: str) -> Set[int]:
        """Seconds of an alias in which the platform has a point, and that were still to come."""
        ...

    def oldest(self, skip: Skip | None = None) -> Point | None:
        """The point that has waited longest, but for some."""
        ...

    def last(self) -> int:
        """Number of the point that was accepted last."""
        ...

    def trouble(self) -> str | None:
        """What keeps points from the disk now."""
        ...

    def close(self) -> None:
        """Give up files."""
        ...

    def abandon(self) -> None:
        """Leave files to the process that this one was forked from."""
        ...


class MemoryBuffer:
    """Points in memory."""

    def __init__(self) -> None:
        self._points: dict[int, Point] = {}
        # Their numbers, ascending: of two in one second, the one accepted later has to go later.
        # Some may be gone by now, never the first.
        self._order: deque[int] = deque()
        self._live: OrderedDict[int, Point] = OrderedDict()
        self._fresh: dict[str, int] = {}  # alias -> number of its live value not sent yet
        self._next = 0
        self._written: dict[str, Seconds] = {}
        self._ahead: dict[str, set[int]] = {}

    def __len__(self) -> int:
        return len(self._points) + len(self._live)

    def __contains__(self, number: object) -> bool:
        return number in self._points or number in self._live

    def put_live(self, alias: str, time: int, value: Any) -> bool:
        replaced = self._fresh.pop(alias, None)
        if replaced is not None:
            del self._live[replaced]
        self._next = number = self._next + 1
        self._live[number] = Point(number, alias, time, value, True)
        self._fresh[alias] = number
        return replaced is not None

    def has_live(self, alias: str) -> bool:
        return alias in self._fresh

    def put(self, alias: str, entries: Sequence[tuple[int, Any]]) -> None:
        for time_, value in entries:
            self._next = number = self._next + 1
            self._points[number] = Point(number, alias, time_, value)
            self._order.append(number)

    def live(self) -> list[Point]:
        return list(self._live.values())

    def recorded(self, most: int, skip: Skip | None = None) -> list[Point]:
        points = self._in_order()
        if skip is not None:
            points = (point for point in points if not skip(point))
        return list(islice(points, most))

    def _in_order(self) -> Iterator[Point]:
        return (self._points[number] for number in self._order if number in self._points)

    def these(self, numbers: Iterable[int]) -> list[Point]:
        return [self._points[number] for number in numbers if number in self._points]

    def sending(self, numbers: Mapping[int, float]) -> None:
        for number, sent in numbers.items():
            point = self._live.get(number)
            if point is not None:
                self._live[number] = point._replace(sent=sent)
                self._forget_fresh(point)
            elif number in self._points:
                self._points[number] = self._points[number]._replace(sent=sent)

    def unsent(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            point = self._live.get(number)
            if point is None:
                if number in self._points:
                    self._points[number] = self._points[number]._replace(sent=None)
            elif point.alias in self._fresh:  # there is a newer one by now
                MemoryBuffer.to_recorded(self, [number])
            else:
                self._live[number] = point._replace(sent=None)
                self._fresh[point.alias] = number

    def to_recorded(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            point = self._live.pop(number, None)
            if point is not None:
                self._forget_fresh(point)
                self._points[number] = point._replace(live=False, sent=None, moves=True)
                insort(self._order, number)

    def remove(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if self._points.pop(number, None) is None:
                point = self._live.pop(number, None)
                if point is not None:
                    self._forget_fresh(point)
        while self._order and self._order[0] not in self._points:
            self._order.popleft()

    def _forget_fresh(self, point: Point) -> None:
        if self._fresh.get(point.alias) == point.number:
            del self._fresh[point.alias]

    def wrote(
        self, seconds: Mapping[str, Seconds], ahead: Mapping[str, Set[int]], now: int
    ) -> None:
        for alias, (first, last) in seconds.items():
            known = self._written.get(alias, (first, last))
            self._written[alias] = (min(first, known[0]), max(last, known[1]))
        for alias, some in ahead.items():
            self._ahead.setdefault(alias, set()).update(some)
            self._ahead[alias] -= self._passed(alias, now)

    def _passed(self, alias: str, now: int) -> set[int]:
        """Seconds that were ahead and are not any more."""
        # One that a lost live value may lie behind still tells its point from that value.
        unsure = [int(one.sent) for one in self._live.values() if one.sent and one.alias == alias]
        first = min([now, *unsure])
        return {second for second in self._ahead[alias] if second < first}

    def written(self) -> Mapping[str, Seconds]:
        return self._written

    def ahead(self, alias: str) -> Set[int]:
        return self._ahead.get(alias, frozenset())

    def oldest(self, skip: Skip | None = None) -> Point | None:
        live: Iterable[Point] = self._live.values()
        if skip is not None:
            live = (point for point in live if not skip(point))
        return min([*self.recorded(1, skip), *islice(live, 1)], default=None)

    def last(self) -> int:
        return self._next

    def trouble(self) -> str | None:
        return None

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass


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
        self._trouble: str | None = None
        self._is_closed = False
        self._file = _identity(self._path)
        if before is not None:
            self.wrote(before._written, before._ahead, 0)
            if before._file == self._file:
                self._take_over(before)

    def _take_over(self, before: SpoolBuffer) -> None:
        """Know what another one knew of points that are still in the file."""
        for number in before._unsaved:
            known = before._points.get(number) or before._live.get(number)
            found = self._points.get(number) or self._live.get(number)
            if found is None or found == known:
                continue
            MemoryBuffer.remove(self, [number])
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
        database.executemany(
            "INSERT OR REPLACE INTO written (alias, first, last) VALUES (?, ?, ?)",
            [(alias, *self._written[alias]) for alias in self._unsaved_aliases],
        )
        gone_by = [one for one in self._unsaved_ahead if one[1] not in self.ahead(one[0])]
        database.executemany("DELETE FROM ahead WHERE alias = ? AND second = ?", gone_by)
        database.executemany(
            "INSERT OR IGNORE INTO ahead (alias, second) VALUES (?, ?)",
            self._unsaved_ahead.difference(gone_by),
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
