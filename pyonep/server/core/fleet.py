"""Vendors, models and serial numbers: the rules of provisioning, without its HTTP.

The state of a serial number is the state of the key of the client made for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Optional
from urllib.parse import urlencode

from ..store import MODEL, ROOT, Model, Node, Range, Serial, Vendor
from . import access, devices, keys, lifecycle
from .descriptions import is_key
from .errors import Conflict, Forbidden, Malformed, NotFound, Refused, Unusable
from .events import Remains
from .turns import Pace, Steps
from .unit import Unit

UNUSED, ORPHAN = "", "orphan"
OPTIONS = ("noaliases", "nocomments", "nohistorical")
LONGEST_META = 64 * 1024
_CONTENTS = 20  # entries that one step removes
_HOP = 5000  # members that one step counts
_AT_ONCE, _LOOKED_AT = 500, 5000  # serial numbers that one step adds, or only looks at

_VENDOR_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}\Z")
_NAME = re.compile(r'[^\s,"/?#&%\x00-\x20\x7f-\U0010ffff]{1,128}\Z')


class VendorAccount(NamedTuple):
    """A vendor that is ready to use: its client, its token, and a portal for its devices."""

    name: str
    cik: str
    rid: str
    token: str
    portal_cik: str
    portal_rid: str

    def __repr__(self) -> str:
        return f"VendorAccount({self.name!r}, rid={self.rid!r}, portal_rid={self.portal_rid!r})"


# --- names -----------------------------------------------------------------


def vendor_name(text: str) -> str:
    """The text, when it can be a vendor's name."""
    if not _VENDOR_NAME.match(text):
        raise Malformed("a vendor's name has 1 to 64 characters of A-Z a-z 0-9 _ . -")
    return text


def model_name(text: str) -> str:
    """The text, when it can be a model's name."""
    if not _MODEL_NAME.match(text):
        raise Malformed("a model's name has 1 to 128 characters of A-Z a-z 0-9 _ . : -")
    return text


def name(text: str, what: str) -> str:
    """The text, when it can be a serial number, content id, group id or label."""
    if not _NAME.match(text):
        raise Malformed(
            f'{what}: 1 to 128 printable ASCII characters, none of , " / ? # & % or a space'
        )
    return text


def remark(text: str, what: str) -> str:
    """The text, when it can be a meta or an extra."""
    if len(text.encode("utf-8")) > LONGEST_META or "\0" in text:
        raise Malformed(f"{what}: at most {LONGEST_META} bytes of UTF-8, and no NUL")
    return text


# --- vendors ---------------------------------------------------------------


def add_account(
    unit: Unit, wanted: str, cik: str | None = None, token: str | None = None
) -> VendorAccount:
    """Make a vendor: a client of its own, its name, a token, and a portal client.

    Args:
        unit: The work that this is part of.
        wanted: The vendor's name.
        cik: The key of its client; a new one by default.
        token: Its token; a new one by default.

    Raises:
        Malformed: The name, the key or the token has not the form of one.
        Conflict: One of them is taken.
    """
    root = unit.resources.by_id(ROOT)
    assert root is not None
    with unit.atomic():
        client = devices.add_client(unit, root, wanted, cik)
        portal = devices.add_client(unit, client, "portal")
        register(unit, client, wanted)
        vendor = unit.fleet.vendor_of(client.id)
        assert vendor is not None and client.cik and portal.cik
        token = add_token(unit, vendor, "first", token)
    return VendorAccount(wanted, client.cik, client.rid, token, portal.cik, portal.rid)


def register(unit: Unit, client: Node, wanted: str) -> None:
    """Register a vendor name to a client."""
    vendor_name(wanted)
    taken, own = unit.fleet.vendor(wanted), unit.fleet.vendor_of(client.id)
    if taken is not None and taken.client == client.id:
        return
    if taken is not None:
        raise Conflict(f"the name {wanted!r} is taken by another vendor")
    if own is not None:
        raise Conflict(f"the client is the vendor {own.name!r} already")
    unit.fleet.add_vendor(wanted, client.id)


