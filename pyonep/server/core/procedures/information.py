"""The procedure info, and who sees what of it."""

from __future__ import annotations

from typing import Any, Callable

from ...store import Node
from .. import access, flow, rules
from ..access import Call
from ..descriptions import KINDS
from ..results import Result, long
from ..turns import Pace, Steps, at_once
from .table import an_object, procedure

_COUNTED = (*KINDS, "disk", "email", "http", "share", "sms", "xmpp")
_NOT_MINE = "undefined"
_AT_ONCE = 200  # subscribers that one step looks at


@procedure
def info(call: Call, resource: Any, options: Any = None) -> Result:
    """What is known about a resource, as far as the caller may know it."""
    node = call.readable(resource)
    wanted = {name for name, on in an_object(options, "options").items() if on is True}
    steps = _info(call, node, wanted)
    many = node.type == "client" or len(call.unit.resources.subscribers(node.rid)) > _AT_ONCE
    return long(steps) if many else Result(at_once(steps))


def _info(call: Call, node: Node, wanted: set[str]) -> Steps[Any]:
    within = access.is_within(call.unit, node, call.client.id)
    found = {}
    for name, tell in _TELL.items():
        if wanted and name not in wanted:
            continue
        if not within and name not in _FOR_ALL:
            continue
        value = yield from tell(call, node)
        if value is not None:
            found[name] = value
    return found


def _is_mine(call: Call, node: Node) -> bool:
    """Whether the caller is the resource itself or owns it directly."""
    return call.client.id in (node.id, node.owner)


def _aliases(call: Call, node: Node) -> Steps[Any]:
    resources = call.unit.resources
    if node.type != "client" or not _is_mine(call, node):
        if node.type == "client":
            return _NOT_MINE
        return [
            alias for client, alias in resources.aliases_of(node.id) if client == call.client.id
        ]
    found: dict[str, list[str]] = {}
    for alias, target in (yield from access.aliases_of(call.unit, node)):
        found.setdefault(target.rid, []).append(alias)
    return found


def _basic(call: Call, node: Node) -> Steps[Any]:
    subscribers = yield from _subscribers(call, node)
    basic: dict[str, Any] = {
        "modified": node.modified,
        "subscribers": len(subscribers),
        "type": node.type,
    }
    locked = bool(node.description.get("locked"))
    if node.type == "client":
        status = access.key_status(node, call.unit.clock())
        basic["status"] = "locked" if locked else status
    elif node.type == "dispatch":
        basic["status"] = "locked" if locked else access.ACTIVATED
    elif node.type == "datarule" and rules.rule_of(node.description).kind == "script":
        basic["status"] = rules.NOT_RUNNING
    return basic


def _counts(call: Call, node: Node) -> dict[str, int] | None:
    if node.type != "client":
        return None
    tallies = call.unit.usage.tallies(node.id)
    return {kind: tallies.get(kind, (0, 0))[0] for kind in _COUNTED}


def _usage(call: Call, node: Node) -> dict[str, int] | None:
    if node.type != "client":
        return None
    totals = call.unit.usage.totals(node.id)
    return {kind: totals.get(kind, 0) for kind in _COUNTED}


def _description(call: Call, node: Node) -> dict[str, Any]:
    return node.description


def _key(call: Call, node: Node) -> str | None:
    return node.cik if node.owner == call.client.id else None


def _shares(call: Call, node: Node) -> list[dict[str, Any]] | None:
    # A share code opens a resource to whoever has it.
    if not _is_mine(call, node) or not call.permits(node, "share"):
        return None
    return [
        {"activator": _rid(call, share.activator), "code": share.code, "meta": share.meta}
        for share in call.unit.rights.shares_of(node.id)
    ]


def _rid(call: Call, number: int | None) -> str | None:
    node = None if number is None else call.unit.resources.by_id(number)
    return node.rid if node else None


def _storage(call: Call, node: Node) -> dict[str, int] | None:
    if node.type == "client":
        return None
    flow.retain(call.unit, node)
    series = call.unit.series
    newest = series.newest(node.id)
    return {
        "count": series.count(node.id),
        "first": series.oldest(node.id),
        "last": newest.time if newest else 0,
        "size": series.size(node.id),
    }


def _subscribers(call: Call, node: Node) -> Steps[Any]:
    resources, found = call.unit.resources, []
    pace = Pace(_AT_ONCE)
    for number in resources.subscribers(node.rid):
        one = resources.by_id(number)
        if one is not None and access.in_tree(call.unit, one):
            found.append([one.type, one.rid])
        if pace.is_full():
            yield
    return found


def _tagged(call: Call, node: Node) -> list[str] | None:
    return call.unit.resources.tags(node.id) if _is_mine(call, node) else None


def _tags(call: Call, node: Node) -> list[str]:
    return call.unit.resources.tags(node.id)


def _comments(call: Call, node: Node) -> list[list[str]]:
    return [list(comment) for comment in call.unit.resources.comments(node.id)]


def _short(tell: Callable[[Call, Node], Any]) -> Callable[[Call, Node], Steps[Any]]:
    """What tells something without steps, as one that has them."""

    def steps(call: Call, node: Node) -> Steps[Any]:
        yield from ()
        return tell(call, node)

    return steps


_TELL: dict[str, Callable[[Call, Node], Steps[Any]]] = {
    "aliases": _aliases,
    "basic": _basic,
    "comments": _short(_comments),
    "counts": _short(_counts),
    "description": _short(_description),
    "key": _short(_key),
    "shares": _short(_shares),
    "storage": _short(_storage),
    "subscribers": _subscribers,
    "tagged": _short(_tagged),
    "tags": _short(_tags),
    "usage": _short(_usage),
}
_FOR_ALL = ("basic", "description", "storage")
