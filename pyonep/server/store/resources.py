"""The tree of resources, aliases, tags and comments."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Optional

from sqlalchemy import bindparam, delete, func, insert, literal, select, update

from .database import Database, Upsert
from .jobs import CLONE, DROPPED, JobStore
from .schema import aliases, comments, resources, shares, tags

_CACHED = 100_000
# What is cached, in bytes as far as they can be told: a description is some of its text,
# and more for each list and object in it.
_CACHED_BYTES = 192 * 1024 * 1024
_ENTRY, _VALUE, _OBJECT = 500, 64, 232
_SHARED = 600  # characters of a description of which equal ones are shared

ROOT = 1  # number of the client above all others, which has no owner
UNFINISHED = 0  # owner of what is being built and is not in the tree yet

_r, _a = resources.c, aliases.c
_ALL = select(
    _r.id,
    _r.rid,
    _r.owner,
    _r.type,
    _r.description,
    _r.created,
    _r.modified,
    _r.cik,
    _r.key_status,
    _r.key_expires,
)
_BY_ID = _ALL.where(_r.id == bindparam("id"))
_BY_RID = _ALL.where(_r.rid == bindparam("rid"))
_BY_CIK = _ALL.where(_r.cik == bindparam("cik"))
_INSERT = insert(resources).values(
    rid=bindparam("rid"),
    owner=bindparam("owner"),
    type=bindparam("type"),
    description=bindparam("description"),
    created=bindparam("now"),
    modified=bindparam("now"),
    public=bindparam("public"),
    subscribe=bindparam("subscribe"),
    cik=bindparam("cik"),
    key_status=bindparam("key_status"),
    key_expires=bindparam("key_expires"),
)
_this = _r.id == bindparam("this")
_DESCRIBE = (
    update(resources)
    .where(_this)
    .values(
        description=bindparam("new_description"),
        modified=bindparam("now"),
        public=bindparam("new_public"),
        subscribe=bindparam("new_subscribe"),
    )
)
_SET_OWNER = update(resources).where(_this).values(owner=bindparam("new_owner"))
_SET_KEY = (
    update(resources)
    .where(_this)
    .values(
        cik=bindparam("new_cik"),
        key_status=bindparam("new_status"),
        key_expires=bindparam("new_expires"),
    )
)
_DELETE = delete(resources).where(_this)
_of_type = (_r.owner == bindparam("o"), _r.type == bindparam("k"))
# Whole rows of the next children: what copying and dropping walk over.
_CHILDREN_AFTER = (
    _ALL.where(*_of_type, _r.id > bindparam("after")).order_by(_r.id).limit(bindparam("n"))
)
# The same with little of each: what listing walks over.
_RIDS_AFTER = (
    select(_r.id, _r.rid)
    .where(*_of_type, _r.id > bindparam("after"))
    .order_by(_r.id)
    .limit(bindparam("n"))
)
_PUBLIC_RIDS_AFTER = (
    select(_r.id, _r.rid)
    .where(*_of_type, _r.public == 1, _r.id > bindparam("after"))
    .order_by(_r.id)
    .limit(bindparam("n"))
)
_SUBSCRIBERS = select(_r.id).where(_r.subscribe == bindparam("rid")).order_by(_r.id)

_this_alias = (_a.client == bindparam("c"), _a.alias == bindparam("name"))
_ALIAS = select(_a.resource).where(*_this_alias)
_MAP = insert(aliases).values(
    client=bindparam("c"), alias=bindparam("name"), resource=bindparam("r")
)
_UNMAP = delete(aliases).where(*_this_alias)
_ALIASES_TO = select(_a.client, _a.alias).where(_a.resource == bindparam("r")).limit(bindparam("n"))
_ALIASES_IN = select(_a.client, _a.alias).where(_a.client == bindparam("r")).limit(bindparam("n"))
_ALIASES_OF = select(_a.client, _a.alias).where(_a.resource == bindparam("r")).order_by(_a.alias)
_ALIASES_AFTER = (
    select(_a.alias, _a.resource)
    .where(_a.client == bindparam("c"), _a.alias > bindparam("after"))
    .order_by(_a.alias)
    .limit(bindparam("n"))
)

# A client, and all clients below it.
BELOW = select(_r.id).where(_r.id == bindparam("top")).cte("below", recursive=True)
BELOW = BELOW.union_all(
    select(resources.c.id).where(resources.c.owner == BELOW.c.id, resources.c.type == "client")
)
_levels: Any = select(_r.id, literal(0).label("level")).where(_r.id == bindparam("top"))
_levels = _levels.cte("levels", recursive=True)
_levels = _levels.union_all(
    select(resources.c.id, _levels.c.level + 1).where(
        resources.c.owner == _levels.c.id, resources.c.type == "client"
    )
)
_HEIGHT = select(func.max(_levels.c.level))

_this_tag = (tags.c.resource == bindparam("r"), tags.c.tag == bindparam("tag"))
_ADD_TAG = Upsert(tags, {"resource": "r", "tag": "tag"}, ["resource", "tag"])
_REMOVE_TAG = delete(tags).where(*_this_tag)
_REMOVE_TAGS = delete(tags).where(tags.c.resource == bindparam("r"))
_TAG_COUNT = select(func.count()).where(tags.c.resource == bindparam("r"))
_TAGS = select(tags.c.tag).where(tags.c.resource == bindparam("r")).order_by(tags.c.tag)
_has_tag = (tags.c.tag == bindparam("tag"), tags.c.resource == _r.id, _r.type == bindparam("k"))
# At any depth below a client, then what is shared with it.
_tagged = select(_r.id, _r.rid).where(*_has_tag, _r.id > bindparam("after"))
_tagged = _tagged.order_by(_r.id).limit(bindparam("n"))
_TAGGED = _tagged.where(_r.owner.in_(select(BELOW.c.id)))
_TAGGED_SHARES = _tagged.where(shares.c.resource == _r.id, shares.c.activator == bindparam("top"))

_this_comment = comments.c.resource == bindparam("r")
_COMMENT = insert(comments).values(
    resource=bindparam("r"), visibility=bindparam("v"), text=bindparam("text")
)
_COMMENTS = (
    select(comments.c.visibility, comments.c.text).where(_this_comment).order_by(comments.c.id)
)
_REMOVE_COMMENTS = delete(comments).where(_this_comment)
_COPY_COMMENTS = insert(comments).from_select(
    ["resource", "visibility", "text"],
    select(bindparam("to"), comments.c.visibility, comments.c.text)
    .where(_this_comment)
    .order_by(comments.c.id),
)


@dataclass(frozen=True)
class Node:
    """A resource. ``owner`` is None for the root and for what is not in the tree."""

    id: int
    rid: str
    owner: Optional[int]
    type: str
    description: dict[str, Any] = field(repr=False)
    created: int
    modified: int
    cik: Optional[str] = field(default=None, repr=False)
    key_status: Optional[str] = None
    key_expires: Optional[float] = None


def _parsed(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


_parsed_once = lru_cache(maxsize=4096)(_parsed)


def _description(text: str) -> dict[str, Any]:
    """A description; equal ones are shared while they are short, so nobody may change one."""
    return _parsed_once(text) if len(text) <= _SHARED else _parsed(text)


def _bytes(text: str) -> int:
    """What a description takes in memory, roughly."""
    values = text.count(",") + text.count("[")
    wide = 4 if "\\u" in text else 1  # one such character makes all of its text wide
    return len(text) * wide + values * _VALUE + text.count("{") * _OBJECT


def _node(row: Any) -> Node:
    values = list(row)
    values[4] = _description(row[4])
    return Node(*values)


class ResourceStore:
    """Nodes are cached, and each change drops what it makes stale.

    When what was cached takes too much, all of it is forgotten.
    """

    def __init__(self, database: Database, jobs: JobStore) -> None:
        self._db = database
        self._jobs = jobs
        self._nodes: dict[int, Node] = {}
        self._rids: dict[str, int] = {}
        self._ciks: dict[str, int] = {}
        self._aliases: dict[tuple[int, str], int] = {}
        self._subscribers: dict[str, list[int]] = {}
        self._held = 0  # bytes of what was cached
        self._passed_over: set[int] = set()
        database.on_forget.append(self.forget_cached)
        database.on_undo.append(self._undo)

    def _undo(self, was_saved: bool) -> None:
        """What a unit changed was undone; one without a savepoint changed nothing here."""
        if was_saved:
            self.forget_cached()

    def forget_cached(self) -> None:
        """Read everything anew from now on."""
        for cache in (self._nodes, self._rids, self._ciks, self._aliases, self._subscribers):
            cache.clear()
        self._held = 0

    def _hold(self, size: int) -> None:
        """Make room for something that is about to be cached."""
        if self._held + size > _CACHED_BYTES or len(self._nodes) > _CACHED:
            self.forget_cached()
        self._held += size

    def _keep(self, row: Any) -> Node | None:
        if row is None:
            return None
        self._hold(_ENTRY + _bytes(row[4]))
        node = _node(row)
        self._nodes[node.id] = node
        self._rids[node.rid] = node.id
        if node.cik is not None:
            self._ciks[node.cik] = node.id
        return node

    def _drop_cached(self, node: Node) -> None:
        self._nodes.pop(node.id, None)
        self._rids.pop(node.rid, None)
        self._ciks.pop(node.cik or "", None)

    # --- nodes ---

    def by_id(self, number: int) -> Node | None:
        """The node with this number."""
        return self._nodes.get(number) or self._keep(self._db.one(_BY_ID, id=number))

    def by_rid(self, rid: str) -> Node | None:
        """The node with this RID."""
        number = self._rids.get(rid)
        return self.by_id(number) if number else self._keep(self._db.one(_BY_RID, rid=rid))

    def by_cik(self, cik: str) -> Node | None:
        """The client with this key, whatever the state of the key.

        The look-up goes through a hash table or an index, never through a comparison
        that ends at the first wrong character.
        """
        number = self._ciks.get(cik)
        return self.by_id(number) if number else self._keep(self._db.one(_BY_CIK, cik=cik))

    def add(
        self,
        rid: str,
        owner: int | None,
        type: str,
        description: dict[str, Any],
        now: int,
        key: tuple[str, str, float | None] | None = None,
    ) -> Node:
        """Add a node; for a client with ``(cik, status, expires)``."""
        cik, status, expires = key or (None, None, None)
        number = self._db.insert_id(
            _INSERT,
            rid=rid,
            owner=owner,
            type=type,
            description=json.dumps(description),
            now=now,
            public=int(bool(description.get("public"))),
            subscribe=description.get("subscribe"),
            cik=cik,
            key_status=status,
            key_expires=expires,
        )
        if description.get("subscribe"):
            self._subscribers.pop(description["subscribe"], None)
        if owner == UNFINISHED:
            self._jobs.begin(CLONE, number)
        return Node(number, rid, owner, type, description, now, now, cik, status, expires)

    def describe(self, node: Node, description: dict[str, Any], now: int) -> None:
        """Replace the description of a node."""
        self._db.change(
            _DESCRIBE,
            this=node.id,
            new_description=json.dumps(description),
            now=now,
            new_public=int(bool(description.get("public"))),
            new_subscribe=description.get("subscribe"),
        )
        self._drop_cached(node)
        self._subscribers.clear()
        hidden = node.description.get("public") and not description.get("public")
        locked = description.get("locked") and not node.description.get("locked")
        self._db.narrowings += bool(hidden or locked)

    def set_owner(self, node: Node, owner: int | None) -> None:
        """Put a node below another client; None takes it out of the tree, and has it removed."""
        is_there = self._db.change(_SET_OWNER, this=node.id, new_owner=owner)
        if node.owner == UNFINISHED:
            self._jobs.end(CLONE, node.id)
        if owner is None and is_there:  # else it was undone, and its number is for another
            self._jobs.set(DROPPED, node.id)
        self._drop_cached(node)
        self._db.narrowings += node.owner not in (None, UNFINISHED)

    def set_key(self, node: Node, cik: str, status: str, expires: float | None) -> None:
        """Give a client another key, or the key another state."""
        self._db.change(_SET_KEY, this=node.id, new_cik=cik, new_status=status, new_expires=expires)
        self._drop_cached(node)
        self._db.narrowings += 1

    def remove(self, node: Node) -> None:
        """Remove a node, to which and in which no alias is left, and what is known about it."""
        self._db.change(_REMOVE_TAGS, r=node.id)
        self._db.change(_REMOVE_COMMENTS, r=node.id)
        self._db.change(_DELETE, this=node.id)
        if node.owner is None:
            self._jobs.end(DROPPED, node.id)
        self._drop_cached(node)
        self._subscribers.pop(node.description.get("subscribe") or "", None)

    def children_after(self, owner: int, type: str, after: int, limit: int) -> list[Node]:
        """The next children of a type with a number above `after`, by number."""
        rows = self._db.all(_CHILDREN_AFTER, o=owner, k=type, after=after, n=limit)
        return [_node(row) for row in rows]

    def rids_after(
        self, owner: int, type: str, public_only: bool, after: int, limit: int
    ) -> list[tuple[int, str]]:
        """Number and RID of the next children of a type, by number."""
        statement = _PUBLIC_RIDS_AFTER if public_only else _RIDS_AFTER
        return self._db.all(statement, o=owner, k=type, after=after, n=limit)

    def dropped(self) -> Node | None:
        """Some node that was taken out of the tree, and waits to be removed."""
        after = ROOT
        while found := self._jobs.after(DROPPED, after, 1):
            after = found[0]
            node = self.by_id(after)
            if node is not None and node.owner is None and after not in self._passed_over:
                return node
        return None

    def pass_over(self, node: Node) -> None:
        """Let `dropped` not give this node again."""
        self._passed_over.add(node.id)

    def drop_unfinished(self, now: float) -> None:
        """Give up copies whose process ended before they were complete."""
        for number in self._jobs.interrupted(CLONE, now):
            node = self.by_id(number)
            if node is not None and node.owner == UNFINISHED:
                self.set_owner(node, None)

    def height(self, client: int) -> int:
        """How many clients are one below the other under a client; 0 for none."""
        return int(self._db.one(_HEIGHT, top=client)[0] or 0)

    def subscribers(self, rid: str) -> list[int]:
        """Numbers of the resources that subscribe to this one."""
        known = self._subscribers.get(rid)
        if known is None:
            if len(self._subscribers) > _CACHED:
                self._subscribers.clear()
            known = [row[0] for row in self._db.all(_SUBSCRIBERS, rid=rid)]
            self._hold(_ENTRY + _VALUE * len(known))
            self._subscribers[rid] = known
        return known

    # --- aliases ---

    def aliased(self, client: int, alias: str) -> Node | None:
        """What a client has mapped to a name."""
        number = self._aliases.get((client, alias))
        if number is None:
            row = self._db.one(_ALIAS, c=client, name=alias)
            if row is None:
                return None
            self._hold(_ENTRY + 4 * len(alias))
            number = self._aliases[client, alias] = row[0]
            if len(self._aliases) > _CACHED:
                self._aliases.clear()
        return self.by_id(number)

    def map(self, client: int, alias: str, resource: int) -> None:
        """Give a resource an alias."""
        self._db.change(_MAP, c=client, name=alias, r=resource)

    def unmap(self, client: int, alias: str) -> None:
        """Take an alias away."""
        self._db.change(_UNMAP, c=client, name=alias)
        self._aliases.pop((client, alias), None)

    def aliases_of(self, resource: int) -> list[tuple[int, str]]:
        """The aliases of a resource: ``[(client, alias), ...]``."""
        return self._db.all(_ALIASES_OF, r=resource)

    def unmap_some(self, resource: int, limit: int) -> bool:
        """Take away aliases to and in a resource, at most so many; whether that was so many."""
        some = self._db.all(_ALIASES_TO, r=resource, n=limit)
        some += self._db.all(_ALIASES_IN, r=resource, n=limit - len(some))
        for client, alias in some:
            self.unmap(client, alias)
        return len(some) == limit

    def aliases_after(self, client: int, after: str, limit: int) -> list[tuple[str, int]]:
        """The next aliases in a client, with the numbers of the resources, in order."""
        return self._db.all(_ALIASES_AFTER, c=client, after=after, n=limit)

    # --- tags ---

    def add_tag(self, resource: int, tag: str) -> None:
        """Tag a resource."""
        self._db.change(_ADD_TAG, r=resource, tag=tag)

    def remove_tag(self, resource: int, tag: str) -> None:
        """Take a tag away."""
        self._db.change(_REMOVE_TAG, r=resource, tag=tag)

    def tag_count(self, resource: int) -> int:
        """How many tags a resource has."""
        return int(self._db.one(_TAG_COUNT, r=resource)[0])

    def tags(self, resource: int) -> list[str]:
        """The tags of a resource."""
        return [row[0] for row in self._db.all(_TAGS, r=resource)]

    def tagged(
        self, client: int, type: str, tag: str, shared: bool, after: int, limit: int
    ) -> list[tuple[int, str]]:
        """Resources of a type with a tag after another one: ``[(number, RID), ...]``.

        Those below a client, or those that are shared with it.
        """
        statement = _TAGGED_SHARES if shared else _TAGGED
        return self._db.all(statement, top=client, k=type, tag=tag, after=after, n=limit)

    # --- comments ---

    def add_comment(self, resource: int, visibility: str, text: str) -> None:
        """Add a comment to a resource."""
        self._db.change(_COMMENT, r=resource, v=visibility, text=text)

    def comments(self, resource: int) -> list[tuple[str, str]]:
        """The comments of a resource, oldest first: ``[(visibility, text), ...]``."""
        return self._db.all(_COMMENTS, r=resource)

    def copy_comments(self, source: int, target: int) -> None:
        """Give a resource the comments of another."""
        self._db.change(_COPY_COMMENTS, r=source, to=target)
