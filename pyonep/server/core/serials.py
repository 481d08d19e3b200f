"""Serial numbers of models: which there are, and what a vendor sees of them.

The state of a serial number is the state of the key of the client made for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..store import Model, Node, Serial, Vendor
from . import access, groups, ranges
from .errors import Conflict, Forbidden, NotFound
from .lists import NOTHING, Listing
from .managing import Manager
from .turns import Steps, each
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


def enabled(unit: Unit, manager: Manager, model: Model, sn: str) -> Serial:
    """A serial number whose client a vendor may act on: for a guest one that it enabled.

    Raises:
        NotFound: There is none.
    """
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
    found = _shown(unit, manager, enabled(unit, manager, model, sn))
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
    return Listing(partial(unit.devices.log, enabled(unit, manager, model, sn).id))


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
    somebody else has added meanwhile. One that a range made is one of its own from now on.

    Raises:
        Conflict: One of them exists.
    """
    new = yield from _first_of_each(entries)
    made = yield from _made_by_ranges(unit, model, new)
    extras = [(one, new.pop(one.sn)) for one in made]
    yield from _add_all(unit, model, list(new.items()))
    yield from each(extras, lambda one: unit.devices.set_extra(*one), _AT_ONCE)


def _first_of_each(entries: Sequence[tuple[str, str]]) -> Steps[dict[str, str]]:
    unique: dict[str, str] = {}
    yield from each(entries, lambda entry: unique.setdefault(*entry), _LOOKED_AT)
    return unique


def _made_by_ranges(unit: Unit, model: Model, new: Iterable[str]) -> Steps[list[Serial]]:
    """Those of some serial numbers that there are, when all of them were made by ranges."""
    numbers = list(new)
    made: list[Serial] = []
    for first in range(0, len(numbers), _AT_ONCE):
        known = unit.devices.serials(model.id, numbers[first : first + _AT_ONCE])
        if not all(one.from_range for one in known):
            raise _exists()
        made += known
        yield from _unless_few(numbers)
    return made


def _unless_few(numbers: Sequence[object]) -> Iterator[None]:
    """A pause, but not for a request that one step does."""
    if len(numbers) > _AT_ONCE:
        yield


def _add_all(unit: Unit, model: Model, entries: Sequence[tuple[str, str]]) -> Steps[None]:
    for first in range(0, len(entries), _AT_ONCE):
        if not unit.devices.add_serials(model.id, entries[first : first + _AT_ONCE]):
            yield from remove_all(unit, model, [sn for sn, _ in entries[:first]])
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
