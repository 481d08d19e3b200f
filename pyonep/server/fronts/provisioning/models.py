"""Models and their serial numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from ...core import enabling, fleet, names, ranges, serials
from ...core.errors import Invalid
from ...core.managing import Manager
from ...core.turns import Steps, each
from ...core.unit import Model, Unit
from ..answers import CSV, FORM, JSON, done, listed, nothing, paged, plain
from ..bodies import Form, at_line
from ..http import CSV_TYPE, FORM_TYPE, JSON_TYPES, Answer, Request

# --- models ----------------------------------------------------------------


def models(unit: Unit, request: Request, caller: Manager) -> Response:
    """``GET /provision/manage/model/``: the vendor's models, or those shared with it."""
    show = request.query.get("show")
    if show not in ("", "shared"):
        raise Invalid("show must be shared")
    if show == "shared":
        return listed(fleet.shared_to(unit, caller.vendor))
    return listed([[name] for name in fleet.models(unit, caller.vendor)])


def change_models(unit: Unit, request: Request, caller: Manager) -> Response:
    """``POST /provision/manage/model/``: make a model, or remove one."""
    form = request.form()
    name = names.model_name(form.need("model"))
    if form.is_true("delete"):
        return remove_model(unit, request, caller, name)
    fleet.add_model(unit, caller.vendor, name, _template(form))
    return done()


def model(unit: Unit, request: Request, caller: Manager, name: str) -> Response:
    """``GET /provision/manage/model/MODEL``: template and options."""
    model = caller.model(unit, name)
    options = [word for word in model.options.split(",") if word]
    fields = [f"{model.template_kind}={model.template}", *(f"options[]={w}" for w in options)]
    return plain("&".join(fields), FORM)


def change_model(unit: Unit, request: Request, caller: Manager, name: str) -> Response:
    """``PUT /provision/manage/model/MODEL``: another template, other options."""
    template = _template(request.form())
    template.check()
    fleet.change_model(unit, caller.vendor, caller.model(unit, name), template)
    return done()


def _template(form: Form) -> fleet.Template:
    return fleet.Template(form.get("rid"), form.get("code"), form.all("options"))


def remove_model(unit: Unit, request: Request, caller: Manager, name: str) -> Response:
    """``DELETE /provision/manage/model/MODEL``: remove a model."""
    fleet.remove_model(unit, caller.model(unit, name))
    return done()


# --- serial numbers of a model ---------------------------------------------


def numbers(unit: Unit, request: Request, caller: Manager, name: str) -> Answer:
    """``GET /provision/manage/model/MODEL/``: its serial numbers, or its ranges."""
    query, page = request.query, request.page()
    show = query.get("show")
    if show not in ("", "ranges"):
        raise Invalid("show must be ranges")
    model = caller.model(unit, name)
    if show == "ranges":
        return _ranges(unit, model)
    listing = serials.listing(unit, caller, model, query.get("shared"))
    row = _row_with_status if query.is_true("status") else _row
    return paged(request.budget, listing, *page, row)


def _row(sn: str, state: str, rid: str, extra: str) -> list[str]:
    return [sn, rid, extra]


def _row_with_status(*row: str) -> Sequence[str]:
    return row


def _ranges(unit: Unit, model: Model) -> Response:
    found = ranges.of_model(unit, model)
    shown = [{name: part for name, part in one._asdict().items() if name != "id"} for one in found]
    return plain(json.dumps(shown), JSON) if shown else nothing(204)


def change_numbers(unit: Unit, request: Request, caller: Manager, name: str) -> Answer:
    """``POST /provision/manage/model/MODEL/``: add serial numbers or ranges, or remove them."""
    if request.media_type in JSON_TYPES:
        return _add_ranges(unit, request, caller, name)
    if request.media_type == CSV_TYPE:
        return _add(unit, caller, name, request.rows(_entry))
    request.need_type(FORM_TYPE, CSV_TYPE, *JSON_TYPES)
    return _change_listed(unit, request, caller, name)


def _change_listed(unit: Unit, request: Request, caller: Manager, name: str) -> Steps[Response]:
    form = yield from request.form_steps()
    if form.is_true("delete") or form.is_true("remove"):
        numbers = _some(form.all("sn"))
        yield from serials.remove_listed(unit, caller.model(unit, name), numbers)
        return done()
    extra = names.remark(form.get("extra"), "extra")
    entries = each(form.all("sn"), lambda sn: (names.name(sn, "sn"), extra))
    return (yield from _add(unit, caller, name, entries))


