"""Procedures on shares, keys and tokens: share, activate, deactivate, revoke, grant."""

from __future__ import annotations

from typing import Any

from ...store import Grant, Node, Share
from .. import access, keys, limits
from ..access import PERMISSIONS, Call
from ..descriptions import is_key
from ..errors import Forbidden, Invalid, NotOwner
from ..results import DONE, Result
from .table import a_text, a_word, an_object, procedure

_DEFAULT_TTL = 3600  # seconds
_LONGEST_META = 64 * 1024


# --- shares ----------------------------------------------------------------


@procedure
def share(call: Call, resource: Any, options: Any = None) -> Result:
    """Make a share code, or change the meta of one."""
    node = call.below(resource)
    given = an_object(options, "options")
    meta = given.get("meta", "")
    if len(a_text(meta, "meta")) > _LONGEST_META:
        raise Invalid(f"meta must have at most {_LONGEST_META} characters")
    if given.get("code") is not None:
        return Result(_change_meta(call, node, given["code"], meta))
    owner = call.unit.resources.by_id(node.owner or 0)
    assert owner is not None
    limits.check(call.unit, owner, {"share": 1})
    code = keys.new()
    with call.unit.atomic():
        call.unit.rights.add_share(code, node.id, meta)
        limits.charge(call.unit, owner, {"share": 1})
        limits.count_owned(call.unit, owner, "share", 1)
    return Result(code)


def _change_meta(call: Call, node: Node, code: Any, meta: str) -> str:
    found = call.unit.rights.share(a_text(code, "code"))
    if found is None or found.resource != node.id:
        raise Invalid("the resource has no such share code")
    call.unit.rights.set_meta(found.code, meta)
    return found.code


def _activate_share(call: Call, code: str) -> None:
    rights = call.unit.rights
    found = rights.share(code) if is_key(code) else None
    node = None if found is None else call.unit.resources.by_id(found.resource)
    if found is None or node is None or not access.in_tree(call.unit, node):
        raise Invalid("no such share code")
    if found.activator is not None:
        raise Invalid("the share code was activated already")
    if rights.activated(call.client.id, node.id) is not None:
        raise Invalid("the resource is shared with this client already")
    rights.set_activator(found.code, call.client.id)


def _deactivate_share(call: Call, code: str) -> None:
    rights = call.unit.rights
    found = rights.share(code) if is_key(code) else None
    if found is None:
        node = call.unit.resources.by_rid(code) if is_key(code) else None
        mine = rights.activated(call.client.id, node.id) if node else None
        found = rights.share(mine) if mine else None
    if found is None or found.activator != call.client.id:
        raise Invalid("no share that this client activated")
    rights.set_activator(found.code, None)


def _revoke_share(call: Call, code: str) -> None:
    found = call.unit.rights.share(code) if is_key(code) else None
    if found is None:
        raise Invalid("no such share code")
    node = _shared(call, found)
    call.require(node)
    owner = call.unit.resources.by_id(node.owner or 0)
    assert owner is not None
    with call.unit.atomic():
        call.unit.rights.remove_share(found.code)
        limits.charge(call.unit, owner, {"share": 1}, -1)
        call.unit.usage.tally(owner.id, "share", -1, 0)


def _shared(call: Call, found: Share) -> Node:
    """What a share opens, when the caller may revoke it."""
    node = call.unit.resources.by_id(found.resource)
    if node is None or not access.in_tree(call.unit, node):
        raise Invalid("no such share code")
    if node.id == call.client.id or not access.is_within(call.unit, node, call.client.id):
        raise NotOwner("the shared resource is not below the calling client")
    return node


# --- keys ------------------------------------------------------------------


def _keyed(call: Call, cik: str) -> Node:
    """The client with a key, when the caller owns it directly."""
    node = call.unit.resources.by_cik(cik) if is_key(cik) else None
    if node is None or not access.in_tree(call.unit, node):
        raise Invalid("no client has this key")
    if node.owner != call.client.id:
        raise NotOwner("only the owner of a client may do this")
    call.require(node)
    return node


def _activate_client(call: Call, cik: str) -> None:
    node = _keyed(call, cik)
    status = access.key_status(node, call.unit.clock())
    if status != access.NOT_ACTIVATED:
        raise Invalid(f"the key is {status}")
    call.unit.resources.set_key(node, cik, access.ACTIVATED, None)


def _deactivate_client(call: Call, cik: str) -> None:
    call.unit.resources.set_key(_keyed(call, cik), cik, access.EXPIRED, None)


def _revoke_client(call: Call, cik: str) -> None:
    access.renew_key(call.unit, _keyed(call, cik))


# --- the procedures on both ------------------------------------------------


@procedure
def activate(call: Call, first: Any, second: Any, third: Any = None) -> Result:
    """Activate a key or a share: ``(client,) "client" | "share", code``."""
    return _run(call, first, second, third, {"client": _activate_client, "share": _activate_share})


@procedure
def deactivate(call: Call, first: Any, second: Any, third: Any = None) -> Result:
    """Let a key expire, or give up a share: ``(client,) "client" | "share", code``."""
    return _run(
        call, first, second, third, {"client": _deactivate_client, "share": _deactivate_share}
    )


@procedure
def revoke(call: Call, first: Any, second: Any) -> Result:
    """Replace a key, or end a share: ``"client" | "share", code``."""
    return _run(call, first, second, None, {"client": _revoke_client, "share": _revoke_share})


def _run(call: Call, first: Any, second: Any, third: Any, by_kind: dict[str, Any]) -> Result:
    if third is not None:
        call, first, second = call.acting_as(first), second, third
    kind = a_word(first, by_kind)
    if call.permissions is not None and call.procedure != "revoke":
        raise Forbidden(f"no token permits {call.procedure}")
    by_kind[kind](call, a_text(second, "code"))
    return DONE


# --- tokens ----------------------------------------------------------------


@procedure
def grant(call: Call, resource: Any, permissions: Any, options: Any = None) -> Result:
    """Make a token that acts as a client with some permissions."""
    node = call.own(resource)
    if node.type != "client":
        raise Invalid("a token acts as a client")
    ttl = an_object(options, "options").get("ttl", _DEFAULT_TTL)
    if isinstance(ttl, bool) or not isinstance(ttl, (int, float)) or not 0 < ttl < 2**40:
        raise Invalid("ttl must be a positive number of seconds")
    permitted = _permissions(call, an_object(permissions, "permissions"))
    token, now = keys.new(), call.unit.clock()
    call.unit.rights.add_grant(token, Grant(node.id, permitted, now + ttl, call.caller.holder), now)
    return Result(token)


def _permissions(call: Call, given: dict[str, Any]) -> dict[str, list[str]]:
    for rid, words in given.items():
        call.own(rid)
        if not isinstance(words, list) or any(word not in PERMISSIONS for word in words):
            raise Invalid(f"permissions are lists of {', '.join(PERMISSIONS)}")
    return given
