"""Front 2: the provisioning API below ``/provision/``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Sequence
from functools import partial
from typing import Any, Callable, NamedTuple, Optional, TypeVar, Union

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from ..core import access, fleet
from ..core.errors import (
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    TooLarge,
    Unauthorized,
    Unsupported,
)
from ..core.events import Remains
from ..core.turns import Pace, Steps
from ..core.unit import PIECE, Content, Member, Model, Node, Range, Serial, Unit, Vendor
from ..platform import Batch
from .http import (
    CSV,
    EVERYTHING,
    FORM,
    JSON,
    Form,
    Listing,
    Read,
    Request,
    Rows,
    answered,
    done,
    listed,
    most_bytes,
    not_allowed,
    nothing,
    paged,
    plain,
    problem,
    ranged,
    whole,
)

FORM_TYPE, CSV_TYPE = "application/x-www-form-urlencoded", "text/csv"
JSON_TYPES = ("application/javascript", "application/json")
MEMBER_TYPES = ("sn", "content", "group")


class Management(NamedTuple):
    """Who manages: the calling vendor, and whose models it speaks of."""

    vendor: Vendor
    owner: Vendor

    @property
    def is_guest(self) -> bool:
        """Whether the models are another vendor's, shared with the caller."""
        return self.vendor.id != self.owner.id


_AT_ONCE = 50  # rows that one step changes
_CONTENTS = 20  # entries that one step looks at

S = TypeVar("S")
T = TypeVar("T")
Answer = Union[Response, Awaitable[Response], Steps[Response]]
Handler = Callable[..., Answer]


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
    if handler is not _upload:
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


# --- who calls -------------------------------------------------------------


def _caller(request: Request, route: Route) -> Any:
    if route.who == "none":
        return None
    client = _client(request)
    if route.who == "client":
        if client is None:
            raise Unauthorized
        return client
    vendor = _vendor(request, client, tokens=route.who == "vendor")
    return Management(vendor, _model_owner(request, vendor))


def _client(request: Request) -> Node | None:
    """The client whose CIK was sent; None when none was."""
    cik = request.headers.get("x-exosite-cik")
    if not cik:
        return None
    client = access.by_key(request.unit, cik)
    request.caller = client.rid
    return client


def _vendor(request: Request, client: Node | None, tokens: bool) -> Vendor:
    if client is None:
        token = request.headers.get("x-exosite-token", "")
        vendor = request.unit.fleet.vendor_by_token(token) if tokens else None
        if vendor is None:
            raise Unauthorized
        _vendor_client(request.unit, vendor)
        request.caller = vendor.name
        return vendor
    own = request.unit.fleet.vendor_of(client.id)
    if own is None:
        raise Forbidden("no vendor is registered to this client")
    request.caller = own.name
    return own


def _vendor_client(unit: Unit, vendor: Vendor) -> Node:
    """The client of a vendor, as long as it may act: tokens and shares rest with it."""
    return access.admitted(unit, unit.resources.by_id(vendor.client))


def _model_owner(request: Request, vendor: Vendor) -> Vendor:
    named = request.headers.get("x-exosite-vendor")
    if not named or named == vendor.name:
        return vendor
    owner = request.unit.fleet.vendor(named)
    if owner is None:
        raise Forbidden("nothing is shared by that vendor")
    try:
        _vendor_client(request.unit, owner)
    except (Unauthorized, Forbidden) as error:
        raise Forbidden("what that vendor shares rests: it may not act itself") from error
    return owner


def _check_guest(request: Request, handler: Handler, caller: Management) -> None:
    if not caller.is_guest:
        return
    open_to_guests = {_serials: ("",), _serial: ("", "log"), _act_on_serial: ("",)}
    if request.query.get("show") not in open_to_guests.get(handler, ()):
        raise Forbidden("not open to vendors that a model is shared with")


def _model(request: Request, caller: Management, name: str) -> Model:
    """A model that the caller may work on, as long as the request goes on."""
    model = _found_model(request, caller, name)

    def check() -> None:
        if _found_model(request, caller, name).id != model.id:
            raise NotFound("the model was removed meanwhile")

    request.grounds["model", model.id] = (check,)
    return model


