"""What devices are to load: content, and its way up and down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from ...core import contents, fleet, names, serials
from ...core.errors import Forbidden, Invalid, NotFound
from ...core.managing import Manager
from ...core.turns import Pace, Steps
from ...core.unit import PIECE, Content, Model, Node, Unit
from ...platform import Batch
from ..answers import Rows, done, listed, paged, ranged
from ..bodies import whole
from ..http import Answer, Later, Request

_AT_ONCE = 50  # names that one step writes
_ANY_TYPE = "application/octet-stream"

# --- what a device may load ------------------------------------------------


def download(unit: Unit, request: Request, client: Node) -> Steps[Response]:
    """``GET /provision/download``: a device fetches content, or learns what there is for it."""
    query = request.query
    vendor, model = query.need("vendor"), query.need("model")
    wants_info, name = query.is_true("info"), query.get("id")
    if wants_info and not name:
        raise Invalid("info needs an id")
    found = fleet.named(unit, vendor, model)
    if found is None:
        raise (Invalid if wants_info else Forbidden)("no such vendor and model")
    sn = serials.of_device(unit, found[1], client)
    if not name:
        return (yield from _usable(unit, request, found[1], sn))
    content = yield from contents.authorised(unit, found[1], sn, name)
    return listed([_facts(content)]) if wants_info else _bytes(unit, request, content)


def _usable(unit: Unit, request: Request, model: Model, sn: str) -> Steps[Response]:
    rows, pace = Rows(request.budget), Pace(_AT_ONCE)
    for name in (yield from contents.usable(unit, model, sn)):
        rows.add([name])
        if pace.is_full():
            yield
    return rows.response()


def _facts(content: Content) -> list[object]:
    return [content.type, content.size, content.updated, content.meta]


# --- the content of a model ------------------------------------------------


def entries(unit: Unit, request: Request, caller: Manager, name: str) -> Steps[Response]:
    """``GET /provision/manage/content/MODEL``: the content of a model."""
    sn = request.query.get("sn")
    model = _model(unit, caller, name, Invalid)
    if sn:
        return _usable(unit, request, model, sn)
    return paged(request.budget, contents.listing(unit, model))


def change_entries(unit: Unit, request: Request, caller: Manager, name: str) -> Answer:
    """``POST /provision/manage/content/MODEL``: make an entry, or remove one."""
    form = request.form()
    identifier = names.name(form.need("id"), "id")
    if form.is_true("delete"):
        return remove_entry(unit, request, caller, name, identifier)
    meta = names.remark(form.get("meta") or form.get("description"), "meta")
    model = caller.model(unit, name)
    contents.add(unit, model, identifier, meta, form.is_true("protected"))
    return done()


def entry(
    unit: Unit, request: Request, caller: Manager, name: str, identifier: str
) -> Steps[Response]:
    """``GET /provision/manage/content/MODEL/ID``: what it is, its groups or its bytes."""
    query, page = request.query, request.page()
    sn, download = query.get("sn"), query.is_true("download")
    missing = Forbidden if download else Invalid if sn else NotFound
    model = _model(unit, caller, name, missing)
    if query.get("show") == "groups":
        return (yield from paged(request.budget, contents.holding(unit, model, identifier), *page))
    if sn:
        content = yield from contents.authorised(unit, model, sn, identifier)
    else:
        content = contents.one(unit, model, identifier)
    if download:
        return _bytes(unit, request, content)
    flag = [] if sn else ["true" if content.protected else "false"]
    return listed([[*_facts(content), *flag]])


def _model(unit: Unit, caller: Manager, name: str, missing: type[Exception]) -> Model:
    """The model of a content call, or the error this call has for an unknown one."""
    try:
        return caller.model(unit, name)
    except NotFound as error:
        raise missing("no such vendor and model") from error


def remove_entry(
    unit: Unit, request: Request, caller: Manager, name: str, identifier: str
) -> Steps[Response]:
    """``DELETE /provision/manage/content/MODEL/ID``: remove an entry."""
    yield from contents.remove(unit, caller.model(unit, name), identifier)
    return done()


# --- bytes -----------------------------------------------------------------


def _bytes(unit: Unit, request: Request, content: Content) -> Response:
    blob, platform = contents.blob_of(content), request.platform

    async def pieces(first: int, last: int) -> AsyncIterator[bytes]:
        platform.work(contents.hold, blob)
        try:
            for number, part in contents.pieces(first, last):
                yield platform.work(contents.piece, blob, number)[part]
                # Who reads as fast as we send would never let others run.
                await asyncio.sleep(0)
        finally:
            platform.run_aside(contents.release, blob)

    return ranged(request.headers.get("range"), content.size, content.type, pieces)


def upload(unit: Unit, request: Request, caller: Manager, name: str, identifier: str) -> Later:
    """``POST /provision/manage/content/MODEL/ID``: upload its bytes."""
    size = whole(request.headers.get("content-length", "0")) or 0
    content = contents.to_upload(unit, caller.model(unit, name), identifier, size)
    return partial(_uploaded, request, content)


async def _uploaded(request: Request, content: Content) -> Response:
    platform = request.platform
    batch = Batch(platform)
    blob = platform.work(contents.new_blob)
    try:
        size = await _receive(request, blob)
        type = request.headers.get("content-type") or _ANY_TYPE
        await batch.until_durable()
        request.check()
        await platform.run(contents.put, content, blob, type, size)
    except BaseException:
        platform.work(contents.abandon, blob)
        raise
    return done()


async def _receive(request: Request, blob: int) -> int:
    """Store a body piece by piece, each durable before the next is read."""
    platform, number, size = request.platform, 0, 0
    buffer, more = bytearray(), True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        buffer += message.get("body", b"")
        more = message.get("more_body", False)
        while len(buffer) >= PIECE or (buffer and not more):
            await platform.run(contents.add_piece, blob, number, bytes(buffer[:PIECE]))
            size += len(buffer[:PIECE])
            del buffer[:PIECE]
            number += 1
        platform.work(contents.check_size, size + len(buffer))
    return size
