"""What devices are to load: content, and its way up and down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from ...core import fleet
from ...core.errors import Conflict, Forbidden, Malformed, NotFound, TooLarge
from ...core.events import Remains
from ...core.turns import Pace, Steps
from ...core.unit import PIECE, Content, Model, Node, Unit
from ...platform import Batch
from ..http import EVERYTHING, Answer, Listing, Request, Rows, done, listed, paged, ranged, whole
from . import callers, grouping
from .callers import Management

_AT_ONCE = 50  # names that one step writes
_CONTENTS = 20  # entries that one step looks at


def download(unit: Unit, request: Request, client: Node) -> Steps[Response]:
    """``GET /provision/download``: a device fetches content, or learns what there is for it."""
    query = request.query
    vendor_name, model_name = query.need("vendor"), query.need("model")
    wants_info, name = query.is_true("info"), query.get("id")
    vendor = unit.fleet.vendor(vendor_name)
    model = vendor and unit.fleet.model(vendor.id, model_name)
    if wants_info and not name:
        raise Malformed("info needs an id")
    if model is None:
        raise (Malformed if wants_info else Forbidden)("no such vendor and model")
    mine = [s for s in unit.fleet.serials_of(client.id) if s.model == model.id]
    if not mine:
        raise Forbidden("the caller is no device of this model")
    if not name:
        usable = yield from _usable(unit, model, mine[0].sn)
        return (yield from _names(request, usable))
    content = _content(unit, model, name)
    yield from _authorise(unit, model, mine[0].sn, content)
    if wants_info:
        return listed([_facts(content)])
    return _blob(unit, request, content)


def _content(unit: Unit, model: Model, name: str) -> Content:
    content = unit.content.one(model.id, name)
    if content is None:
        raise NotFound("no such content")
    return content


def _usable(unit: Unit, model: Model, sn: str) -> Steps[list[str]]:
    """Names of the content that a serial number may use."""
    mine = yield from fleet.holders(unit, model, "sn", sn)
    found = []
    after = 0
    while some := unit.content.after(model.id, after, _CONTENTS):
        for content in some:
            if content.protected:
                its = yield from fleet.holders(unit, model, "content", content.name)
                yield
                if not mine & its:
                    continue
            found.append(content.name)
        after = some[-1].id
        yield
    return found


def _authorise(unit: Unit, model: Model, sn: str, content: Content) -> Steps[None]:
    if content.protected and not (yield from fleet.may_use(unit, model, sn, content.name)):
        raise Forbidden("the content is protected, and not for this serial number")


def _facts(content: Content) -> list[object]:
    return [content.type, content.size, content.updated, content.meta]


def _content_model(
    unit: Unit, request: Request, caller: Management, name: str, otherwise: type[Exception]
) -> Model:
    """The model of a content call, or the error this call has for an unknown one."""
    try:
        return callers.model(unit, request, caller, name)
    except NotFound as error:
        raise otherwise("no such vendor and model") from error


def contents(unit: Unit, request: Request, caller: Management, name: str) -> Steps[Response]:
    """``GET /provision/manage/content/MODEL``: the content of a model."""
    sn = request.query.get("sn")
    model = _content_model(unit, request, caller, name, Malformed)
    if sn:
        _known_serial(unit, request, model, sn)
        usable = yield from _usable(unit, model, sn)
        return (yield from _names(request, usable))
    store = unit.content
    listing = Listing(
        lambda after, most: [(one.id, one.name) for one in store.after(model.id, after, most)],
        lambda after, many: None,
    )
    return (yield from paged(request, listing, 0, EVERYTHING))


def _names(request: Request, names: list[str]) -> Steps[Response]:
    rows, pace = Rows(request), Pace(_AT_ONCE)
    for name in names:
        rows.add([name])
        if pace.is_full():
            yield
    return rows.response()


def _known_serial(unit: Unit, request: Request, model: Model, sn: str) -> None:
    if fleet.find(unit, model, sn) is None:
        raise Malformed("no such serial number")


def change_contents(unit: Unit, request: Request, caller: Management, name: str) -> Answer:
    """``POST /provision/manage/content/MODEL``: make an entry, or remove one."""
    form = request.form()
    identifier = fleet.name(form.need("id"), "id")
    if form.is_true("delete"):
        return remove_content(unit, request, caller, name, identifier)
    meta = fleet.remark(form.get("meta") or form.get("description"), "meta")
    model = callers.model(unit, request, caller, name)
    if unit.content.one(model.id, identifier) is not None:
        raise Conflict("there is content of that id")
    unit.content.add(model.id, identifier, meta, form.is_true("protected"), unit.now())
    return done()


def content(
    unit: Unit, request: Request, caller: Management, name: str, identifier: str
) -> Steps[Response]:
    """``GET /provision/manage/content/MODEL/ID``: what it is, its groups or its bytes."""
    query, page = request.query, request.page()
    sn, download = query.get("sn"), query.is_true("download")
    missing = Forbidden if download else Malformed if sn else NotFound
    model = _content_model(unit, request, caller, name, missing)
    if query.get("show") == "groups":
        content = _content(unit, model, identifier)
        return (
            yield from grouping.groups_with(unit, request, model, "content", content.name, page)
        )
    if sn:
        _known_serial(unit, request, model, sn)
    content = _content(unit, model, identifier)
    if sn:
        yield from _authorise(unit, model, sn, content)
    if download:
        return _blob(unit, request, content)
    flag = [] if sn else ["true" if content.protected else "false"]
    return listed([[*_facts(content), *flag]])


def _blob(unit: Unit, request: Request, content: Content) -> Response:
    if content.blob is None:
        raise NotFound("nothing was uploaded yet")
    blob = content.blob

    async def pieces(first: int, last: int) -> AsyncIterator[bytes]:
        position = first
        try:
            with unit.content.reading(blob):
                while position <= last:
                    number, start = divmod(position, PIECE)
                    piece = unit.content.piece(blob, number)
                    yield piece[start : start + last - position + 1]
                    position = (number + 1) * PIECE
                    # Who reads as fast as we send would never let others run.
                    await asyncio.sleep(0)
        finally:
            request.platform.removal.begin()  # it may have been replaced meanwhile

    return ranged(request.headers.get("range"), content.size, content.type, pieces)


async def upload(
    unit: Unit, request: Request, caller: Management, name: str, identifier: str
) -> Response:
    """``POST /provision/manage/content/MODEL/ID``: upload its bytes."""
    platform = request.platform
    content = _content(unit, callers.model(unit, request, caller, name), identifier)
    if content.blob is not None and platform.settings.strict_content_upload:
        raise Conflict("the content has a blob")
    announced = whole(request.headers.get("content-length", "0"))
    if announced is not None and announced > platform.settings.max_content_bytes:
        raise TooLarge(f"at most {platform.settings.max_content_bytes} bytes")
    batch = Batch(platform)
    blob = platform.work(_new_blob)
    try:
        size = await _receive(request, blob)
        type = request.headers.get("content-type") or "application/octet-stream"
        await batch.durable()
        request.check()
        await platform.run(_put_blob, content, blob, type, size)
    except BaseException:
        platform.work(_abandon, blob)
        raise
    return done()


def _new_blob(unit: Unit) -> int:
    return unit.content.new_blob()


def _abandon(unit: Unit, blob: int) -> None:
    unit.content.abandon(blob)
    unit.emit(Remains())


def _add_piece(unit: Unit, blob: int, number: int, piece: bytes) -> None:
    unit.content.add_piece(blob, number, piece)


def _put_blob(unit: Unit, content: Content, blob: int, type: str, size: int) -> None:
    current = unit.content.one(content.model, content.name)
    if current is None or current.id != content.id:
        raise NotFound("the content was removed meanwhile")
    unit.content.set_blob(current, blob, type, size, unit.now())
    unit.emit(Remains())  # of what was there before


async def _receive(request: Request, blob: int) -> int:
    """Store a body piece by piece, each durable before the next is read."""
    platform = request.platform
    buffer, number, size = bytearray(), 0, 0
    while True:
        message = await request.receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        buffer += message.get("body", b"")
        more = message.get("more_body", False)
        while len(buffer) >= PIECE or (buffer and not more):
            await platform.run(_add_piece, blob, number, bytes(buffer[:PIECE]))
            size += len(buffer[:PIECE])
            del buffer[:PIECE]
            number += 1
        if size + len(buffer) > platform.settings.max_content_bytes:
            raise TooLarge(f"at most {platform.settings.max_content_bytes} bytes")
        if not more:
            return size


def remove_content(
    unit: Unit, request: Request, caller: Management, name: str, identifier: str
) -> Steps[Response]:
    """``DELETE /provision/manage/content/MODEL/ID``: remove an entry."""
    model = callers.model(unit, request, caller, name)
    content = _content(unit, model, identifier)
    while unit.fleet.remove_memberships(model.id, "content", identifier):
        yield
    unit.content.remove(content)
    unit.emit(Remains())
    return done()
