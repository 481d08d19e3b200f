"""Limits on what a client may own.

A limit is a number or ``inherit``. What a client with ``inherit`` owns counts
against its owner as well, and so on up to the first number. The store keeps for each
client how much counts against it, so that neither creating nor dropping has to
count anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..store import ROOT, Node
from .errors import Invalid
from .unit import Unit

ENTITIES = ("client", "dataport", "datarule", "dispatch")


def weight(unit: Unit, node: Node) -> dict[str, int]:
    """What a resource, its share codes and all that inherits through it count against its owner."""
    counted = {node.type: 1, "share": unit.rights.count_of(node.id)}
    if node.type == "client":
        for kind, (_, pooled) in unit.usage.tallies(node.id).items():
            if node.description["limits"].get(kind) == "inherit":
                counted[kind] = counted.get(kind, 0) + pooled
    return counted


def check(unit: Unit, owner: Node, counted: Mapping[str, int]) -> None:
    """See whether a client may own so much more.

    Raises:
        Invalid: A limit would be passed.
    """
    for kind, amount in counted.items():
        client: Node | None = owner
        while amount > 0 and client is not None and client.id != ROOT:
            limit = client.description["limits"][kind]
            if limit != "inherit":
                used = unit.usage.tallies(client.id).get(kind, (0, 0))[1]
                if used + amount > limit:
                    raise Invalid(f"the limit of {limit} {kind} resources is reached")
                break
            client = _owner(unit, client)


def charge(unit: Unit, owner: Node, counted: Mapping[str, int], sign: int = 1) -> None:
    """Count against the limits of a client, and of those it inherits from; with -1, no longer."""
    for kind, amount in counted.items():
        if amount:
            unit.usage.tally(owner.id, kind, 0, sign * amount)
            _charge_above(unit, owner, kind, sign * amount)


def _charge_above(unit: Unit, client: Node, kind: str, amount: int) -> None:
    above: Node | None = client
    while above is not None and above.description["limits"].get(kind) == "inherit":
        above = _owner(unit, above)
        if above is not None:
            unit.usage.tally(above.id, kind, 0, amount)


def count_owned(unit: Unit, owner: Node, kind: str, change: int) -> None:
    """Count so many more resources of a kind, or fewer, as owned by a client itself."""
    unit.usage.tally(owner.id, kind, change, 0)
    unit.usage.note(owner.id, kind, unit.now(), change)


def take(unit: Unit, owner: Node, node: Node) -> None:
    """Count a resource, with its share codes, as owned by a client from now on."""
    _count(unit, owner, node, 1)


def give_up(unit: Unit, owner: Node, node: Node) -> None:
    """Count a resource, with its share codes, as owned by a client no longer."""
    _count(unit, owner, node, -1)


def _count(unit: Unit, owner: Node, node: Node, sign: int) -> None:
    charge(unit, owner, weight(unit, node), sign)
    count_owned(unit, owner, node.type, sign)
    # Not into the ledger: codes are used up by whoever has them made.
    codes = unit.rights.count_of(node.id)
    if codes:
        unit.usage.tally(owner.id, "share", sign * codes, 0)


def put(unit: Unit, node: Node, new: Mapping[str, Any]) -> None:
    """Put other limits on a client.

    Raises:
        Invalid: A limit would be below what is used.
    """
    old = node.description["limits"]
    used = unit.usage.tallies(node.id)
    owner = _owner(unit, node)
    for kind, limit in new.items():
        pooled = used.get(kind, (0, 0))[1]
        if limit != "inherit" and pooled > limit:
            raise Invalid(f"{pooled} {kind} resources are in use, more than {limit}")
        before, after = old.get(kind) == "inherit", limit == "inherit"
        if owner is None or before == after:
            continue
        if after:
            check(unit, owner, {kind: pooled})
        charge(unit, owner, {kind: pooled}, 1 if after else -1)


def _owner(unit: Unit, node: Node) -> Node | None:
    return None if node.owner is None else unit.resources.by_id(node.owner)
