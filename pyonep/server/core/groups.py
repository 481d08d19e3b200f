"""Groups of serial numbers, of content, and of groups."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from ..store import Member, Model
from . import names
from .errors import Conflict, Invalid, NotFound
from .events import Remains
from .lists import Listing
from .managing import Manager
from .turns import Steps, each
from .unit import Unit

MEMBER_TYPES = ("sn", "content", "group")
_LATEST = 10**15  # as the time at which a member expires, in Unix seconds
_HOP = 5000  # members that one step counts
_AT_ONCE = 500  # groups that one step looks at


class Group(NamedTuple):
    """A group of a model."""

    number: int
    model: int
    name: str
    meta: str


# --- groups ----------------------------------------------------------------


def found(unit: Unit, manager: Manager, model: Model, name: str) -> Group:
    """A group that a vendor may work on, as long as the request goes on.

    Raises:
        NotFound: The model has none of that name.
    """
    group = _named(unit, model.id, name)
    if group is None:
        raise NotFound("no such group")
    manager.grounds["group", group.number] = (_check, unit, group)
    return group


def _named(unit: Unit, model: int, name: str) -> Group | None:
    row = unit.groups.group(model, name)
    return None if row is None else Group(row[0], model, name, row[1])


def _check(unit: Unit, group: Group) -> None:
    now = _named(unit, group.model, group.name)
    if now is None or now.number != group.number:
        raise NotFound("the group was removed meanwhile")


def listing(unit: Unit, model: Model) -> Listing:
    """The groups of a model: name and meta."""
    return Listing(
        partial(unit.groups.groups, model.id), partial(unit.groups.skip_groups, model.id)
    )


def add(unit: Unit, model: Model, name: str, meta: str) -> None:
    """Add a group to a model.

    Raises:
        Conflict: There is one of that name.
    """
    if unit.groups.group(model.id, name) is not None:
        raise Conflict("there is a group of that id")
    unit.groups.add_group(model.id, name, meta)


def remove(unit: Unit, group: Group) -> Steps[None]:
    """Remove a group from all that hold it, and its members; in steps."""
    while unit.groups.remove_memberships(group.model, "group", group.name):
        yield
    unit.groups.remove_group(group.number)
    unit.emit(Remains())


# --- members ---------------------------------------------------------------


def check_type(type: str) -> None:
    """See that members may be of a type.

    Raises:
        Invalid: They may not.
    """
    if type not in MEMBER_TYPES:
        raise Invalid(f"type must be one of {', '.join(MEMBER_TYPES)}")


def member(type: str, name: str, expire: int | None, meta: str) -> Member:
    """A member as a request gives it.

    Args:
        type: ``sn``, ``content`` or ``group``.
        name: The serial number, or the id of what is to be a member.
        expire: When it is one no more, in Unix seconds; 0: never. None: the request gave
            no number.
        meta: What is said about it.

    Raises:
        Invalid: One of them is not what it should be.
    """
    if not name:
        raise Invalid("a member has a type and an id")
    check_type(type)
    if expire is None or expire >= _LATEST:
        raise Invalid("expire must be a Unix time in seconds")
    return Member(type, names.name(name, "id"), expire, names.remark(meta, "meta"))


def members(unit: Unit, group: Group, type: str) -> Listing:
    """The members of a group that have not expired, of one type or, when it is empty, of all."""
    what = (group.number, unit.clock(), type)
    return Listing(partial(unit.groups.members, *what), partial(unit.groups.skip_members, *what))


def members_named(unit: Unit, group: Group, type: str, name: str) -> list[Member]:
    """The members of a group that have a name, of one type or, when it is empty, of all."""
    now = unit.clock()
    types = [type] if type else MEMBER_TYPES
    known = (unit.groups.member(group.number, now, one, name) for one in types)
    return [one for one in known if one is not None]


def set_members(unit: Unit, group: Group, wanted: Sequence[Member]) -> Steps[None]:
    """Add members to a group, or change those that it has; in steps.

    Raises:
        Invalid: The group itself is among them.
    """
    if any((one.type, one.member) == ("group", group.name) for one in wanted):
        raise Invalid("a group cannot hold itself")
    yield from each(wanted, partial(unit.groups.set_member, group.model, group.number))


def remove_members(unit: Unit, group: Group, wanted: Sequence[Member]) -> Steps[None]:
    """Remove members from a group, as far as it has them; in steps."""

    def remove_one(one: Member) -> None:
        unit.groups.remove_member(group.number, one.type, one.member)

    yield from each(wanted, remove_one)


def count_members(unit: Unit, group: Group) -> Steps[int]:
    """How many members of a group have not expired; in steps."""
    now, count, after = unit.clock(), 0, 0
    while True:
        place = unit.groups.skip_members(group.number, now, "", after, _HOP)
        if place is None:
            return count + unit.groups.count_members(group.number, now, after)
        count, after = count + _HOP, place
        yield


# --- who holds what --------------------------------------------------------


def holding(unit: Unit, model: Model, type: str, member: str) -> Listing:
    """The groups that hold something directly."""
    what = (model.id, type, member, unit.clock())
    return Listing(
        partial(unit.groups.groups_with, *what), partial(unit.groups.skip_groups_with, *what)
    )


def holders(unit: Unit, model: Model, type: str, member: str) -> Steps[set[int]]:
    """Numbers of all groups that hold something, directly or through groups; in steps."""
    now, found = unit.clock(), set()
    queue = [(type, member, 0)]
    while queue:
        type, member, after = queue.pop()
        some = unit.groups.groups_with(model.id, type, member, now, after, _AT_ONCE)
        for number, group in some:
            if number not in found:
                found.add(number)
                queue.append(("group", group, 0))
        if len(some) == _AT_ONCE:
            queue.append((type, member, some[-1][0]))
        if queue:
            yield
    return found