def _add(
    unit: Unit, caller: Manager, name: str, reading: Steps[list[tuple[str, str]]]
) -> Steps[Response]:
    entries = _some((yield from reading))
    yield from serials.add(unit, caller.model(unit, name), entries)
    return done()


def _some(given: list[Any]) -> list[Any]:
    if not given:
        raise Invalid("no serial number given")
    return given


def _entry(line: int, row: list[str]) -> tuple[str, str]:
    with at_line(line):
        if len(row) > 2:
            raise Invalid("more than two columns")
        extra = row[1] if len(row) == 2 else ""
        return names.name(row[0], "sn"), names.remark(extra, "extra")


def remove_numbers(unit: Unit, request: Request, caller: Manager, name: str) -> Answer:
    """``DELETE /provision/manage/model/MODEL/``: remove serial numbers or ranges."""
    if not request.body:
        raise Invalid("say which serial numbers to remove")
    if request.media_type in JSON_TYPES:
        return _remove_ranges(unit, request, caller, name)
    request.need_type(CSV_TYPE, *JSON_TYPES)
    return _remove_rows(unit, request, caller, name)


def _remove_rows(unit: Unit, request: Request, caller: Manager, name: str) -> Steps[Response]:
    numbers = _some((yield from request.rows(lambda line, row: row[0])))
    yield from serials.remove_all(unit, caller.model(unit, name), numbers)
    return done()


def _add_ranges(unit: Unit, request: Request, caller: Manager, name: str) -> Steps[Response]:
    given = yield from ranges.parsed(unit, (yield from request.json_steps()))
    ranges.add(unit, caller.model(unit, name), given)
    return done()


def _remove_ranges(unit: Unit, request: Request, caller: Manager, name: str) -> Steps[Response]:
    given = yield from ranges.parsed(unit, (yield from request.json_steps()))
    ranges.remove(unit, caller.model(unit, name), given)
    return done()


# --- one serial number -----------------------------------------------------


def number(unit: Unit, request: Request, caller: Manager, name: str, sn: str) -> Answer:
    """``GET /provision/manage/model/MODEL/SN``: its state, its groups or its log."""
    show = request.query.get("show")
    if show not in ("", "groups", "log"):
        raise Invalid("show must be groups or log")
    page = request.page()
    model = caller.model(unit, name)
    if show == "groups":
        return paged(request.budget, serials.holding(unit, caller, model, sn), *page)
    if show == "log":
        return paged(request.budget, serials.log(unit, caller, model, sn))
    shown = serials.shown(unit, caller, model, sn)
    return nothing(204) if shown.state == serials.UNUSED else listed([shown[1:]])


def act_on_number(unit: Unit, request: Request, caller: Manager, name: str, sn: str) -> Answer:
    """``POST /provision/manage/model/MODEL/SN``: enable, remap, renew or disable."""
    form = request.form()
    enable, disable = form.is_true("enable"), form.is_true("disable")
    owner, old = form.get("owner"), form.get("oldsn")
    if enable == disable or (owner and old):
        raise Invalid("enable=true (with owner or oldsn) or disable=true")
    model = caller.model(unit, name)
    if disable:
        enabling.disable(unit, caller, model, sn)
    elif owner:
        return _enabled(enabling.enable(unit, caller, model, sn, owner))
    elif old:
        enabling.remap(unit, caller, model, sn, old)
    else:
        enabling.renew(unit, caller, model, sn)
    return done()


def _enabled(steps: Steps[str]) -> Steps[Response]:
    return plain((yield from steps), CSV)


def remove_number(unit: Unit, request: Request, caller: Manager, name: str, sn: str) -> Response:
    """``DELETE /provision/manage/model/MODEL/SN``: remove a serial number."""
    serials.remove(unit, caller.model(unit, name), sn)
    return done()


def activate(unit: Unit, request: Request, _: None) -> Response:
    """``POST /provision/activate``: a device fetches its key."""
    form = request.form()
    vendor, model, sn = (form.need(name) for name in ("vendor", "model", "sn"))
    request.names = [vendor, model, sn]
    return plain(enabling.activate(unit, vendor, model, sn, request.peer))
