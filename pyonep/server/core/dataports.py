"""Dataports made by hand, as on a web page, or for a script that writes to what is not there."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..store import Node
from . import access, lifecycle, values
from .descriptions import is_key, is_storable
from .errors import Conflict, Invalid, shown
from .unit import Unit

FORMATS = ("float", "integer", "string")
LONGEST_ALIAS = 1024


class Dataport(NamedTuple):
    """A dataport that is ready to use."""

    alias: str
    rid: str
    format: str


def add(
    unit: Unit,
    client: Node,
    alias: str,
    format: str = "float",
    name: str | None = None,
    rid: str | None = None,
) -> Dataport:
    """Make a dataport of a client and give it an alias.

    Args:
        unit: The work that this is part of.
        client: Its owner.
        alias: Its alias.
        format: ``float``, ``integer`` or ``string``.
        name: Its name; the alias by default.
        rid: Its RID, for scripts that have one written into them; a new one by default.

    Raises:
        Invalid: Alias, format or RID has not the form of one, or the client's limit is reached.
        Conflict: The alias or the RID is taken.
    """
    if not 0 < len(alias) <= LONGEST_ALIAS or not is_storable(alias):
        raise Invalid(f"an alias must have 1 to {LONGEST_ALIAS} characters")
    if rid is not None and not is_key(rid):
        raise Invalid("a RID has 40 characters of 0-9 and a-f")
    if access.aliased(unit, client, alias) is not None:
        raise Conflict(f"the client has a resource with the alias {shown(alias)}")
    if rid is not None and unit.resources.by_rid(rid) is not None:
        raise Conflict("another resource has this RID")
    description = {"format": format, "name": alias if name is None else name}
    node = lifecycle.create(unit, client, "dataport", description, rid=rid)
    unit.resources.unmap(client.id, alias)  # it may lead to what was dropped
    unit.resources.map(client.id, alias, node.id)
    return Dataport(alias, node.rid, format)


def provide(unit: Unit, client: Node, resource: Any, value: Any, spelled: bool = False) -> None:
    """Make what a script writes to, when the settings say so and it is not there.

    Args:
        unit: The work that this is part of.
        client: Who writes.
        resource: ``{"alias": name}``, or a RID, whose dataport gets it as its alias.
        value: What is written: a number makes a ``float``, text a ``string``.
        spelled: Whether numbers come as text, as they do over the HTTP Data Interface.
    """
    if not unit.settings.autocreate:
        return
    is_alias = isinstance(resource, dict) and len(resource) == 1
    alias = resource.get("alias") if is_alias else resource
    if not isinstance(alias, str) or not (is_alias or is_key(alias)):
        return
    if access.aliased(unit, client, alias) is not None:
        return
    if not is_alias and unit.resources.by_rid(alias) is not None:
        return
    is_text = isinstance(value, str) and not spelled
    format = "string" if is_text or values.as_number(value) is None else "float"
    if alias:
        add(unit, client, alias, format, rid=None if is_alias else alias)