def unregister(unit: Unit, client: Node, given: str) -> None:
    """Give a vendor name up."""
    own = unit.fleet.vendor_of(client.id)
    if own is None or own.name != vendor_name(given):
        raise NotFound("the name is not registered to this client")
    if unit.fleet.models(own.id):
        raise Conflict("the vendor still owns models")
    unit.fleet.remove_vendor(own)


def add_token(unit: Unit, vendor: Vendor, label: str, token: str | None = None) -> str:
    """Make a token for a vendor, a new one by default."""
    if unit.fleet.token(vendor.id, label) is not None:
        raise Conflict("there is a token of that label")
    if token is not None and not is_key(token):
        raise Malformed("a token has 40 characters of 0-9 and a-f")
    if token is not None and unit.fleet.vendor_by_token(token) is not None:
        raise Conflict("another vendor has this token")
    token = token or keys.new()
    unit.fleet.add_token(vendor.id, label, token)
    return token


# --- models ----------------------------------------------------------------


class Template(NamedTuple):
    """What a model clones: ``rid`` or ``code``, and with which options."""

    kind: str
    value: str
    options: str


def template(unit: Unit, vendor: Vendor, rid: str, code: str, options: Sequence[str]) -> Template:
    """Check what a model is to clone.

    Raises:
        Malformed: Neither or both of RID and share code, or an unknown option.
        Unusable: No client that the vendor may clone.
    """
    if bool(rid) == bool(code):
        raise Malformed("a model needs either rid or code")
    if any(word not in OPTIONS for word in options):
        raise Malformed(f"options are {', '.join(OPTIONS)}")
    ordered = ",".join(word for word in OPTIONS if word in options)
    chosen = Template("rid" if rid else "code", rid or code, ordered)
    _source(unit, vendor, chosen.kind, chosen.value)
    return chosen


def _source(unit: Unit, vendor: Vendor, kind: str, value: str) -> Node:
    node: Optional[Node] = None
    if kind == "rid" and is_key(value):
        node = unit.resources.by_rid(value)
        if node is not None and not access.is_within(unit, node, vendor.client):
            node = None
    elif is_key(value):
        share = unit.rights.share(value)
        if share is not None and share.activator is None:
            node = unit.resources.by_id(share.resource)
    usable = node is not None and node.type == "client" and access.in_tree(unit, node)
    if node is None or not usable:
        raise Unusable("the template is no client that the vendor may clone")
    return node


def remove_model(unit: Unit, model: Model) -> None:
    """Remove a model with its serial numbers, groups, shares and content."""
    unit.fleet.remove_model(model)
    unit.emit(Remains())


def remove_group(unit: Unit, model: Model, name: str, number: int) -> Steps[None]:
    """Remove a group from all that hold it, and its members; in steps."""
    while unit.fleet.remove_memberships(model.id, "group", name):
        yield
    unit.fleet.remove_group(number)
    unit.emit(Remains())


def remove_some(unit: Unit) -> bool:
    """Remove a bit of models and groups that were removed; whether there was anything."""
    removal = unit.fleet.removal()
    if removal is None:
        return False
    _, kind, number = removal
    contents = unit.content.after(number, 0, _CONTENTS) if kind == MODEL else []
    for content in contents:
        unit.content.remove(content)
    if not contents:
        unit.fleet.remove_some(*removal)
    return True


# --- serial numbers --------------------------------------------------------


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
    serial = unit.fleet.serial(model.id, sn)
    if serial is None and any(in_range(r, sn) for r in unit.fleet.ranges(model.id)):
        return Serial(0, model.id, sn, "", 0, None, None, 1)
    return serial


def existing(unit: Unit, model: Model, sn: str) -> Serial:
    """The same, or `NotFound`."""
    serial = find(unit, model, sn)
    if serial is None:
        raise NotFound("no such serial number")
    return serial


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
        for known in unit.fleet.serials(model.id, numbers[first : first + _AT_ONCE]):
            if not known.from_range:
                raise _exists()
            promoted.append((known, unique.pop(known.sn)))
        yield from _unless_few(numbers)
    yield from _add_all(unit, model, list(unique.items()))
    pace = Pace(_AT_ONCE)
    for known, extra in promoted:
        unit.fleet.set_extra(known, extra)
        if pace.is_full():
            yield


