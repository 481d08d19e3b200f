"""Resources come, go, move and are copied.

Dropping takes a resource out of the tree at once and removes it bit by bit; a copy is
built outside the tree and put in when it is complete. So neither holds anybody
up, however much is below.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Optional

from ..store import EARLIEST, ROOT, UNFINISHED, Node
from . import access, flow, keys, limits
from .descriptions import LIMITS, complete, merge
from .errors import Invalid
from .events import Dropped, Remains
from .turns import Pace, Steps, pages, step
from .unit import Unit

_NODES_AT_ONCE = 50
_ALIASES_AT_ONCE = 200


# --- create, update --------------------------------------------------------


def add_root(unit: Unit) -> bool:
    """Make the client that all others are below, when there is none; whether there was none."""
    if unit.resources.by_id(ROOT) is not None:
        return False
    description = complete("client", {"name": "root", "limits": dict.fromkeys(LIMITS, "inherit")})
    key = (keys.new(), access.EXPIRED, None)  # nobody acts as the root
    unit.resources.add(keys.new(), None, "client", description, unit.now(), key)
    return True


def create(
    unit: Unit,
    owner: Node,
    kind: str,
    given: Mapping[str, Any],
    cik: str | None = None,
    rid: str | None = None,
) -> Node:
    """Make a resource, with the RID `rid`; a client gets the key `cik`. By default new ones.

    Raises:
        Invalid: The description does not fit, or a limit is reached.
    """
    description = complete(kind, given)
    _check_size(unit, description)
    _check_preprocess(unit, description)
    _check_source(unit, owner, description)
    limits.check(unit, owner, {kind: 1})
    if kind == "client":
        _check_depth(unit, owner, None)
    key = (cik or keys.new(), access.ACTIVATED, None) if kind == "client" else None
    with unit.atomic():
        node = unit.resources.add(rid or keys.new(), owner.id, kind, description, unit.now(), key)
        limits.charge(unit, owner, {kind: 1})
        limits.count_owned(unit, owner, kind, 1)
        if kind == "datarule":
            flow.start_rule(unit, node)
    return node


def _check_depth(unit: Unit, owner: Node, node: Node | None) -> None:
    """See that a client, or a new one, would not be too deep in the tree below an owner.

    Whatever is asked about a resource goes up to the root, in one go.
    """
    most = unit.settings.max_depth
    depth = 1 + (unit.resources.height(node.id) if node is not None else 0)
    above: Node | None = owner
    while above is not None and above.owner is not None:
        depth += 1
        above = unit.resources.by_id(above.owner)
    if depth > most:
        raise Invalid(f"at most {most} clients may be one below the other")


def _check_size(unit: Unit, description: Mapping[str, Any]) -> None:
    most = unit.settings.max_description
    if len(json.dumps(description, ensure_ascii=False)) > most:
        raise Invalid(f"a description has at most {most} characters as JSON")


def _check_preprocess(unit: Unit, description: Mapping[str, Any]) -> None:
    most = unit.settings.max_preprocess
    if len(description.get("preprocess", ())) > most:
        raise Invalid(f"preprocess has at most {most} operations")


def _check_source(unit: Unit, owner: Node, description: Mapping[str, Any]) -> None:
    rid = description.get("subscribe")
    if rid is None:
        return
    source = unit.resources.by_rid(rid)
    if source is None or not access.may_read(unit, owner, source):
        raise Invalid("subscribe names no resource that its owner may read")


def update(unit: Unit, node: Node, given: Mapping[str, Any]) -> None:
    """Change the description of a resource.

    Raises:
        Invalid: The description does not fit, or a limit is below use.
    """
    description = merge(node.type, node.description, given)
    _check_size(unit, description)
    if "preprocess" in given:
        _check_preprocess(unit, description)
    owner = unit.resources.by_id(node.owner or 0)
    assert owner is not None
    if "subscribe" in given:
        _check_source(unit, owner, description)
    with unit.atomic():
        if node.type == "client" and "limits" in given:
            limits.put(unit, node, description["limits"])
        unit.resources.describe(node, description, unit.now())
        if node.type == "datarule" and "rule" in given:
            changed = unit.resources.by_id(node.id)
            assert changed is not None
            flow.start_rule(unit, changed)


# --- drop ------------------------------------------------------------------


def drop(unit: Unit, node: Node) -> None:
    """Take a resource, and with it all that is below, out of the tree."""
    resources, now = unit.resources, unit.now()
    owner = resources.by_id(node.owner or 0)
    assert owner is not None
    with unit.atomic():
        limits.give_up(unit, owner, node)
        if node.type == "client":
            unit.usage.take_over_ledger(owner.id, node.id)
            for kind, total in unit.usage.totals(node.id).items():
                if kind in limits.ENTITIES:
                    unit.usage.note(owner.id, kind, now, -total)
        resources.set_owner(node, None)  # an alias leads nowhere now, and goes with it
    unit.emit(Dropped(node.id))
    unit.emit(Remains())


def remove_some(unit: Unit, node: Node) -> None:
    """Remove a bit of something that was dropped."""
    for kind in limits.ENTITIES:
        children = unit.resources.children_after(node.id, kind, 0, _NODES_AT_ONCE)
        for child in children:
            if kind == "client":
                unit.resources.set_owner(child, None)
            elif not _erase(unit, child):
                return
        if children:
            return
    _erase(unit, node)


def remove_points(unit: Unit, node: Node, low: int, high: int) -> Steps[None]:
    """Remove the points from `low` to `high`, in steps."""
    position = unit.series.remove_from(node.id, low, high)
    while position is not None:
        yield
        position = unit.series.remove_from(node.id, position, high)


def trim(unit: Unit, number: int) -> None:
    """Remove a bit of what a series has beyond its retention."""
    node = unit.resources.by_id(number)
    if node is not None:
        flow.retain(unit, node)


def _erase(unit: Unit, node: Node) -> bool:
    """Remove a resource, or some of its points when it has many."""
    if not unit.series.remove_some(node.id):
        return False
    unit.series.forget(node.id)
    unit.timers.remove(node.id)
    unit.rights.remove_all(node.id)
    if unit.resources.unmap_some(node.id, _ALIASES_AT_ONCE):
        return False
    if node.type == "client":
        unit.usage.forget(node.id)
    unit.resources.remove(node)
    return True


# --- move ------------------------------------------------------------------


def move(unit: Unit, node: Node, destination: Node, with_aliases: bool) -> Steps[None] | None:
    """Put a resource below another client.

    Returns:
        The steps that go on with its aliases; None when there are few.

    Raises:
        Invalid: The destination is below the resource or has no room.
    """
    resources = unit.resources
    source = resources.by_id(node.owner or 0)
    assert source is not None
    if access.is_within(unit, destination, node.id):
        raise Invalid("a resource cannot be moved below itself")
    if node.type == "client":
        _check_depth(unit, destination, node)
    with unit.atomic():
        limits.give_up(unit, source, node)
        limits.check(unit, destination, limits.weight(unit, node))
        limits.take(unit, destination, node)
        resources.set_owner(node, destination.id)
        steps = _move_aliases(unit, node.id, source, destination if with_aliases else None)
        return steps if step(steps) is None else None


def _move_aliases(
    unit: Unit, number: int, source: Node, destination: Optional[Node]
) -> Steps[None]:
    """Make the former owner's aliases again where they are free; the others go.

    Aliases in clients further up stay where they still lead to something below.
    """
    resources, pace = unit.resources, Pace(_ALIASES_AT_ONCE)
    for client, alias in resources.aliases_of(number):
        if pace.is_full():
            yield
        node = resources.aliased(client, alias)
        if node is None or node.id != number or node.owner == source.id:
            continue  # others have changed it meanwhile, or moved the resource back
        if client != source.id and access.is_within(unit, node, client):
            continue
        resources.unmap(client, alias)
        if client != source.id or destination is None or node.owner != destination.id:
            continue
        if access.aliased(unit, destination, alias) is None:
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
    that there is an end, nor what they take out of the source from then on: it may be meant for
    others. What is known about the copy is counted of what was copied.
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
    unit: Unit,
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
        Invalid: The owner has no room for it.
    """
    counted = limits.weight(unit, source)
    # Share codes are not copied.
    limits.check(unit, owner, {kind: counted.get(kind, 0) for kind in limits.ENTITIES})
    _check_depth(unit, owner, source)
    copies = _Copies(source.id)
    top = _copy_node(unit, source, UNFINISHED, copies)
    try:
        yield from _copy_tree(unit, copies)
        yield from _tally(unit, copies)
        yield from _copy_references(unit, copies)
        if aliases:
            yield from _copy_aliases(unit, copies)
        if comments:
            yield from _copy_comments(unit, copies)
        if historical:
            for old, new in copies.series:
                yield from _copy_points(unit, copies, old, new)
        yield from _start_rules(unit, copies)
        return _put_in(unit, owner, source, top)
    except BaseException:
        # Not here: it would be undone with the step that failed.
        unit.afterwards(partial(_give_up, top=top))
        raise


