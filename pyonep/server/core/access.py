"""Who calls, what a resource argument names, and who may do what with it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Callable, NamedTuple, Optional

from ..store import ROOT, UNFINISHED, Node
from . import keys
from .budget import Budget
from .descriptions import is_key, is_storable
from .errors import (
    BadArguments,
    Forbidden,
    Invalid,
    Locked,
    NoSuchAlias,
    OutOfReach,
    Refused,
    Unauthorized,
    shown,
)
from .turns import Steps, pages
from .unit import Unit

ACTIVATED, NOT_ACTIVATED, EXPIRED = "activated", "notactivated", "expired"

# What a grant may permit; recordbatch is covered by record.
PERMISSIONS = (
    *("read", "write", "writegroup", "record", "flush", "wait", "info", "create", "move"),
    *("update", "listing", "drop", "usage", "map", "lookup", "unmap", "share", "revoke"),
)
_COVERED_BY = {"recordbatch": "record"}

_AT_ONCE = 100  # aliases that one step looks at


class Caller(NamedTuple):
    """Who calls.

    Attributes:
        client: The client that the calls are made as.
        holder: The client whose right that rests on: the one whose key was sent, or that
            made the token.
        token: The token that was sent, if one was.
        permissions: What the token permits, by RID.
    """

    client: int
    holder: int
    token: Optional[str] = None
    permissions: Optional[Mapping[str, Any]] = None

    def __repr__(self) -> str:
        return f"Caller(client={self.client}, holder={self.holder})"


# --- authentication --------------------------------------------------------


def key_status(node: Node, now: float) -> str:
    """State of a client's key."""
    if node.key_status == NOT_ACTIVATED and node.key_expires is not None:
        return EXPIRED if now >= node.key_expires else NOT_ACTIVATED
    return node.key_status or ACTIVATED


def renew_key(unit: Unit, node: Node) -> None:
    """Give a client a new key, which has to be activated in time.

    Tokens made under the old key end with it: whoever had the key may have made them, and
    nobody could list them.
    """
    unit.rights.remove_grants(node.id)
    expires = unit.clock() + unit.settings.activation_window
    unit.resources.set_key(node, keys.new(), NOT_ACTIVATED, expires)


def by_key(unit: Unit, cik: Any) -> Node:
    """The client with a key, which may act now.

    Raises:
        Unauthorized: There is none with a key that may be used.
        Forbidden: It is locked.
    """
    return admitted(unit, unit.resources.by_cik(cik) if is_key(cik) else None)


def admitted(unit: Unit, client: Node | None) -> Node:
    """A client that may act now, outside of the RPC API.

    Raises:
        Unauthorized: It is gone, or its key may not be used.
        Forbidden: It is locked.
    """
    if client is None or not is_active(unit, client):
        raise Unauthorized
    if client.description["locked"]:
        raise Forbidden("the client is locked")
    return client


def is_active(unit: Unit, client: Node) -> bool:
    """Whether a client is in the tree, with a key that may be used."""
    # Whatever the time is: a key that has to be activated yet, or too late, is neither.
    if client.key_status not in (ACTIVATED, None):
        return False
    return is_within(unit, client, ROOT)  # who asks has just read it


def authenticate(unit: Unit, auth: Any) -> Caller:
    """Find out who calls, from the auth object of a request.

    Raises:
        Unauthorized: The object is malformed, or names no client that may call. One that
            is locked may be named: each of its calls is answered with that.
    """
    if not isinstance(auth, dict):
        raise Unauthorized
    by_token = "token" in auth and "cik" not in auth
    caller = _by_token(unit, auth["token"]) if by_token else _by_cik(unit, auth)
    refused = objection(unit, caller)
    if refused is not None and not isinstance(refused, Locked):
        raise Unauthorized
    return caller


def objection(unit: Unit, caller: Caller) -> Refused | None:
    """Why a caller may not act now; None when it may.

    A client may act as long as it is in the tree and not locked, and the one whose right
    it rests on is as well, above it, with a key that may be used. A token rests on the key
    of the client it acts as, too.
    """
    resources = unit.resources
    client = holder = resources.by_id(caller.client)
    if caller.holder != caller.client:
        holder = resources.by_id(caller.holder)
    if client is None or holder is None or not is_within(unit, client, holder.id):
        return Forbidden("the calling client is gone")
    if not is_active(unit, holder):
        return Forbidden("the key that the call rests on is not valid any more")
    if caller.token is not None:
        grant = unit.rights.grant(caller.token)
        if grant is None or grant.expires <= unit.clock() or not is_active(unit, client):
            return Forbidden("the token is not valid any more")
    if client.description["locked"] or holder.description["locked"]:
        return Locked("the calling client is locked")
    return None


def check(unit: Unit, caller: Caller) -> None:
    """See whether a caller may act now.

    Raises:
        Forbidden: It may not any more.
    """
    refused = objection(unit, caller)
    if refused is not None:
        raise refused