def _unless_few(numbers: Sequence[object]) -> Iterator[None]:
    """A pause, but not for a request that one step does."""
    if len(numbers) > _AT_ONCE:
        yield


def _add_all(unit: Unit, model: Model, entries: Sequence[tuple[str, str]]) -> Steps[None]:
    for first in range(0, len(entries), _AT_ONCE):
        if not unit.fleet.add_serials(model.id, entries[first : first + _AT_ONCE]):
            pace = Pace(_AT_ONCE)
            for sn, _ in entries[:first]:
                remove(unit, model, sn)
                if pace.is_full():
                    yield
            raise _exists()
        yield from _unless_few(entries)


def _exists() -> Conflict:
    return Conflict("a serial number exists already; none was added")


def remove(unit: Unit, model: Model, sn: str) -> bool:
    """Remove a serial number; its client stays. Return whether it was there."""
    serial = unit.fleet.serial(model.id, sn)
    if serial is None:
        return False
    unit.fleet.remove_serial(serial)
    return True


def activate(unit: Unit, model: Model, sn: str, vendor: Vendor, peer: str) -> str:
    """Let a device fetch its key."""
    serial = existing(unit, model, sn)
    current = state(unit, serial)
    if current == ORPHAN:
        raise NotFound("the client of the serial number was dropped")
    if current != access.NOT_ACTIVATED:
        raise Conflict("the serial number is not open for activation")
    node = unit.resources.by_id(serial.client or 0)
    assert node is not None and node.cik is not None
    unit.resources.set_key(node, node.cik, access.ACTIVATED, None)
    entry = urlencode({"model": model.name, "vendor": vendor.name, "sn": sn})
    unit.fleet.add_log(serial.id, unit.now(), peer, entry)
    return node.cik


def enable(unit: Unit, model: Model, sn: str, enabler: Vendor, owner: str) -> Steps[str]:
    """Clone the template below an owner and let the serial number lead to the clone.

    Returns:
        The RID of the clone, at the end of the steps.
    """
    serial = existing(unit, model, sn)
    if not is_key(owner):
        raise Malformed("owner must be a RID")
    parent = unit.resources.by_rid(owner)
    if parent is None or not access.in_tree(unit, parent):
        raise NotFound("no such owner")
    if parent.type != "client" or not access.is_within(unit, parent, enabler.client):
        raise Forbidden("the owner is not below the vendor's client")
    if state(unit, serial) != UNUSED:
        raise Conflict("the serial number has a client")
    vendor = unit.fleet.vendor_by_id(model.vendor)
    assert vendor is not None
    source = _source(unit, vendor, model.template_kind, model.template)
    with _reserved(unit, model, sn):
        try:
            copy = yield from lifecycle.clone(
                unit,
                parent,
                source,
                aliases="noaliases" not in model.options,
                historical="nohistorical" not in model.options,
                comments="nocomments" not in model.options,
            )
        except Refused as refused:
            raise Conflict(str(refused)) from refused
        _lead(unit, model, sn, copy.id, enabler.id)
    return copy.rid


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
        unit.fleet.add_serials(model.id, [(sn, "")], from_range=True)
        serial = existing(unit, model, sn)
    unit.fleet.set_client(serial, client, enabler)


def reenable(unit: Unit, serial: Serial) -> None:
    """Give the client of a serial number a new key, to be activated."""
    access.renew_key(unit, _client(unit, serial))


def disable(unit: Unit, serial: Serial) -> None:
    """Let the key of a serial number's client expire."""
    node = _client(unit, serial)
    unit.resources.set_key(node, node.cik or "", access.EXPIRED, None)


def remap(unit: Unit, model: Model, new: Serial, old: Serial, enabler: Vendor) -> None:
    """Let another serial number lead to a client, under a new key."""
    node = _client(unit, old)
    if state(unit, new) != UNUSED:
        raise Conflict("the new serial number is not unused")
    with unit.atomic():
        unit.fleet.set_client(old, None, None)
        _lead(unit, model, new.sn, node.id, enabler.id)
        reenable(unit, existing(unit, model, new.sn))


