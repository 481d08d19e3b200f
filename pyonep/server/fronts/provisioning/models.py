"""Models and their serial numbers."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from starlette.responses import Response

from ...core import fleet
from ...core.errors import Conflict, Malformed, NotFound, TooLarge
from ...core.turns import Steps, each
from ...core.unit import Model, Range, Serial, Unit, Vendor
from ..http import (
    CSV,
    CSV_TYPE,
    EVERYTHING,
    FORM,
    FORM_TYPE,
    JSON,
    Answer,
    Form,
    Listing,
    Request,
    done,
    listed,
    nothing,
    paged,
    plain,
)
from . import callers, grouping
from .callers import Management

JSON_TYPES = ("application/javascript", "application/json")


def models(unit: Unit, request: Request, caller: Management) -> Response:
    """``GET /provision/manage/model/``: the vendor's models, or those shared with it."""
    show = request.query.get("show")
    if show == "shared":
        return listed(unit.fleet.shared_to(caller.vendor.id))
    if show:
        raise Malformed("show must be shared")
    return listed([[name] for name in unit.fleet.models(caller.vendor.id)])


def change_models(unit: Unit, request: Request, caller: Management) -> Response:
    """``POST /provision/manage/model/``: make a model, or remove one."""
    form = request.form()
    name = fleet.model_name(form.need("model"))
    if form.is_true("delete"):
        return remove_model(unit, request, caller, name)
    chosen = _template(unit, request, caller, form)
    if unit.fleet.model(caller.vendor.id, name) is not None:
        raise Conflict("there is a model of that name")
    unit.fleet.add_model(caller.vendor.id, name, *chosen)
    return done()


def _template(unit: Unit, request: Request, caller: Management, form: Form) -> fleet.Template:
    rid, code, options = form.get("rid"), form.get("code"), form.all("options")
    return fleet.template(unit, caller.vendor, rid, code, options)


def model_info(unit: Unit, request: Request, caller: Management, name: str) -> Response:
    """``GET /provision/manage/model/MODEL``: template and options."""
    model = callers.model(unit, request, caller, name)
    options = [word for word in model.options.split(",") if word]
    fields = [f"{model.template_kind}={model.template}", *(f"options[]={w}" for w in options)]
    return plain("&".join(fields), FORM)


def update_model(unit: Unit, request: Request, caller: Management, name: str) -> Response:
    """``PUT /provision/manage/model/MODEL``: another template, other options."""
    form = request.form()
    if bool(form.get("rid")) == bool(form.get("code")):
        raise Malformed("a model needs either rid or code")
    model = callers.model(unit, request, caller, name)
    unit.fleet.change_model(model, *_template(unit, request, caller, form))
    return done()


def remove_model(unit: Unit, request: Request, caller: Management, name: str) -> Response:
    """``DELETE /provision/manage/model/MODEL``: remove a model."""
    fleet.remove_model(unit, callers.model(unit, request, caller, name))
    return done()


def activate(unit: Unit, request: Request, _: None) -> Response:
    """``POST /provision/activate``: a device fetches its key."""
    form = request.form()
    vendor_name, model_name, sn = (form.need(name) for name in ("vendor", "model", "sn"))
    request.names = [vendor_name, model_name, sn]
    vendor = unit.fleet.vendor(vendor_name)
    model = vendor and unit.fleet.model(vendor.id, model_name)
    if vendor is None or model is None:
        raise NotFound("no such vendor or model")
    return plain(fleet.activate(unit, model, sn, vendor, request.peer))


def serials(unit: Unit, request: Request, caller: Management, name: str) -> Answer:
    """``GET /provision/manage/model/MODEL/``: its serial numbers, or its ranges."""
    query = request.query
    show, (offset, limit) = query.get("show"), request.page()
    if show not in ("", "ranges"):
        raise Malformed("show must be ranges")
    model = callers.model(unit, request, caller, name)
    if show == "ranges":
        return _show_ranges(unit, model)
    shared, after = query.get("shared"), -1
    if caller.is_guest:
        listing = _enabled_by(unit, request, caller, model, caller.vendor)
    elif shared:
        other = unit.fleet.vendor(shared)
        if other is None:
            return nothing(204)
        listing = _enabled_by(unit, request, caller, model, other)
    else:
        start = unit.fleet.start(model.id, offset)
        if start is None:
            return nothing(204)
        after, offset = start
        listing = Listing(
            lambda after, most: _rows(
                unit, request, caller, unit.fleet.page(model.id, after, most)
            ),
            partial(unit.fleet.skip, model.id),
        )
    return paged(request, listing, offset, limit, after)


def _enabled_by(
    unit: Unit, request: Request, caller: Management, model: Model, vendor: Vendor
) -> Listing:
    """The serial numbers of a model that a vendor enabled."""
    store = unit.fleet
    return Listing(
        lambda after, most: _rows(
            unit, request, caller, store.page_of(model.id, vendor.id, after, most)
        ),
        partial(store.skip_of, model.id, vendor.id),
    )


def _rows(
    unit: Unit, request: Request, caller: Management, serials: list[Serial]
) -> list[list[Any]]:
    rows = [[one.place, *_serial_row(unit, caller, one)] for one in serials]
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


