"""Which handler answers what, and who may call it."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from starlette.responses import Response

from ...core.errors import Forbidden, Unauthorized
from ..http import Handler, Read, Request, answered, most_bytes, not_allowed, problem
from . import callers, distribution, grouping, models, vendors
from .callers import Management


class Route(NamedTuple):
    """Handlers by method, and who may call.

    That is ``none``: anybody; ``client``: a client, by its key; ``vendor``: a vendor, by the
    key of its client or a token; ``vendor by key``: by the key only.
    """

    methods: dict[str, Handler]
    who: str


async def respond(request: Request, read: Read) -> Response:
    """Answer a request below ``/provision/``; `read` reads its body."""
    found = _find(request.segments)
    if found is None:
        return problem(404)
    route, arguments = found
    handler = route.methods.get(request.method)
    if handler is None:
        return not_allowed(route.methods)
    if handler is not distribution.upload:
        request.body = await read(_most_bytes(request, route))
    caller = _caller(request, route)
    request.check_caller = lambda: _caller(request, route)
    if isinstance(caller, Management):
        _check_guest(request, handler, caller)
    return await answered(request, handler, caller, *arguments)


def _most_bytes(request: Request, route: Route) -> int:
    settings = request.platform.settings
    if route.who == "none":
        return settings.max_keyless_bytes
    return most_bytes(request, lambda: _caller(request, route), settings.max_provision_bytes)


def _find(segments: list[str] | None) -> tuple[Route, list[str]] | None:
    """The route of a path, and the names in it."""
    if segments is None or segments[0] != "provision":
        return None
    for length in (1, 2):
        shapes = _ROUTES.get(tuple(segments[1 : 1 + length]))
        rest = segments[1 + length :]
        if shapes is None or "" in rest[:-1]:
            continue
        shape = "/".join("*" if part else "" for part in rest) if rest else None
        route = shapes.get(shape)
        return None if route is None else (route, [part for part in rest if part])
    return None


def _caller(request: Request, route: Route) -> Any:
    if route.who == "none":
        return None
    client = callers.client(request.unit, request)
    if route.who == "client":
        if client is None:
            raise Unauthorized
        return client
    vendor = callers.vendor(request.unit, request, client, tokens=route.who == "vendor")
    return Management(vendor, callers.model_owner(request.unit, request, vendor))


def _check_guest(request: Request, handler: Handler, caller: Management) -> None:
    if not caller.is_guest:
        return
    open_to_guests = {
        models.serials: ("",),
        models.serial: ("", "log"),
        models.act_on_serial: ("",),
    }
    if request.query.get("show") not in open_to_guests.get(handler, ()):
        raise Forbidden("not open to vendors that a model is shared with")


def _both(route: Route, shape: str) -> dict[Optional[str], Route]:
    """The same with and without a slash at the end."""
    return {shape: route, f"{shape}/" if shape else None: route}


# By family, then by what follows it: "*" is a name, an empty part a slash at the end.
_ROUTES: dict[tuple[str, ...], dict[Optional[str], Route]] = {
    ("activate",): {None: Route({"POST": models.activate}, "none")},
    ("download",): {None: Route({"GET": distribution.download}, "client")},
    ("register",): {None: Route({"GET": vendors.registered, "POST": vendors.register}, "none")},
    ("admin", "auth"): {
        None: Route({"GET": vendors.tokens, "POST": vendors.change_tokens}, "vendor by key"),
        "": Route({"GET": vendors.tokens, "POST": vendors.change_tokens}, "vendor by key"),
        "*": Route({"GET": vendors.token, "DELETE": vendors.remove_token}, "vendor by key"),
    },
    ("manage", "model"): {
        "": Route({"GET": models.models, "POST": models.change_models}, "vendor"),
        "*": Route(
            {"GET": models.model_info, "PUT": models.update_model, "DELETE": models.remove_model},
            "vendor",
        ),
        "*/": Route(
            {"GET": models.serials, "POST": models.change_serials, "DELETE": models.remove_serials},
            "vendor",
        ),
        "*/*": Route(
            {"GET": models.serial, "POST": models.act_on_serial, "DELETE": models.remove_serial},
            "vendor",
        ),
    },
    ("manage", "content"): {
        **_both(
            Route({"GET": distribution.contents, "POST": distribution.change_contents}, "vendor"),
            "*",
        ),
        "*/*": Route(
            {
                "GET": distribution.content,
                "POST": distribution.upload,
                "DELETE": distribution.remove_content,
            },
            "vendor",
        ),
    },
    ("manage", "group"): {
        **_both(Route({"GET": grouping.groups, "POST": grouping.change_groups}, "vendor"), "*"),
        "*/*": Route({"GET": grouping.group, "DELETE": grouping.remove_group}, "vendor"),
        "*/*/": Route(
            {
                "GET": grouping.members,
                "POST": grouping.change_members,
                "DELETE": grouping.remove_members,
            },
            "vendor",
        ),
    },
    ("manage", "share"): {
        **_both(Route({"GET": vendors.shares, "POST": vendors.change_shares}, "vendor"), "*"),
        "*/*": Route({"GET": vendors.share, "DELETE": vendors.remove_share}, "vendor"),
    },
}
