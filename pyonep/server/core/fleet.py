"""Vendors, models and serial numbers: the rules of provisioning, without its HTTP.

The state of a serial number is the state of the key of the client made for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Optional
from urllib.parse import urlencode

from ..store import MODEL, ROOT, Model, Node, Range, Serial, Vendor
from . import access, keys, lifecycle
from .descriptions import is_key
from .errors import Conflict, Forbidden, Malformed, NotFound, Refused, Unusable
from .turns import Pace, Steps

if TYPE_CHECKING:
    from ..platform import Platform

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
    platform: Platform, wanted: str, cik: str | None = None, token: str | None = None
) -> VendorAccount:
    """Make a vendor: a client of its own, its name, a token, and a portal client.

    Args:
        platform: Where.
        wanted: The vendor's name.
        cik: The key of its client; a new one by default.
        token: Its token; a new one by default.

    Raises:
        Malformed: The name, the key or the token has not the form of one.
        Conflict: One of them is taken.
    """
    root = platform.resources.by_id(ROOT)
    assert root is not None
    with platform.database.atomic():
        client = platform.add_client(root, wanted, cik)
        portal = platform.add_client(client, "portal")
        register(platform, client, wanted)
        vendor = platform.fleet.vendor_of(client.id)
        assert vendor is not None and client.cik and portal.cik
        token = add_token(platform, vendor, "first", token)
    return VendorAccount(wanted, client.cik, client.rid, token, portal.cik, portal.rid)


def register(platform: Platform, client: Node, wanted: str) -> None:
    """Register a vendor name to a client."""
    vendor_name(wanted)
    taken, own = platform.fleet.vendor(wanted), platform.fleet.vendor_of(client.id)
    if taken is not None and taken.client == client.id:
        return
    if taken is not None:
        raise Conflict(f"the name {wanted!r} is taken by another vendor")
    if own is not None:
        raise Conflict(f"the client is the vendor {own.name!r} already")
    platform.fleet.add_vendor(wanted, client.id)


def unregister(platform: Platform, client: Node, given: str) -> None:
    """Give a vendor name up."""
    own = platform.fleet.vendor_of(client.id)
    if own is None or own.name != vendor_name(given):
        raise NotFound("the name is not registered to this client")
    if platform.fleet.models(own.id):
        raise Conflict("the vendor still owns models")
    platform.fleet.remove_vendor(own)


def add_token(platform: Platform, vendor: Vendor, label: str, token: str | None = None) -> str:
    """Make a token for a vendor, a new one by default."""
    if platform.fleet.token(vendor.id, label) is not None:
        raise Conflict("there is a token of that label")
    if token is not None and not is_key(token):
        raise Malformed("a token has 40 characters of 0-9 and a-f")
    if token is not None and platform.fleet.vendor_by_token(token) is not None:
        raise Conflict("another vendor has this token")
    token = token or keys.new()
    platform.fleet.add_token(vendor.id, label, token)
    return token


# --- models ----------------------------------------------------------------


class Template(NamedTuple):
    """What a model clones: ``rid`` or ``code``, and with which options."""

    kind: str
    value: str
    options: str


def template(
    platform: Platform, vendor: Vendor, rid: str, code: str, options: Sequence[str]
) -> Template:
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
    _source(platform, vendor, chosen.kind, chosen.value)
    return chosen


def _source(platform: Platform, vendor: Vendor, kind: str, value: str) -> Node:
    node: Optional[Node] = None
    if kind == "rid" and is_key(value):
        node = platform.resources.by_rid(value)
        if node is not None and not access.is_within(platform, node, vendor.client):
            node = None
    elif is_key(value):
        share = platform.rights.share(value)
        if share is not None and share.activator is None:
            node = platform.resources.by_id(share.resource)
    usable = node is not None and node.type == "client" and access.in_tree(platform, node)
    if node is None or not usable:
        raise Unusable("the template is no client that the vendor may clone")
    return node


def remove_model(platform: Platform, model: Model) -> None:
    """Remove a model with its serial numbers, groups, shares and content."""
    platform.fleet.remove_model(model)
    platform.remove_dropped()


def remove_group(platform: Platform, model: Model, name: str, number: int) -> Steps[None]:
    """Remove a group from all that hold it, and its members; in steps."""
    while platform.fleet.remove_memberships(model.id, "group", name):
        yield
    platform.fleet.remove_group(number)
    platform.remove_dropped()


def remove_some(platform: Platform) -> bool:
    """Remove a bit of models and groups that were removed; whether there was anything."""
    removal = platform.fleet.removal()
    if removal is None:
        return False
    _, kind, number = removal
    contents = platform.content.after(number, 0, _CONTENTS) if kind == MODEL else []
    for content in contents:
        platform.content.remove(content)
    if not contents:
        platform.fleet.remove_some(*removal)
    return True


# --- serial numbers --------------------------------------------------------


def state(platform: Platform, serial: Serial) -> str:
    """``""`` (unused), ``notactivated``, ``activated``, ``expired`` or ``orphan``."""
    if serial.client is None:
        return UNUSED
    node = platform.resources.by_id(serial.client)
    if node is None or not access.in_tree(platform, node):
        return ORPHAN
    return access.key_status(node, platform.clock())


def find(platform: Platform, model: Model, sn: str) -> Serial | None:
    """A serial number that was added, or that lies in a range (number 0 then)."""
    serial = platform.fleet.serial(model.id, sn)
    if serial is None and any(in_range(r, sn) for r in platform.fleet.ranges(model.id)):
        return Serial(0, model.id, sn, "", 0, None, None, 1)
    return serial


def existing(platform: Platform, model: Model, sn: str) -> Serial:
    """The same, or `NotFound`."""
    serial = find(platform, model, sn)
    if serial is None:
        raise NotFound("no such serial number")
    return serial


def add(platform: Platform, model: Model, entries: Sequence[tuple[str, str]]) -> Steps[None]:
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
        for known in platform.fleet.serials(model.id, numbers[first : first + _AT_ONCE]):
            if not known.from_range:
                raise _exists()
            promoted.append((known, unique.pop(known.sn)))
        yield from _unless_few(numbers)
    yield from _add_all(platform, model, list(unique.items()))
    pace = Pace(_AT_ONCE)
    for known, extra in promoted:
        platform.fleet.set_extra(known, extra)
        if pace.is_full():
            yield


def _unless_few(numbers: Sequence[object]) -> Iterator[None]:
    """A pause, but not for a request that one step does."""
    if len(numbers) > _AT_ONCE:
        yield


def _add_all(platform: Platform, model: Model, entries: Sequence[tuple[str, str]]) -> Steps[None]:
    for first in range(0, len(entries), _AT_ONCE):
        if not platform.fleet.add_serials(model.id, entries[first : first + _AT_ONCE]):
            pace = Pace(_AT_ONCE)
            for sn, _ in entries[:first]:
                remove(platform, model, sn)
                if pace.is_full():
                    yield
            raise _exists()
        yield from _unless_few(entries)


def _exists() -> Conflict:
    return Conflict("a serial number exists already; none was added")


def remove(platform: Platform, model: Model, sn: str) -> bool:
    """Remove a serial number; its client stays. Return whether it was there."""
    serial = platform.fleet.serial(model.id, sn)
    if serial is None:
        return False
    platform.fleet.remove_serial(serial)
    return True


def activate(platform: Platform, model: Model, sn: str, vendor: Vendor, peer: str) -> str:
    """Let a device fetch its key."""
    serial = existing(platform, model, sn)
    current = state(platform, serial)
    if current == ORPHAN:
        raise NotFound("the client of the serial number was dropped")
    if current != access.NOT_ACTIVATED:
        raise Conflict("the serial number is not open for activation")
    node = platform.resources.by_id(serial.client or 0)
    assert node is not None and node.cik is not None
    platform.resources.set_key(node, node.cik, access.ACTIVATED, None)
    entry = urlencode({"model": model.name, "vendor": vendor.name, "sn": sn})
    platform.fleet.add_log(serial.id, platform.now(), peer, entry)
    return node.cik


def enable(platform: Platform, model: Model, sn: str, enabler: Vendor, owner: str) -> Steps[str]:
    """Clone the template below an owner and let the serial number lead to the clone.

    Returns:
        The RID of the clone, at the end of the steps.
    """
    serial = existing(platform, model, sn)
    if not is_key(owner):
        raise Malformed("owner must be a RID")
    parent = platform.resources.by_rid(owner)
    if parent is None or not access.in_tree(platform, parent):
        raise NotFound("no such owner")
    if parent.type != "client" or not access.is_within(platform, parent, enabler.client):
        raise Forbidden("the owner is not below the vendor's client")
    if state(platform, serial) != UNUSED:
        raise Conflict("the serial number has a client")
    vendor = platform.fleet.vendor_by_id(model.vendor)
    assert vendor is not None
    source = _source(platform, vendor, model.template_kind, model.template)
    with _reserved(platform, model, sn):
        try:
            copy = yield from lifecycle.clone(
                platform,
                parent,
                source,
                aliases="noaliases" not in model.options,
                historical="nohistorical" not in model.options,
                comments="nocomments" not in model.options,
            )
        except Refused as refused:
            raise Conflict(str(refused)) from refused
        _lead(platform, model, sn, copy.id, enabler.id)
    return copy.rid


@contextmanager
def _reserved(platform: Platform, model: Model, sn: str) -> Iterator[None]:
    """Keep others from enabling the same serial number while it is being cloned."""
    place = (model.id, sn)
    if place in platform.enabling:
        raise Conflict("the serial number is being enabled")
    platform.enabling.add(place)
    try:
        yield
    finally:
        platform.enabling.discard(place)


def _lead(platform: Platform, model: Model, sn: str, client: int, enabler: int) -> None:
    """Let a serial number lead to a client; one from a range gets an entry now."""
    serial = existing(platform, model, sn)
    if serial.id == 0:
        platform.fleet.add_serials(model.id, [(sn, "")], from_range=True)
        serial = existing(platform, model, sn)
    platform.fleet.set_client(serial, client, enabler)


def reenable(platform: Platform, serial: Serial) -> None:
    """Give the client of a serial number a new key, to be activated."""
    access.renew_key(platform, _client(platform, serial))


def disable(platform: Platform, serial: Serial) -> None:
    """Let the key of a serial number's client expire."""
    node = _client(platform, serial)
    platform.resources.set_key(node, node.cik or "", access.EXPIRED, None)


