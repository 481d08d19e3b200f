"""Vendors: their names, their tokens, and whom their models are shared with."""

from __future__ import annotations

from starlette.responses import Response

from ...core import fleet
from ...core.errors import Conflict, NotFound, Unauthorized
from ...core.unit import Model, Node, Unit, Vendor
from ..http import CSV, Request, done, listed, nothing, plain
from . import callers
from .callers import Management


def _registrant(unit: Unit, request: Request) -> Node:
    """The client that registers; a vendor's token stands for it in two of the calls."""
    client = callers.client(unit, request)
    if client is not None:
        return client
    vendor = unit.fleet.vendor_by_token(request.headers.get("x-exosite-token", ""))
    if vendor is None:
        raise Unauthorized
    node = callers.vendor_client(unit, vendor)
    request.caller = vendor.name
    return node


def registered(unit: Unit, request: Request, _: None) -> Response:
    """``GET /provision/register``: the name of the calling vendor."""
    vendor = unit.fleet.vendor_of(_registrant(unit, request).id)
    return plain(vendor.name) if vendor else nothing(204)


def register(unit: Unit, request: Request, _: None) -> Response:
    """``POST /provision/register``: take a vendor name, or give it up."""
    client = _registrant(unit, request)
    form = request.form()
    if form.is_true("delete"):
        fleet.unregister(unit, client, form.need("vendor"))
    else:
        if callers.client(unit, request) is None:
            raise Unauthorized
        fleet.register(unit, client, form.need("vendor"))
    return done()


def tokens(unit: Unit, request: Request, caller: Management) -> Response:
    """``GET /provision/admin/auth``: the labels of the vendor's tokens."""
    return listed([[label] for label in unit.fleet.labels(caller.vendor.id)])


def change_tokens(unit: Unit, request: Request, caller: Management) -> Response:
    """``POST /provision/admin/auth``: make a token, or remove one."""
    form = request.form()
    label = fleet.name(form.need("id"), "id")
    if form.is_true("delete"):
        return remove_token(unit, request, caller, label)
    return plain(fleet.add_token(unit, caller.vendor, label))


def token(unit: Unit, request: Request, caller: Management, label: str) -> Response:
    """``GET /provision/admin/auth/LABEL``: a token."""
    token = unit.fleet.token(caller.vendor.id, label)
    if token is None:
        raise NotFound("no token of that label")
    return plain(token)


def remove_token(unit: Unit, request: Request, caller: Management, label: str) -> Response:
    """``DELETE /provision/admin/auth/LABEL``: end a token."""
    token = unit.fleet.token(caller.vendor.id, label)
    if token is None:
        raise NotFound("no token of that label")
    unit.fleet.remove_token(token)
    return done()


def _partner(
    unit: Unit, request: Request, caller: Management, name: str, vendor: str
) -> tuple[Model, Vendor]:
    model = callers.model(unit, request, caller, name)
    partner = unit.fleet.vendor(vendor)
    if partner is None:
        raise NotFound("no such vendor")
    return model, partner


def shares(unit: Unit, request: Request, caller: Management, name: str) -> Response:
    """``GET /provision/manage/share/MODEL``: whom a model is shared with."""
    model = callers.model(unit, request, caller, name)
    return listed([[vendor] for vendor in unit.fleet.shared_with(model.id)])


def change_shares(unit: Unit, request: Request, caller: Management, name: str) -> Response:
    """``POST /provision/manage/share/MODEL``: share a model, or end that."""
    form = request.form()
    vendor = form.need("vendor")
    if form.is_true("delete"):
        return remove_share(unit, request, caller, name, vendor)
    model, partner = _partner(unit, request, caller, name, vendor)
    if partner.id == caller.vendor.id:
        raise Conflict("a vendor needs no share of its own model")
    unit.fleet.share_model(model.id, partner.id)
    return done()


def share(unit: Unit, request: Request, caller: Management, name: str, vendor: str) -> Response:
    """``GET /provision/manage/share/MODEL/VENDOR``: whether a model is shared."""
    model, partner = _partner(unit, request, caller, name, vendor)
    if not unit.fleet.is_shared(model.id, partner.id):
        raise NotFound("the model is not shared with that vendor")
    response = nothing(204)
    response.headers["Content-Type"] = CSV
    return response


def remove_share(
    unit: Unit, request: Request, caller: Management, name: str, vendor: str
) -> Response:
    """``DELETE /provision/manage/share/MODEL/VENDOR``: end a share."""
    share(unit, request, caller, name, vendor)
    model, partner = _partner(unit, request, caller, name, vendor)
    unit.fleet.unshare_model(model.id, partner.id)
    return done()
