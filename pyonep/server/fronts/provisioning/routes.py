"""Which handler answers what, and who may call it."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, Optional

from starlette.responses import Response

from ...core.managing import Manager
from ...core.unit import Unit
from ..answers import not_allowed, problem
from ..http import Answer, Handler, Read, Request, answered, most_bytes
from . import callers, distribution, grouping, models, vendors
from .callers import CLIENT, NOBODY, VENDOR, VENDOR_BY_KEY

# What is open to vendors that a model is shared with, with which values of `show` in the query.
_OPEN_TO_GUESTS: dict[Handler, tuple[str, ...]] = {
    models.numbers: ("",),
    models.number: ("", "log"),
    models.act_on_number: ("",),
}
_READ_BIT_BY_BIT = {distribution.upload}  # whose body is not read beforehand


class Route(NamedTuple):
    """Handlers by method, and who may call; see `callers.caller`."""

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
    if handler not in _READ_BIT_BY_BIT:
        request.body = await read(_most_bytes(request, route))
    return await answered(request, _handled, route.who, handler, arguments)


def _most_bytes(request: Request, route: Route) -> int:
    settings = request.platform.settings
    if route.who == NOBODY:
        return settings.max_keyless_bytes
    check = partial(callers.caller, request=request, who=route.who)
    return most_bytes(request, check, settings.max_provision_bytes)


def _handled(
    unit: Unit, request: Request, who: str, handler: Handler, arguments: list[str]
) -> Answer:
    caller: Any = callers.caller(unit, request, who)
    request.check_caller = partial(callers.caller, request=request, who=who)
    if isinstance(caller, Manager):
        callers.check_guest(request, caller, _OPEN_TO_GUESTS.get(handler, ()))
    return handler(unit, request, caller, *arguments)


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


def _both(route: Route, shape: str) -> dict[Optional[str], Route]:
    """The same with and without a slash at the end."""
    return {shape: route, f"{shape}/" if shape else None: route}


# By family, then by what follows it: "*" is a name, an empty part a slash at the end.
_ROUTES: dict[tuple[str, ...], dict[Optional[str], Route]] = {
    ("activate",): {None: Route({"POST": models.activate}, NOBODY)},
    ("download",): {None: Route({"GET": distribution.download}, CLIENT)},
    ("register",): {None: Route({"GET": vendors.registered, "POST": vendors.register}, NOBODY)},
    ("admin", "auth"): {
        None: Route({"GET": vendors.tokens, "POST": vendors.change_tokens}, VENDOR_BY_KEY),
        "": Route({"GET": vendors.tokens, "POST": vendors.change_tokens}, VENDOR_BY_KEY),
        "*": Route({"GET": vendors.token, "DELETE": vendors.remove_token}, VENDOR_BY_KEY),
    },
    ("manage", "model"): {
        "": Route({"GET": models.models, "POST": models.change_models}, VENDOR),
        "*": Route(
            {"GET": models.model, "PUT": models.change_model, "DELETE": models.remove_model},
            VENDOR,
        ),
        "*/": Route(
            {"GET": models.numbers, "POST": models.change_numbers, "DELETE": models.remove_numbers},
            VENDOR,
        ),
        "*/*": Route(
            {"GET": models.number, "POST": models.act_on_number, "DELETE": models.remove_number},
            VENDOR,
        ),
    },
    ("manage", "content"): {
        **_both(
            Route({"GET": distribution.entries, "POST": distribution.change_entries}, VENDOR),
            "*",
        ),
        "*/*": Route(
            {
                "GET": distribution.entry,
                "POST": distribution.upload,
                "DELETE": distribution.remove_entry,
            },
            VENDOR,
        ),
    },
    ("manage", "group"): {
        **_both(Route({"GET": grouping.listing, "POST": grouping.change_groups}, VENDOR), "*"),
        "*/*": Route({"GET": grouping.group, "DELETE": grouping.remove_group}, VENDOR),
        "*/*/": Route(
            {
                "GET": grouping.members,
                "POST": grouping.change_members,
                "DELETE": grouping.remove_members,
            },
            VENDOR,
        ),
    },
    ("manage", "share"): {
        **_both(Route({"GET": vendors.shares, "POST": vendors.change_shares}, VENDOR), "*"),
        "*/*": Route({"GET": vendors.share, "DELETE": vendors.remove_share}, VENDOR),
    },
}
