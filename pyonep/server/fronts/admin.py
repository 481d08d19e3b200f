"""Front 4: for whoever runs the platform: its health, and new devices and vendors.

The hosted platform had none of it. Adding needs the administrator's key, which is made anew
at each start and never leaves the process but for a file that only its owner can read.
"""

from __future__ import annotations

import hmac
import inspect
from functools import partial
from typing import Any, Callable, Optional

from starlette.responses import JSONResponse, Response

from ...version import __version__
from ..core import devices, fleet
from ..core.errors import Invalid, Unauthorized
from ..core.unit import Unit
from .answers import not_allowed
from .http import Read, Request

HEALTH = "/health"
KEY_HEADER = "X-Admin-Key"


async def respond(request: Request, read: Read) -> Optional[Response]:
    """Answer a request of this front; None when the path is not one of its."""
    if request.scope["path"] == HEALTH:
        return await _health(request) if request.method == "GET" else not_allowed(["GET"])
    add = _ADDED.get("/".join(request.segments or ()))
    if add is None:
        return None
    if request.method != "POST":
        return not_allowed(["POST"])
    _check_key(request)
    request.body = await read(request.platform.settings.max_keyless_bytes)
    given = request.json()
    if not isinstance(given, dict) or not all(isinstance(one, str) for one in given.values()):
        raise Invalid("the body must be an object of texts")
    try:
        inspect.signature(add).bind(None, **given)
    except TypeError as error:
        raise Invalid(f"the body has a field too few or too many: {error}") from error
    added = await request.platform.run(partial(add, **given), check=request.check)
    return JSONResponse(added._asdict())


def _check_key(request: Request) -> None:
    given = request.headers.get(KEY_HEADER.lower(), "")
    if not hmac.compare_digest(given.encode(), request.platform.admin_key.encode()):
        raise Unauthorized


async def _health(request: Request) -> Response:
    """200 as long as what is written is kept, 503 when it is not: it is tried."""
    fault = await request.platform.probe()
    state = {"status": "ok" if fault is None else "failing", "version": __version__}
    return JSONResponse(state, 200 if fault is None else 503)


def _add_vendor(
    unit: Unit, name: str, cik: str | None = None, token: str | None = None
) -> fleet.VendorAccount:
    return fleet.add_account(unit, name, cik, token)


_ADDED: dict[str, Callable[..., Any]] = {
    "admin/dataports": devices.add_dataport,
    "admin/devices": devices.add_named,
    "admin/vendors": _add_vendor,
}
