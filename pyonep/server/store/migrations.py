"""Brings a database of an earlier format up to date."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable

from sqlalchemy import ClauseElement, Text, cast, column, insert, literal, select, table, text
from sqlalchemy import update as change

from .jobs import BLOB, DROPPED, TIMER
from .schema import FORMAT, jobs, resources


def _to_2() -> Iterator[ClauseElement]:
    """What was still to be done becomes jobs; so far each kind was found in its own way."""
    timers = table("timers", column("resource"), column("due"), column("counter"))
    removals = table("removals", column("kind"), column("number"))
    blobs = table("blobs", column("id"), column("complete"))
    r, t = resources.c, timers.c
    yield text("CREATE TABLE IF NOT EXISTS removals (kind VARCHAR, number INTEGER)")
    yield insert(jobs).from_select(
        ["kind", "number", "due", "payload"],
        select(literal(TIMER), t.resource, t.due, cast(t.counter, Text)),
    )
    yield change(resources).where(r.owner == 0).values(owner=None)  # copies under way
    for source in (
        select(removals.c.kind, removals.c.number).distinct(),
        select(literal(DROPPED), r.id).where(r.owner.is_(None), r.id > 1),
        select(literal(BLOB), blobs.c.id).where(blobs.c.complete != 1),
    ):
        yield insert(jobs).from_select(["kind", "number"], source, include_defaults=False)
    yield text("DROP TABLE timers")
    yield text("DROP TABLE removals")
    yield text("DROP INDEX IF EXISTS resources_dropped")
    yield from _without_complete()


def _without_complete() -> Iterator[ClauseElement]:
    """Blobs without the column; SQLite could not drop one before 3.35.

    How far they were counted is kept, as no number may come back.
    """
    yield text("ALTER TABLE blobs RENAME TO blobs_1")
    yield text("CREATE TABLE blobs (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT)")
    yield text("INSERT INTO blobs SELECT id FROM blobs_1")
    yield text("DELETE FROM sqlite_sequence WHERE name = 'blobs'")
    yield text("UPDATE sqlite_sequence SET name = 'blobs' WHERE name = 'blobs_1'")
    yield text("DROP TABLE blobs_1")


# Format -> what makes the next one of it. All tables of today are there by then; the indexes of
# today are made afterwards.
_STEPS: dict[int, Callable[[], Iterator[ClauseElement]]] = {1: _to_2}


def bring_up_to_date(run: Callable[[ClauseElement], object], found: int) -> None:
    """Make of a database what this release expects.

    Args:
        run: Carries out a statement; all of them are part of one transaction.
        found: The format of the database.
    """
    for format in range(found, FORMAT):
        for statement in _STEPS[format]():
            run(statement)
