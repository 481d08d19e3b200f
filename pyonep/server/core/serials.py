"""Serial numbers of models, and the clients that they lead to.

The state of a serial number is the state of the key of the client made for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ..store import Model, Node, Serial, Vendor
from . import access, fleet, groups, lifecycle, ranges
from .descriptions import is_key
from .errors import Conflict, Forbidden, Malformed, NotFound, Refused
from .lists import NOTHING, Listing
from .managing import Manager
from .turns import Pace, Steps, each
from .unit import Unit

UNUSED, ORPHAN = "", "orphan"
_AT_ONCE, _LOOKED_AT = 500, 5000  # serial numbers that one step adds, or only looks at
_BEFORE_ALL = -1  # as the place of a serial number: the first one has 0


class Shown(NamedTuple):
    """A serial number as it is shown to a vendor."""

    sn: str
    state: str
    rid: str
    extra: str


# --- finding ---------------------------------------------------------------


def state(unit: Unit, serial: Serial) -> str:
    """``""`` (unused), ``notactivated``, ``activated``, ``expired`` or ``orphan``."""
    if serial.client is None:
        return UNUSED
    node = unit.resources.by_id(serial.client)
    if node is None or not access.in_tree(unit, node):
        return ORPHAN
    return access.key_status(node, unit.clock())


def find(unit: Unit, model: Model, sn: str) -> Serial | None:
    """A serial number that was added, or that lies in a range (number 0 then)."""
    serial = unit.devices.serial(model.id, sn)
    if serial is None and any(ranges.in_range(r, sn) for r in unit.devices.ranges(model.id)):
        return Serial(0, model.id, sn, "", 0, None, None, 1)
    return serial


def existing(unit: Unit, model: Model, sn: str) -> Serial:
    """The same, or `NotFound`."""
    serial = find(unit, model, sn)
    if serial is None:
        raise _unknown()
    return serial


def visible(unit: Unit, manager: Manager, model: Model, sn: str) -> Serial:
    """A serial number that a vendor may see: its own, or one that no third vendor enabled.

    Raises:
        NotFound: There is none.
    """
    serial = existing(unit, model, sn)
    if manager.is_guest and serial.enabled_by not in (None, manager.vendor.id):
        raise _unknown()
    return serial


def _enabled(unit: Unit, manager: Manager, model: Model, sn: str) -> Serial:
    """A serial number whose client a vendor may act on: to a guest one that it enabled."""
    serial = visible(unit, manager, model, sn)
    if manager.is_guest and serial.enabled_by is None:
        raise _unknown()
    return serial


def _unknown() -> NotFound:
    return NotFound("no such serial number")


def of_device(unit: Unit, model: Model, client: Node) -> str:
    """The serial number that leads to a device.

    Raises:
        Forbidden: None of this model does.
    """
    for serial in unit.devices.serials_of(client.id):
        if serial.model == model.id:
            return serial.sn
    raise Forbidden("the caller is no device of this model")


# --- showing ---------------------------------------------------------------


def shown(unit: Unit, manager: Manager, model: Model, sn: str) -> Shown:
    """A serial number as a vendor sees it.

    Raises:
        NotFound: There is none that the vendor may act on.
        Conflict: Its client was dropped.
    """
    found = _shown(unit, manager, _enabled(unit, manager, model, sn))
    if found.state == ORPHAN:
        raise Conflict("the client of the serial number was dropped")
    return found


def _shown(unit: Unit, manager: Manager, serial: Serial) -> Shown:
    node = None if serial.client is None else unit.resources.by_id(serial.client)
    extra = "" if manager.is_guest else serial.extra
    return Shown(serial.sn, state(unit, serial), node.rid if node else "", extra)


def log(unit: Unit, manager: Manager, model: Model, sn: str) -> Listing:
    """When and from where the keys of a serial number were fetched: time, peer, entry.

    Raises:
        NotFound: There is none that the vendor may act on.
    """
    return Listing(partial(unit.devices.log, _enabled(unit, manager, model, sn).id))


def holding(unit: Unit, manager: Manager, model: Model, sn: str) -> Listing:
    """The groups that hold a serial number directly.

    Raises:
        NotFound: There is none that the vendor may see.
    """
    return groups.holding(unit, model, "sn", visible(unit, manager, model, sn).sn)


def listing(unit: Unit, manager: Manager, model: Model, enabler: str = "") -> Listing:
    """The serial numbers of a model, as `Shown`, in the order they were added.

    Args:
        unit: The work that this is part of.
        manager: Who asks; to a guest those are shown that it enabled.
        model: Which model.
        enabler: Name of a vendor, to show only those that it enabled.
    """
    if manager.is_guest:
        return _enabled_by(unit, manager, model, manager.vendor)
    if not enabler:
        return _all(unit, manager, model)
    vendor = unit.devices.vendor(enabler)
    return NOTHING if vendor is None else _enabled_by(unit, manager, model, vendor)


def _all(unit: Unit, manager: Manager, model: Model) -> Listing:
    def read(after: int, most: int) -> list[tuple[Any, ...]]:
        return _rows(unit, manager, unit.devices.page(model.id, after, most))

    return Listing(
        read, partial(unit.devices.skip, model.id), partial(unit.devices.start, model.id)
    )


def _enabled_by(unit: Unit, manager: Manager, model: Model, vendor: Vendor) -> Listing:
    """The serial numbers of a model that a vendor enabled."""

    def read(after: int, most: int) -> list[tuple[Any, ...]]:
        return _rows(unit, manager, unit.devices.page_of(model.id, vendor.id, after, most))

    skip = partial(unit.devices.skip_of, model.id, vendor.id)
    return Listing(read, skip, lambda offset: (_BEFORE_ALL, offset))


def _rows(unit: Unit, manager: Manager, serials: list[Serial]) -> list[tuple[Any, ...]]:
    return [(one.place, *_shown(unit, manager, one)) for one in serials]


# --- adding and removing ---------------------------------------------------


def add(unit: Unit, model: Model, entries: Sequence[tuple[str, str]]) -> Steps[None]:
    """Add serial numbers with their extras, in steps; of repeats the first counts.

    All or none: those of one step are taken out again when a later step finds one that
    somebody else has added meanwhile.
    """
    unique: dict[str, str] = {}
    pace = Pace(_LOOKED_AT)
    for sn, extra in entries:
        unique.setdefault(sn, extra)
        if pace.is_full():
            yield
    numbers = list(unique)
    promoted = []
    for first in range(0, len(numbers), _AT_ONCE):
        for known in unit.devices.serials(model.id, numbers[first : first + _AT_ONCE]):
            if not known.from_range:
                raise _exists()
            promoted.append((known, unique.pop(known.sn)))
        yield from _unless_few(numbers)
    yield from _add_all(unit, model, list(unique.items()))
    pace = Pace(_AT_ONCE)
    for known, extra in promoted:
        unit.devices.set_extra(known, extra)
        if pace.is_full():
            yield


def _unless_few(numbers: Sequence[object]) -> Iterator[None]:
    """A pause, but not for a request that one step does."""
    if len(numbers) > _AT_ONCE:
        yield


def _add_all(unit: Unit, model: Model, entries: Sequence[tuple[str, str]]) -> Steps[None]:
    for first in range(0, len(entries), _AT_ONCE):
        if not unit.devices.add_serials(model.id, entries[first : first + _AT_ONCE]):
            pace = Pace(_AT_ONCE)
            for sn, _ in entries[:first]:
                _removed(unit, model, sn)
                if pace.is_full():
                    yield
            raise _exists()
        yield from _unless_few(entries)


def _exists() -> Conflict:
    return Conflict("a serial number exists already; none was added")


def remove(unit: Unit, model: Model, sn: str) -> None:
    """Remove a serial number; its client stays.

    Raises:
        NotFound: There is none; one that only lies in a range cannot be removed.
    """
    if not _removed(unit, model, sn):
        raise _unknown()


def remove_all(unit: Unit, model: Model, numbers: Sequence[str]) -> Steps[int]:
    """Remove serial numbers, as far as there are such; in steps.

    Returns:
        How many there were.
    """
    return sum((yield from each(numbers, partial(_removed, unit, model))))


def remove_listed(unit: Unit, model: Model, numbers: Sequence[str]) -> Steps[None]:
    """The same, but one that is named alone must be there.

    Raises:
        NotFound: It is not.
    """
    removed = yield from remove_all(unit, model, numbers)
    if len(numbers) == 1 and not removed:
        raise _unknown()


def _removed(unit: Unit, model: Model, sn: str) -> bool:
    serial = unit.devices.serial(model.id, sn)
    if serial is None:
        return False
    while unit.groups.remove_memberships(model.id, "sn", sn):
        pass
    unit.devices.remove_serial(serial)
    return True


# --- activation ------------------------------------------------------------


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
        raise NotFound("no such vendor or model")
    serial = existing(unit, found[1], sn)
    _check_open(unit, serial)
    node = unit.resources.by_id(serial.client or 0)
    assert node is not None and node.cik is not None
    unit.resources.set_key(node, node.cik, access.ACTIVATED, None)
    entry = urlencode({"model": model, "vendor": vendor, "sn": sn})
    unit.devices.add_log(serial.id, unit.now(), peer, entry)
    return node.cik


def _check_open(unit: Unit, serial: Serial) -> None:
    current = state(unit, serial)
    if current == ORPHAN:
        raise NotFound("the client of the serial number was dropped")
    if current != access.NOT_ACTIVATED:
        raise Conflict("the serial number is not open for activation")


# --- enabling --------------------------------------------------------------


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
        Malformed: The owner is no RID.
        NotFound: There is no such serial number or owner.
        Forbidden: The owner is not below the client of the vendor that enables.
        Unusable: The template cannot be cloned any more.
        Conflict: The serial number has a client, or the owner has no room for one.
    """
    serial = visible(unit, manager, model, sn)
    parent = _owner(unit, manager.vendor, owner)
    if state(unit, serial) != UNUSED:
        raise Conflict("the serial number has a client")
    source = fleet.source(unit, model)
    with _reserved(unit, model, sn):
        try:
            copy = yield from _cloned(unit, model, source, parent)
        except Refused as refused:
            raise Conflict(str(refused)) from refused
        _lead(unit, model, sn, copy.id, manager.vendor.id)
    return copy.rid


