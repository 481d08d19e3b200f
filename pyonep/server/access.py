"""Who calls, what a resource argument names, and who may do what with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

from . import keys
from .descriptions import is_key, is_storable
from .errors import BadArguments, Refused, Unauthorized, invalid
from .store import ROOT, Node

if TYPE_CHECKING:
    from .platform import Platform

ACTIVATED, NOT_ACTIVATED, EXPIRED = "activated", "notactivated", "expired"

# What a grant may permit; recordbatch is covered by record.
PERMISSIONS = (
    *("read", "write", "writegroup", "record", "flush", "wait", "info", "create", "move"),
    *("update", "listing", "drop", "usage", "map", "lookup", "unmap", "share", "revoke"),
)
_COVERED_BY = {"recordbatch": "record"}


@dataclass(frozen=True)
class Caller:
    """The client that calls; with a token, also what the token permits, by RID."""

    client: int
    permissions: Optional[Mapping[str, Any]] = None


# --- authentication --------------------------------------------------------


def key_status(node: Node, now: float) -> str:
    """State of a client's key."""
    if node.key_status == NOT_ACTIVATED and node.key_expires is not None:
        return EXPIRED if now >= node.key_expires else NOT_ACTIVATED
    return node.key_status or ACTIVATED


def renew_key(platform: Platform, node: Node) -> None:
    """Give a client a new key, which has to be activated in time."""
    expires = platform.clock() + platform.settings.activation_window
    platform.resources.set_key(node, keys.new(), NOT_ACTIVATED, expires)


def by_key(platform: Platform, cik: Any) -> Node:
    """The client with a key that may be used.

    Raises:
        Unauthorized: There is none.
    """
    node = platform.resources.by_cik(cik) if is_key(cik) else None
    if node is None or not in_tree(platform, node):
        raise Unauthorized
    if key_status(node, platform.clock()) != ACTIVATED:
        raise Unauthorized
    return node


def authenticate(platform: Platform, auth: Any) -> Caller:
    """Find out who calls, from the auth object of a request.

    Raises:
        Unauthorized: The object is malformed, or names no client that may call.
    """
    if not isinstance(auth, dict):
        raise Unauthorized
    if "token" in auth and "cik" not in auth:
        return _by_token(platform, auth["token"])
    client = by_key(platform, auth.get("cik"))
    if "client_id" in auth and "resource_id" in auth:
        raise Unauthorized
    if "client_id" in auth:
        client = _below(platform, client, auth["client_id"])
        if client.type != "client":
            raise Unauthorized
    elif "resource_id" in auth:
        resource = _below(platform, client, auth["resource_id"])
        if resource.id == client.id or resource.owner is None:
            raise Unauthorized
        return Caller(resource.owner)
    return Caller(client.id)


def _below(platform: Platform, client: Node, rid: Any) -> Node:
    node = platform.resources.by_rid(rid) if is_key(rid) else None
    if node is None or not is_within(platform, node, client.id):
        raise Unauthorized
    return node


def _by_token(platform: Platform, token: Any) -> Caller:
    grant = platform.rights.grant(token) if is_key(token) else None
    if grant is None or grant.expires <= platform.clock():
        raise Unauthorized
    client = platform.resources.by_id(grant.client)
    if client is None or not in_tree(platform, client):
        raise Unauthorized
    return Caller(grant.client, grant.permissions)


# --- the tree --------------------------------------------------------------


def is_within(platform: Platform, node: Node, top: int) -> bool:
    """Whether a node is `top` or below it."""
    current: Node | None = node
    while current is not None:
        if current.id == top:
            return True
        current = None if current.owner is None else platform.resources.by_id(current.owner)
    return False


def in_tree(platform: Platform, node: Node) -> bool:
    """Whether a node is part of the tree: neither dropped nor still being built."""
    return is_within(platform, node, ROOT)


def may_read(platform: Platform, client: Node, node: Node) -> bool:
    """Whether a client may read, wait for and subscribe to a resource."""
    if node.owner == client.id or is_within(platform, node, client.id):
        return in_tree(platform, node)
    if not in_tree(platform, node):
        return False
    shared = platform.rights.activated(client.id, node.id) is not None
    return shared or bool(node.description.get("public"))


# --- one call --------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """A procedure being called: by whom, and as which client."""

    platform: Platform
    client: Node
    procedure: str
    permissions: Optional[Mapping[str, Any]] = None

    def acting_as(self, resource: Any) -> Call:
        """The same call, made as the client that a leading argument names."""
        node = self.own(resource)
        if node.type != "client":
            raise invalid("the leading resource must be a client")
        return Call(self.platform, node, self.procedure, self.permissions)

    def named(self, resource: Any) -> Node:
        """What a resource argument names, whoever may use it.

        Raises:
            BadArguments: It is neither a RID nor ``{"alias": name}``.
            Refused: ``invalid``: no such alias, or no RID. ``restricted``: no such resource.
        """
        resources = self.platform.resources
        if isinstance(resource, dict):
            alias = resource.get("alias")
            if len(resource) != 1 or not isinstance(alias, str):
                raise BadArguments('a resource is a RID or {"alias": name}')
            node = self.aliased(alias) if alias else self.client
            if node is None:
                raise invalid(f"no resource has the alias {alias!r}")
            return node
        if not isinstance(resource, str):
            raise BadArguments('a resource is a RID or {"alias": name}')
        if not is_key(resource):
            raise invalid("a RID has 40 characters of 0-9 and a-f")
        node = resources.by_rid(resource)
        if node is None:
            raise Refused("restricted", "no such resource within reach")
        return node

    def aliased(self, alias: str) -> Node | None:
        """What the caller has mapped to a name, as long as it is in the tree."""
        if not is_storable(alias):
            return None
        node = self.platform.resources.aliased(self.client.id, alias)
        if node is None or node.owner == self.client.id or in_tree(self.platform, node):
            return node
        return None

    def own(self, resource: Any) -> Node:
        """The caller or something below it.

        Raises:
            Refused: ``restricted``: it is neither; else as `named`.
        """
        node = self.named(resource)
        near = node.owner == self.client.id or is_within(self.platform, node, self.client.id)
        if not near:
            raise Refused("restricted", "the resource is not below the calling client")
        self.require(node)
        return node

    def below(self, resource: Any) -> Node:
        """Something below the caller, not the caller itself."""
        node = self.own(resource)
        if node.id == self.client.id:
            raise Refused("restricted", "a client may not do this to itself")
        return node

    def readable(self, resource: Any) -> Node:
        """Something the caller may read: its own, a shared or a public resource."""
        node = self.named(resource)
        if node.owner != self.client.id and not may_read(self.platform, self.client, node):
            raise Refused("restricted", "not below the caller, neither shared nor public")
        self.require(node)
        return node

    def series(self, node: Node) -> Node:
        """The node, when it has points."""
        if node.type == "client":
            raise invalid("a client has no points")
        return node

    def require(self, node: Node) -> None:
        """See whether the caller's token, if it has one, permits this here."""
        if self.permissions is None:
            return
        wanted = _COVERED_BY.get(self.procedure, self.procedure)
        for rid, permitted in self.permissions.items():
            top = self.platform.resources.by_rid(rid)
            if wanted in permitted and top is not None and is_within(self.platform, node, top.id):
                return
        raise Refused("restricted", f"the token does not permit {wanted} here")
