"""Share codes and grants."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Optional

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from .database import Database
from .schema import grant_makers, grants, resources, shares

_s, _g, _m = shares.c, grants.c, grant_makers.c
_this = _s.code == bindparam("this")
_SHARE = select(_s.code, _s.resource, _s.meta, _s.activator).where(_this)
_SHARES_OF = (
    select(_s.code, _s.resource, _s.meta, _s.activator)
    .where(_s.resource == bindparam("r"))
    .order_by(_s.code)
)
_COUNT_OF = select(func.count()).where(_s.resource == bindparam("r"))
_ADD_SHARE = insert(shares).values(
    code=bindparam("code"), resource=bindparam("r"), meta=bindparam("meta"), activator=None
)
_SET_META = update(shares).where(_this).values(meta=bindparam("new_meta"))
_SET_ACTIVATOR = update(shares).where(_this).values(activator=bindparam("new_activator"))
_REMOVE_SHARE = delete(shares).where(_this)
_by_activator = _s.activator == bindparam("a")
_ACTIVATED = select(_s.code).where(_by_activator, _s.resource == bindparam("r"))
_ACTIVATED_LIST = (
    select(resources.c.rid)
    .where(_by_activator, resources.c.id == _s.resource, resources.c.type == bindparam("k"))
    .order_by(resources.c.id)
    .distinct()
)
_RELEASE = update(shares).where(_by_activator).values(activator=None)
_REMOVE_SHARES = delete(shares).where(_s.resource == bindparam("r"))

_GRANT = (
    select(_g.client, _g.permissions, _g.expires, func.coalesce(_m.maker, _g.client))
    .select_from(grants.outerjoin(grant_makers, _m.token == _g.token))
    .where(_g.token == bindparam("token"))
)
_ADD_GRANT = insert(grants).values(
    token=bindparam("token"),
    client=bindparam("c"),
    permissions=bindparam("permissions"),
    expires=bindparam("expires"),
)
_ADD_MAKER = insert(grant_makers).values(token=bindparam("token"), maker=bindparam("m"))
_made_by = select(_m.token).where(_m.maker == bindparam("c"))
_REMOVE_GRANTS = delete(grants).where(or_(_g.client == bindparam("c"), _g.token.in_(_made_by)))
_REMOVE_MAKERS = delete(grant_makers).where(_m.token.not_in(select(_g.token)))
_REMOVE_EXPIRED = delete(grants).where(_g.expires <= bindparam("now"))


class Share(NamedTuple):
    """A share code, the resource it opens, and the client that uses it."""

    code: str
    resource: int
    meta: str
    activator: Optional[int]


class Grant(NamedTuple):
    """What a token stands for: a client, what it may do below which RID, and who made it."""

    client: int
    permissions: dict[str, list[str]]
    expires: float
    maker: int


class RightsStore:
    """Shares and grants."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def share(self, code: str) -> Share | None:
        """The share with this code."""
        row = self._db.one(_SHARE, this=code)
        return Share(*row) if row else None

    def shares_of(self, resource: int) -> list[Share]:
        """All shares of a resource."""
        return [Share(*row) for row in self._db.all(_SHARES_OF, r=resource)]

    def count_of(self, resource: int) -> int:
        """How many share codes a resource has."""
        return int(self._db.one(_COUNT_OF, r=resource)[0])

    def add_share(self, code: str, resource: int, meta: str) -> None:
        """Add a share nobody uses yet."""
        self._db.change(_ADD_SHARE, code=code, r=resource, meta=meta)

    def set_meta(self, code: str, meta: str) -> None:
        """Change the text that goes with a share."""
        self._db.change(_SET_META, this=code, new_meta=meta)

    def set_activator(self, code: str, client: int | None) -> None:
        """Say who uses a share; None: nobody."""
        self._db.change(_SET_ACTIVATOR, this=code, new_activator=client)
        self._db.narrowings += client is None

    def remove_share(self, code: str) -> None:
        """Remove a share."""
        self._db.change(_REMOVE_SHARE, this=code)
        self._db.narrowings += 1

    def activated(self, client: int, resource: int) -> str | None:
        """The code by which a client reads a resource."""
        row = self._db.one(_ACTIVATED, a=client, r=resource)
        return row[0] if row else None

    def activated_list(self, client: int, type: str) -> list[str]:
        """RIDs of the resources of a type that are shared with a client."""
        return [row[0] for row in self._db.all(_ACTIVATED_LIST, a=client, k=type)]

    def grant(self, token: str) -> Grant | None:
        """The grant with this token."""
        row: Any = self._db.one(_GRANT, token=token)
        return Grant(row[0], json.loads(row[1]), row[2], row[3]) if row else None

    def add_grant(self, token: str, grant: Grant, now: float) -> None:
        """Add a grant, and forget those that ran out."""
        if self._db.change(_REMOVE_EXPIRED, now=now):
            self._db.change(_REMOVE_MAKERS)
        self._db.change(
            _ADD_GRANT,
            token=token,
            c=grant.client,
            permissions=json.dumps(grant.permissions),
            expires=grant.expires,
        )
        if grant.maker != grant.client:
            self._db.change(_ADD_MAKER, token=token, m=grant.maker)

    def remove_grants(self, client: int) -> None:
        """End the tokens that act as a client or were made by it."""
        if self._db.change(_REMOVE_GRANTS, c=client):
            self._db.narrowings += 1
            self._db.change(_REMOVE_MAKERS)

    def remove_all(self, resource: int) -> None:
        """Remove what a resource shares, uses or was granted."""
        self._db.change(_REMOVE_SHARES, r=resource)
        self._db.change(_RELEASE, a=resource)
        self.remove_grants(resource)