def _found_model(request: Request, caller: Management, name: str) -> Model:
    model = request.unit.fleet.model(caller.owner.id, name)
    if caller.is_guest:
        shared = model is not None and request.unit.fleet.is_shared(model.id, caller.vendor.id)
        if not shared:
            raise Forbidden("the model is not shared with this vendor")
    if model is None:
        raise NotFound("no such model")
    return model


def _need_type(request: Request, *types: str) -> None:
    if request.media_type not in types:
        raise Unsupported(f"the body must be {' or '.join(types)}")


def _form(request: Request) -> Form:
    _need_type(request, FORM_TYPE)
    return request.form()


# --- activation, device side -----------------------------------------------


def _activate(request: Request, _: None) -> Response:
    form = _form(request)
    vendor_name, model_name, sn = (form.need(name) for name in ("vendor", "model", "sn"))
    request.names = [vendor_name, model_name, sn]
    unit = request.unit
    vendor = unit.fleet.vendor(vendor_name)
    model = vendor and unit.fleet.model(vendor.id, model_name)
    if vendor is None or model is None:
        raise NotFound("no such vendor or model")
    return plain(fleet.activate(unit, model, sn, vendor, request.peer))


def _download(request: Request, client: Node) -> Steps[Response]:
    query = request.query
    vendor_name, model_name = query.need("vendor"), query.need("model")
    wants_info, name = query.is_true("info"), query.get("id")
    unit = request.unit
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
    return _blob(request, content)


# --- vendors and tokens ----------------------------------------------------


def _registrant(request: Request) -> Node:
    """The client that registers; a vendor's token stands for it in two of the calls."""
    client = _client(request)
    if client is not None:
        return client
    vendor = request.unit.fleet.vendor_by_token(request.headers.get("x-exosite-token", ""))
    if vendor is None:
        raise Unauthorized
    node = _vendor_client(request.unit, vendor)
    request.caller = vendor.name
    return node


def _registered(request: Request, _: None) -> Response:
    vendor = request.unit.fleet.vendor_of(_registrant(request).id)
    return plain(vendor.name) if vendor else nothing(204)


def _register(request: Request, _: None) -> Response:
    client = _registrant(request)
    form = _form(request)
    if form.is_true("delete"):
        fleet.unregister(request.unit, client, form.need("vendor"))
    else:
        if _client(request) is None:
            raise Unauthorized
        fleet.register(request.unit, client, form.need("vendor"))
    return done()


def _tokens(request: Request, caller: Management) -> Response:
    return listed([[label] for label in request.unit.fleet.labels(caller.vendor.id)])


def _change_tokens(request: Request, caller: Management) -> Response:
    form = _form(request)
    label = fleet.name(form.need("id"), "id")
    if form.is_true("delete"):
        return _remove_token(request, caller, label)
    return plain(fleet.add_token(request.unit, caller.vendor, label))


def _token(request: Request, caller: Management, label: str) -> Response:
    token = request.unit.fleet.token(caller.vendor.id, label)
    if token is None:
        raise NotFound("no token of that label")
    return plain(token)


def _remove_token(request: Request, caller: Management, label: str) -> Response:
    token = request.unit.fleet.token(caller.vendor.id, label)
    if token is None:
        raise NotFound("no token of that label")
    request.unit.fleet.remove_token(token)
    return done()


# --- models ----------------------------------------------------------------


def _models(request: Request, caller: Management) -> Response:
    show = request.query.get("show")
    if show == "shared":
        return listed(request.unit.fleet.shared_to(caller.vendor.id))
    if show:
        raise Malformed("show must be shared")
    return listed([[name] for name in request.unit.fleet.models(caller.vendor.id)])


def _change_models(request: Request, caller: Management) -> Response:
    form = _form(request)
    name = fleet.model_name(form.need("model"))
    if form.is_true("delete"):
        return _remove_model(request, caller, name)
    chosen = _template(request, caller, form)
    if request.unit.fleet.model(caller.vendor.id, name) is not None:
        raise Conflict("there is a model of that name")
    request.unit.fleet.add_model(caller.vendor.id, name, *chosen)
    return done()


def _template(request: Request, caller: Management, form: Form) -> fleet.Template:
    rid, code, options = form.get("rid"), form.get("code"), form.all("options")
    return fleet.template(request.unit, caller.vendor, rid, code, options)


