"""The procedure listing, in its three forms."""

from __future__ import annotations

from typing import Any, Callable

from .. import access
from ..access import Call
from ..descriptions import KINDS
from ..errors import Refused
from .table import a_list, a_text, an_object, procedure

_Lister = Callable[[Call, str, Any], "list[str]"]


@procedure
def listing(call: Call, first: Any, second: Any = None, third: Any = None) -> Any:
    """RIDs by type: ``(types)``, ``(types, options)`` or ``(resource, types, options)``."""
    if isinstance(first, list):
        call.require(call.client)
        if second is None:
            found = _listing(call, first, {})
            return [found[kind] for kind in first]
        return _listing(call, first, an_object(second, "options"))
    return _listing(call.acting_as(first), a_list(second, "types"), an_object(third, "options"))


def _listing(call: Call, types: list[Any], options: dict[str, Any]) -> dict[str, list[str]]:
    wanted = {name: value for name, value in (options or {"owned": True}).items() if value}
    result = {}
    for kind in types:
        if kind not in KINDS:
            raise Refused("error", f"a type must be one of {', '.join(KINDS)}")
        found: list[str] = []
        for name, value in wanted.items():
            if name in _LISTERS:
                found += _LISTERS[name](call, kind, value)
        result[kind] = list(dict.fromkeys(found))
    return result


def _owned(call: Call, kind: str, _: Any) -> list[str]:
    return call.platform.resources.children(call.client.id, kind)


def _activated(call: Call, kind: str, _: Any) -> list[str]:
    shared = call.platform.rights.activated_list(call.client.id, kind)
    return [rid for rid in shared if _is_alive(call, rid)]


def _aliased(call: Call, kind: str, _: Any) -> list[str]:
    aliased = call.platform.resources.aliased_by(call.client.id, kind)
    return [rid for rid in aliased if _is_alive(call, rid)]


def _public(call: Call, kind: str, _: Any) -> list[str]:
    return call.platform.resources.children(call.client.id, kind, public_only=True)


def _tagged(call: Call, kind: str, tags: Any) -> list[str]:
    words = [a_text(word, "a tag") for word in a_list(tags, "tagged")]
    return call.platform.resources.tagged(call.client.id, kind, words)


_LISTERS: dict[str, _Lister] = {
    "owned": _owned,
    "activated": _activated,
    "aliased": _aliased,
    "public": _public,
    "tagged": _tagged,
}


def _is_alive(call: Call, rid: str) -> bool:
    node = call.platform.resources.by_rid(rid)
    return node is not None and access.in_tree(call.platform, node)
