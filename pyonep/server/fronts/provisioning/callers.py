"""Who manages, and which models it may work on."""

from __future__ import annotations

from typing import NamedTuple

from ...core import access
from ...core.errors import Forbidden, NotFound, Unauthorized
from ...core.unit import Model, Node, Unit, Vendor
from ..http import Request


class Management(NamedTuple):
    """Who manages: the calling vendor, and whose models it speaks of."""

    vendor: Vendor
    owner: Vendor

    @property
    def is_guest(self) -> bool:
        """Whether the models are another vendor's, shared with the caller."""
        return self.vendor.id != self.owner.id


def client(unit: Unit, request: Request) -> Node | None:
    """The client whose CIK was sent; None when none was."""
    cik = request.headers.get("x-exosite-cik")
    if not cik:
        return None
    client = access.by_key(unit, cik)
    request.caller = client.rid
    return client


def vendor(unit: Unit, request: Request, client: Node | None, tokens: bool) -> Vendor:
    """The vendor that calls, by the key of its client or, where they count, a token."""
    if client is None:
        token = request.headers.get("x-exosite-token", "")
        vendor = unit.fleet.vendor_by_token(token) if tokens else None
        if vendor is None:
            raise Unauthorized
        vendor_client(unit, vendor)
        request.caller = vendor.name
        return vendor
    own = unit.fleet.vendor_of(client.id)
    if own is None:
        raise Forbidden("no vendor is registered to this client")
    request.caller = own.name
    return own


def vendor_client(unit: Unit, vendor: Vendor) -> Node:
    """The client of a vendor, as long as it may act: tokens and shares rest with it."""
    return access.admitted(unit, unit.resources.by_id(vendor.client))


def model_owner(unit: Unit, request: Request, vendor: Vendor) -> Vendor:
    """The vendor whose models a request speaks of."""
    named = request.headers.get("x-exosite-vendor")
    if not named or named == vendor.name:
        return vendor
    owner = unit.fleet.vendor(named)
    if owner is None:
        raise Forbidden("nothing is shared by that vendor")
    try:
        vendor_client(unit, owner)
    except (Unauthorized, Forbidden) as error:
        raise Forbidden("what that vendor shares rests: it may not act itself") from error
    return owner


def model(unit: Unit, request: Request, caller: Management, name: str) -> Model:
    """A model that the caller may work on, as long as the request goes on."""
    model = _found_model(unit, request, caller, name)

    def check() -> None:
        if _found_model(unit, request, caller, name).id != model.id:
            raise NotFound("the model was removed meanwhile")

    request.grounds["model", model.id] = (check,)
    return model


def _found_model(unit: Unit, request: Request, caller: Management, name: str) -> Model:
    model = unit.fleet.model(caller.owner.id, name)
    if caller.is_guest:
        shared = model is not None and unit.fleet.is_shared(model.id, caller.vendor.id)
        if not shared:
            raise Forbidden("the model is not shared with this vendor")
    if model is None:
        raise NotFound("no such model")
    return model