def _give_up(unit: Unit, top: Node) -> None:
    unit.resources.set_owner(top, None)
    unit.emit(Remains())


def _children(unit: Unit, owner: int, kind: str) -> Iterator[Sequence[Node]]:
    read = partial(unit.resources.children_after, owner, kind)
    return pages(read, lambda child: child.id, 0, _NODES_AT_ONCE)


def named_client(unit: Unit, owner: int, name: str) -> Steps[Optional[Node]]:
    """The first client below an owner that has a name, in steps; None when there is none.

    What is made meanwhile comes last and is found as well: the last step looks at it.
    """
    for children in _children(unit, owner, "client"):
        for child in children:
            if child.description["name"] == name:
                return child
        if len(children) == _NODES_AT_ONCE:
            yield
    return None


def _copy_tree(unit: Unit, copies: _Copies) -> Steps[None]:
    for client in copies.clients:  # which become more on the way
        for kind in limits.ENTITIES:
            for children in _children(unit, client.old, kind):
                if not _is_below(unit, client.old, copies.source):
                    break
                for child in copies.are_wanted(children):
                    _copy_node(unit, child, client.new, copies)
                if children[-1].id > copies.top:
                    break
                yield


def _is_below(unit: Unit, number: int, top: int) -> bool:
    node = unit.resources.by_id(number)
    return node is not None and access.is_within(unit, node, top)


