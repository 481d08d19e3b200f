"""One round of a Datastore: waiting points in one request, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Optional

from . import jsonrpc
from .buffer import Point
from .clock import Clock
from .exceptions import OnePlatformException
from .onep import OnepV1

__all__ = ["Outcome", "Sender"]

# Statuses that mean: not now. All others mean: never.
_TEMPORARY = frozenset({"locked", "error", "expire"})


class Outcome:
    """What became of the points of a round; what it does not name still waits."""

    def __init__(self) -> None:
        self.written: list[Point] = []
        self.rejected: list[tuple[Point, str]] = []
        self.to_recorded: list[Point] = []
        self.unknown: dict[str, list[Point]] = {}
        self.temporary: Optional[str] = None


class _Request(NamedTuple):
    """A call of a round, and the points it carries."""

    points: list[Point]
    is_group: bool


class Sender:
    """Brings points to the platform.

    Live values go as one ``writegroup``, recorded points as one ``recordbatch`` per
    alias, all of it in one request. A live value whose answer was lost may have
    arrived under the platform's time; before it is recorded under its own, the
    platform is asked.
    """

    def __init__(self, auth: Any, client: OnepV1, autocreate: Any, clock: Clock) -> None:
        self.client = client
        client._answered = self._note_time  # type: ignore[method-assign]
        self._clock = clock
        self._server_time: float | None = None  # Unix seconds at `_noted`
        self._noted = 0.0
        self._auth = auth
        self._autocreate = autocreate
        self._last: dict[str, tuple[float, Any]] = {}  # alias -> when written live, what

    def platform_time(self) -> float:
        """The platform's clock, or up to a second less; asks for it the first time."""
        if self._server_time is None:
            self.client.lookup(self._auth, "alias", "")
        if self._server_time is None:
            return 0.0  # a platform that does not tell the time
        return self._server_time + self._clock.monotonic() - self._noted

    def _note_time(self, headers: Any) -> None:
        """Read the platform's clock off an answer."""
        try:
            self._server_time = parsedate_to_datetime(headers["Date"]).timestamp()
            self._noted = self._clock.monotonic()
        except (KeyError, TypeError, ValueError):
            pass

    # --- a round ---

    def send(self, points: Sequence[Point]) -> Outcome:
        """Send points in one request.

        Args:
            points: Live values not sent before, and recorded points.

        Raises:
            OneException: The request failed as a whole, but for the answers on it.
        """
        outcome = Outcome()
        requests = self._defer(points)
        if not requests:
            return outcome
        try:
            triples = self.client.send_deferred(self._auth)
        except OnePlatformException as error:
            if not error.answers:
                raise
            triples = error.answers  # those that did come count
        first = triples[0][0]["id"] if triples else 0
        for call, isok, response in triples:
            self._sort(requests[call["id"] - first], isok, response, outcome)
        return outcome

    def _defer(self, points: Sequence[Point]) -> list[_Request]:
        self.client.deferred.reset(self._auth)
        requests: list[_Request] = []
        live = [point for point in points if point.live]
        if live:
            group = [[{"alias": point.alias}, point.value] for point in live]
            self.client.writegroup(self._auth, group, defer=True)
            requests.append(_Request(live, True))
        for alias, some in _by_alias(point for point in points if not point.live).items():
            entries = [[point.time, point.value] for point in some]
            self.client.recordbatch(self._auth, {"alias": alias}, entries, defer=True)
            requests.append(_Request(some, False))
        return requests

    def _sort(self, request: _Request, isok: bool, response: Any, outcome: Outcome) -> None:
        points = request.points
        if isok:
            outcome.written += points
            if request.is_group:
                now = self.platform_time()
                self._last.update({point.alias: (now, point.value) for point in points})
        elif isinstance(response, list):
            refused = {entry[0]: str(entry[1]) for entry in response}
            for point in points:
                if point.time in refused:
                    outcome.rejected.append((point, refused[point.time]))
                else:
                    outcome.written.append(point)
        elif request.is_group:
            # All or nothing: one by one, under their own time, the bad one shows.
            outcome.to_recorded += points
        elif response in _TEMPORARY:
            outcome.temporary = str(response)
        elif response == "invalid":
            outcome.unknown[points[0].alias] = points
        else:
            outcome.rejected += [(point, str(response)) for point in points]

    # --- aliases the platform may not know ---

    def resolve(self, unknown: dict[str, list[Point]]) -> tuple[Outcome, list[str]]:
        """Find out why the points of an alias were refused; create it if that is wanted.

        Returns:
            What becomes of the points, and the aliases that are not there and will not be.
        """
        outcome, missing = Outcome(), []
        for alias in unknown:
            self.client.lookup(self._auth, "alias", alias, defer=True)
        found = self.client.send_deferred(self._auth)
        for (alias, points), (_, isok, _response) in zip(unknown.items(), found):
            reason: str | None = "invalid"
            if not isok and self._autocreate:
                reason = self.create(alias, dict(self._autocreate))
            elif not isok:
                reason = "no such alias"
                missing.append(alias)
            if reason is not None:
                outcome.rejected += [(point, reason) for point in points]
        return outcome, missing

    def create(self, alias: str, wanted: dict[str, Any]) -> str | None:
        """Make a dataport with an alias; return why not, or None."""
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
        isok, rid = self.client.create(self._auth, "dataport", description)
        if not isok:
            return str(rid)
        isok, status = self.client.map(self._auth, rid, alias)
        if not isok:
            self.client.drop(self._auth, rid)
            return str(status)
        return None

    # --- live values whose answer was lost ---

    def confirm(self, points: Sequence[Point]) -> Outcome:
        """See which live values arrived although no answer did.

        Those that did not are to be recorded under their own time.
        """
        outcome = Outcome()
        for point in points:
            start = int(point.sent or 0)
            options = {"starttime": start, "limit": 1000, "sort": "desc"}
            self.client.read(self._auth, {"alias": point.alias}, options, defer=True)
        for point, (_, isok, found) in zip(points, self.client.send_deferred(self._auth)):
            if isok and isinstance(found, list) and self._has_arrived(point, found):
                outcome.written.append(point)
            else:
                outcome.to_recorded.append(point)
        return outcome

    def _has_arrived(self, point: Point, found: list[list[Any]]) -> bool:
        before, value = self._last.get(point.alias, (0.0, None))
        for stamp, arrived in found:
            if not _same(arrived, point.value):
                continue
            # A point as old as the last one we wrote is that one, if its value is the same.
            if stamp > before or not _same(value, point.value):
                return True
        return False


def _by_alias(points: Iterable[Point]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.alias, []).append(point)
    return found


def _same(one: Any, other: Any) -> bool:
    """Whether a value read is one written, whatever the format made of it."""
    if one == other or str(one) == str(other):
        return True
    try:
        return float(one) == float(other)
    except (TypeError, ValueError):
        return False


def size_of(point: Point) -> int:
    """About how many bytes a point takes in a request."""
    value = point.value
    return 24 + (len(value) if isinstance(value, str) else len(jsonrpc.dumps(value)))
