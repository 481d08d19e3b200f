"""Groups of serial numbers, of content, and of groups."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from ...core import fleet
from ...core.errors import Conflict, Malformed, NotFound
from ...core.turns import Steps, each
from ...core.unit import Member, Model, Unit
from ..http import CSV_TYPE, FORM_TYPE, Answer, Listing, Request, done, listed, paged, whole
from . import callers
from .callers import Management

MEMBER_TYPES = ("sn", "content", "group")


def groups_with(
    unit: Unit, request: Request, model: Model, type: str, member: str, page: tuple[int, int]
) -> Steps[Response]:
    """The groups that hold something directly."""
    store, what = unit.fleet, (model.id, type, member, unit.clock())
    listing = Listing(partial(store.groups_with, *what), partial(store.skip_groups_with, *what))
    return paged(request, listing, *page)


def _group_of(unit: Unit, request: Request, model: Model, name: str) -> tuple[int, str]:
    group = unit.fleet.group(model.id, name)
    if group is None:
        raise NotFound("no such group")
    request.grounds["group", group[0]] = (_check_group, unit, model, name, group[0])
    return group


def _check_group(unit: Unit, model: Model, name: str, number: int) -> None:
    group = unit.fleet.group(model.id, name)
    if group is None or group[0] != number:
        raise NotFound("the group was removed meanwhile")


def groups(unit: Unit, request: Request, caller: Management, name: str) -> Steps[Response]:
    """``GET /provision/manage/group/MODEL``: the groups of a model."""
    page, store = request.page(), unit.fleet
    model = callers.model(unit, request, caller, name)
    listing = Listing(partial(store.groups, model.id), partial(store.skip_groups, model.id))
    return paged(request, listing, *page)


def change_groups(unit: Unit, request: Request, caller: Management, name: str) -> Answer:
    """``POST /provision/manage/group/MODEL``: make a group, or remove one."""
    form = request.form()
    identifier = fleet.name(form.need("id"), "id")
    if form.is_true("delete"):
        return remove_group(unit, request, caller, name, identifier)
    meta = fleet.remark(form.get("meta") or form.get("description"), "meta")
    model = callers.model(unit, request, caller, name)
    if unit.fleet.group(model.id, identifier) is not None:
        raise Conflict("there is a group of that id")
    unit.fleet.add_group(model.id, identifier, meta)
    return done()


def group(
    unit: Unit, request: Request, caller: Management, name: str, identifier: str
) -> Steps[Response]:
    """``GET /provision/manage/group/MODEL/ID``: what it is, or the groups that hold it."""
    page, show = request.page(), request.query.get("show")
    model = callers.model(unit, request, caller, name)
    number, meta = _group_of(unit, request, model, identifier)
    if show == "groups":
        return (yield from groups_with(unit, request, model, "group", identifier, page))
    count = yield from fleet.count_members(unit, number)
    return listed([[meta, count]])


def remove_group(
    unit: Unit, request: Request, caller: Management, name: str, identifier: str
) -> Steps[Response]:
    """``DELETE /provision/manage/group/MODEL/ID``: remove a group."""
    model = callers.model(unit, request, caller, name)
    number, _ = _group_of(unit, request, model, identifier)
    yield from fleet.remove_group(unit, model, identifier, number)
    return done()


def members(unit: Unit, request: Request, caller: Management, name: str, identifier: str) -> Answer:
    """``GET /provision/manage/group/MODEL/ID/``: its members."""
    query, page = request.query, request.page()
    type, member = query.get("type"), query.get("id")
    if type and type not in MEMBER_TYPES:
        raise Malformed(f"type must be one of {', '.join(MEMBER_TYPES)}")
    number, _ = _group_of(unit, request, callers.model(unit, request, caller, name), identifier)
    store, now = unit.fleet, unit.clock()
    if member:
        types = [type] if type else MEMBER_TYPES
        found = (store.member(number, now, one, member) for one in types)
        return listed([one for one in found if one is not None])
    what = (number, now, type)
    listing = Listing(partial(store.members, *what), partial(store.skip_members, *what))
    return paged(request, listing, *page)


def change_members(
    unit: Unit, request: Request, caller: Management, name: str, identifier: str
) -> Steps[Response]:
    """``POST /provision/manage/group/MODEL/ID/``: set members, or remove them."""
    request.need_type(FORM_TYPE, CSV_TYPE)
    removing = False
    if request.media_type == CSV_TYPE:
        wanted = yield from request.rows(_member)
    else:
        form = yield from request.form_steps()
        removing = form.is_true("delete")
        rest = [form.get("expire"), form.get("meta")]
        type = form.get("type")
        wanted = yield from each(form.all("id"), lambda one: _member(0, [type, one, *rest]))
    if not wanted:
        raise Malformed("no member given")
    model = callers.model(unit, request, caller, name)
    number, _ = _group_of(unit, request, model, identifier)
    if not removing and any((m.type, m.member) == ("group", identifier) for m in wanted):
        raise Malformed("a group cannot hold itself")
    change = unit.fleet
    if removing:
        yield from each(wanted, lambda one: change.remove_member(number, one.type, one.member))
    else:
        yield from each(wanted, lambda one: change.set_member(model.id, number, one))
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


def remove_members(
    unit: Unit, request: Request, caller: Management, name: str, identifier: str
) -> Steps[Response]:
    """``DELETE /provision/manage/group/MODEL/ID/``: remove members."""
    if not request.body:
        raise Malformed("say which members to remove")
    request.need_type(CSV_TYPE)
    wanted = yield from request.rows(lambda line, row: _member(line, row[:2]))
    number, _ = _group_of(unit, request, callers.model(unit, request, caller, name), identifier)
    change = unit.fleet
    yield from each(wanted, lambda one: change.remove_member(number, one.type, one.member))
    return done()