def _model_info(request: Request, caller: Management, name: str) -> Response:
    model = _model(request, caller, name)
    options = [word for word in model.options.split(",") if word]
    fields = [f"{model.template_kind}={model.template}", *(f"options[]={w}" for w in options)]
    return plain("&".join(fields), FORM)


def _update_model(request: Request, caller: Management, name: str) -> Response:
    form = _form(request)
    if bool(form.get("rid")) == bool(form.get("code")):
        raise Malformed("a model needs either rid or code")
    model = _model(request, caller, name)
    request.unit.fleet.change_model(model, *_template(request, caller, form))
    return done()


def _remove_model(request: Request, caller: Management, name: str) -> Response:
    fleet.remove_model(request.unit, _model(request, caller, name))
    return done()


# --- serial numbers of a model ---------------------------------------------


def _serials(request: Request, caller: Management, name: str) -> Answer:
    query, unit = request.query, request.unit
    show, (offset, limit) = query.get("show"), request.page()
    if show not in ("", "ranges"):
        raise Malformed("show must be ranges")
    model = _model(request, caller, name)
    if show == "ranges":
        return _show_ranges(unit, model)
    shared, after = query.get("shared"), -1
    if caller.is_guest:
        listing = _enabled_by(request, caller, model, caller.vendor)
    elif shared:
        other = unit.fleet.vendor(shared)
        if other is None:
            return nothing(204)
        listing = _enabled_by(request, caller, model, other)
    else:
        start = unit.fleet.start(model.id, offset)
        if start is None:
            return nothing(204)
        after, offset = start
        listing = Listing(
            lambda after, most: _rows(request, caller, unit.fleet.page(model.id, after, most)),
            partial(unit.fleet.skip, model.id),
        )
    return paged(request, listing, offset, limit, after)


def _enabled_by(request: Request, caller: Management, model: Model, vendor: Vendor) -> Listing:
    """The serial numbers of a model that a vendor enabled."""
    store = request.unit.fleet
    return Listing(
        lambda after, most: _rows(request, caller, store.page_of(model.id, vendor.id, after, most)),
        partial(store.skip_of, model.id, vendor.id),
    )


def _rows(request: Request, caller: Management, serials: list[Serial]) -> list[list[Any]]:
    rows = [[one.place, *_serial_row(request.unit, caller, one)] for one in serials]
    if request.query.is_true("status"):
        return rows
    return [[place, sn, rid, extra] for place, sn, _, rid, extra in rows]


def _serial_row(unit: Unit, caller: Management, serial: Serial) -> list[str]:
    node = None if serial.client is None else unit.resources.by_id(serial.client)
    extra = "" if caller.is_guest else serial.extra
    return [serial.sn, fleet.state(unit, serial), node.rid if node else "", extra]


def _show_ranges(unit: Unit, model: Model) -> Response:
    ranges = unit.fleet.ranges(model.id)
    if not ranges:
        return nothing(204)
    shown = [
        {name: getattr(one, name) for name in ("format", "length", "casing", "first", "last")}
        for one in ranges
    ]
    return plain(json.dumps(shown), JSON)


def _change_serials(request: Request, caller: Management, name: str) -> Steps[Response]:
    if request.media_type in JSON_TYPES:
        return (yield from _add_ranges(request, caller, name))
    if request.media_type == CSV_TYPE:
        entries = yield from request.rows(_entry)
    else:
        _need_type(request, FORM_TYPE, CSV_TYPE, *JSON_TYPES)
        form = yield from request.form_steps()
        if form.is_true("delete") or form.is_true("remove"):
            return (yield from _remove_listed(request, caller, name, form))
        extra = fleet.remark(form.get("extra"), "extra")
        entries = yield from _each(form.all("sn"), lambda sn: (fleet.name(sn, "sn"), extra))
    if not entries:
        raise Malformed("no serial number given")
    yield from fleet.add(request.unit, _model(request, caller, name), entries)
    return done()


def _each(given: Sequence[S], work: Callable[[S], T]) -> Steps[list[T]]:
    """Do something with each, in steps."""
    pace = Pace(_AT_ONCE)
    results = []
    for one in given:
        results.append(work(one))
        if pace.is_full():
            yield
    return results


def _entry(line: int, row: list[str]) -> tuple[str, str]:
    try:
        if len(row) > 2:
            raise Malformed("more than two columns")
        extra = row[1] if len(row) == 2 else ""
        return fleet.name(row[0], "sn"), fleet.remark(extra, "extra")
    except Malformed as error:
        raise Malformed(f"line {line}: {error.detail}") from error


