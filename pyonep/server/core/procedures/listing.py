"""The procedure listing, in its three forms."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

from ...store import Node
from .. import access
from ..access import Call
from ..descriptions import KINDS
from ..errors import NoSuchType
from ..results import Result, long
from ..turns import Pace, Steps, pages
from .table import a_list, a_text, an_object, procedure

_Lister = Callable[[Call, str, Any], "Steps[list[str]]"]
_TAGGED_AT_ONCE = 5000  # each time, all clients below the caller are gone through
_AT_ONCE = 500  # resources that one step looks at


@procedure
def listing(call: Call, first: Any, second: Any = None, third: Any = None) -> Result:
    """RIDs by type: ``(types)``, ``(types, options)`` or ``(resource, types, options)``."""
    if isinstance(first, list):
        call.require(call.client)
        if second is None:
            return long(_in_order(call, first))
        return long(_listing(call, first, an_object(second, "options")))
    types, options = a_list(second, "types"), an_object(third, "options")
    return long(_listing(call.acting_as(first), types, options))


def _in_order(call: Call, types: list[Any]) -> Steps[list[list[str]]]:
    found = yield from _listing(call, types, {})
    return [found[kind] for kind in types]


def _listing(call: Call, types: list[Any], options: dict[str, Any]) -> Steps[dict[str, list[str]]]:
    wanted = {name: value for name, value in (options or {"owned": True}).items() if value}
    result = {}
    for kind in types:
        if kind not in KINDS:
            raise NoSuchType(f"a type must be one of {', '.join(KINDS)}")
        found: list[str] = []
        for name, value in wanted.items():
            if name in _LISTERS:
                found += yield from _LISTERS[name](call, kind, value)
        result[kind] = list(dict.fromkeys(found))
    return result


def _owned(call: Call, kind: str, _: Any) -> Steps[list[str]]:
    return _children(call, kind, public_only=False)


def _public(call: Call, kind: str, _: Any) -> Steps[list[str]]:
    return _children(call, kind, public_only=True)


def _children(call: Call, kind: str, public_only: bool) -> Steps[list[str]]:
    found: list[str] = []
    read = partial(call.unit.resources.rids_after, call.client.id, kind, public_only)
    for page in pages(read, lambda one: one[0], 0, _AT_ONCE):
        found += [rid for _, rid in page]
        if len(page) == _AT_ONCE:  # of few, one step is enough
            yield
    return found


def _activated(call: Call, kind: str, _: Any) -> Steps[list[str]]:
    shared = call.unit.rights.activated_list(call.client.id, kind)
    return (yield from _alive(call, shared))


def _aliased(call: Call, kind: str, _: Any) -> Steps[list[str]]:
    aliased = yield from access.aliases_of(call.unit, call.client)
    return [node.rid for node in sorted(_nodes(aliased, kind), key=lambda node: node.id)]


def _nodes(aliased: list[tuple[str, Node]], kind: str) -> list[Node]:
    return [node for _, node in aliased if node.type == kind]


def _alive(call: Call, rids: list[str]) -> Steps[list[str]]:
    found, pace = [], Pace(_AT_ONCE)
    for rid in rids:
        node = call.unit.resources.by_rid(rid)
        if node is not None and access.in_tree(call.unit, node):
            found.append(rid)
        if pace.is_full():
            yield
    return found


def _tagged(call: Call, kind: str, tags: Any) -> Steps[list[str]]:
    words = [a_text(word, "a tag") for word in a_list(tags, "tagged")]
    found: list[str] = []
    for word in words:
        for shared in (False, True):
            what = (call.client.id, kind, word, shared)
            read = partial(call.unit.resources.tagged, *what)
            for page in pages(read, lambda one: one[0], 0, _TAGGED_AT_ONCE):
                found += yield from _alive(call, [rid for _, rid in page])
                yield
    return found


_LISTERS: dict[str, _Lister] = {
    "owned": _owned,
    "activated": _activated,
    "aliased": _aliased,
    "public": _public,
    "tagged": _tagged,
}