def _copy_node(unit: Unit, node: Node, owner: int, copies: _Copies) -> Node:
    key = None
    if node.type == "client":
        expires = unit.clock() + unit.settings.activation_window
        key = (keys.new(), access.NOT_ACTIVATED, expires)
    copy = unit.resources.add(keys.new(), owner, node.type, node.description, unit.now(), key)
    for tag in unit.resources.tags(node.id):
        unit.resources.add_tag(copy.id, tag)
    copies.add(node, copy)
    if node.type != "client" and unit.series.newest(node.id) is not None:
        copies.series.append((node.id, copy.id))
    return copy


def _tally(unit: Unit, copies: _Copies) -> Steps[None]:
    """Count what was copied, from the bottom up; share codes are not copied."""
    pooled = {number: dict(owned) for number, owned in copies.owned.items()}
    pace = Pace(_NODES_AT_ONCE)
    for client in reversed(copies.clients):
        for kind, total in pooled.pop(client.new).items():
            own = copies.owned[client.new].get(kind, 0)
            unit.usage.tally(client.new, kind, own, total)
            unit.usage.note(client.new, kind, unit.now(), own)
            if kind in client.inherits and client.owner in pooled:
                above = pooled[client.owner]
                above[kind] = above.get(kind, 0) + total
        if pace.is_full():
            yield


def _copy_references(unit: Unit, copies: _Copies) -> Steps[None]:
    pace = Pace(_NODES_AT_ONCE)
    for number in copies.with_references:
        node = unit.resources.by_id(number)
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
        unit.resources.describe(node, description, node.created)
        if pace.is_full():
            yield


def _copy_aliases(unit: Unit, copies: _Copies) -> Steps[None]:
    for client in copies.clients:
        read = partial(unit.resources.aliases_after, client.old)
        for some in pages(read, lambda one: one[0], "", _NODES_AT_ONCE):
            if not _is_below(unit, client.old, copies.source):
                break
            for alias, target in some:
                copy = copies.numbers.get(target)
                # One for what was made meanwhile must not lead out of the copy.
                if copy is not None or not _is_below(unit, target, copies.source):
                    unit.resources.map(client.new, alias, copy or target)
            yield


def _copy_comments(unit: Unit, copies: _Copies) -> Steps[None]:
    pace = Pace(_NODES_AT_ONCE)
    for old, new in copies.numbers.items():
        if _is_below(unit, old, copies.source):
            unit.resources.copy_comments(old, new)
        if pace.is_full():
            yield


def _copy_points(unit: Unit, copies: _Copies, old: int, new: int) -> Steps[None]:
    """Copy a series up to its newest point of now, so that it ends while others go on writing."""
    newest = unit.series.newest(old)
    position = EARLIEST if newest is not None else None
    while newest is not None and position is not None:
        if not _is_below(unit, old, copies.source):
            return
        position = unit.series.copy(old, new, position, newest.time)
        if position is not None:
            yield


def _start_rules(unit: Unit, copies: _Copies) -> Steps[None]:
    """Start the timers of the copied rules, when all else is done: nobody hears them yet."""
    pace = Pace(_NODES_AT_ONCE)
    for number in copies.rules:
        node = unit.resources.by_id(number)
        if node is not None:
            flow.start_rule(unit, node)
        if pace.is_full():
            yield


def _put_in(unit: Unit, owner: Node, source: Node, top: Node) -> Node:
    """Make the finished copy part of the tree, if there is still room for it.

    Owner and source may have been moved, or dropped, since they were found.
    """
    if not access.in_tree(unit, source):
        raise Invalid("what is copied was dropped meanwhile")
    now = unit.resources.by_id(owner.id)
    if now is None or not access.in_tree(unit, now):
        raise Invalid("the owner was dropped")
    _check_depth(unit, now, top)
    limits.check(unit, now, limits.weight(unit, top))
    with unit.atomic():
        unit.resources.set_owner(top, now.id)
        limits.take(unit, now, top)
    copy = unit.resources.by_id(top.id)
    assert copy is not None
    return copy
