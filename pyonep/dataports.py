"""Dataports that a Datastore looks for, and makes where that is wanted."""

from __future__ import annotations

from typing import Any

from .buffer import Point
from .line import Line
from .sending import Outcome

__all__ = ["Dataports"]

_ALREADY = "Alias already existed."


class Dataports:
    """The aliases of a client, as far as a Datastore has to do with them.

    Args:
        autocreate: What a dataport is made with whose alias is not there; None: it is not made.
    """

    def __init__(self, autocreate: dict[str, Any] | None) -> None:
        self._autocreate = autocreate
        self._tried: set[int] = set()  # points refused as a call although their alias is there
        self._leftover: list[tuple[str, str]] = []  # dataports that may be ours to drop, aliases

    def resolve(self, line: Line, unknown: dict[str, list[Point]]) -> tuple[Outcome, list[str]]:
        """Find out why the points of an alias were refused; create it if that is wanted.

        Returns:
            What becomes of the points, and the aliases that are not there and will not be.
        """
        outcome, missing = Outcome(), []
        names = list(unknown)
        found = line.inquire(names, [("lookup", ["alias", alias]) for alias in names])
        for (alias, points), (is_there, _) in zip(unknown.items(), found):
            reason = self._why_refused(line, alias, points, is_there)
            if not is_there and not self._autocreate:
                missing.append(alias)
            if reason is None:
                outcome.alone += [point for point in points if point.live]
                continue
            outcome.rejected += [(point, reason) for point in points]
            self._tried.difference_update(point.number for point in points)
        return outcome, missing

    def _why_refused(
        self, line: Line, alias: str, points: list[Point], is_there: bool
    ) -> str | None:
        """Why the platform never takes the points of an alias; None: it may, once more."""
        if not is_there and not self._autocreate:
            return "no such alias"
        if not is_there:
            reason = self._create(line, alias, dict(self._autocreate or {}))
            return None if reason == _ALREADY else reason  # somebody else was faster: all the same
        if self._tried.issuperset(point.number for point in points):
            return "invalid"
        self._tried.update(point.number for point in points)
        return None  # somebody may have made it since

    def make(self, line: Line, alias: str, wanted: dict[str, Any]) -> str | None:
        """Make a dataport with an alias that is not there; return why not, or None."""
        return _ALREADY if self._exists(line, alias) else self._create(line, alias, wanted)

    def _exists(self, line: Line, alias: str) -> bool:
        """Whether the client has a resource with that alias."""
        return line.inquire([alias], [("lookup", ["alias", alias])])[0][0]

    def _create(self, line: Line, alias: str, wanted: dict[str, Any]) -> str | None:
        """Make a dataport with an alias; return why not, or None."""
        self._clear_up(line)
        description = {
            "format": wanted.get("format", "string"),
            "name": wanted.get("name") or alias,
            "preprocess": wanted.get("preprocess") or [],
            "retention": {
                "count": wanted.get("count") or "infinity",
                "duration": wanted.get("duration") or "infinity",
            },
            "visibility": wanted.get("visibility", "public"),
        }
        ((isok, rid),) = line.inquire([alias], [("create", ["dataport", description])])
        if not isok:
            return _ALREADY if self._exists(line, alias) else str(rid)
        self._leftover.append((rid, alias))  # until it has its alias
        ((isok, status),) = line.inquire([alias], [("map", ["alias", rid, alias])])
        if isok:
            self._leftover.pop()
            return None
        self._clear_up(line)
        return _ALREADY if self._exists(line, alias) else str(status)

    def _clear_up(self, line: Line) -> None:
        """Drop dataports that were made and did not get their alias."""
        while self._leftover:
            rid, alias = self._leftover[-1]
            ((_, found),) = line.ask([("lookup", ["alias", alias])])
            if found != rid:
                line.ask([("drop", [rid])])
            self._leftover.pop()
