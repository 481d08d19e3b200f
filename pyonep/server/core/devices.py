"""Clients made by hand, below the root or below a vendor."""

from __future__ import annotations

from typing import NamedTuple

from ..store import ROOT, Node
from . import access, dataports, lifecycle
from .dataports import Dataport
from .descriptions import LIMITS, is_key
from .errors import Conflict, Invalid, NotFound
from .turns import Steps
from .unit import Unit


class Device(NamedTuple):
    """A client that is ready to use."""

    cik: str
    rid: str

    def __repr__(self) -> str:
        return f"Device(rid={self.rid!r})"


def add(unit: Unit, name: str = "device", cik: str | None = None) -> Device:
    """Make a client that may own as much as it likes.

    Args:
        unit: The work that this is part of.
        name: Its name.
        cik: Its key, for scripts that have one written into them; a new one by default.

    Raises:
        Invalid: The key has not the form of one.
        Conflict: Another client has this key.
    """
    root = unit.resources.by_id(ROOT)
    assert root is not None
    node = add_client(unit, root, name, cik)
    assert node.cik is not None
    return Device(node.cik, node.rid)


def add_named(unit: Unit, name: str, cik: str | None = None) -> Steps[Device]:
    """The same with a name that no other of them has, in steps.

    Whoever adds one by hand finds it by that.

    Raises:
        Invalid: There is no name, or the key has not the form of one.
        Conflict: Another client has the name, or this key.
    """
    if not name:
        raise Invalid("a device that is added by hand needs a name")
    known = yield from lifecycle.named_client(unit, ROOT, name)
    if known is not None:
        raise Conflict(f"there is a device {name!r} already, with the RID {known.rid}")
    return add(unit, name, cik)


def add_client(unit: Unit, owner: Node, name: str, cik: str | None = None) -> Node:
    """Make a client that may own as much as its owner, below any client.

    Args:
        unit: The work that this is part of.
        owner: The client that it is below.
        name: Its name.
        cik: Its key; a new one by default.

    Returns:
        The client, as it is stored.

    Raises:
        Invalid: The key has not the form of one.
        Conflict: Another client has this key.
    """
    if cik is not None and not is_key(cik):
        raise Invalid("a CIK has 40 characters of 0-9 and a-f")
    if cik is not None and unit.resources.by_cik(cik) is not None:
        raise Conflict("another client has this CIK")
    description = {"name": name, "limits": dict.fromkeys(LIMITS, "inherit")}
    return lifecycle.create(unit, owner, "client", description, cik)


def add_dataport(
    unit: Unit,
    cik: str,
    alias: str,
    format: str = "float",
    name: str | None = None,
    rid: str | None = None,
) -> Dataport:
    """Make a dataport of the client with this key, and give it an alias.

    Args:
        unit: The work that this is part of.
        cik: Key of the client.
        alias: Its alias.
        format: ``float``, ``integer`` or ``string``.
        name: Its name; the alias by default.
        rid: Its RID, for scripts that have one written into them; a new one by default.

    Raises:
        NotFound: No client has this key.
        Invalid: Alias, format or RID has not the form of one.
        Conflict: Alias or RID is taken.
    """
    client = unit.resources.by_cik(cik) if is_key(cik) else None
    if client is None or not access.in_tree(unit, client):
        raise NotFound("no device has this CIK")
    return dataports.add(unit, client, alias, format, name, rid)
