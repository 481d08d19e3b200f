"""Whether the file of a database is sound, and still there; what to say when it is not."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from typing import NamedTuple
from urllib.parse import quote

CHECKED_AT_ONCE = 64 * 1024 * 1024  # bytes; a larger file is checked while it is in use
_SIDES = ("", "-wal")
_LOOK_EVERY = 1.0  # seconds


class Explanation(NamedTuple):
    """What an error of SQLite is about: its kind, and a sentence for the user."""

    kind: str
    sentence: str


DAMAGED, IN_USE, OTHER = "malformed", "locked", "other"  # of the kinds: those that differ


def explain(path: str | None, error: BaseException) -> Explanation | None:
    """What an error of SQLite is about; None for any other error."""
    cause = getattr(error, "orig", None) or error
    if not isinstance(cause, (sqlite3.Error, sqlite3.Warning)):
        return None
    text, name = str(cause), path or "the database"
    if is_damage(cause):
        return Explanation(DAMAGED, _DAMAGED.format(name=name))
    for word, sentence in _SENTENCES:
        if word in text:
            return Explanation(word, sentence.format(name=name))
    return Explanation(OTHER, f"{name} cannot be used: {text[:200]}")


# What SQLite says of a damaged file; text that cannot be read is the end of a damaged page.
_DAMAGE = ("malformed", "not a database", "Could not decode to UTF-8")
_DAMAGED = (
    "{name} is damaged, or not a database of the local platform. If it holds your devices, their "
    "keys and their data: nothing more is written to it; put a copy from before in its place, or "
    "save what can be read with `sqlite3 FILE .recover`. Else name another file"
)
_SENTENCES = (
    (
        "full",
        "{name}: the disk is full, and nothing more can be kept; it goes on as soon as there is "
        "space",
    ),
    (IN_USE, "{name} is in use by another process; stop that one or name another file"),
    ("unable to open", "{name} cannot be opened; does its folder exist and may you write there?"),
    ("readonly", "{name} cannot be written to; may you write to it, and to its folder?"),
    (
        "disk I/O error",
        "{name} cannot be read or written: the disk or the file has a fault, see the log of the "
        "system",
    ),
)


def is_damage(error: BaseException) -> bool:
    """Whether an error of SQLite says that the file is damaged."""
    text = str(error)
    return isinstance(error, sqlite3.DatabaseError) and any(word in text for word in _DAMAGE)


class Condition:
    """What is known about the file of a database.

    Attributes:
        trouble: Why nothing more may be written to the file; None: it may.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.trouble: str | None = None
        self._files: dict[str, tuple[int, int]] = {}
        self._looked = time.monotonic()
        self._is_gone = False
        self._check: threading.Thread | None = None
        self._checking: sqlite3.Connection | None = None

    # --- is it still there? ---

    def remember(self) -> None:
        """Note which files they are, now that they are open."""
        for side in _SIDES if self.path else ():
            identity = _identity(f"{self.path}{side}")
            if identity is not None:
                self._files[f"{self.path}{side}"] = identity

    def look(self) -> None:
        """See, once a second, whether the files are still the ones that are open."""
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        self.look_now()

    def look_now(self) -> None:
        """The same at once. Files that come back are taken again."""
        gone = next((f for f, known in self._files.items() if _identity(f) != known), None)
        if gone is not None and self.trouble is None:
            self.trouble = (
                f"{gone} was deleted or replaced while the platform has it open, and what is "
                "written now would be lost: put it back, or stop the platform and start it anew"
            )
            self._is_gone = True
        elif gone is None and self._is_gone:
            self.trouble, self._is_gone = None, False

    # --- is it sound? ---

    def note(self, error: BaseException) -> None:
        """Look at an error that came up in use: after damage nothing more is written."""
        found = explain(self.path, error)
        if self.trouble is None and found is not None and found.kind == DAMAGED:
            self.trouble = found.sentence

    def begin_check(self) -> None:
        """Begin to check a large file, in a thread; the file itself must rest meanwhile."""
        self._check = threading.Thread(target=self._check_all, name="pyonep-check", daemon=True)
        self._check.start()

    def _check_all(self) -> None:
        # Immutable: it asks for no lock, which the platform holds, and does not look at the WAL.
        url = f"file:{quote(os.path.abspath(str(self.path)))}?mode=ro&immutable=1"
        try:
            with closing(sqlite3.connect(url, uri=True, check_same_thread=False)) as connection:
                self._checking = connection
                require_sound(connection)
        except sqlite3.Error as error:
            self.note(error)

    def has_checked(self) -> bool:
        """Whether a check that was begun is over; True once."""
        if self._check is None or self._check.is_alive():
            return False
        self._check = self._checking = None
        return True

    def close(self) -> None:
        """End a check that is under way."""
        if self._check is not None:
            if self._checking is not None:
                self._checking.interrupt()
            self._check.join()


def require_sound(connection: sqlite3.Connection | sqlite3.Cursor) -> None:
    """Check a whole file.

    Raises:
        sqlite3.DatabaseError: It is damaged.
    """
    found = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != ("ok",):
        raise sqlite3.DatabaseError(f"malformed: {found[0]}")


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
