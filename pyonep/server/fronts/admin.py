"""Front 4: for whoever runs the platform: its health, and new devices and vendors.

The hosted platform had none of it. Adding needs the administrator's key, which is made anew
at each start and never leaves the process but for a file that only its owner can read.
"""

from __future__ import annotations

import hmac
import inspect
from types import GeneratorType
from typing import Any, Callable, Optional

from starlette.responses import JSONResponse, Response

from ...version import __version__
from ..core import fleet
from ..core.dataports import Dataport
from ..core.errors import Conflict, Malformed, Unauthorized
from ..core.fleet import VendorAccount
from ..core.turns import Steps
from ..platform import Device, Platform
from .http import Read, Request, not_allowed

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
        raise Malformed("the body must be an object of texts")
    try:
        inspect.signature(add).bind(request.platform, **given)
    except TypeError as error:
        raise Malformed(f"the body has a field too few or too many: {error}") from error
    added = request.platform.work(lambda: add(request.platform, **given))
    if isinstance(added, GeneratorType):
        added = await request.platform.finished(added, request.check)
    await request.platform.committed()
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


def _device(platform: Platform, name: str, cik: str | None = None) -> Steps[Device]:
    """A new device, whose name tells it apart: whoever adds one by hand finds it by that."""
    if not name:
        raise Malformed("a device that is added by hand needs a name")
    known = yield from platform.device_named(name)
    if known is not None:
        raise Conflict(f"there is a device {name!r} already, with the RID {known.rid}")
    return platform.add_device(name, cik)


def _dataport(
    platform: Platform,
    cik: str,
    alias: str,
    format: str = "float",
    name: str | None = None,
    rid: str | None = None,
) -> Dataport:
    return platform.add_dataport(cik, alias, format, name, rid)


def _vendor(
    platform: Platform, name: str, cik: str | None = None, token: str | None = None
) -> VendorAccount:
    return fleet.add_account(platform, name, cik, token)


_ADDED: dict[str, Callable[..., Any]] = {
    "admin/dataports": _dataport,
    "admin/devices": _device,
    "admin/vendors": _vendor,
}