def _remove_listed(request: Request, caller: Management, name: str, form: Form) -> Steps[Response]:
    numbers = form.all("sn")
    if not numbers:
        raise Malformed("no serial number given")
    model = _model(request, caller, name)
    found = yield from _each(numbers, lambda sn: fleet.remove(request.unit, model, sn))
    if len(numbers) == 1 and not found[0]:
        raise NotFound("no such serial number")
    return done()


def _remove_serials(request: Request, caller: Management, name: str) -> Steps[Response]:
    if not request.body:
        raise Malformed("say which serial numbers to remove")
    if request.media_type in JSON_TYPES:
        return (yield from _remove_ranges(request, caller, name))
    _need_type(request, CSV_TYPE, *JSON_TYPES)
    numbers = yield from request.rows(lambda line, row: row[0])
    if not numbers:
        raise Malformed("no serial number given")
    model = _model(request, caller, name)
    yield from _each(numbers, lambda sn: fleet.remove(request.unit, model, sn))
    return done()


def _given_ranges(request: Request) -> Steps[list[Range]]:
    given = yield from request.json_steps()
    ranges = given.get("ranges") if isinstance(given, dict) else None
    if not isinstance(ranges, list) or not ranges:
        raise Malformed("the body must be an object with a list of ranges")
    most = request.platform.settings.max_ranges
    if len(ranges) > most:
        raise TooLarge(f"at most {most} ranges")
    return (yield from _each(ranges, fleet.parsed_range))


def _add_ranges(request: Request, caller: Management, name: str) -> Steps[Response]:
    new = yield from _given_ranges(request)
    model = _model(request, caller, name)
    known = request.unit.fleet.ranges(model.id)
    most = request.platform.settings.max_ranges
    if len(known) + len(new) > most:
        raise TooLarge(f"a model has at most {most} ranges")
    if fleet.any_overlap([*known, *new]):
        raise Conflict("a range overlaps another; none was added")
    for one in new:
        request.unit.fleet.add_range(model.id, one)
    return done()


def _remove_ranges(request: Request, caller: Management, name: str) -> Steps[Response]:
    given = yield from _given_ranges(request)
    model = _model(request, caller, name)
    known = {one[1:]: one for one in reversed(request.unit.fleet.ranges(model.id))}
    found = [known.get(one[1:]) for one in given]
    if None in found:
        raise NotFound("no such range; none was removed")
    for one in found:
        assert one is not None
        request.unit.fleet.remove_range(one)
    return done()


# --- one serial number -----------------------------------------------------


def _visible(request: Request, caller: Management, model: Model, sn: str) -> Serial:
    """A serial number, when the caller may see it."""
    serial = fleet.existing(request.unit, model, sn)
    if caller.is_guest and serial.enabled_by not in (None, caller.vendor.id):
        raise NotFound("no such serial number")
    return serial


def _serial(request: Request, caller: Management, name: str, sn: str) -> Answer:
    show = request.query.get("show")
    if show not in ("", "groups", "log"):
        raise Malformed("show must be groups or log")
    page = request.page()
    model = _model(request, caller, name)
    serial = _visible(request, caller, model, sn)
    unit = request.unit
    if show == "groups":
        return _groups_with(request, model, "sn", sn, page)
    if caller.is_guest and serial.enabled_by is None:
        raise NotFound("no such serial number")
    if show == "log":
        log = Listing(partial(unit.fleet.log, serial.id), lambda after, many: None)
        return paged(request, log, 0, EVERYTHING)
    row = _serial_row(unit, caller, serial)[1:]
    if row[0] == fleet.UNUSED:
        return nothing(204)
    if row[0] == fleet.ORPHAN:
        raise Conflict("the client of the serial number was dropped")
    return listed([row])


