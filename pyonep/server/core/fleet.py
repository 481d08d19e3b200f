"""Vendors with their tokens, their models, and whom they share these with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

from ..store import GROUP, MODEL, ROOT, Model, Node, Vendor
from . import access, devices, keys, names
from .descriptions import is_key
from .errors import Conflict, Invalid, NotFound, Unusable
from .events import Remains
from .unit import Unit

OPTIONS = ("noaliases", "nocomments", "nohistorical")
_CONTENTS = 20  # entries that one step removes


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
        Invalid: The name, the key or the token has not the form of one.
        Conflict: One of them is taken.
    """
    root = unit.resources.by_id(ROOT)
    assert root is not None
    with unit.atomic():
        client = devices.add_client(unit, root, wanted, cik)
        portal = devices.add_client(unit, client, "portal")
        register(unit, client, wanted)
        vendor = unit.devices.vendor_of(client.id)
        assert vendor is not None and client.cik and portal.cik
        token = add_token(unit, vendor, "first", token)
    return VendorAccount(wanted, client.cik, client.rid, token, portal.cik, portal.rid)


def register(unit: Unit, client: Node, wanted: str) -> None:
    """Register a vendor name to a client."""
    names.vendor_name(wanted)
    taken, own = unit.devices.vendor(wanted), unit.devices.vendor_of(client.id)
    if taken is not None and taken.client == client.id:
        return
    if taken is not None:
        raise Conflict(f"the name {wanted!r} is taken by another vendor")
    if own is not None:
        raise Conflict(f"the client is the vendor {own.name!r} already")
    unit.devices.add_vendor(wanted, client.id)


def unregister(unit: Unit, client: Node, given: str) -> None:
    """Give a vendor name up."""
    own = unit.devices.vendor_of(client.id)
    if own is None or own.name != names.vendor_name(given):
        raise NotFound("the name is not registered to this client")
    if unit.devices.models(own.id):
        raise Conflict("the vendor still owns models")
    unit.devices.remove_vendor(own)


def registered_name(unit: Unit, client: Node) -> str | None:
    """The vendor name that is registered to a client."""
    vendor = unit.devices.vendor_of(client.id)
    return None if vendor is None else vendor.name


# --- tokens ----------------------------------------------------------------


def add_token(unit: Unit, vendor: Vendor, label: str, token: str | None = None) -> str:
    """Make a token for a vendor, a new one by default."""
    if unit.devices.token(vendor.id, label) is not None:
        raise Conflict("there is a token of that label")
    if token is not None and not is_key(token):
        raise Invalid("a token has 40 characters of 0-9 and a-f")
    if token is not None and unit.devices.vendor_by_token(token) is not None:
        raise Conflict("another vendor has this token")
    token = token or keys.new()
    unit.devices.add_token(vendor.id, label, token)
    return token


def labels(unit: Unit, vendor: Vendor) -> list[str]:
    """The labels of a vendor's tokens."""
    return unit.devices.labels(vendor.id)


def token(unit: Unit, vendor: Vendor, label: str) -> str:
    """A vendor's token.

    Raises:
        NotFound: None has that label.
    """
    found = unit.devices.token(vendor.id, label)
    if found is None:
        raise NotFound("no token of that label")
    return found


def remove_token(unit: Unit, vendor: Vendor, label: str) -> None:
    """End a vendor's token.

    Raises:
        NotFound: None has that label.
    """
    unit.devices.remove_token(token(unit, vendor, label))


# --- models ----------------------------------------------------------------


class Template(NamedTuple):
    """What a model is to clone, as it was asked for: a RID or a share code, with options."""

    rid: str
    code: str
    options: Sequence[str]

    def check(self) -> None:
        """See that it names one thing to clone.

        Raises:
            Invalid: It names neither, or both.
        """
        if bool(self.rid) == bool(self.code):
            raise Invalid("a model needs either rid or code")


class _Chosen(NamedTuple):
    """The same as a model remembers it: ``rid`` or ``code``, and with which options."""

    kind: str
    value: str
    options: str


def _chosen(unit: Unit, vendor: Vendor, template: Template) -> _Chosen:
    """Check what a model is to clone."""
    template.check()
    if any(word not in OPTIONS for word in template.options):
        raise Invalid(f"options are {', '.join(OPTIONS)}")
    ordered = ",".join(word for word in OPTIONS if word in template.options)
    kind = "rid" if template.rid else "code"
    chosen = _Chosen(kind, template.rid or template.code, ordered)
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


