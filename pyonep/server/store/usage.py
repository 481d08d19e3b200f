"""What clients own and use: tallies of now, and a ledger of each change."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import bindparam, case, delete, func, select

from .database import Database, Upsert
from .resources import BELOW
from .schema import ledger, tallies

_n, _l = tallies.c, ledger.c

_TALLY = Upsert(
    tallies,
    {"client": "c", "kind": "k", "own": "own", "pooled": "pooled"},
    ["client", "kind"],
    added=["own", "pooled"],
)
_TALLIES = select(_n.kind, _n.own, _n.pooled).where(_n.client == bindparam("c"))
_DROP_TALLIES = delete(tallies).where(_n.client == bindparam("c"))
_NOTE = Upsert(
    ledger,
    {"client": "c", "kind": "k", "time": "t", "change": "d"},
    ["client", "kind", "time"],
    added=["change"],
)

_TOTALS = (
    select(_n.kind, func.sum(_n.own)).where(_n.client.in_(select(BELOW.c.id))).group_by(_n.kind)
)
_since = case((_l.time > bindparam("start"), _l.time), else_=bindparam("start"))
_ENTITY_USAGE = select(func.coalesce(func.sum(_l.change * (bindparam("end") - _since)), 0)).where(
    _l.client.in_(select(BELOW.c.id)),
    _l.kind == bindparam("k"),
    _l.time < bindparam("end"),
    bindparam("start") < bindparam("end"),
)
_CONSUMED = select(func.coalesce(func.sum(_l.change), 0)).where(
    _l.client.in_(select(BELOW.c.id)),
    _l.kind == bindparam("k"),
    _l.time >= bindparam("start"),
    _l.time <= bindparam("end"),
)
_TAKE_OVER = replace(
    _NOTE,
    source=select(bindparam("heir"), _l.kind, _l.time, func.sum(_l.change))
    .where(_l.client.in_(select(BELOW.c.id)))
    .group_by(_l.kind, _l.time),
)
_DROP_LEDGER = delete(ledger).where(_l.client == bindparam("c"))


class UsageStore:
    """Tallies and ledger of all clients."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # --- tallies ---

    def tally(self, client: int, kind: str, own: int, pooled: int) -> None:
        """Add to what a client owns, and to what counts against its limit."""
        self._db.change(_TALLY, c=client, k=kind, own=own, pooled=pooled)

    def tallies(self, client: int) -> dict[str, tuple[int, int]]:
        """What a client owns and what counts against its limits: ``{kind: (own, pooled)}``."""
        return {kind: (own, pooled) for kind, own, pooled in self._db.all(_TALLIES, c=client)}

    def totals(self, client: int) -> dict[str, int]:
        """What a client and all clients below it own."""
        return dict(self._db.all(_TOTALS, top=client))

    # --- the ledger ---

    def note(self, client: int, kind: str, time: int, change: int) -> None:
        """Enter a change of what a client owns or used into the ledger."""
        self._db.change(_NOTE, c=client, k=kind, t=time, d=change)

    def take_over_ledger(self, heir: int, client: int) -> None:
        """Enter what a client and those below it owned into the ledger of another."""
        self._db.change(_TAKE_OVER, heir=heir, top=client)

    def seconds_owned(self, client: int, kind: str, start: int, end: int) -> int:
        """Number of resources of a kind, summed over every second of a window."""
        return int(self._db.one(_ENTITY_USAGE, top=client, k=kind, start=start, end=end)[0])

    def consumed(self, client: int, kind: str, start: int, end: int) -> int:
        """How much of something was used in a window."""
        return int(self._db.one(_CONSUMED, top=client, k=kind, start=start, end=end)[0])

    def forget(self, client: int) -> None:
        """Remove what is known about a client."""
        self._db.change(_DROP_TALLIES, c=client)
        self._db.change(_DROP_LEDGER, c=client)