def _act_on_serial(request: Request, caller: Management, name: str, sn: str) -> Answer:
    form = _form(request)
    enable, disable = form.is_true("enable"), form.is_true("disable")
    owner, old = form.get("owner"), form.get("oldsn")
    if enable == disable or (owner and old):
        raise Malformed("enable=true (with owner or oldsn) or disable=true")
    unit, model = request.unit, _model(request, caller, name)
    serial = _visible(request, caller, model, sn)
    if disable:
        fleet.disable(unit, _mine(caller, serial))
    elif owner:
        return _enabled(fleet.enable(unit, model, sn, caller.vendor, owner))
    elif old:
        source = _mine(caller, _visible(request, caller, model, old))
        fleet.remap(unit, model, serial, source, caller.vendor)
    else:
        fleet.reenable(unit, _mine(caller, serial))
    return done()


def _enabled(steps: Steps[str]) -> Steps[Response]:
    return plain((yield from steps), CSV)


def _mine(caller: Management, serial: Serial) -> Serial:
    """A serial number whose client the caller may act on."""
    if caller.is_guest and serial.enabled_by != caller.vendor.id:
        raise NotFound("no such serial number")
    return serial


def _remove_serial(request: Request, caller: Management, name: str, sn: str) -> Response:
    if not fleet.remove(request.unit, _model(request, caller, name), sn):
        raise NotFound("no such serial number")
    return done()


# --- content ---------------------------------------------------------------


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
    request: Request, caller: Management, name: str, otherwise: type[Exception]
) -> Model:
    """The model of a content call, or the error this call has for an unknown one."""
    try:
        return _model(request, caller, name)
    except NotFound as error:
        raise otherwise("no such vendor and model") from error


def _contents(request: Request, caller: Management, name: str) -> Steps[Response]:
    sn = request.query.get("sn")
    model = _content_model(request, caller, name, Malformed)
    if sn:
        _known_serial(request, model, sn)
        usable = yield from _usable(request.unit, model, sn)
        return (yield from _names(request, usable))
    store = request.unit.content
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


def _known_serial(request: Request, model: Model, sn: str) -> None:
    if fleet.find(request.unit, model, sn) is None:
        raise Malformed("no such serial number")


def _change_contents(request: Request, caller: Management, name: str) -> Answer:
    form = _form(request)
    identifier = fleet.name(form.need("id"), "id")
    if form.is_true("delete"):
        return _remove_content(request, caller, name, identifier)
    meta = fleet.remark(form.get("meta") or form.get("description"), "meta")
    model = _model(request, caller, name)
    unit = request.unit
    if unit.content.one(model.id, identifier) is not None:
        raise Conflict("there is content of that id")
    unit.content.add(model.id, identifier, meta, form.is_true("protected"), unit.now())
    return done()


def _show_content(
    request: Request, caller: Management, name: str, identifier: str
) -> Steps[Response]:
    query, page = request.query, request.page()
    sn, download = query.get("sn"), query.is_true("download")
    missing = Forbidden if download else Malformed if sn else NotFound
    model = _content_model(request, caller, name, missing)
    unit = request.unit
    if query.get("show") == "groups":
        content = _content(unit, model, identifier)
        return (yield from _groups_with(request, model, "content", content.name, page))
    if sn:
        _known_serial(request, model, sn)
    content = _content(unit, model, identifier)
    if sn:
        yield from _authorise(unit, model, sn, content)
    if download:
        return _blob(request, content)
    flag = [] if sn else ["true" if content.protected else "false"]
    return listed([[*_facts(content), *flag]])


def _blob(request: Request, content: Content) -> Response:
    if content.blob is None:
        raise NotFound("nothing was uploaded yet")
    blob, unit = content.blob, request.unit

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


async def _upload(request: Request, caller: Management, name: str, identifier: str) -> Response:
    platform, unit = request.platform, request.unit
    content = _content(unit, _model(request, caller, name), identifier)
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


def _remove_content(
    request: Request, caller: Management, name: str, identifier: str
) -> Steps[Response]:
    model = _model(request, caller, name)
    content = _content(request.unit, model, identifier)
    while request.unit.fleet.remove_memberships(model.id, "content", identifier):
        yield
    request.unit.content.remove(content)
    request.unit.emit(Remains())
    return done()


# --- groups ----------------------------------------------------------------


def _groups_with(
    request: Request, model: Model, type: str, member: str, page: tuple[int, int]
) -> Steps[Response]:
    store, what = request.unit.fleet, (model.id, type, member, request.unit.clock())
    listing = Listing(partial(store.groups_with, *what), partial(store.skip_groups_with, *what))
    return paged(request, listing, *page)