def _by_cik(unit: Unit, auth: Mapping[str, Any]) -> Caller:
    cik: Any = auth.get("cik")
    client = unit.resources.by_cik(cik) if is_key(cik) else None
    if client is None:
        raise Unauthorized
    holder = client.id
    if "client_id" in auth and "resource_id" in auth:
        raise Unauthorized
    if "client_id" in auth:
        client = _below(unit, client, auth["client_id"])
        if client.type != "client":
            raise Unauthorized
    elif "resource_id" in auth:
        resource = _below(unit, client, auth["resource_id"])
        if resource.id == client.id or resource.owner is None:
            raise Unauthorized
        return Caller(resource.owner, holder)
    return Caller(client.id, holder)


def _below(unit: Unit, client: Node, rid: Any) -> Node:
    node = unit.resources.by_rid(rid) if is_key(rid) else None
    if node is None or not is_within(unit, node, client.id):
        raise Unauthorized
    return node


def _by_token(unit: Unit, token: Any) -> Caller:
    grant = unit.rights.grant(token) if is_key(token) else None
    if grant is None:
        raise Unauthorized
    return Caller(grant.client, grant.maker, token, grant.permissions)


# --- the tree --------------------------------------------------------------


def rid_of(unit: Unit, number: int) -> str | None:
    """The RID of what has a number in the store; None when it is gone."""
    node = unit.resources.by_id(number)
    return None if node is None else node.rid


def is_within(unit: Unit, node: Node, top: int) -> bool:
    """Whether a node is `top` or below it."""
    current: Node | None = node
    while current is not None:
        if current.id == top:
            return True
        current = None if current.owner is None else unit.resources.by_id(current.owner)
    return False


def in_tree(unit: Unit, node: Node) -> bool:
    """Whether a node is part of the tree now: neither dropped nor still being built.

    Whoever had it for a while need not read it anew.
    """
    now = unit.resources.by_id(node.id)
    return now is not None and is_within(unit, now, ROOT)


def is_unfinished(unit: Unit, node: Node) -> bool:
    """Whether a node is part of a copy that is not in the tree yet."""
    top: Node | None = node
    while top is not None and top.owner not in (None, UNFINISHED):
        top = unit.resources.by_id(top.owner or 0)
    return top is not None and top.owner == UNFINISHED


def aliased(unit: Unit, client: Node, alias: str) -> Node | None:
    """What a client has mapped to a name, as long as it is in the tree."""
    if not is_storable(alias):
        return None
    node = unit.resources.aliased(client.id, alias)
    if node is None or node.owner == client.id or in_tree(unit, node):
        return node
    return None


def aliases_of(unit: Unit, client: Node) -> Steps[list[tuple[str, Node]]]:
    """What a client has aliases for, as far as it is in the tree, by alias; in steps."""
    found: list[tuple[str, Node]] = []
    read = partial(unit.resources.aliases_after, client.id)
    for page in pages(read, lambda one: one[0], "", _AT_ONCE):
        for alias, number in page:
            node = unit.resources.by_id(number)
            if node is not None and (node.owner == client.id or in_tree(unit, node)):
                found.append((alias, node))
        yield
    return found


def may_read(unit: Unit, client: Node, node: Node) -> bool:
    """Whether a client may read, wait for and subscribe to a resource."""
    if node.owner == client.id or is_within(unit, node, client.id):
        return in_tree(unit, node)
    if not in_tree(unit, node):
        return False
    shared = unit.rights.activated(client.id, node.id) is not None
    return shared or bool(node.description.get("public"))


# --- one call --------------------------------------------------------------


# What long work stands on, all that it found that it may work on: by name, what looks whether
# it is still there, and what that takes.
Grounds = dict[Hashable, tuple[Any, ...]]
_DECIDED = "decided"


@contextmanager
def decided(grounds: Grounds) -> Iterator[None]:
    """What the block does is done to its end, whatever is taken away meanwhile.

    It is as if that had been taken away afterwards.
    """
    grounds[_DECIDED] = (bool,)
    try:
        yield
    finally:
        grounds.pop(_DECIDED, None)


class Watch:
    """Watches over long work: others run between its steps.

    After somebody took something away, from whomever, all that the work stands on is looked
    at again.

    Args:
        unit: Where it is told that something was taken away.
        check_caller: Raises when the caller may not act any more.
        grounds: What the work stands on; more may follow.
    """

    def __init__(self, unit: Unit, check_caller: Callable[[], object], grounds: Grounds) -> None:
        self._unit = unit
        self._check_caller = check_caller
        self._grounds = grounds
        self._seen = unit.narrowings

    def check(self) -> None:
        """See whether the work may go on; raises what the first look does that finds a fault."""
        if _DECIDED in self._grounds:
            return
        self._check_caller()
        if self._seen != self._unit.narrowings:
            self._seen = self._unit.narrowings
            for look, *given in list(self._grounds.values()):
                look(*given)


