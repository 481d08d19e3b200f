"""Groups of a model, and their members."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from sqlalchemy import bindparam, delete, func, insert, select

from .database import Database, Upsert
from .jobs import GROUP, JobStore
from .schema import groups, members

_FEW = 200  # rows that are removed at once

_g, _e = groups.c, members.c


class Member(NamedTuple):
    """A row of a group."""

    type: str
    member: str
    expire: int
    meta: str


_GROUP = select(_g.id, _g.meta).where(_g.model == bindparam("m"), _g.name == bindparam("name"))
_of_model = (_g.model == bindparam("m"), _g.id > bindparam("after"))
_GROUPS = select(_g.id, _g.name, _g.meta).where(*_of_model).order_by(_g.id).limit(bindparam("n"))
_SKIP_GROUPS = select(_g.id).where(*_of_model).order_by(_g.id).limit(1).offset(bindparam("skip"))
_ADD_GROUP = insert(groups).values(
    model=bindparam("m"), name=bindparam("name"), meta=bindparam("meta")
)
_REMOVE_GROUP = delete(groups).where(_g.id == bindparam("id"))
_REMOVE_GROUPS = delete(groups).where(
    _g.id.in_(select(_g.id).where(_g.model == bindparam("m")).limit(_FEW).scalar_subquery())
)
_alive = (_e.expire == 0) | (_e.expire > bindparam("now"))
_shown = (
    _e.group == bindparam("g"),
    _e.id > bindparam("after"),
    _alive,
    (bindparam("type") == "") | (_e.type == bindparam("type")),
)
_member_row = select(_e.id, _e.type, _e.member, _e.expire, _e.meta)
_MEMBERS = _member_row.where(*_shown).order_by(_e.id).limit(bindparam("n"))
_SKIP_MEMBERS = select(_e.id).where(*_shown).order_by(_e.id).limit(1).offset(bindparam("skip"))
_COUNT_MEMBERS = select(func.count()).where(*_shown)
_MEMBER = _member_row.where(
    _e.group == bindparam("g"),
    _e.type == bindparam("type"),
    _e.member == bindparam("member"),
    _alive,
)
_holding = (
    _e.model == bindparam("m"),
    _e.type == bindparam("type"),
    _e.member == bindparam("member"),
    _e.group > bindparam("after"),
    _alive,
    _g.id == _e.group,
)
_GROUPS_WITH = select(_e.group, _g.name).where(*_holding).order_by(_e.group).limit(bindparam("n"))
_SKIP_GROUPS_WITH = (
    select(_e.group).where(*_holding).order_by(_e.group).limit(1).offset(bindparam("skip"))
)
_SET_MEMBER = Upsert(
    members,
    {
        "group": "g",
        "type": "type",
        "member": "member",
        "expire": "expire",
        "meta": "meta",
        "model": "m",
    },
    ["group", "type", "member"],
    replaced=["expire", "meta"],
)
_REMOVE_MEMBER = delete(members).where(
    _e.group == bindparam("g"), _e.type == bindparam("type"), _e.member == bindparam("member")
)
_REMOVE_MEMBERS_OF_GROUP = delete(members).where(
    _e.id.in_(select(_e.id).where(_e.group == bindparam("m")).limit(_FEW).scalar_subquery())
)
_everywhere = (
    _e.model == bindparam("m"),
    _e.type == bindparam("type"),
    _e.member == bindparam("member"),
)
_REMOVE_EVERYWHERE = delete(members).where(
    _e.id.in_(select(_e.id).where(*_everywhere).limit(_FEW).scalar_subquery())
)
_REMOVE_MEMBERS_OF_MODEL = delete(members).where(
    _e.id.in_(select(_e.id).where(_e.model == bindparam("m")).limit(_FEW).scalar_subquery())
)


class GroupStore:
    """Groups hold serial numbers, content and other groups, by name."""

    def __init__(self, database: Database, jobs: JobStore) -> None:
        self._db = database
        self._jobs = jobs

    # --- groups ---

    def group(self, model: int, name: str) -> tuple[int, str] | None:
        """Number and meta of a group."""
        row = self._db.one(_GROUP, m=model, name=name)
        return (row[0], row[1]) if row else None

    def groups(self, model: int, after: int, limit: int) -> list[tuple[int, str, str]]:
        """Groups of a model after another one: ``[(number, name, meta), ...]``."""
        return self._db.all(_GROUPS, m=model, after=after, n=limit)

    def skip_groups(self, model: int, after: int, number: int) -> int | None:
        """The group so many further on; None when there are not so many."""
        return _first(self._db.one(_SKIP_GROUPS, m=model, after=after, skip=number - 1))

    def add_group(self, model: int, name: str, meta: str) -> None:
        """Add a group."""
        self._db.change(_ADD_GROUP, m=model, name=name, meta=meta)

    def remove_group(self, number: int) -> None:
        """Take a group out; its members are removed bit by bit, as a job."""
        self._db.change(_REMOVE_GROUP, id=number)
        self._jobs.set(GROUP, number)
        self._db.narrowings += 1

    def members(
        self, group: int, now: float, type: str, after: int, limit: int
    ) -> list[tuple[int, str, str, int, str]]:
        """Members after another one: ``[(number, type, member, expire, meta), ...]``.

        Those that have expired are left out; an empty type matches all.
        """
        return self._db.all(_MEMBERS, g=group, type=type, now=now, after=after, n=limit)

    def skip_members(
        self, group: int, now: float, type: str, after: int, number: int
    ) -> int | None:
        """The member so many further on; None when there are not so many."""
        values = {"type": type, "now": now, "after": after, "skip": number - 1}
        return _first(self._db.one(_SKIP_MEMBERS, g=group, **values))

    def count_members(self, group: int, now: float, after: int) -> int:
        """How many members there are after another one."""
        return int(self._db.one(_COUNT_MEMBERS, g=group, type="", now=now, after=after)[0])

    def member(self, group: int, now: float, type: str, member: str) -> Member | None:
        """One member, unless it has expired."""
        row = self._db.one(_MEMBER, g=group, type=type, member=member, now=now)
        return Member(*row[1:]) if row else None

    def groups_with(
        self, model: int, type: str, member: str, now: float, after: int, limit: int
    ) -> list[tuple[int, str]]:
        """Groups after another one that hold something directly: ``[(number, name), ...]``."""
        values = {"type": type, "member": member, "now": now, "after": after, "n": limit}
        return self._db.all(_GROUPS_WITH, m=model, **values)

    def skip_groups_with(
        self, model: int, type: str, member: str, now: float, after: int, number: int
    ) -> int | None:
        """The same so many further on; None when there are not so many."""
        values = {"type": type, "member": member, "now": now, "after": after}
        return _first(self._db.one(_SKIP_GROUPS_WITH, m=model, skip=number - 1, **values))

    def set_member(self, model: int, group: int, new: Member) -> None:
        """Add a member, or change one."""
        self._db.change(_SET_MEMBER, g=group, m=model, **new._asdict())

    def remove_member(self, group: int, type: str, member: str) -> None:
        """Remove a member."""
        self._db.change(_REMOVE_MEMBER, g=group, type=type, member=member)

    def remove_memberships(self, model: int, type: str, member: str) -> bool:
        """Remove something from groups, from some of them when it is in many.

        Returns:
            Whether it may still be in others.
        """
        values = {"type": type, "member": member}
        return self._db.change(_REMOVE_EVERYWHERE, m=model, **values) == _FEW

    def remove_left(self, group: int) -> bool:
        """Remove a bit of a group that was removed; whether there was anything."""
        return self._db.change(_REMOVE_MEMBERS_OF_GROUP, m=group) > 0

    def remove_left_of_model(self, model: int) -> bool:
        """Remove a bit of the groups of a model that was removed; whether there was anything."""
        return any(
            self._db.change(one, m=model) for one in (_REMOVE_MEMBERS_OF_MODEL, _REMOVE_GROUPS)
        )


def _first(row: Any) -> Optional[int]:
    return None if row is None else int(row[0])