def change_serials(unit: Unit, request: Request, caller: Management, name: str) -> Steps[Response]:
    """``POST /provision/manage/model/MODEL/``: add serial numbers or ranges, or remove them."""
    if request.media_type in JSON_TYPES:
        return (yield from _add_ranges(unit, request, caller, name))
    if request.media_type == CSV_TYPE:
        entries = yield from request.rows(_entry)
    else:
        request.need_type(FORM_TYPE, CSV_TYPE, *JSON_TYPES)
        form = yield from request.form_steps()
        if form.is_true("delete") or form.is_true("remove"):
            return (yield from _remove_listed(unit, request, caller, name, form))
        extra = fleet.remark(form.get("extra"), "extra")
        entries = yield from each(form.all("sn"), lambda sn: (fleet.name(sn, "sn"), extra))
    if not entries:
        raise Malformed("no serial number given")
    yield from fleet.add(unit, callers.model(unit, request, caller, name), entries)
    return done()


def _entry(line: int, row: list[str]) -> tuple[str, str]:
    try:
        if len(row) > 2:
            raise Malformed("more than two columns")
        extra = row[1] if len(row) == 2 else ""
        return fleet.name(row[0], "sn"), fleet.remark(extra, "extra")
    except Malformed as error:
        raise Malformed(f"line {line}: {error.detail}") from error


def _remove_listed(
    unit: Unit, request: Request, caller: Management, name: str, form: Form
) -> Steps[Response]:
    numbers = form.all("sn")
    if not numbers:
        raise Malformed("no serial number given")
    model = callers.model(unit, request, caller, name)
    found = yield from each(numbers, lambda sn: fleet.remove(unit, model, sn))
    if len(numbers) == 1 and not found[0]:
        raise NotFound("no such serial number")
    return done()


def remove_serials(unit: Unit, request: Request, caller: Management, name: str) -> Steps[Response]:
    """``DELETE /provision/manage/model/MODEL/``: remove serial numbers or ranges."""
    if not request.body:
        raise Malformed("say which serial numbers to remove")
    if request.media_type in JSON_TYPES:
        return (yield from _remove_ranges(unit, request, caller, name))
    request.need_type(CSV_TYPE, *JSON_TYPES)
    numbers = yield from request.rows(lambda line, row: row[0])
    if not numbers:
        raise Malformed("no serial number given")
    model = callers.model(unit, request, caller, name)
    yield from each(numbers, lambda sn: fleet.remove(unit, model, sn))
    return done()


def _given_ranges(request: Request) -> Steps[list[Range]]:
    given = yield from request.json_steps()
    ranges = given.get("ranges") if isinstance(given, dict) else None
    if not isinstance(ranges, list) or not ranges:
        raise Malformed("the body must be an object with a list of ranges")
    most = request.platform.settings.max_ranges
    if len(ranges) > most:
        raise TooLarge(f"at most {most} ranges")
    return (yield from each(ranges, fleet.parsed_range))


def _add_ranges(unit: Unit, request: Request, caller: Management, name: str) -> Steps[Response]:
    new = yield from _given_ranges(request)
    model = callers.model(unit, request, caller, name)
    known = unit.fleet.ranges(model.id)
    most = request.platform.settings.max_ranges
    if len(known) + len(new) > most:
        raise TooLarge(f"a model has at most {most} ranges")
    if fleet.any_overlap([*known, *new]):
        raise Conflict("a range overlaps another; none was added")
    for one in new:
        unit.fleet.add_range(model.id, one)
    return done()


def _remove_ranges(unit: Unit, request: Request, caller: Management, name: str) -> Steps[Response]:
    given = yield from _given_ranges(request)
    model = callers.model(unit, request, caller, name)
    known = {one[1:]: one for one in reversed(unit.fleet.ranges(model.id))}
    found = [known.get(one[1:]) for one in given]
    if None in found:
        raise NotFound("no such range; none was removed")
    for one in found:
        assert one is not None
        unit.fleet.remove_range(one)
    return done()


def _visible(unit: Unit, request: Request, caller: Management, model: Model, sn: str) -> Serial:
    """A serial number, when the caller may see it."""
    serial = fleet.existing(unit, model, sn)
    if caller.is_guest and serial.enabled_by not in (None, caller.vendor.id):
        raise NotFound("no such serial number")
    return serial


def serial(unit: Unit, request: Request, caller: Management, name: str, sn: str) -> Answer:
    """``GET /provision/manage/model/MODEL/SN``: its state, its groups or its log."""
    show = request.query.get("show")
    if show not in ("", "groups", "log"):
        raise Malformed("show must be groups or log")
    page = request.page()
    model = callers.model(unit, request, caller, name)
    serial = _visible(unit, request, caller, model, sn)
    if show == "groups":
        return grouping.groups_with(unit, request, model, "sn", sn, page)
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


def act_on_serial(unit: Unit, request: Request, caller: Management, name: str, sn: str) -> Answer:
    """``POST /provision/manage/model/MODEL/SN``: enable, remap, renew or disable."""
    form = request.form()
    enable, disable = form.is_true("enable"), form.is_true("disable")
    owner, old = form.get("owner"), form.get("oldsn")
    if enable == disable or (owner and old):
        raise Malformed("enable=true (with owner or oldsn) or disable=true")
    model = callers.model(unit, request, caller, name)
    serial = _visible(unit, request, caller, model, sn)
    if disable:
        fleet.disable(unit, _mine(caller, serial))
    elif owner:
        return _enabled(fleet.enable(unit, model, sn, caller.vendor, owner))
    elif old:
        source = _mine(caller, _visible(unit, request, caller, model, old))
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


def remove_serial(unit: Unit, request: Request, caller: Management, name: str, sn: str) -> Response:
    """``DELETE /provision/manage/model/MODEL/SN``: remove a serial number."""
    if not fleet.remove(unit, callers.model(unit, request, caller, name), sn):
        raise NotFound("no such serial number")
    return done()