class Call:
    """A procedure being called: by whom, and as which client.

    What `own` and `readable` found stays a ground of the call: when it is gone, or the right
    to it, before the call has come to its end, the call ends with the same status.

    Args:
        unit: The work that it is part of.
        client: Which client it is made as.
        procedure: Its name.
        caller: Who calls.
        budget: What is left to the request.
        grounds: What it stands on; it adds to them.
    """

    # Made for every call: a frozen dataclass takes five times as long to make.
    __slots__ = ("budget", "caller", "client", "grounds", "permissions", "procedure", "unit")

    def __init__(
        self,
        unit: Unit,
        client: Node,
        procedure: str,
        caller: Caller,
        budget: Budget,
        grounds: Grounds,
    ) -> None:
        self.unit: Unit = unit
        self.client: Node = client
        self.procedure: str = procedure
        self.caller: Caller = caller
        self.budget: Budget = budget
        self.grounds: Grounds = grounds
        # What the caller's token permits, by RID; None when it has none.
        self.permissions: Optional[Mapping[str, Any]] = caller.permissions

    def acting_as(self, resource: Any) -> Call:
        """The same call, made as the client that a leading argument names."""
        node = self.own(resource)
        if node.type != "client":
            raise Invalid("the leading resource must be a client")
        return Call(self.unit, node, self.procedure, self.caller, self.budget, self.grounds)

    def named(self, resource: Any) -> Node:
        """What a resource argument names, whoever may use it.

        Raises:
            BadArguments: It is neither a RID nor ``{"alias": name}``.
            Invalid: No such alias, or no RID.
            Forbidden: No such resource.
        """
        resources = self.unit.resources
        if isinstance(resource, dict):
            alias = resource.get("alias")
            if len(resource) != 1 or not isinstance(alias, str):
                raise BadArguments('a resource is a RID or {"alias": name}')
            node = self.aliased(alias) if alias else self.client
            if node is None:
                raise NoSuchAlias(f"no resource has the alias {shown(alias)}", alias)
            return node
        if not isinstance(resource, str):
            raise BadArguments('a resource is a RID or {"alias": name}')
        if not is_key(resource):
            raise Invalid("a RID has 40 characters of 0-9 and a-f")
        node = resources.by_rid(resource)
        if node is None:
            raise OutOfReach("no such resource within reach")
        return node

    def aliased(self, alias: str) -> Node | None:
        """What the caller has mapped to a name, as long as it is in the tree."""
        return aliased(self.unit, self.client, alias)

    def own(self, resource: Any) -> Node:
        """The caller or something below it.

        Raises:
            Forbidden: It is neither; else as `named`.
        """
        node = self.named(resource)
        near = node.owner == self.client.id or is_within(self.unit, node, self.client.id)
        if not near:
            raise Forbidden("the resource is not below the calling client")
        self.require(node)
        self.grounds[node.id] = (self.own, node.rid)
        return node

    def below(self, resource: Any) -> Node:
        """Something below the caller, not the caller itself."""
        node = self.own(resource)
        if node.id == self.client.id:
            raise Forbidden("a client may not do this to itself")
        return node

    def readable(self, resource: Any) -> Node:
        """Something the caller may read: its own, a shared or a public resource."""
        node = self.named(resource)
        if node.owner != self.client.id and not may_read(self.unit, self.client, node):
            raise Forbidden("not below the caller, neither shared nor public")
        self.require(node)
        self.grounds[node.id] = (self.readable, node.rid)
        return node

    def require_points(self, node: Node) -> Node:
        """The resource, when it is of a type that has points."""
        if node.type == "client":
            raise Invalid("a client has no points")
        return node

    def require(self, node: Node) -> None:
        """See whether the caller's token, if it has one, permits this here."""
        wanted = _COVERED_BY.get(self.procedure, self.procedure)
        if not self.permits(node, wanted):
            raise Forbidden(f"the token does not permit {wanted} here")

    def permits(self, node: Node, permission: str) -> bool:
        """Whether the caller's token permits something here; without a token all is."""
        return self.permissions is None or permission in self.permitted(node)

    def permitted(self, node: Node) -> set[str]:
        """All that the caller's token permits here."""
        found: set[str] = set()
        for rid, permitted in (self.permissions or {}).items():
            top = self.unit.resources.by_rid(rid)
            if top is not None and is_within(self.unit, node, top.id):
                found.update(permitted)
        return found

    def require_reading(self, node: Node | None) -> None:
        """See whether the caller's token, if it has one, may read what another one will follow.

        Raises:
            Forbidden: It may not, or there is no such thing.
        """
        if self.permissions is None:
            return
        near = node is not None and may_read(self.unit, self.client, node)
        if node is None or not near or not self.permits(node, "read"):
            raise Forbidden("the token may not read what is named")

    def no_longer_reads(self, rid: str) -> Refused | None:
        """Why the caller may not read a resource any more; None when it still may."""
        refused = objection(self.unit, self.caller)
        if refused is None:
            try:
                self.readable(rid)
            except Refused as error:
                return error
        return refused
