"""The tables."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeEngine

# Raise by one with each change that an older release could not read; see migrations.py. A new
# table or index needs no step: a file that lacks it gets it when it is opened.
FORMAT = 2

# Times, sizes and numbers of rows have 64 bits. SQLite's INTEGER has them anyway, and only a
# column of that name can be the number by which it finds its rows.
WIDE: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")

metadata: MetaData = MetaData()

about: Table = Table(
    "about",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)

resources: Table = Table(
    "resources",
    metadata,
    Column("id", WIDE, primary_key=True, autoincrement=True),
    Column("rid", String(40), nullable=False, unique=True),
    Column("owner", WIDE),  # null: the root, or dropped and waiting to be removed
    Column("type", String, nullable=False),
    Column("description", Text, nullable=False),
    Column("created", WIDE, nullable=False),
    Column("modified", WIDE, nullable=False),
    Column("public", Integer, nullable=False, server_default="0"),
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
    postgresql_where=resources.c.subscribe.isnot(None),
)

aliases: Table = Table(
    "aliases",
    metadata,
    Column("client", WIDE, primary_key=True),
    Column("alias", String, primary_key=True),
    Column("resource", WIDE, nullable=False),
    Index("aliases_by_resource", "resource"),
    sqlite_with_rowid=False,
)

# How many resources of a kind a client owns, and how many count against its limit:
# its own and those of the clients below that inherit from it.
tallies: Table = Table(
    "tallies",
    metadata,
    Column("client", WIDE, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("own", WIDE, nullable=False),
    Column("pooled", WIDE, nullable=False),
    sqlite_with_rowid=False,
)

# Every change of what a client owns or uses, for `usage` over a window.
ledger: Table = Table(
    "ledger",
    metadata,
    Column("client", WIDE, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("time", WIDE, primary_key=True),
    Column("change", WIDE, nullable=False),
    sqlite_with_rowid=False,
)

tags: Table = Table(
    "tags",
    metadata,
    Column("resource", WIDE, primary_key=True),
    Column("tag", String, primary_key=True),
    Index("tags_by_tag", "tag", "resource"),
    sqlite_with_rowid=False,
)

# Made on opening a file that has none. Who does not know it can leave it alone, so the
# format stays the same.
comments: Table = Table(
    "comments",
    metadata,
    Column("id", WIDE, primary_key=True),
    Column("resource", WIDE, nullable=False),
    Column("visibility", String, nullable=False),
    Column("text", Text, nullable=False),
    Index("comments_by_resource", "resource", "id"),
)

series: Table = Table(
    "series",
    metadata,
    Column("resource", WIDE, primary_key=True),
    Column("count", WIDE, nullable=False),
    Column("size", WIDE, nullable=False),
)

points: Table = Table(
    "points",
    metadata,
    Column("series", WIDE, primary_key=True),
    Column("time", WIDE, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

shares: Table = Table(
    "shares",
    metadata,
    Column("code", String(40), primary_key=True),
    Column("resource", WIDE, nullable=False),
    Column("meta", Text, nullable=False),
    Column("activator", WIDE),
    Index("shares_by_resource", "resource"),
    Index("shares_by_activator", "activator", "resource"),
)

grants: Table = Table(
    "grants",
    metadata,
    Column("token", String(40), primary_key=True),
    Column("client", WIDE, nullable=False),
    Column("permissions", Text, nullable=False),
    Column("expires", Float, nullable=False),
    Index("grants_by_client", "client"),
    Index("grants_by_end", "expires"),
)

# Whose right a token rests on, where that is not the client it acts as. A table of its own, so
# that files of earlier releases need no change.
grant_makers: Table = Table(
    "grant_makers",
    metadata,
    Column("token", String(40), primary_key=True),
    Column("maker", WIDE, nullable=False),
    Index("grant_makers_by_maker", "maker"),
)

# What is still to be done and must survive the process, see jobs.py. owner: the process that is
# about it; null: whoever comes to it. lease: until when it has it, null: as long as it lives.
jobs: Table = Table(
    "jobs",
    metadata,
    Column("kind", String, primary_key=True),
    Column("number", WIDE, primary_key=True, autoincrement=False),
    Column("due", Float),
    Column("owner", String),
    Column("lease", Float),
    Column("payload", Text, nullable=False, server_default=""),
    Index("jobs_by_due", "kind", "due", "number"),
    sqlite_with_rowid=False,
)

# --- provisioning ----------------------------------------------------------

vendors: Table = Table(
    "vendors",
    metadata,
    Column("id", WIDE, primary_key=True, autoincrement=True),
    Column("name", String, nullable=False, unique=True),
    Column("client", WIDE, nullable=False, unique=True),
    sqlite_autoincrement=True,
)

vendor_tokens: Table = Table(
    "vendor_tokens",
    metadata,
    Column("token", String(40), primary_key=True),
    Column("vendor", WIDE, nullable=False),
    Column("label", String, nullable=False),
    Index("vendor_tokens_by_label", "vendor", "label", unique=True),
)

models: Table = Table(
    "models",
    metadata,
    Column("id", WIDE, primary_key=True, autoincrement=True),
    Column("vendor", WIDE, nullable=False),
    Column("name", String, nullable=False),
    Column("template_kind", String, nullable=False),  # rid or code
    Column("template", String(40), nullable=False),
    Column("options", String, nullable=False),
    Column("next_place", WIDE, nullable=False, server_default="0"),
    Index("models_by_name", "vendor", "name", unique=True),
    sqlite_autoincrement=True,
)

model_shares: Table = Table(
    "model_shares",
    metadata,
    Column("model", WIDE, primary_key=True),
    Column("vendor", WIDE, primary_key=True),
    Index("model_shares_by_vendor", "vendor"),
)

# place: order of insertion within the model. shelf: place // SHELF, see shelves.
serials: Table = Table(
    "serials",
    metadata,
    Column("id", WIDE, primary_key=True, autoincrement=True),
    Column("model", WIDE, nullable=False),
    Column("sn", String, nullable=False),
    Column("extra", Text, nullable=False),
    Column("place", WIDE, nullable=False),
    Column("client", WIDE),
    Column("enabled_by", WIDE),
    Column("from_range", Integer, nullable=False, server_default="0"),
    Index("serials_by_sn", "model", "sn", unique=True),
    Index("serials_by_place", "model", "place"),
    sqlite_autoincrement=True,
)
Index(
    "serials_by_client",
    serials.c.client,
    sqlite_where=serials.c.client.isnot(None),
    postgresql_where=serials.c.client.isnot(None),
)
Index(
    "serials_by_enabler",
    serials.c.model,
    serials.c.enabled_by,
    serials.c.place,
    sqlite_where=serials.c.enabled_by.isnot(None),
    postgresql_where=serials.c.enabled_by.isnot(None),
)

# How many serial numbers stand on each shelf, so that a page far back is found
# without counting all those before it.
shelves: Table = Table(
    "shelves",
    metadata,
    Column("model", WIDE, primary_key=True),
    Column("shelf", WIDE, primary_key=True),
    Column("count", WIDE, nullable=False),
    sqlite_with_rowid=False,
)

ranges: Table = Table(
    "ranges",
    metadata,
    Column("id", WIDE, primary_key=True),
    Column("model", WIDE, nullable=False),
    Column("format", String, nullable=False),
    Column("length", Integer),
    Column("casing", String),
    Column("first", WIDE, nullable=False),
    Column("last", WIDE, nullable=False),
    Index("ranges_by_model", "model"),
)

activations: Table = Table(
    "activations",
    metadata,
    Column("id", WIDE, primary_key=True),
    Column("serial", WIDE, nullable=False),
    Column("time", WIDE, nullable=False),
    Column("peer", String, nullable=False),
    Column("entry", Text, nullable=False),
    Index("activations_by_serial", "serial"),
)

contents: Table = Table(
    "contents",
    metadata,
    Column("id", WIDE, primary_key=True),
    Column("model", WIDE, nullable=False),
    Column("name", String, nullable=False),
    Column("meta", Text, nullable=False),
    Column("protected", Integer, nullable=False),
    Column("type", String, nullable=False, server_default=""),
    Column("size", WIDE, nullable=False, server_default="0"),
    Column("updated", WIDE, nullable=False),
    Column("blob", WIDE),
    Index("contents_by_name", "model", "name", unique=True),
    Index("contents_by_model", "model", "id"),
)

blobs: Table = Table(
    "blobs",
    metadata,
    Column("id", WIDE, primary_key=True, autoincrement=True),
    sqlite_autoincrement=True,
)

pieces: Table = Table(
    "pieces",
    metadata,
    Column("blob", WIDE, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

groups: Table = Table(
    "groups",
    metadata,
    Column("id", WIDE, primary_key=True, autoincrement=True),
    Column("model", WIDE, nullable=False),
    Column("name", String, nullable=False),
    Column("meta", Text, nullable=False),
    Index("groups_by_name", "model", "name", unique=True),
    Index("groups_by_model", "model", "id"),
    sqlite_autoincrement=True,
)

members: Table = Table(
    "members",
    metadata,
    Column("id", WIDE, primary_key=True),
    Column("group", WIDE, nullable=False),
    Column("type", String, nullable=False),
    Column("member", String, nullable=False),
    Column("expire", WIDE, nullable=False),
    Column("meta", Text, nullable=False),
    Column("model", WIDE, nullable=False),
    Index("members_once", "group", "type", "member", unique=True),
    Index("members_by_member", "model", "type", "member", "group"),
    # All that says whether a member is shown: those before a page are passed over in it.
    Index("members_by_group", "group", "id", "expire", "type"),
)
