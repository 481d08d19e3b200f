"""Who calls: what the headers of a request say, as core knows it."""

from __future__ import annotations

from typing import Any

from ...core import access, managing
from ...core.errors import Unauthorized
from ...core.managing import Manager
from ...core.unit import Node, Unit, Vendor
from ..http import Request

NOBODY, CLIENT, VENDOR, VENDOR_BY_KEY = "nobody", "client", "vendor", "vendor by key"


def caller(unit: Unit, request: Request, who: str) -> Any:
    """Who calls, where one of a kind has to.

    Args:
        unit: The work that this is part of.
        request: The request.
        who: `NOBODY`: anybody may call. `CLIENT`: a client, by its key. `VENDOR`: a vendor, by
            the key of its client or a token. `VENDOR_BY_KEY`: by the key only.

    Returns:
        None, a `Node`, or a `Manager`.

    Raises:
        Unauthorized: Nobody of that kind.
        Forbidden: It may not act, or not on what it speaks of.
    """
    if who == NOBODY:
        return None
    if who == CLIENT:
        return need_client(unit, request)
    vendor = _vendor(unit, request, who)
    owner = request.headers.get("x-exosite-vendor", "")
    return managing.manager(unit, vendor, owner, request.grounds)


def client(unit: Unit, request: Request) -> Node | None:
    """The client whose CIK was sent; None when none was."""
    cik = request.headers.get("x-exosite-cik")
    if not cik:
        return None
    found = access.by_key(unit, cik)
    request.caller = found.rid
    return found


def need_client(unit: Unit, request: Request) -> Node:
    """The client whose CIK was sent.

    Raises:
        Unauthorized: None was.
    """
    found = client(unit, request)
    if found is None:
        raise Unauthorized
    return found


def vendor_by_token(unit: Unit, request: Request) -> Vendor:
    """The vendor whose token was sent."""
    vendor = managing.vendor_by_token(unit, request.headers.get("x-exosite-token", ""))
    request.caller = vendor.name
    return vendor


def _vendor(unit: Unit, request: Request, who: str) -> Vendor:
    if who == VENDOR and not request.headers.get("x-exosite-cik"):
        return vendor_by_token(unit, request)
    vendor = managing.vendor_of(unit, need_client(unit, request))
    request.caller = vendor.name
    return vendor


def check_guest(request: Request, manager: Manager, shows: tuple[str, ...]) -> None:
    """See that what a vendor asks for is open to it, where another one shares the model.

    Args:
        request: The request.
        manager: Who calls.
        shows: Values of ``show`` in the query with which the call is open to all vendors.
    """
    if request.query.get("show") not in shows:
        manager.require_owner()
