"""What a file is that is opened, and the indexes that it lacks."""

from __future__ import annotations

import os
import re
import sqlite3

from sqlalchemy import Dialect
from sqlalchemy.schema import CreateIndex

from .. import schema
from ..database import StoreError

_FOREIGN = (
    "{path} is not a database of the local platform, but of another program; nothing was changed; "
    "name another file"
)


def found_format(cursor: sqlite3.Cursor, path: str | None) -> int | None:
    """See whether a file is one of ours; nothing is written to it.

    Args:
        cursor: A cursor on it.
        path: Where it is; None is one in memory.

    Returns:
        Its format; None for a new file, or one that has nothing in it.

    Raises:
        StoreError: It is another program's, or of a newer release.
        sqlite3.DatabaseError: It is damaged.
    """
    # A file without a byte is not read: of two who open one at the same time, each would then
    # keep the other from writing to it.
    if path is None or not os.path.getsize(path):
        return None
    found = cursor.execute("SELECT name FROM sqlite_master").fetchall()
    names = {name for (name,) in found if not name.startswith("sqlite_")}
    if not names:
        return None
    columns = {row[1] for row in cursor.execute("PRAGMA table_info(about)")}
    if not names >= {"about", "resources"} or columns != {"name", "value"}:
        raise StoreError(_FOREIGN.format(path=path))
    row = cursor.execute("SELECT value FROM about WHERE name = 'format'").fetchone()
    return _checked(path, str(row[0]) if row else "")


def _checked(path: str, noted: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,8}", noted):
        raise sqlite3.DatabaseError(f"malformed: the format is {noted!r}")
    if int(noted) > schema.FORMAT:
        raise StoreError(
            f"{path} was written by a newer release of pyonep "
            f"(format {noted}, this one knows {schema.FORMAT}); upgrade pyonep"
        )
    return int(noted)


def keep_indexes(cursor: sqlite3.Cursor, dialect: Dialect) -> None:
    """Make the indexes of a file those of today; `create_all` makes none for a table that exists.

    Args:
        cursor: A cursor on the file, in a transaction.
        dialect: How SQLite wants to be told.
    """
    found = dict(cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'"))
    for table in schema.metadata.sorted_tables:
        for index in table.indexes:
            wanted = str(CreateIndex(index).compile(dialect=dialect))
            if found.get(index.name) != wanted:
                cursor.execute(f"DROP INDEX IF EXISTS {index.name}")
                cursor.execute(wanted)
