"""Vendors: their names, their tokens, and whom their models are shared with."""

from __future__ import annotations

from starlette.responses import Response

from ...core import fleet, managing, names
from ...core.managing import Manager
from ...core.unit import Node, Unit
from ..answers import CSV, done, listed, nothing, plain
from ..http import Request
from . import callers

# --- registration ----------------------------------------------------------


def registered(unit: Unit, request: Request, _: None) -> Response:
    """``GET /provision/register``: the name of the calling vendor."""
    name = fleet.registered_name(unit, _registrant(unit, request))
    return nothing(204) if name is None else plain(name)


def register(unit: Unit, request: Request, _: None) -> Response:
    """``POST /provision/register``: take a vendor name, or give it up."""
    client = _registrant(unit, request)
    form = request.form()
    if form.is_true("delete"):
        fleet.unregister(unit, client, form.need("vendor"))
    else:
        fleet.register(unit, callers.need_client(unit, request), form.need("vendor"))
    return done()


def _registrant(unit: Unit, request: Request) -> Node:
    """The client that registers; a vendor's token stands for it in two of the calls."""
    client = callers.client(unit, request)
    if client is not None:
        return client
    return managing.client_of(unit, callers.vendor_by_token(unit, request))


# --- tokens ----------------------------------------------------------------


def tokens(unit: Unit, request: Request, caller: Manager) -> Response:
    """``GET /provision/admin/auth``: the labels of the vendor's tokens."""
    return listed([[label] for label in fleet.labels(unit, caller.vendor)])


def change_tokens(unit: Unit, request: Request, caller: Manager) -> Response:
    """``POST /provision/admin/auth``: make a token, or remove one."""
    form = request.form()
    label = names.name(form.need("id"), "id")
    if form.is_true("delete"):
        return remove_token(unit, request, caller, label)
    return plain(fleet.add_token(unit, caller.vendor, label))


def token(unit: Unit, request: Request, caller: Manager, label: str) -> Response:
    """``GET /provision/admin/auth/LABEL``: a token."""
    return plain(fleet.token(unit, caller.vendor, label))


def remove_token(unit: Unit, request: Request, caller: Manager, label: str) -> Response:
    """``DELETE /provision/admin/auth/LABEL``: end a token."""
    fleet.remove_token(unit, caller.vendor, label)
    return done()


# --- shares ----------------------------------------------------------------


def shares(unit: Unit, request: Request, caller: Manager, name: str) -> Response:
    """``GET /provision/manage/share/MODEL``: whom a model is shared with."""
    vendors = fleet.shared_with(unit, caller.model(unit, name))
    return listed([[vendor] for vendor in vendors])


def change_shares(unit: Unit, request: Request, caller: Manager, name: str) -> Response:
    """``POST /provision/manage/share/MODEL``: share a model, or end that."""
    form = request.form()
    vendor = form.need("vendor")
    if form.is_true("delete"):
        return remove_share(unit, request, caller, name, vendor)
    fleet.share(unit, caller.model(unit, name), vendor)
    return done()


def share(unit: Unit, request: Request, caller: Manager, name: str, vendor: str) -> Response:
    """``GET /provision/manage/share/MODEL/VENDOR``: whether a model is shared."""
    fleet.shared_partner(unit, caller.model(unit, name), vendor)
    response = nothing(204)
    response.headers["Content-Type"] = CSV
    return response


def remove_share(unit: Unit, request: Request, caller: Manager, name: str, vendor: str) -> Response:
    """``DELETE /provision/manage/share/MODEL/VENDOR``: end a share."""
    fleet.unshare(unit, caller.model(unit, name), vendor)
    return done()
