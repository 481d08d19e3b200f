"""Resources come, go, move and are copied.

Dropping takes a resource out of the tree at once and removes it bit by bit; a copy is
built outside the tree and put in when it is complete. So neither holds anybody
up, however much is below.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from ..store import EARLIEST, UNFINISHED, Node
from . import access, flow, keys, limits, rules
from .descriptions import complete, merge
from .errors import invalid
from .turns import Pace, Steps, pages, step

if TYPE_CHECKING:
    from ..platform import Platform

log: logging.Logger = logging.getLogger(__name__)

_NODES_AT_ONCE = 50
_ALIASES_AT_ONCE = 200


# --- create, update --------------------------------------------------------


def create(
    platform: Platform,
    owner: Node,
    kind: str,
    given: Mapping[str, Any],
    cik: str | None = None,
    rid: str | None = None,
) -> Node:
    """Make a resource, with the RID `rid`; a client gets the key `cik`. By default new ones.

    Raises:
        Refused: ``invalid``: the description does not fit, or a limit is reached.
    """
    description = complete(kind, given)
    _check_size(platform, description)
    _check_preprocess(platform, description)
    _check_source(platform, owner, description)
    limits.check(platform, owner, {kind: 1})
    if kind == "client":
        _check_depth(platform, owner, None)
    key = (cik or keys.new(), access.ACTIVATED, None) if kind == "client" else None
    with platform.database.atomic():
        node = platform.resources.add(
            rid or keys.new(), owner.id, kind, description, platform.now(), key
        )
        limits.charge(platform, owner, {kind: 1})
        limits.own(platform, owner, kind, 1)
        if kind == "datarule":
            rules.start(platform, node)
    return node


def _check_depth(platform: Platform, owner: Node, node: Node | None) -> None:
    """See that a client, or a new one, would not be too deep in the tree below an owner.

    Whatever is asked about a resource goes up to the root, in one go.
    """
    most = platform.settings.max_depth
    depth = 1 + (platform.resources.height(node.id) if node is not None else 0)
    above: Node | None = owner
    while above is not None and above.owner is not None:
        depth += 1
        above = platform.resources.by_id(above.owner)
    if depth > most:
        raise invalid(f"at most {most} clients may be one below the other")


def _check_size(platform: Platform, description: Mapping[str, Any]) -> None:
    most = platform.settings.max_description
    if len(json.dumps(description, ensure_ascii=False)) > most:
        raise invalid(f"a description has at most {most} characters as JSON")


def _check_preprocess(platform: Platform, description: Mapping[str, Any]) -> None:
    most = platform.settings.max_preprocess
    if len(description.get("preprocess", ())) > most:
        raise invalid(f"preprocess has at most {most} operations")


def _check_source(platform: Platform, owner: Node, description: Mapping[str, Any]) -> None:
    rid = description.get("subscribe")
    if rid is None:
        return
    source = platform.resources.by_rid(rid)
    if source is None or not access.may_read(platform, owner, source):
        raise invalid("subscribe names no resource that its owner may read")


def update(platform: Platform, node: Node, given: Mapping[str, Any]) -> None:
    """Change the description of a resource.

    Raises:
        Refused: ``invalid``: the description does not fit, or a limit is below use.
    """
    description = merge(node.type, node.description, given)
    _check_size(platform, description)
    if "preprocess" in given:
        _check_preprocess(platform, description)
    owner = platform.resources.by_id(node.owner or 0)
    assert owner is not None
    if "subscribe" in given:
        _check_source(platform, owner, description)
    with platform.database.atomic():
        if node.type == "client" and "limits" in given:
            limits.change(platform, node, description["limits"])
        platform.resources.describe(node, description, platform.now())
        if node.type == "datarule" and "rule" in given:
            changed = platform.resources.by_id(node.id)
            assert changed is not None
            rules.start(platform, changed)


# --- drop ------------------------------------------------------------------


def drop(platform: Platform, node: Node) -> None:
    """Take a resource, and with it all that is below, out of the tree."""
    resources, now = platform.resources, platform.now()
    owner = resources.by_id(node.owner or 0)
    assert owner is not None
    gone = [
        number
        for number in platform.waits.resources()
        if (waited := resources.by_id(number)) and access.is_within(platform, waited, node.id)
    ]
    with platform.database.atomic():
        limits.take(platform, owner, node, -1)
        if node.type == "client":
            resources.take_over_ledger(owner.id, node.id)
            for kind, total in resources.totals(node.id).items():
                if kind in limits.ENTITIES:
                    resources.note(owner.id, kind, now, -total)
        resources.set_owner(node, None)  # an alias leads nowhere now, and goes with it
    for number in gone:
        platform.waits.dropped(number)
    platform.remove_dropped()


def remove_some(platform: Platform) -> bool:
    """Remove a bit of what was dropped, or is kept no longer; whether there was anything."""
    platform.removing = None
    if _trim_one(platform):
        return True
    node = platform.removing = platform.resources.dropped()
    if node is None:
        return False
    for kind in limits.ENTITIES:
        children = platform.resources.children_after(node.id, kind, 0, _NODES_AT_ONCE)
        for child in children:
            if kind == "client":
                platform.resources.set_owner(child, None)
            elif not _erase(platform, child):
                return True
        if children:
            return True
    _erase(platform, node)
    return True


def pass_over(platform: Platform) -> bool:
    """Leave what cannot be removed until the next start, so that it holds up nothing else.

    Returns:
        Whether the fault was met on removing something that was dropped.
    """
    node = platform.removing
    if node is None:
        return False
    log.error("resource %s was dropped and cannot be removed; it is left until a start", node.rid)
    platform.resources.pass_over(node)
    return True


def remove_points(platform: Platform, node: Node, low: int, high: int) -> Steps[None]:
    """Remove the points from `low` to `high`, in steps."""
    position = platform.series.remove_from(node.id, low, high)
    while position is not None:
        yield
        position = platform.series.remove_from(node.id, position, high)


def _trim_one(platform: Platform) -> bool:
    """Remove a bit of what a series has beyond its retention; whether there was such a one."""
    if not platform.overfull:
        return False
    node = platform.resources.by_id(platform.overfull.pop())
    if node is not None:
        flow.retain(platform, node)
    return True


def _erase(platform: Platform, node: Node) -> bool:
    """Remove a resource, or some of its points when it has many."""
    if not platform.series.remove_some(node.id):
        return False
    platform.series.forget(node.id)
    platform.timers.remove(node.id)
    platform.rights.remove_all(node.id)
    if platform.resources.unmap_some(node.id, _ALIASES_AT_ONCE):
        return False
    platform.resources.remove(node)
    return True


# --- move ------------------------------------------------------------------


def move(
    platform: Platform, node: Node, destination: Node, with_aliases: bool
) -> Steps[None] | None:
    """Put a resource below another client.

    Returns:
        The steps that go on with its aliases; None when there are few.

    Raises:
        Refused: ``invalid``: the destination is below the resource or has no room.
    """
    resources = platform.resources
    source = resources.by_id(node.owner or 0)
    assert source is not None
    if access.is_within(platform, destination, node.id):
        raise invalid("a resource cannot be moved below itself")
    if node.type == "client":
        _check_depth(platform, destination, node)
    with platform.database.atomic():
        limits.take(platform, source, node, -1)
        limits.check(platform, destination, limits.weight(platform, node))
        limits.take(platform, destination, node)
        resources.set_owner(node, destination.id)
        steps = _move_aliases(platform, node.id, source, destination if with_aliases else None)
        return steps if step(steps) is None else None


def _move_aliases(
    platform: Platform, number: int, source: Node, destination: Optional[Node]
) -> Steps[None]:
    """Make the former owner's aliases again where they are free; the others go.

    Aliases in clients further up stay where they still lead to something below.
    """
    resources, pace = platform.resources, Pace(_ALIASES_AT_ONCE)
    for client, alias in resources.aliases_of(number):
        if pace.is_full():
            yield
        node = resources.aliased(client, alias)
        if node is None or node.id != number or node.owner == source.id:
            continue  # others have changed it meanwhile, or moved the resource back
        if client != source.id and access.is_within(platform, node, client):
            continue
        resources.unmap(client, alias)
        if client != source.id or destination is None or node.owner != destination.id:
            continue
        if access.aliased(platform, destination, alias) is None:
            resources.unmap(destination.id, alias)  # it may lead to what was dropped
            resources.map(destination.id, alias, node.id)


# --- clone -----------------------------------------------------------------


class _Client(NamedTuple):
    """A client that was copied: the numbers of both, and what matters to the counts."""

    old: int
    new: int
    owner: int  # of the copy
    inherits: tuple[str, ...]  # kinds of which what it owns counts against its owner as well


class _Copies:
    """What was copied to what.

    Others change the source between the steps. What they make meanwhile is not copied, so
    that there is an end; what is known about the copy is counted of what was copied.
    """

    def __init__(self, source: int) -> None:
        self.source = source
        self.top = 0  # number of the copy of the source; what was made later has higher ones
        self.numbers: dict[int, int] = {}
        self.rids: dict[str, str] = {}
        self.with_references: list[int] = []
        self.clients: list[_Client] = []
        self.owned: dict[int, dict[str, int]] = {}  # copy of a client -> what it owns, by kind
        self.rules: list[int] = []
        self.series: list[tuple[int, int]] = []

    def add(self, node: Node, copy: Node) -> None:
        """Note a copy."""
        self.top = self.top or copy.id
        self.numbers[node.id] = copy.id
        self.rids[node.rid] = copy.rid
        if copy.owner in self.owned:
            owned = self.owned[copy.owner]
            owned[copy.type] = owned.get(copy.type, 0) + 1
        if copy.type == "client":
            given = copy.description["limits"]
            inherits = tuple(kind for kind in limits.ENTITIES if given.get(kind) == "inherit")
            self.clients.append(_Client(node.id, copy.id, copy.owner or 0, inherits))
            self.owned[copy.id] = {}
        if copy.type == "datarule":
            self.rules.append(copy.id)
        if copy.description.get("subscribe") or copy.description.get("preprocess"):
            self.with_references.append(copy.id)

    def are_wanted(self, nodes: Sequence[Node]) -> list[Node]:
        """Those of some nodes that were there at the start and have no copy yet."""
        return [node for node in nodes if node.id < self.top and node.id not in self.numbers]


def clone(
    platform: Platform,
    owner: Node,
    source: Node,
    aliases: bool = True,
    historical: bool = True,
    comments: bool = True,
) -> Steps[Node]:
    """Copy a client and all below it, in steps.

    The copy gets new RIDs and keys; references inside lead to copies. Its key has
    to be activated.

    Returns:
        The copy, at the end of the steps.

    Raises:
        Refused: ``invalid``: the owner has no room for it.
    """
    counted = limits.weight(platform, source)
    # Share codes are not copied.
    limits.check(platform, owner, {kind: counted.get(kind, 0) for kind in limits.ENTITIES})
    _check_depth(platform, owner, source)
    copies = _Copies(source.id)
    top = _copy_node(platform, source, UNFINISHED, copies)
    try:
        yield from _copy_tree(platform, copies)
        yield from _tally(platform, copies)
        yield from _copy_references(platform, copies)
        if aliases:
            yield from _copy_aliases(platform, copies)
        if comments:
            yield from _copy_comments(platform, copies)
        if historical:
            for old, new in copies.series:
                yield from _copy_points(platform, old, new)
        yield from _start_rules(platform, copies)
        return _put_in(platform, owner, source, top)
    except BaseException:
        # Not here: it would be undone with the step that failed.
        platform.afterwards(lambda: _give_up(platform, top))
        raise


def _give_up(platform: Platform, top: Node) -> None:
    platform.resources.set_owner(top, None)
    platform.remove_dropped()


def _children(platform: Platform, owner: int, kind: str) -> Iterator[Sequence[Node]]:
    read = partial(platform.resources.children_after, owner, kind)
    return pages(read, lambda child: child.id, 0, _NODES_AT_ONCE)


def named_client(platform: Platform, owner: int, name: str) -> Steps[Optional[Node]]:
    """The first client below an owner that has a name, in steps; None when there is none.

    What is made meanwhile comes last and is found as well: the last step looks at it.
    """
    for children in _children(platform, owner, "client"):
        for child in children:
            if child.description["name"] == name:
                return child
        if len(children) == _NODES_AT_ONCE:
            yield
    return None


def _copy_tree(platform: Platform, copies: _Copies) -> Steps[None]:
    for client in copies.clients:  # which become more on the way
        for kind in limits.ENTITIES:
            for children in _children(platform, client.old, kind):
                if not _is_below(platform, client.old, copies.source):
                    break
                for child in copies.are_wanted(children):
                    _copy_node(platform, child, client.new, copies)
                if children[-1].id > copies.top:
                    break
                yield


def _is_below(platform: Platform, number: int, top: int) -> bool:
    node = platform.resources.by_id(number)
    return node is not None and access.is_within(platform, node, top)


def _copy_node(platform: Platform, node: Node, owner: int, copies: _Copies) -> Node:
    key = None
    if node.type == "client":
        expires = platform.clock() + platform.settings.activation_window
        key = (keys.new(), access.NOT_ACTIVATED, expires)
    copy = platform.resources.add(
        keys.new(), owner, node.type, node.description, platform.now(), key
    )
    for tag in platform.resources.tags(node.id):
        platform.resources.add_tag(copy.id, tag)
    copies.add(node, copy)
    if node.type != "client" and platform.series.newest(node.id) is not None:
        copies.series.append((node.id, copy.id))
    return copy


def _tally(platform: Platform, copies: _Copies) -> Steps[None]:
    """Count what was copied, from the bottom up; share codes are not copied."""
    pooled = {number: dict(owned) for number, owned in copies.owned.items()}
    pace = Pace(_NODES_AT_ONCE)
    for client in reversed(copies.clients):
        for kind, total in pooled.pop(client.new).items():
            own = copies.owned[client.new].get(kind, 0)
            platform.resources.tally(client.new, kind, own, total)
            platform.resources.note(client.new, kind, platform.now(), own)
            if kind in client.inherits and client.owner in pooled:
                above = pooled[client.owner]
                above[kind] = above.get(kind, 0) + total
        if pace.is_full():
            yield


def _copy_references(platform: Platform, copies: _Copies) -> Steps[None]:
    pace = Pace(_NODES_AT_ONCE)
    for number in copies.with_references:
        node = platform.resources.by_id(number)
        if node is None:
            continue
        description = dict(node.description)
        if description.get("subscribe"):
            rid = description["subscribe"]
            description["subscribe"] = copies.rids.get(rid, rid)
        description["preprocess"] = [
            [operation, copies.rids.get(operand, operand) if isinstance(operand, str) else operand]
            for operation, operand in description.get("preprocess", ())
        ]
        platform.resources.describe(node, description, node.created)
        if pace.is_full():
            yield


def _copy_aliases(platform: Platform, copies: _Copies) -> Steps[None]:
    for client in copies.clients:
        read = partial(platform.resources.aliases_after, client.old)
        for some in pages(read, lambda one: one[0], "", _NODES_AT_ONCE):
            for alias, target in some:
                copy = copies.numbers.get(target)
                # One for what was made meanwhile must not lead out of the copy.
                if copy is not None or not _is_below(platform, target, copies.source):
                    platform.resources.map(client.new, alias, copy or target)
            yield


def _copy_comments(platform: Platform, copies: _Copies) -> Steps[None]:
    pace = Pace(_NODES_AT_ONCE)
    for old, new in copies.numbers.items():
        platform.resources.copy_comments(old, new)
        if pace.is_full():
            yield


def _copy_points(platform: Platform, old: int, new: int) -> Steps[None]:
    """Copy a series up to its newest point of now, so that it ends while others go on writing."""
    newest = platform.series.newest(old)
    position = EARLIEST if newest is not None else None
    while newest is not None and position is not None:
        position = platform.series.copy(old, new, position, newest.time)
        if position is not None:
            yield


def _start_rules(platform: Platform, copies: _Copies) -> Steps[None]:
    """Start the timers of the copied rules, when all else is done: nobody hears them yet."""
    pace = Pace(_NODES_AT_ONCE)
    for number in copies.rules:
        node = platform.resources.by_id(number)
        if node is not None:
            rules.start(platform, node)
        if pace.is_full():
            yield


def _put_in(platform: Platform, owner: Node, source: Node, top: Node) -> Node:
    """Make the finished copy part of the tree, if there is still room for it.

    Owner and source may have been moved, or dropped, since they were found.
    """
    if not access.in_tree(platform, source):
        raise invalid("what is copied was dropped meanwhile")
    now = platform.resources.by_id(owner.id)
    if now is None or not access.in_tree(platform, now):
        raise invalid("the owner was dropped")
    _check_depth(platform, now, top)
    limits.check(platform, now, limits.weight(platform, top))
    with platform.database.atomic():
        platform.resources.set_owner(top, now.id)
        limits.take(platform, now, top)
    copy = platform.resources.by_id(top.id)
    assert copy is not None
    return copy