def remap(platform: Platform, model: Model, new: Serial, old: Serial, enabler: Vendor) -> None:
    """Let another serial number lead to a client, under a new key."""
    node = _client(platform, old)
    if state(platform, new) != UNUSED:
        raise Conflict("the new serial number is not unused")
    with platform.database.atomic():
        platform.fleet.set_client(old, None, None)
        _lead(platform, model, new.sn, node.id, enabler.id)
        reenable(platform, existing(platform, model, new.sn))


def _client(platform: Platform, serial: Serial) -> Node:
    if state(platform, serial) in (UNUSED, ORPHAN):
        raise Conflict("the serial number has no client")
    node = platform.resources.by_id(serial.client or 0)
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


def count_members(platform: Platform, group: int) -> Steps[int]:
    """How many members of a group have not expired; in steps."""
    now, count, after = platform.clock(), 0, 0
    while True:
        place = platform.fleet.skip_members(group, now, "", after, _HOP)
        if place is None:
            return count + platform.fleet.count_members(group, now, after)
        count, after = count + _HOP, place
        yield


def holders(platform: Platform, model: Model, type: str, member: str) -> Steps[set[int]]:
    """All groups that hold something, directly or through groups they hold; in steps."""
    now, found = platform.clock(), set()
    queue = [(type, member, 0)]
    while queue:
        type, member, after = queue.pop()
        some = platform.fleet.groups_with(model.id, type, member, now, after, _AT_ONCE)
        for number, group in some:
            if number not in found:
                found.add(number)
                queue.append(("group", group, 0))
        if len(some) == _AT_ONCE:
            queue.append((type, member, some[-1][0]))
        if queue:
            yield
    return found


def may_use(platform: Platform, model: Model, sn: str, content: str) -> Steps[bool]:
    """Whether some group holds both a serial number and a protected content."""
    mine = yield from holders(platform, model, "sn", sn)
    its = yield from holders(platform, model, "content", content)
    return bool(mine & its)
