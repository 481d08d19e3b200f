"""Whether the file of a database is sound, and still there; what to say when it is not."""

from __future__ import annotations

import io
import math
import os
import sqlite3
import threading
import time
from contextlib import closing, suppress
from typing import NamedTuple
from urllib.parse import quote

CHECKED_AT_ONCE = 64 * 1024 * 1024  # bytes; a larger file is checked while it is in use
_LOOK_EVERY = 1.0  # seconds
# Of the file: what names it a database, and how its pages are; it never changes.
_HEAD = 24  # bytes
# Of the -wal: its header, of which the first part never changes, and the rest, a number that
# grows and two salts, when SQLite begins to fill it anew. Then a header and a page, again and
# again; the salts stand in each of these headers, too.
_WAL_HEAD, _WAL_FIXED = 32, 12
_WAL_NUMBER, _WAL_SALT = slice(12, 16), slice(16, 20)
_FRAME, _SALT = 24, slice(8, 12)


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
    if any(word in text for word in _PERHAPS_READ_ONLY) and _is_read_only(path):
        text = _READ_ONLY
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
_CHANGED = (
    "{name}, or the file beside it that ends in -wal, was truncated or overwritten while the "
    "platform has it open: nothing more is written to it, and what was written last may be lost; "
    "put a copy from before in its place, or save what can be read with `sqlite3 FILE .recover`, "
    "and start anew"
)
_READ_ONLY = "readonly"
# What SQLite says as well of a file that may not be written to, when the one beside it is missing.
_PERHAPS_READ_ONLY = ("disk I/O error", "unable to open")
_SENTENCES = (
    (
        "full",
        "{name}: the disk is full, and nothing more can be kept; it goes on as soon as there is "
        "space",
    ),
    (IN_USE, "{name} is in use by another process; stop that one or name another file"),
    ("unable to open", "{name} cannot be opened; does its folder exist and may you write there?"),
    (_READ_ONLY, "{name} cannot be written to; may you write to it, and to its folder?"),
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


def _is_read_only(path: str | None) -> bool:
    """Whether a file is there, but it or its folder may not be written to, for whatever reason."""
    if path is None or not os.path.exists(path):
        return False
    path = os.path.realpath(path)
    return not all(os.access(place, os.W_OK) for place in (path, os.path.dirname(path)))


class Condition:
    """What is known about the file of a database.

    Attributes:
        trouble: Why nothing more may be written to the file; None: it may.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.trouble: str | None = None
        self._files: dict[str, tuple[int, int]] = {}
        self._main: io.FileIO | None = None
        self._wal: io.FileIO | None = None
        self._seen: _Seen | None = None
        self._wal_size = 0
        self._looked = time.monotonic()
        self._is_gone = False
        self._check: threading.Thread | None = None
        self._checking: sqlite3.Connection | None = None

    # --- is it still there? ---

    def remember(self) -> None:
        """Note which files they are, now that they are open."""
        if self.path is None:
            return
        # SQLite puts the -wal beside the file itself, where the path is a link.
        main, wal = self.path, f"{os.path.realpath(self.path)}-wal"
        for file in (main, wal):
            identity = _identity(file)
            if identity is not None:
                self._files[file] = identity
        # They stay open until SQLite has closed them: to close a file gives up all the locks
        # that this process has on it.
        with suppress(OSError):
            self._main, self._wal = io.FileIO(main), io.FileIO(wal)
            self.note_content()

    def note_content(self) -> None:
        """Note how long the files are, and how they begin."""
        if self._main is not None and self._wal is not None:
            self._seen = _see(self._main, self._wal)
            self.note_written()

    def note_written(self) -> None:
        """Note how long the -wal has become, now that something was committed."""
        if self._wal is not None:
            self._wal_size = _size(self._wal)

    def forget(self) -> None:
        """Let go of the files, now that SQLite has closed them."""
        for file in (self._main, self._wal):
            if file is not None:
                file.close()
        self._main = self._wal = None

    def look(self) -> None:
        """See, once a second, whether the files are still the ones that are open.

        Whether the -wal was cut is seen each time: what is committed next would hide it.
        """
        now = time.monotonic()
        if self._wal is not None and _size(self._wal) < self._wal_size:
            self._looked = -math.inf
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
        if self.trouble is None:
            self._look_inside()

    def _look_inside(self) -> None:
        """See whether the files still begin as they did, and have all that was written.

        Only we write to them: they never become shorter, and no zeros appear in them.
        """
        if self._main is None or self._wal is None or self._seen is None:
            return
        before = self._seen
        try:
            now, kept = _see(self._main, self._wal), before.last_now(self._wal)
        except OSError as error:
            self.trouble = f"{self.path} cannot be read: {error.strerror or error}"
            return
        if now.follows(before, kept) and now.wal_size >= self._wal_size:
            self._seen = now
        else:
            self.trouble = _CHANGED.format(name=self.path)

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


class _Seen(NamedTuple):
    """What the files were when they were looked at."""

    size: int
    head: bytes
    wal_size: int
    wal_head: bytes
    last: bytes  # the first salt of the last page in the -wal that was whole

    def follows(self, before: _Seen, kept: bytes) -> bool:
        """Whether SQLite can have made this of what was there before.

        Args:
            before: What was there.
            kept: What stands now where `before.last` stood.
        """
        if self.size < before.size or self.wal_size < before.wal_size:
            return False
        if len(before.head) == _HEAD and self.head != before.head:
            return False
        if len(before.wal_head) < _WAL_HEAD:
            return True
        if self.wal_head[:_WAL_FIXED] != before.wal_head[:_WAL_FIXED]:
            return False
        # The first salt counts how often it was begun anew: a page is of one of these times.
        times = _since(self.wal_head[_WAL_SALT], before.wal_head[_WAL_SALT])
        is_of_then = _since(kept, before.wal_head[_WAL_SALT]) <= times
        is_anew = self.wal_head[_WAL_NUMBER] > before.wal_head[_WAL_NUMBER]
        return (kept == before.last or is_of_then) and (is_anew or self.wal_head == before.wal_head)

    def last_now(self, wal: io.FileIO) -> bytes:
        """What stands now where `last` stood."""
        return _last_salt(wal, self.wal_size, self.wal_head)


def _since(salt: bytes, before: bytes) -> int:
    return (int.from_bytes(salt, "big") - int.from_bytes(before, "big")) % 2**32


def _see(main: io.FileIO, wal: io.FileIO) -> _Seen:
    size, head = _size(main), _read(main, 0, _HEAD)
    wal_size, wal_head = _size(wal), _read(wal, 0, _WAL_HEAD)
    return _Seen(size, head, wal_size, wal_head, _last_salt(wal, wal_size, wal_head))


def _last_salt(wal: io.FileIO, size: int, head: bytes) -> bytes:
    """The first salt of the last page that is whole in so many bytes; none if there is none."""
    page = int.from_bytes(head[8:12], "big")
    count = (size - _WAL_HEAD) // (_FRAME + page)
    if len(head) < _WAL_HEAD or count < 1:
        return b""
    return _read(wal, _WAL_HEAD + (count - 1) * (_FRAME + page), _FRAME)[_SALT]


def _size(file: io.FileIO) -> int:
    """How long a file is now; asked twice for each commit, where `fstat` takes thrice as long."""
    return file.seek(0, os.SEEK_END)


def _read(file: io.FileIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length) or b""


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
