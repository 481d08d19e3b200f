"""The clients that serial numbers lead to: cloned, activated, taken over, disabled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from ..store import Model, Node, Serial, Vendor
from . import access, fleet, lifecycle, serials
from .descriptions import is_key
from .errors import Conflict, Forbidden, Invalid, NoSuchModel, NotFound
from .managing import Manager
from .turns import Steps
from .unit import Unit


def activate(unit: Unit, vendor: str, model: str, sn: str, peer: str) -> str:
    """Let a device fetch its key.

    Args:
        unit: The work that this is part of.
        vendor: Name of the vendor.
        model: Name of the model.
        sn: The serial number.
        peer: The address that it calls from.

    Raises:
        NotFound: There is no such serial number, or its client was dropped.
        Conflict: It was not enabled, or its key was fetched already.
    """
    found = fleet.named(unit, vendor, model)
    if found is None:
        raise NoSuchModel("no such vendor or model")
    serial = serials.existing(unit, found[1], sn)
    _check_open(unit, serial)
    node = unit.resources.by_id(serial.client or 0)
    assert node is not None and node.cik is not None
    unit.resources.set_key(node, node.cik, access.ACTIVATED, None)
    entry = urlencode({"model": model, "vendor": vendor, "sn": sn})
    unit.devices.add_log(serial.id, unit.now(), peer, entry)
    return node.cik


def _check_open(unit: Unit, serial: Serial) -> None:
    current = serials.state(unit, serial)
    if current == serials.ORPHAN:
        raise NotFound("the client of the serial number was dropped")
    if current != access.NOT_ACTIVATED:
        raise Conflict("the serial number is not open for activation")


def enable(unit: Unit, manager: Manager, model: Model, sn: str, owner: str) -> Steps[str]:
    """Clone the template below an owner and let the serial number lead to the clone; in steps.

    Args:
        unit: The work that this is part of.
        manager: Who enables.
        model: Which model.
        sn: The serial number.
        owner: RID of the client that the clone is to be below.

    Returns:
        The RID of the clone.

    Raises:
        Invalid: The owner is no RID.
        NotFound: There is no such serial number or owner.
        Forbidden: The owner is not below the client of the vendor that enables.
        Unusable: The template cannot be cloned any more.
        Conflict: The serial number has a client, or the owner has no room for one.
    """
    serial = serials.visible(unit, manager, model, sn)
    parent = _owner(unit, manager.vendor, owner)
    if serials.state(unit, serial) != serials.UNUSED:
        raise Conflict("the serial number has a client")
    source = fleet.source(unit, model)
    with _reserved(unit, model, sn):
        try:
            copy = yield from _cloned(unit, model, source, parent)
        except Invalid as refused:
            # What was asked for makes sense; it is what there is that stands against it.
            raise Conflict(refused.reason) from refused
        _lead(unit, model, sn, copy.id, manager.vendor.id)
    return copy.rid


def _owner(unit: Unit, vendor: Vendor, rid: str) -> Node:
    """A client below which a vendor may make others."""
    if not is_key(rid):
        raise Invalid("owner must be a RID")
    owner = unit.resources.by_rid(rid)
    if owner is None or not access.in_tree(unit, owner):
        raise NotFound("no such owner")
    if owner.type != "client" or not access.is_within(unit, owner, vendor.client):
        raise Forbidden("the owner is not below the vendor's client")
    return owner


def _cloned(unit: Unit, model: Model, source: Node, parent: Node) -> Steps[Node]:
    return (
        yield from lifecycle.clone(
            unit,
            parent,
            source,
            aliases="noaliases" not in model.options,
            historical="nohistorical" not in model.options,
            comments="nocomments" not in model.options,
        )
    )


@contextmanager
def _reserved(unit: Unit, model: Model, sn: str) -> Iterator[None]:
    """Keep others from enabling the same serial number while it is being cloned."""
    place = (model.id, sn)
    if place in unit.enabling:
        raise Conflict("the serial number is being enabled")
    unit.enabling.add(place)
    try:
        yield
    finally:
        unit.enabling.discard(place)


def _lead(unit: Unit, model: Model, sn: str, client: int, enabler: int) -> None:
    """Let a serial number lead to a client; one from a range gets an entry now."""
    serial = serials.existing(unit, model, sn)
    if serial.id == 0:
        unit.devices.add_serials(model.id, [(sn, "")], from_range=True)
        serial = serials.existing(unit, model, sn)
    unit.devices.set_client(serial, client, enabler)


def renew(unit: Unit, manager: Manager, model: Model, sn: str) -> None:
    """Give the client of a serial number a new key, to be activated.

    Raises:
        NotFound: There is no serial number that the vendor may act on.
        Conflict: It has no client.
    """
    access.renew_key(unit, _client(unit, serials.enabled(unit, manager, model, sn)))


def disable(unit: Unit, manager: Manager, model: Model, sn: str) -> None:
    """Let the key of a serial number's client expire.

    Raises:
        NotFound: There is no serial number that the vendor may act on.
        Conflict: It has no client.
    """
    node = _client(unit, serials.enabled(unit, manager, model, sn))
    unit.resources.set_key(node, node.cik or "", access.EXPIRED, None)


def remap(unit: Unit, manager: Manager, model: Model, sn: str, old: str) -> None:
    """Let a serial number lead to the client of another one, under a new key.

    Args:
        unit: The work that this is part of.
        manager: Who does it.
        model: Which model.
        sn: The serial number that is to lead to the client.
        old: The one that leads to it now.

    Raises:
        NotFound: There is no such serial number that the vendor may act on.
        Conflict: The new one has a client, or the old one has none.
    """
    new = serials.visible(unit, manager, model, sn)
    source = serials.enabled(unit, manager, model, old)
    node = _client(unit, source)
    if serials.state(unit, new) != serials.UNUSED:
        raise Conflict("the new serial number is not unused")
    with unit.atomic():
        unit.devices.set_client(source, None, None)
        _lead(unit, model, sn, node.id, manager.vendor.id)
        access.renew_key(unit, _client(unit, serials.existing(unit, model, sn)))


def _client(unit: Unit, serial: Serial) -> Node:
    if serials.state(unit, serial) in (serials.UNUSED, serials.ORPHAN):
        raise Conflict("the serial number has no client")
    node = unit.resources.by_id(serial.client or 0)
    assert node is not None
    return node