def _group_of(request: Request, model: Model, name: str) -> tuple[int, str]:
    group = request.unit.fleet.group(model.id, name)
    if group is None:
        raise NotFound("no such group")
    request.grounds["group", group[0]] = (_check_group, request, model, name, group[0])
    return group


def _check_group(request: Request, model: Model, name: str, number: int) -> None:
    group = request.unit.fleet.group(model.id, name)
    if group is None or group[0] != number:
        raise NotFound("the group was removed meanwhile")


def _groups(request: Request, caller: Management, name: str) -> Steps[Response]:
    page, store = request.page(), request.unit.fleet
    model = _model(request, caller, name)
    listing = Listing(partial(store.groups, model.id), partial(store.skip_groups, model.id))
    return paged(request, listing, *page)


def _change_groups(request: Request, caller: Management, name: str) -> Answer:
    form = _form(request)
    identifier = fleet.name(form.need("id"), "id")
    if form.is_true("delete"):
        return _remove_group(request, caller, name, identifier)
    meta = fleet.remark(form.get("meta") or form.get("description"), "meta")
    model = _model(request, caller, name)
    if request.unit.fleet.group(model.id, identifier) is not None:
        raise Conflict("there is a group of that id")
    request.unit.fleet.add_group(model.id, identifier, meta)
    return done()


def _group(request: Request, caller: Management, name: str, identifier: str) -> Steps[Response]:
    page, show = request.page(), request.query.get("show")
    model = _model(request, caller, name)
    number, meta = _group_of(request, model, identifier)
    if show == "groups":
        return (yield from _groups_with(request, model, "group", identifier, page))
    count = yield from fleet.count_members(request.unit, number)
    return listed([[meta, count]])


def _remove_group(
    request: Request, caller: Management, name: str, identifier: str
) -> Steps[Response]:
    model = _model(request, caller, name)
    number, _ = _group_of(request, model, identifier)
    yield from fleet.remove_group(request.unit, model, identifier, number)
    return done()


def _members(request: Request, caller: Management, name: str, identifier: str) -> Answer:
    query, page = request.query, request.page()
    type, member = query.get("type"), query.get("id")
    if type and type not in MEMBER_TYPES:
        raise Malformed(f"type must be one of {', '.join(MEMBER_TYPES)}")
    number, _ = _group_of(request, _model(request, caller, name), identifier)
    store, now = request.unit.fleet, request.unit.clock()
    if member:
        types = [type] if type else MEMBER_TYPES
        found = (store.member(number, now, one, member) for one in types)
        return listed([one for one in found if one is not None])
    what = (number, now, type)
    listing = Listing(partial(store.members, *what), partial(store.skip_members, *what))
    return paged(request, listing, *page)


def _change_members(
    request: Request, caller: Management, name: str, identifier: str
) -> Steps[Response]:
    _need_type(request, FORM_TYPE, CSV_TYPE)
    removing = False
    if request.media_type == CSV_TYPE:
        wanted = yield from request.rows(_member)
    else:
        form = yield from request.form_steps()
        removing = form.is_true("delete")
        rest = [form.get("expire"), form.get("meta")]
        type = form.get("type")
        wanted = yield from _each(form.all("id"), lambda one: _member(0, [type, one, *rest]))
    if not wanted:
        raise Malformed("no member given")
    model = _model(request, caller, name)
    number, _ = _group_of(request, model, identifier)
    if not removing and any((m.type, m.member) == ("group", identifier) for m in wanted):
        raise Malformed("a group cannot hold itself")
    change = request.unit.fleet
    if removing:
        yield from _each(wanted, lambda one: change.remove_member(number, one.type, one.member))
    else:
        yield from _each(wanted, lambda one: change.set_member(model.id, number, one))
    return done()


def _member(line: int, row: list[str]) -> Member:
    where = f"line {line}: " if line else ""
    if len(row) < 2 or not row[1]:
        raise Malformed(f"{where}a member has a type and an id")
    if row[0] not in MEMBER_TYPES:
        raise Malformed(f"{where}type must be one of {', '.join(MEMBER_TYPES)}")
    expire = whole(row[2] if len(row) > 2 and row[2] else "0")
    if expire is None or expire >= 10**15:
        raise Malformed(f"{where}expire must be a Unix time in seconds")
    meta = fleet.remark(row[3] if len(row) > 3 else "", "meta")
    return Member(row[0], fleet.name(row[1], "id"), expire, meta)