def _owner(unit: Unit, vendor: Vendor, rid: str) -> Node:
    """A client below which a vendor may make others."""
    if not is_key(rid):
        raise Malformed("owner must be a RID")
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
    serial = existing(unit, model, sn)
    if serial.id == 0:
        unit.devices.add_serials(model.id, [(sn, "")], from_range=True)
        serial = existing(unit, model, sn)
    unit.devices.set_client(serial, client, enabler)


def renew(unit: Unit, manager: Manager, model: Model, sn: str) -> None:
    """Give the client of a serial number a new key, to be activated.

    Raises:
        NotFound: There is no serial number that the vendor may act on.
        Conflict: It has no client.
    """
    access.renew_key(unit, _client(unit, _enabled(unit, manager, model, sn)))


def disable(unit: Unit, manager: Manager, model: Model, sn: str) -> None:
    """Let the key of a serial number's client expire.

    Raises:
        NotFound: There is no serial number that the vendor may act on.
        Conflict: It has no client.
    """
    node = _client(unit, _enabled(unit, manager, model, sn))
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
    new = visible(unit, manager, model, sn)
    source = _enabled(unit, manager, model, old)
    node = _client(unit, source)
    if state(unit, new) != UNUSED:
        raise Conflict("the new serial number is not unused")
    with unit.atomic():
        unit.devices.set_client(source, None, None)
        _lead(unit, model, sn, node.id, manager.vendor.id)
        access.renew_key(unit, _client(unit, existing(unit, model, sn)))


def _client(unit: Unit, serial: Serial) -> Node:
    if state(unit, serial) in (UNUSED, ORPHAN):
        raise Conflict("the serial number has no client")
    node = unit.resources.by_id(serial.client or 0)
    assert node is not None
    return node
