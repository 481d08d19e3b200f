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
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, Optional, Protocol

from . import jsonrpc
from .exceptions import SpoolError

__all__ = ["Buffer", "MemoryBuffer", "Point", "SpoolBuffer"]


class Point(NamedTuple):
    """A value that waits.

    Attributes:
        number: Its place among all that were accepted.
        alias: Where it goes.
        time: When it was written, or the time it was recorded under; Unix seconds.
        value: The value.
        live: Whether it is to be written under the platform's time.
        sent: When a live value was sent without an answer; Unix seconds, None: never.
    """

    number: int
    alias: str
    time: int
    value: Any
    live: bool = False
    sent: Optional[float] = None


class Buffer(Protocol):
    """What a Datastore asks of its buffer."""

    def __len__(self) -> int:
        """How many points wait."""
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

    def recorded(self, most: int) -> list[Point]:
        """The oldest points with times of their own."""
        ...

    def sending(self, numbers: Iterable[int], now: float) -> None:
        """Note that live values are being sent: from now on they may have arrived."""
        ...

    def to_recorded(self, numbers: Iterable[int]) -> None:
        """Turn live values into points under their own time."""
        ...

    def remove(self, numbers: Iterable[int]) -> None:
        """Forget points: the platform has them, or never will."""
        ...

    def oldest(self) -> Point | None:
        """The point that has waited longest."""
        ...

    def last(self) -> int:
        """Number of the point that was accepted last."""
        ...

    def last_recorded(self) -> dict[str, int]:
        """Number of the last point with a time of its own, by alias."""
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

    def __len__(self) -> int:
        return len(self._points) + len(self._live)

    def _number(self) -> int:
        self._next += 1
        return self._next

    def put_live(self, alias: str, time: int, value: Any) -> bool:
        replaced = self._fresh.pop(alias, None)
        if replaced is not None:
            del self._live[replaced]
        number = self._number()
        self._live[number] = Point(number, alias, time, value, True)
        self._fresh[alias] = number
        return replaced is not None

    def has_live(self, alias: str) -> bool:
        return alias in self._fresh

    def put(self, alias: str, entries: Sequence[tuple[int, Any]]) -> None:
        for time_, value in entries:
            number = self._number()
            self._points[number] = Point(number, alias, time_, value)
            self._order.append(number)

    def live(self) -> list[Point]:
        return list(self._live.values())

    def recorded(self, most: int) -> list[Point]:
        return list(islice(self._in_order(), most))

    def _in_order(self) -> Iterator[Point]:
        return (self._points[number] for number in self._order if number in self._points)

    def sending(self, numbers: Iterable[int], now: float) -> None:
        for number in numbers:
            point = self._live[number]
            self._live[number] = point._replace(sent=now)
            self._fresh.pop(point.alias, None)

    def to_recorded(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            point = self._live.pop(number, None)
            if point is not None:
                self._forget_fresh(point)
                self._points[number] = point._replace(live=False, sent=None)
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

    def oldest(self) -> Point | None:
        heads = [*islice(self._in_order(), 1), *islice(self._live.values(), 1)]
        return min(heads, default=None)

    def last(self) -> int:
        return self._next

    def last_recorded(self) -> dict[str, int]:
        return {point.alias: point.number for point in self._in_order()}

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
CREATE INDEX IF NOT EXISTS points_live ON points (alias) WHERE live = 1 AND sent IS NULL;
CREATE INDEX IF NOT EXISTS points_kind ON points (live, number);
"""
_COLUMNS = "number, alias, time, value, live, sent"
_FRESH = "live = 1 AND sent IS NULL AND alias = ?"


class SpoolBuffer:
    """Points in an SQLite file; each is on disk before `put` returns.

    Args:
        path: The file. One process at a time can have it open.
        synchronous: SQLite's setting of that name: ``FULL`` survives power loss,
            ``NORMAL`` survives the end of the process and is faster.

    Raises:
        SpoolError: Another process has the file open, or it cannot be opened.
    """

    def __init__(self, path: str, synchronous: str = "FULL") -> None:
        self._path = os.fspath(path)
        if synchronous.upper() not in ("NORMAL", "FULL", "EXTRA"):
            raise SpoolError(f"synchronous must be NORMAL, FULL or EXTRA, not {synchronous!r}")
        try:
            self._database = self._open(synchronous)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise SpoolError(_explain(self._path, error)) from error
            self._set_aside(error)
            self._database = self._open(synchronous)
        self._count = int(self._one("SELECT count(*) FROM points")[0])

    def _open(self, synchronous: str) -> sqlite3.Connection:
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
        except BaseException:
            database.close()
            raise
        return database

    def _set_aside(self, error: Exception) -> None:
        """Move a damaged file out of the way, and say so."""
        aside = f"{self._path}.damaged-{int(time.time())}"
        for ending in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(self._path + ending, aside + ending)
        text = f"the spool {self._path} is damaged ({error}); it was moved to {aside}"
        warnings.warn(text, RuntimeWarning, stacklevel=5)

    def _one(self, sql: str, *values: Any) -> Any:
        return self._database.execute(sql, values).fetchone()

    @contextlib.contextmanager
    def _changing(self) -> Any:
        """All changes of the block, or none."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def __len__(self) -> int:
        return self._count

    def put_live(self, alias: str, time: int, value: Any) -> bool:
        with self._changing():
            gone = self._database.execute(f"DELETE FROM points WHERE {_FRESH}", (alias,)).rowcount
            self._insert([(alias, time, jsonrpc.dumps(value), 1)])
        self._count += 1 - gone
        return gone > 0

    def has_live(self, alias: str) -> bool:
        return self._one(f"SELECT 1 FROM points WHERE {_FRESH}", alias) is not None

    def put(self, alias: str, entries: Sequence[tuple[int, Any]]) -> None:
        with self._changing():
            self._insert([(alias, time_, jsonrpc.dumps(value), 0) for time_, value in entries])
        self._count += len(entries)

    def _insert(self, rows: list[tuple[str, int, str, int]]) -> None:
        self._database.executemany(
            "INSERT INTO points (alias, time, value, live) VALUES (?, ?, ?, ?)", rows
        )

    def _points(self, where: str, *values: Any) -> list[Point]:
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM points WHERE {where}", values)
        return [
            Point(number, alias, time_, jsonrpc.loads(value), bool(live), sent)
            for number, alias, time_, value, live, sent in rows
        ]

    def live(self) -> list[Point]:
        return self._points("live = 1 ORDER BY number")

    def recorded(self, most: int) -> list[Point]:
        return self._points("live = 0 ORDER BY number LIMIT ?", most)

    def sending(self, numbers: Iterable[int], now: float) -> None:
        self._each("UPDATE points SET sent = ? WHERE number = ?", [(now, n) for n in numbers])

    def to_recorded(self, numbers: Iterable[int]) -> None:
        self._each(
            "UPDATE points SET live = 0, sent = NULL WHERE number = ?", [(n,) for n in numbers]
        )

    def remove(self, numbers: Iterable[int]) -> None:
        gone = self._each("DELETE FROM points WHERE number = ?", [(n,) for n in numbers])
        self._count -= gone

    def _each(self, sql: str, rows: list[tuple[Any, ...]]) -> int:
        if not rows:
            return 0
        with self._changing():
            return self._database.executemany(sql, rows).rowcount

    def oldest(self) -> Point | None:
        found = self._points("number = (SELECT min(number) FROM points)")
        return found[0] if found else None

    def last_recorded(self) -> dict[str, int]:
        sql = "SELECT alias, max(number) FROM points WHERE live = 0 GROUP BY alias"
        return dict(self._database.execute(sql).fetchall())

    def last(self) -> int:
        return int(self._one("SELECT coalesce(max(number), 0) FROM points")[0])

    def close(self) -> None:
        self._database.close()

    def abandon(self) -> None:
        # Closing it here, even when the interpreter ends, would write into the file that
        # the parent goes on using: the connection is never to be freed.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._database))


def _is_damage(error: Exception) -> bool:
    text = str(error)
    return "malformed" in text or "not a database" in text


def _explain(path: str, error: Exception) -> str:
    if "locked" in str(error):
        return f"the spool {path} is in use by another process or Datastore"
    return f"the spool {path} cannot be used: {error}"