def _remove_members(
    request: Request, caller: Management, name: str, identifier: str
) -> Steps[Response]:
    if not request.body:
        raise Malformed("say which members to remove")
    _need_type(request, CSV_TYPE)
    wanted = yield from request.rows(lambda line, row: _member(line, row[:2]))
    number, _ = _group_of(request, _model(request, caller, name), identifier)
    change = request.unit.fleet
    yield from _each(wanted, lambda one: change.remove_member(number, one.type, one.member))
    return done()


# --- shares ----------------------------------------------------------------


def _partner(request: Request, caller: Management, name: str, vendor: str) -> tuple[Model, Vendor]:
    model = _model(request, caller, name)
    partner = request.unit.fleet.vendor(vendor)
    if partner is None:
        raise NotFound("no such vendor")
    return model, partner


def _shares(request: Request, caller: Management, name: str) -> Response:
    model = _model(request, caller, name)
    return listed([[vendor] for vendor in request.unit.fleet.shared_with(model.id)])


def _change_shares(request: Request, caller: Management, name: str) -> Response:
    form = _form(request)
    vendor = form.need("vendor")
    if form.is_true("delete"):
        return _remove_share(request, caller, name, vendor)
    model, partner = _partner(request, caller, name, vendor)
    if partner.id == caller.vendor.id:
        raise Conflict("a vendor needs no share of its own model")
    request.unit.fleet.share_model(model.id, partner.id)
    return done()


def _share(request: Request, caller: Management, name: str, vendor: str) -> Response:
    model, partner = _partner(request, caller, name, vendor)
    if not request.unit.fleet.is_shared(model.id, partner.id):
        raise NotFound("the model is not shared with that vendor")
    response = nothing(204)
    response.headers["Content-Type"] = CSV
    return response


def _remove_share(request: Request, caller: Management, name: str, vendor: str) -> Response:
    _share(request, caller, name, vendor)
    model, partner = _partner(request, caller, name, vendor)
    request.unit.fleet.unshare_model(model.id, partner.id)
    return done()


# --- the table -------------------------------------------------------------


def _both(route: Route, shape: str) -> dict[Optional[str], Route]:
    """The same with and without a slash at the end."""
    return {shape: route, f"{shape}/" if shape else None: route}


# By family, then by what follows it: "*" is a name, an empty part a slash at the end.
_ROUTES: dict[tuple[str, ...], dict[Optional[str], Route]] = {
    ("activate",): {None: Route({"POST": _activate}, "none")},
    ("download",): {None: Route({"GET": _download}, "client")},
    ("register",): {None: Route({"GET": _registered, "POST": _register}, "none")},
    ("admin", "auth"): {
        None: Route({"GET": _tokens, "POST": _change_tokens}, "vendor by key"),
        "": Route({"GET": _tokens, "POST": _change_tokens}, "vendor by key"),
        "*": Route({"GET": _token, "DELETE": _remove_token}, "vendor by key"),
    },
    ("manage", "model"): {
        "": Route({"GET": _models, "POST": _change_models}, "vendor"),
        "*": Route({"GET": _model_info, "PUT": _update_model, "DELETE": _remove_model}, "vendor"),
        "*/": Route(
            {"GET": _serials, "POST": _change_serials, "DELETE": _remove_serials}, "vendor"
        ),
        "*/*": Route({"GET": _serial, "POST": _act_on_serial, "DELETE": _remove_serial}, "vendor"),
    },
    ("manage", "content"): {
        **_both(Route({"GET": _contents, "POST": _change_contents}, "vendor"), "*"),
        "*/*": Route({"GET": _show_content, "POST": _upload, "DELETE": _remove_content}, "vendor"),
    },
    ("manage", "group"): {
        **_both(Route({"GET": _groups, "POST": _change_groups}, "vendor"), "*"),
        "*/*": Route({"GET": _group, "DELETE": _remove_group}, "vendor"),
        "*/*/": Route(
            {"GET": _members, "POST": _change_members, "DELETE": _remove_members}, "vendor"
        ),
    },
    ("manage", "share"): {
        **_both(Route({"GET": _shares, "POST": _change_shares}, "vendor"), "*"),
        "*/*": Route({"GET": _share, "DELETE": _remove_share}, "vendor"),
    },
}
