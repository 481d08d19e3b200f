"""Groups of serial numbers, of content, and of groups."""

from __future__ import annotations

from starlette.responses import Response

from ...core import groups, names
from ...core.errors import Invalid
from ...core.managing import Manager
from ...core.turns import Steps, each
from ...core.unit import Member, Unit
from ..answers import done, listed, paged
from ..bodies import Form, at_line, whole
from ..http import CSV_TYPE, FORM_TYPE, Answer, Request

# --- groups ----------------------------------------------------------------


def listing(unit: Unit, request: Request, caller: Manager, name: str) -> Steps[Response]:
    """``GET /provision/manage/group/MODEL``: the groups of a model."""
    page = request.page()
    return paged(request.budget, groups.listing(unit, caller.model(unit, name)), *page)


def change_groups(unit: Unit, request: Request, caller: Manager, name: str) -> Answer:
    """``POST /provision/manage/group/MODEL``: make a group, or remove one."""
    form = request.form()
    identifier = names.name(form.need("id"), "id")
    if form.is_true("delete"):
        return remove_group(unit, request, caller, name, identifier)
    meta = names.remark(form.get("meta") or form.get("description"), "meta")
    groups.add(unit, caller.model(unit, name), identifier, meta)
    return done()


def group(
    unit: Unit, request: Request, caller: Manager, name: str, identifier: str
) -> Steps[Response]:
    """``GET /provision/manage/group/MODEL/ID``: what it is, or the groups that hold it."""
    page, show = request.page(), request.query.get("show")
    model = caller.model(unit, name)
    group = groups.found(unit, caller, model, identifier)
    if show == "groups":
        holding = groups.holding(unit, model, "group", group.name)
        return (yield from paged(request.budget, holding, *page))
    return listed([[group.meta, (yield from groups.count_members(unit, group))]])


def remove_group(
    unit: Unit, request: Request, caller: Manager, name: str, identifier: str
) -> Steps[Response]:
    """``DELETE /provision/manage/group/MODEL/ID``: remove a group."""
    yield from groups.remove(unit, _group(unit, caller, name, identifier))
    return done()


def _group(unit: Unit, caller: Manager, name: str, identifier: str) -> groups.Group:
    return groups.found(unit, caller, caller.model(unit, name), identifier)


# --- members ---------------------------------------------------------------


def members(unit: Unit, request: Request, caller: Manager, name: str, identifier: str) -> Answer:
    """``GET /provision/manage/group/MODEL/ID/``: its members."""
    query, page = request.query, request.page()
    type, member = query.get("type"), query.get("id")
    if type:
        groups.check_type(type)
    group = _group(unit, caller, name, identifier)
    if member:
        return listed(groups.members_named(unit, group, type, member))
    return paged(request.budget, groups.members(unit, group, type), *page)


def change_members(
    unit: Unit, request: Request, caller: Manager, name: str, identifier: str
) -> Steps[Response]:
    """``POST /provision/manage/group/MODEL/ID/``: set members, or remove them."""
    request.need_type(FORM_TYPE, CSV_TYPE)
    form = Form()
    if request.media_type == CSV_TYPE:
        wanted = yield from request.rows(_member)
    else:
        form = yield from request.form_steps()
        wanted = yield from _listed_members(form)
    if not wanted:
        raise Invalid("no member given")
    change = groups.remove_members if form.is_true("delete") else groups.set_members
    yield from change(unit, _group(unit, caller, name, identifier), wanted)
    return done()


def _listed_members(form: Form) -> Steps[list[Member]]:
    type, expire, meta = form.get("type"), _expire(form.get("expire")), form.get("meta")
    return each(form.all("id"), lambda name: groups.member(type, name, expire, meta))


def _member(line: int, row: list[str]) -> Member:
    type, name, expire, meta = (*row, "", "", "", "")[:4]
    with at_line(line):
        return groups.member(type, name, _expire(expire), meta)


def _expire(text: str) -> int | None:
    return whole(text or "0")


def remove_members(
    unit: Unit, request: Request, caller: Manager, name: str, identifier: str
) -> Steps[Response]:
    """``DELETE /provision/manage/group/MODEL/ID/``: remove members."""
    if not request.body:
        raise Invalid("say which members to remove")
    request.need_type(CSV_TYPE)
    wanted = yield from request.rows(lambda line, row: _member(line, row[:2]))
    yield from groups.remove_members(unit, _group(unit, caller, name, identifier), wanted)
    return done()
