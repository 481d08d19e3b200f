"""The tables."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, MetaData, String, Table, Text

# Raise by one with each change that an older release could not read.
FORMAT = 1

metadata = MetaData()

about = Table(
    "about",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)

resources = Table(
    "resources",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("rid", String(40), nullable=False, unique=True),
    Column("owner", Integer),  # null: the root, or dropped and waiting to be removed
    Column("type", String, nullable=False),
    Column("description", Text, nullable=False),
    Column("created", Integer, nullable=False),
    Column("modified", Integer, nullable=False),
    Column("public", Integer, nullable=False, default=0),
    Column("subscribe", String(40)),
    Column("cik", String(40), unique=True),
    Column("key_status", String),
    Column("key_expires", Float),
    Index("resources_by_owner", "owner", "type", "id"),
    # Ids of dropped resources must not come back: background work still uses them.
    sqlite_autoincrement=True,
)
Index(
    "resources_by_source",
    resources.c.subscribe,
    sqlite_where=resources.c.subscribe.isnot(None),
)
Index("resources_dropped", resources.c.id, sqlite_where=resources.c.owner.is_(None))

aliases = Table(
    "aliases",
    metadata,
    Column("client", Integer, primary_key=True),
    Column("alias", String, primary_key=True),
    Column("resource", Integer, nullable=False),
    Index("aliases_by_resource", "resource"),
    sqlite_with_rowid=False,
)

# How many resources of a kind a client owns, and how many count against its limit:
# its own and those of the clients below that inherit from it.
tallies = Table(
    "tallies",
    metadata,
    Column("client", Integer, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("own", Integer, nullable=False),
    Column("pooled", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Every change of what a client owns or uses, for `usage` over a window.
ledger = Table(
    "ledger",
    metadata,
    Column("client", Integer, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("time", Integer, primary_key=True),
    Column("change", Integer, nullable=False),
    sqlite_with_rowid=False,
)

tags = Table(
    "tags",
    metadata,
    Column("resource", Integer, primary_key=True),
    Column("tag", String, primary_key=True),
    sqlite_with_rowid=False,
)

series = Table(
    "series",
    metadata,
    Column("resource", Integer, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("size", Integer, nullable=False),
)

points = Table(
    "points",
    metadata,
    Column("series", Integer, primary_key=True),
    Column("time", Integer, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

shares = Table(
    "shares",
    metadata,
    Column("code", String(40), primary_key=True),
    Column("resource", Integer, nullable=False),
    Column("meta", Text, nullable=False),
    Column("activator", Integer),
    Index("shares_by_resource", "resource"),
    Index("shares_by_activator", "activator", "resource"),
)

grants = Table(
    "grants",
    metadata,
    Column("token", String(40), primary_key=True),
    Column("client", Integer, nullable=False),
    Column("permissions", Text, nullable=False),
    Column("expires", Float, nullable=False),
    Index("grants_by_client", "client"),
    Index("grants_by_end", "expires"),
)

timers = Table(
    "timers",
    metadata,
    Column("resource", Integer, primary_key=True),
    Column("due", Float),  # null: a rule's memory without a running timer
    Column("counter", Integer, nullable=False, default=0),
    Index("timers_by_due", "due"),
)
