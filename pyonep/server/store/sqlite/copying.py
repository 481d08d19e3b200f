"""Copies of a file, made before it is changed for good."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from itertools import count

from ..database import StoreError


def copy_beside(driver: sqlite3.Connection, path: str, format: int) -> str:
    """Copy a database that is open to a new file next to it.

    Args:
        driver: The connection to it, outside a transaction.
        path: Where it is.
        format: The format it has, for the name of the copy.

    Returns:
        Where the copy is.

    Raises:
        StoreError: It could not be made; nothing is left of it.
    """
    target = _free(f"{os.path.realpath(path)}.format{format}")
    try:
        with closing(_new(target)) as copy:
            driver.backup(copy)
    except (OSError, sqlite3.Error) as error:
        remove_copy(target)
        raise StoreError(
            f"{path} is of format {format} and has to be brought up to date, but no copy of it can "
            f"be made at {target}: {error}. Nothing was changed; make room for as much as the file "
            "takes, or let the platform write to its folder"
        ) from error
    return target


def _new(target: str) -> sqlite3.Connection:
    # Its owner's alone: it holds keys.
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    return sqlite3.connect(target, isolation_level=None)


def remove_copy(target: str) -> None:
    """Remove a copy that nobody needs."""
    for file in (target, f"{target}-journal"):
        with suppress(OSError):
            os.remove(file)


def _free(name: str) -> str:
    if not os.path.exists(name):
        return name
    return next(one for n in count(2) if not os.path.exists(one := f"{name}.{n}"))
