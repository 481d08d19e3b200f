"""The connection: one writer, transactions that gather, statements compiled once."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import URL, ClauseElement, bindparam, create_engine, delete, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from .. import schema
from ..database import Database, Statement, StoreError, StoreInUse, Taken, Upsert
from ..migrations import bring_up_to_date
from .behind import Behind, made
from .condition import CHECKED_AT_ONCE, IN_USE, Condition, explain, require_sound
from .copying import copy_beside, remove_copy
from .opening import found_format, keep_indexes

log: logging.Logger = logging.getLogger(__name__)

_BROUGHT = "%s was brought up to date, from format %d to %d; as it was before, it is in %s"

# Of the unit that is open: whether it has a savepoint yet.
_NO_UNIT, _UNSAVED, _SAVED = range(3)
_UNIT = "unit"


_OPEN = "open"  # in the table about while a process has the file open
_ABOUT = select(schema.about.c.value).where(schema.about.c.name == bindparam("name"))
_NOTE = Upsert(schema.about, {"name": "name", "value": "value"}, ["name"], replaced=["value"])
_CLOSED = delete(schema.about).where(schema.about.c.name == bindparam("name"))


class _Prepared(NamedTuple):
    sql: str
    names: tuple[str, ...]
    fixed: dict[str, Any]


class SqliteDatabase(Database):
    """One connection, used by one thread at a time.

    SQLAlchemy makes the connection and the SQL; the compiled statements are run on
    the driver's own cursor, which takes a fifth of the time.

    The savepoint of a unit is made when it first changes the database, so that one that only
    reads, or whose rows are held back, costs no statement.

    Args:
        path: The file; None keeps everything in memory.
        synchronous: SQLite's setting of that name.

    Raises:
        StoreError: The file is no database of ours, is newer, or is in use.
    """

    dirty: bool
    unit: int

    def __init__(self, path: str | None, synchronous: str) -> None:
        super().__init__()
        if path in _IN_MEMORY:
            path = None
        else:
            _make_private(path)
        self.condition: Condition = Condition(path)
        self._engine = create_engine(
            URL.create("sqlite", database=path),
            poolclass=StaticPool,
            connect_args={"check_same_thread": False, "timeout": 0.2, "isolation_level": None},
        )
        self._prepared: dict[int, _Prepared] = {}
        self._statements: list[Statement] = []  # keeps the ids above alive
        self._savepoints = 0
        self._state = _NO_UNIT
        self._behind: list[Behind] = []
        self._open = ExitStack()
        self._open.callback(self.condition.forget)
        self._open.callback(self._engine.dispose)
        try:
            self._connection = self._open.enter_context(self._engine.connect())
            driver: Any = self._connection.connection.dbapi_connection
            self._cursor: sqlite3.Cursor = driver.cursor()
            self._open.callback(self._cursor.close)
            self._driver = driver
            self._begin_life(path, synchronous)
        except StoreError:
            self._open.close()
            raise
        except (DBAPIError, sqlite3.Error) as error:
            self._open.close()
            raise _explained(path, error) from error

    # --- opening and closing ---

    def _begin_life(self, path: str | None, synchronous: str) -> None:
        # Exclusive: what is cached here must not be changed behind our back.
        self._cursor.execute("PRAGMA locking_mode = EXCLUSIVE")
        # Before the settings, of which one is written to the file: it may not be ours.
        found = found_format(self._cursor, path)
        self._set(synchronous)
        was_closed = found is None or self.one(_ABOUT, name=_OPEN) is None
        if not was_closed and os.path.getsize(str(path)) <= CHECKED_AT_ONCE:
            require_sound(self._cursor)
        copy = None
        if path is not None and found is not None and found < schema.FORMAT:
            copy = copy_beside(self._driver, path, found)
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
            self._create(found)
            self.run(_NOTE, name=_OPEN, value="1")
            self._driver.commit()
        except BaseException:
            if copy is not None:
                remove_copy(copy)
            raise
        if copy is not None:
            log.warning(_BROUGHT, path, found, schema.FORMAT, copy)
        self.condition.remember()
        self._needs_check = not was_closed and os.path.getsize(str(path)) > CHECKED_AT_ONCE

    def begin_check(self) -> None:
        """Begin to check a large file that was not closed; what is new stays beside it."""
        if self._needs_check:
            self._needs_check = False
            self._cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self.condition.note_content()
            self._cursor.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
            self.condition.begin_check()

    def _set(self, synchronous: str) -> None:
        if synchronous.upper() not in ("OFF", "NORMAL", "FULL", "EXTRA"):
            raise StoreError(f"synchronous must be OFF, NORMAL, FULL or EXTRA, not {synchronous!r}")
        self._cursor.execute("PRAGMA journal_mode = WAL").fetchall()
        self._cursor.execute(f"PRAGMA synchronous = {synchronous}")
        self._cursor.execute("PRAGMA cache_size = -32768")

    def _create(self, found: int | None) -> None:
        schema.metadata.create_all(self._connection)
        if found is not None and found < schema.FORMAT:
            bring_up_to_date(self.run, found)
        if found is not None:
            keep_indexes(self._cursor, self._engine.dialect)
        if found != schema.FORMAT:
            self.run(_NOTE, name="format", value=str(schema.FORMAT))

    def probe(self, now: int) -> None:
        """Write something, so that a commit shows whether what is written is kept."""
        self.condition.look_now()
        self.change(_NOTE, name="probe", value=str(now))

    def explained(self, error: BaseException) -> str | None:
        """One sentence about an error of the engine; None for any other error."""
        if isinstance(error, StoreError):
            return str(error)
        self.condition.note(error)
        found = explain(self.condition.path, error)
        return self.condition.trouble or (found.sentence if found else None)

    # --- statements ---

    def _compiled(self, statement: Statement) -> _Prepared:
        prepared = self._prepared.get(id(statement))
        if prepared is None:
            clause = made(statement) if isinstance(statement, Upsert) else statement
            compiled: Any = clause.compile(dialect=self._engine.dialect)
            names = tuple(compiled.positiontup or ())
            prepared = _Prepared(str(compiled), names, dict(compiled.params))
            self._prepared[id(statement)] = prepared
            self._statements.append(statement)
        return prepared

    def run(self, statement: Statement, **values: Any) -> sqlite3.Cursor:
        """Run a statement; those that are kept in a variable are compiled once."""
        sql, names, fixed = self._compiled(statement)
        merged = {**fixed, **values} if fixed else values
        return self._cursor.execute(sql, [merged[name] for name in names])

    def rows(self, statement: Statement, **values: Any) -> Iterator[Any]:
        """Rows, read one by one; until the next statement."""
        return self.run(statement, **values)

    def one(self, statement: Statement, **values: Any) -> Any:
        """The first row, or None."""
        return self.run(statement, **values).fetchone()

    def all(self, statement: Statement, **values: Any) -> list[Any]:
        """All rows."""
        return self.run(statement, **values).fetchall()

    def _change(self, statement: Statement, values: dict[str, Any]) -> sqlite3.Cursor:
        self._begin()
        if self._state == _UNSAVED:
            self.save()
        return self.run(statement, **values)

    def change(self, statement: Statement, **values: Any) -> int:
        """Run a statement that writes; how many rows it was about."""
        return self._change(statement, values).rowcount

    def insert_id(self, statement: Statement, **values: Any) -> int:
        """Add a row; the number it got."""
        number = self._change(statement, values).lastrowid
        assert number is not None
        return number

    def change_many(self, statement: Statement, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run a statement that writes once per row; values in the order of its parameters."""
        self._begin()
        self.save()
        try:
            self._cursor.executemany(self._compiled(statement).sql, rows)
        except sqlite3.IntegrityError as error:
            raise Taken from error

    def later(self, statement: Upsert, often: bool = False) -> Behind:
        """Rows that are held back."""
        behind = Behind(self, statement, often)
        self._behind.append(behind)
        return behind

    # --- transactions ---

    def _begin(self) -> None:
        if not self.dirty:
            self._cursor.execute("BEGIN IMMEDIATE")
            self.dirty = True

    def promise(self) -> None:
        """Open the transaction for a change that is held back until it is written out."""
        self._begin()

    def _write_out(self) -> None:
        for behind in self._behind:
            behind.write_out()

    def commit(self) -> None:
        """Make everything since the last commit durable.

        Raises:
            StoreError: The file is damaged or gone; nothing is written to it.
        """
        if not self.dirty:
            return
        condition = self.condition
        condition.look()
        if condition.has_checked():
            self._cursor.execute("PRAGMA wal_autocheckpoint = 1000").fetchall()
        if condition.trouble is not None:
            raise StoreError(condition.trouble)
        self._write_out()
        self._cursor.execute("COMMIT")
        condition.note_written()
        self.dirty = False

    def rollback(self) -> None:
        """Forget everything since the last commit."""
        if self._driver.in_transaction:
            self._cursor.execute("ROLLBACK")
        self.dirty = False
        self._savepoints = 0
        self._state = _NO_UNIT
        self._forget()

    # --- units ---

    def begin_unit(self) -> None:
        """Begin a piece of work that may have to be undone alone."""
        assert self._state == _NO_UNIT, "a unit is one piece of work, and does not hold another"
        self.unit += 1
        self._state = _UNSAVED

    def end_unit(self) -> None:
        """Let what the unit changed be part of the transaction."""
        if self._state == _SAVED:
            self._cursor.execute(f"RELEASE {_UNIT}")
        self._state = _NO_UNIT

    def undo_unit(self) -> bool:
        """Undo what the unit changed.

        Returns:
            False when SQLite gave up the whole transaction, as it does when the disk is
            full: what all others changed is gone with it, and `rollback` is to be called.
        """
        was_saved, self._state = self._state == _SAVED, _NO_UNIT
        if self.dirty and not self._driver.in_transaction:
            return False
        if was_saved:
            try:
                self._cursor.execute(f"ROLLBACK TO {_UNIT}")
                self._cursor.execute(f"RELEASE {_UNIT}")
            except sqlite3.Error:
                return False
        for behind in self._behind:
            behind.undo(was_saved)
        for hook in self.on_undo:
            hook(was_saved)
        return True

    def settle(self, statement: ClauseElement, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement for changes that were held back, whose unit may have ended."""
        if rows:
            self._begin()
            self._cursor.executemany(self._compiled(statement).sql, rows)

    def settle_wide(self, statement: ClauseElement, rows: Sequence[tuple[Any, ...]]) -> None:
        """The same, by one statement that takes exactly so many rows."""
        self._begin()
        values = list(chain.from_iterable(rows))
        self._cursor.execute(self._compiled(statement).sql, values)

    def save(self) -> None:
        """Make the savepoint of the open unit, if it has none; before it, what was held back."""
        if self._state != _UNSAVED:
            return
        self._begin()
        self._state = _NO_UNIT
        for behind in self._behind:
            behind.write_earlier()
        self._cursor.execute(f"SAVEPOINT {_UNIT}")
        self._state = _SAVED

    def _forget(self) -> None:
        for behind in self._behind:
            behind.forget()
        for hook in self.on_forget:
            hook()

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All of the block's changes or, when it raises, none."""
        self._begin()
        self.save()
        self._write_out()
        self._savepoints += 1
        name = f"s{self._savepoints}"
        self._cursor.execute(f"SAVEPOINT {name}")
        try:
            yield
            self._write_out()
        except BaseException:
            if self._driver.in_transaction:
                self._cursor.execute(f"ROLLBACK TO {name}")
                self._cursor.execute(f"RELEASE {name}")
            self._forget()
            raise
        else:
            self._cursor.execute(f"RELEASE {name}")
        finally:
            self._savepoints = max(0, self._savepoints - 1)

    def close(self) -> None:
        """Commit, note that the file was closed, and close it.

        Raises:
            StoreError: That could not be written, or something happened to the file that was
                not known yet. It is closed all the same.
        """
        known = self.condition.trouble
        self.condition.close()
        self.condition.look_now()
        try:
            if self.condition.trouble is not None:
                self._leave_wal()
                if known is None:
                    raise StoreError(self.condition.trouble)
            else:
                self.change(_CLOSED, name=_OPEN)
                self.commit()
        except sqlite3.Error as error:
            raise _explained(self.condition.path, error) from error
        finally:
            self._open.close()

    def _leave_wal(self) -> None:
        """Let closing write nothing: SQLite would bring the -wal over, whatever became of it."""
        option = getattr(sqlite3, "SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE", None)  # since Python 3.12
        if option is not None:
            self._driver.setconfig(option, True)


_IN_MEMORY = (None, "", ":memory:")


def _make_private(path: str) -> None:
    """Make a file that is not there yet for its owner alone: it will hold keys.

    SQLite gives the files beside it, ``-wal`` and others, the same mode. A file that
    is there keeps the mode that its owner gave it.
    """
    path = os.path.realpath(path)  # of a link whose target is missing, the target is made
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return  # it is there, or it cannot be made: SQLite will say why
    os.close(number)
    os.chmod(path, 0o600)  # whatever the umask is


def _explained(path: str | None, error: Exception) -> StoreError:
    found = explain(path, error)
    if found is None:
        return StoreError(f"{path or 'the database'} cannot be used: {error}")
    return (StoreInUse if found.kind == IN_USE else StoreError)(found.sentence)
