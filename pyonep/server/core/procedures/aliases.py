"""Procedures on names: map, unmap, lookup."""

from __future__ import annotations

from typing import Any, Callable

from .. import access
from ..access import Call
from ..dataports import LONGEST_ALIAS
from ..errors import Forbidden, Invalid, shown
from ..results import DONE, Result
from .table import a_text, a_word, procedure


@procedure
def map_(call: Call, first: Any, second: Any, third: Any, fourth: Any = None) -> Result:
    """Give a resource an alias: ``(client,) "alias", resource, name``."""
    if fourth is not None:
        call, first, second, third = call.acting_as(first), second, third, fourth
    a_word(first, ["alias"])
    alias = a_text(third, "alias")
    if not 0 < len(alias) <= LONGEST_ALIAS:
        raise Invalid(f"an alias must have 1 to {LONGEST_ALIAS} characters")
    node = call.readable(second)
    if call.aliased(alias) is not None:
        raise Invalid(f"the alias {shown(alias)} is in use")
    call.unit.resources.unmap(call.client.id, alias)  # it may lead to what was dropped
    call.unit.resources.map(call.client.id, alias, node.id)
    return DONE


@procedure
def unmap(call: Call, first: Any, second: Any, third: Any = None) -> Result:
    """Take an alias away: ``(client,) "alias", name``."""
    if third is not None:
        call, first, second = call.acting_as(first), second, third
    a_word(first, ["alias"])
    call.require(call.client)
    call.unit.resources.unmap(call.client.id, a_text(second, "alias"))
    return DONE


@procedure
def lookup(call: Call, first: Any, second: Any, third: Any = None) -> Result:
    """Find a RID: ``(client,) "alias" | "aliased" | "owner" | "shared", what``."""
    if third is not None:
        call, first, second = call.acting_as(first), second, third
    call.require(call.client)
    return Result(_LOOKUPS[a_word(first, _LOOKUPS)](call, second))


def _aliased(call: Call, name: Any) -> str:
    return call.named({"alias": a_text(name, "alias")}).rid


def _owner(call: Call, resource: Any) -> str:
    node = call.below(resource)
    owner = call.unit.resources.by_id(node.owner or 0)
    if owner is None:
        raise Forbidden
    return owner.rid


def _shared(call: Call, code: Any) -> str:
    share = call.unit.rights.share(a_text(code, "code"))
    node = None if share is None else call.unit.resources.by_id(share.resource)
    if node is None or not access.in_tree(call.unit, node):
        raise Invalid("no such share code")
    return node.rid


_LOOKUPS: dict[str, Callable[[Call, Any], str]] = {
    "alias": _aliased,
    "aliased": _aliased,  # as two released clients say it
    "owner": _owner,
    "shared": _shared,
}
