"""Content of models: entries, and blobs in pieces, so that none is ever in memory whole."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, Optional

from sqlalchemy import bindparam, delete, insert, select, update

from .database import Database
from .jobs import BLOB, UPLOAD, JobStore
from .schema import blobs, contents, pieces

PIECE = 256 * 1024

_c, _b, _p = contents.c, blobs.c, pieces.c


class Content(NamedTuple):
    """A blob's name, what is said about it, and where it is."""

    id: int
    model: int
    name: str
    meta: str
    protected: int
    type: str
    size: int
    updated: int
    blob: Optional[int]


_CONTENT = select(
    _c.id, _c.model, _c.name, _c.meta, _c.protected, _c.type, _c.size, _c.updated, _c.blob
)
_ONE = _CONTENT.where(_c.model == bindparam("m"), _c.name == bindparam("name"))
_AFTER = (
    _CONTENT.where(_c.model == bindparam("m"), _c.id > bindparam("after"))
    .order_by(_c.id)
    .limit(bindparam("n"))
)
_ADD = insert(contents).values(
    model=bindparam("m"),
    name=bindparam("name"),
    meta=bindparam("meta"),
    protected=bindparam("protected"),
    updated=bindparam("now"),
)
_SET_BLOB = (
    update(contents)
    .where(_c.id == bindparam("this"))
    .values(
        type=bindparam("new_type"),
        size=bindparam("new_size"),
        updated=bindparam("now"),
        blob=bindparam("new_blob"),
    )
)
_REMOVE = delete(contents).where(_c.id == bindparam("id"))
_NEW_BLOB = insert(blobs).values({})
_ADD_PIECE = insert(pieces).values(
    blob=bindparam("b"), number=bindparam("n"), data=bindparam("data")
)
_PIECE = select(_p.data).where(_p.blob == bindparam("b"), _p.number == bindparam("n"))
_LAST_PIECE = select(_p.number).where(_p.blob == bindparam("b")).order_by(_p.number.desc()).limit(1)
_REMOVE_PIECES = delete(pieces).where(_p.blob == bindparam("b"), _p.number >= bindparam("n"))
_REMOVE_BLOB = delete(blobs).where(_b.id == bindparam("id"))


class ContentStore:
    """Entries and their blobs."""

    def __init__(self, database: Database, jobs: JobStore) -> None:
        self._db = database
        self._jobs = jobs
        self._read: Counter[int] = Counter()  # blobs that are being sent, and how often

    def one(self, model: int, name: str) -> Content | None:
        """An entry."""
        row = self._db.one(_ONE, m=model, name=name)
        return Content(*row) if row else None

    def after(self, model: int, number: int, limit: int) -> list[Content]:
        """Entries of a model after another one."""
        return [Content(*row) for row in self._db.all(_AFTER, m=model, after=number, n=limit)]

    def add(self, model: int, name: str, meta: str, protected: bool, now: int) -> None:
        """Add an entry without a blob."""
        self._db.change(_ADD, m=model, name=name, meta=meta, protected=int(protected), now=now)

    def set_blob(self, content: Content, blob: int, type: str, size: int, now: int) -> None:
        """Put a finished blob in the place of the one there was."""
        self._jobs.end(UPLOAD, blob)
        self._db.change(
            _SET_BLOB, this=content.id, new_type=type, new_size=size, now=now, new_blob=blob
        )
        if content.blob is not None:
            self.abandon(content.blob)

    def remove(self, content: Content) -> None:
        """Remove an entry and its blob."""
        self._db.change(_REMOVE, id=content.id)
        if content.blob is not None:
            self.abandon(content.blob)

    # --- blobs ---

    def new_blob(self) -> int:
        """Begin a blob."""
        blob = self._db.insert_id(_NEW_BLOB)
        self._jobs.begin(UPLOAD, blob)
        return blob

    def add_piece(self, blob: int, number: int, data: bytes) -> None:
        """Add a piece; all but the last one have `PIECE` bytes."""
        self._db.change(_ADD_PIECE, b=blob, n=number, data=data)

    def piece(self, blob: int, number: int) -> bytes:
        """A piece of a blob; empty when it is gone."""
        row = self._db.one(_PIECE, b=blob, n=number)
        return row[0] if row else b""

    def hold(self, blob: int) -> None:
        """Keep the pieces of a blob, also when another takes its place, until `release`."""
        self._read[blob] += 1

    def release(self, blob: int) -> None:
        """Keep them no longer for one who held them."""
        self._read[blob] -= 1
        if not self._read[blob]:
            del self._read[blob]

    def abandon(self, blob: int) -> None:
        """Let a blob be removed bit by bit."""
        self._jobs.end(UPLOAD, blob)
        self._jobs.set(BLOB, blob)

    def give_up(self, blob: int) -> None:
        """Let go of a blob whose upload failed, unless it is content by now or was undone."""
        if self._jobs.get(UPLOAD, blob) is not None:
            self.abandon(blob)

    def abandon_unfinished(self, now: float) -> None:
        """Give up blobs whose upload ended with its process."""
        for blob in self._jobs.interrupted(UPLOAD, now):
            self.abandon(blob)

    def remove_some(self, number: int = 16) -> bool:
        """Remove a bit of what was abandoned; return whether there was anything."""
        abandoned = self._jobs.after(BLOB, 0, len(self._read) + 1)
        blob = next((one for one in abandoned if one not in self._read), None)
        if blob is None:
            return False
        last = self._db.one(_LAST_PIECE, b=blob)
        if last is None:
            self._db.change(_REMOVE_BLOB, id=blob)
            self._jobs.end(BLOB, blob)
        else:
            self._db.change(_REMOVE_PIECES, b=blob, n=max(0, last[0] - number + 1))
        return True