def source(unit: Unit, model: Model) -> Node:
    """What a model clones.

    Raises:
        Unusable: It is no client that the model's vendor may clone, or not any more.
    """
    vendor = unit.devices.vendor_by_id(model.vendor)
    assert vendor is not None
    return _source(unit, vendor, model.template_kind, model.template)


def models(unit: Unit, vendor: Vendor) -> list[str]:
    """Names of a vendor's models."""
    return unit.devices.models(vendor.id)


def named(unit: Unit, vendor: str, model: str) -> tuple[Vendor, Model] | None:
    """A vendor and its model by their names; None when there is no such one."""
    owner = unit.devices.vendor(vendor)
    found = owner and unit.devices.model(owner.id, model)
    return None if owner is None or found is None else (owner, found)


def add_model(unit: Unit, vendor: Vendor, name: str, template: Template) -> None:
    """Make a model.

    Raises:
        Invalid: The template names neither or both of RID and share code, or an unknown
            option.
        Unusable: It is no client that the vendor may clone.
        Conflict: There is a model of that name.
    """
    chosen = _chosen(unit, vendor, template)
    if unit.devices.model(vendor.id, name) is not None:
        raise Conflict("there is a model of that name")
    unit.devices.add_model(vendor.id, name, *chosen)


def change_model(unit: Unit, vendor: Vendor, model: Model, template: Template) -> None:
    """Let a vendor's model clone something else from now on.

    Raises:
        Invalid: The template names neither or both of RID and share code, or an unknown
            option.
        Unusable: It is no client that the vendor may clone.
    """
    unit.devices.change_model(model, *_chosen(unit, vendor, template))


def remove_model(unit: Unit, model: Model) -> None:
    """Remove a model with its serial numbers, groups, shares and content."""
    unit.devices.remove_model(model)
    unit.emit(Remains())


def remove_some(unit: Unit) -> bool:
    """Remove a bit of models and groups that were removed; whether there was anything."""
    for kind, remove in ((MODEL, _remove_left_of_model), (GROUP, _remove_left_of_group)):
        for number in unit.jobs.after(kind, 0, 1):
            if not remove(unit, number):
                unit.jobs.end(kind, number)
            return True
    return False


def _remove_left_of_model(unit: Unit, model: int) -> bool:
    contents = unit.content.after(model, 0, _CONTENTS)
    for content in contents:
        unit.content.remove(content)
    return (
        bool(contents) or unit.devices.remove_left(model) or unit.groups.remove_left_of_model(model)
    )


def _remove_left_of_group(unit: Unit, group: int) -> bool:
    return unit.groups.remove_left(group)


# --- shares ----------------------------------------------------------------


def shared_to(unit: Unit, vendor: Vendor) -> list[tuple[str, str]]:
    """Models shared with a vendor: ``[(owning vendor, model), ...]``."""
    return unit.devices.shared_to(vendor.id)


def shared_with(unit: Unit, model: Model) -> list[str]:
    """Names of the vendors that a model is shared with."""
    return unit.devices.shared_with(model.id)


def share(unit: Unit, model: Model, vendor: str) -> None:
    """Share a model with a vendor.

    Raises:
        NotFound: There is no such vendor.
        Conflict: The model is its own.
    """
    partner = _partner(unit, vendor)
    if partner.id == model.vendor:
        raise Conflict("a vendor needs no share of its own model")
    unit.devices.share_model(model.id, partner.id)


def unshare(unit: Unit, model: Model, vendor: str) -> None:
    """Share a model with a vendor no more.

    Raises:
        NotFound: There is no such vendor, or nothing is shared with it.
    """
    unit.devices.unshare_model(model.id, shared_partner(unit, model, vendor).id)


def shared_partner(unit: Unit, model: Model, vendor: str) -> Vendor:
    """A vendor that a model is shared with.

    Raises:
        NotFound: There is no such vendor, or nothing is shared with it.
    """
    partner = _partner(unit, vendor)
    if not unit.devices.is_shared(model.id, partner.id):
        raise NotFound("the model is not shared with that vendor")
    return partner


def _partner(unit: Unit, name: str) -> Vendor:
    partner = unit.devices.vendor(name)
    if partner is None:
        raise NotFound("no such vendor")
    return partner