def _client(unit: Unit, serial: Serial) -> Node:
    if state(unit, serial) in (UNUSED, ORPHAN):
        raise Conflict("the serial number has no client")
    node = unit.resources.by_id(serial.client or 0)
    assert node is not None
    return node


# --- ranges ----------------------------------------------------------------

FORMATS = {"base10": "", "base16": "", "mac:48": ":", "mac-48": "-", "mac.48": "."}
_MAC_DIGITS = 12


def written(new: Range, value: int) -> str:
    """A value as the serial numbers of a range are written."""
    if new.format == "base10":
        return str(value).zfill(new.length or 0)
    digits = format(value, "X" if new.casing == "upper" else "x")
    if new.format == "base16":
        return digits.zfill(new.length or 0)
    digits = digits.zfill(_MAC_DIGITS)
    step = 4 if new.format == "mac.48" else 2
    parts = [digits[at : at + step] for at in range(0, _MAC_DIGITS, step)]
    return FORMATS[new.format].join(parts)


def in_range(known: Range, sn: str) -> bool:
    """Whether a serial number is one of a range, written exactly as it writes them."""
    digits = sn if known.format == "base10" else re.sub("[:.-]", "", sn)
    try:
        value = int(digits, 10 if known.format == "base10" else 16)
    except ValueError:
        return False
    return known.first <= value <= known.last and written(known, value) == sn


def parsed_range(given: Any) -> Range:
    """A range from the JSON of a request."""
    if not isinstance(given, dict):
        raise Malformed("a range is an object")
    kind, length, casing = given.get("format"), given.get("length"), given.get("casing")
    first, last = given.get("first"), given.get("last")
    if not isinstance(kind, str) or kind not in FORMATS:
        raise Malformed(f"format must be one of {', '.join(FORMATS)}")
    if length is not None and (type(length) is not int or not 0 < length <= 128):
        raise Malformed("length must be a number of digits or null")
    if casing is not None and casing not in ("upper", "lower"):
        raise Malformed("casing must be upper, lower or null")
    if type(first) is not int or type(last) is not int or not 0 <= first <= last < 2**63:
        raise Malformed("first and last must be integers, first not above last")
    new = Range(0, kind, length, casing, first, last)
    too_long = length is not None and len(written(new, last)) > length
    if (kind.startswith("mac") and last >= 2**48) or (kind.startswith("base") and too_long):
        raise Malformed("last does not fit")
    return new


def any_overlap(ranges: Sequence[Range]) -> bool:
    """Whether two of some ranges have values in common."""
    ordered = sorted(ranges, key=lambda one: (one.format, one.first))
    return any(
        one.format == other.format and other.first <= one.last
        for one, other in zip(ordered, ordered[1:])
    )


# --- groups ----------------------------------------------------------------


def count_members(unit: Unit, group: int) -> Steps[int]:
    """How many members of a group have not expired; in steps."""
    now, count, after = unit.clock(), 0, 0
    while True:
        place = unit.fleet.skip_members(group, now, "", after, _HOP)
        if place is None:
            return count + unit.fleet.count_members(group, now, after)
        count, after = count + _HOP, place
        yield


def holders(unit: Unit, model: Model, type: str, member: str) -> Steps[set[int]]:
    """All groups that hold something, directly or through groups they hold; in steps."""
    now, found = unit.clock(), set()
    queue = [(type, member, 0)]
    while queue:
        type, member, after = queue.pop()
        some = unit.fleet.groups_with(model.id, type, member, now, after, _AT_ONCE)
        for number, group in some:
            if number not in found:
                found.add(number)
                queue.append(("group", group, 0))
        if len(some) == _AT_ONCE:
            queue.append((type, member, some[-1][0]))
        if queue:
            yield
    return found


def may_use(unit: Unit, model: Model, sn: str, content: str) -> Steps[bool]:
    """Whether some group holds both a serial number and a protected content."""
    mine = yield from holders(unit, model, "sn", sn)
    its = yield from holders(unit, model, "content", content)
    return bool(mine & its)
