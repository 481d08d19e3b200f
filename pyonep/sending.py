"""One round of a Datastore: waiting points in one request, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Optional

from . import jsonrpc
from .buffer import Point, Seconds
from .clock import Clock
from .exceptions import JsonRPCRequestException, OnePlatformException
from .onep import OnepV1
from .placing import windows

__all__ = ["Outcome", "Sender"]

# Statuses that mean: not now. All others mean: never.
_TEMPORARY = frozenset({"locked", "error", "expire"})
ALREADY = "Alias already existed."
OCCUPIED = "invalid: there is a point in its second"


class Outcome:
    """What became of the points of a round; what it does not name still waits."""

    def __init__(self) -> None:
        self.written: list[tuple[Point, int]] = []  # and the second, 0 for live values
        self.rejected: list[tuple[Point, str]] = []
        self.to_recorded: list[Point] = []
        self.alone: list[Point] = []  # live values that go again, each by itself
        self.again: list[Point] = []  # their second is taken: they need another one
        self.refused: list[tuple[Point, int]] = []  # points of which it is to be seen why
        self.unknown: dict[str, list[Point]] = {}
        self.temporary: dict[str, str] = {}  # alias -> status
        self.unanswered: list[Point] = []
        self.problem: Optional[OnePlatformException] = None
        self.between: Seconds = (0, 0)  # when it was carried out, on the platform's clock


class _Request(NamedTuple):
    """A call of a round, and the points it carries; each with its second."""

    procedure: str
    arguments: list[Any]
    points: list[tuple[Point, int]]


Answers = list[tuple[bool, Any]]


class Sender:
    """Brings points to the platform.

    Live values go as one ``writegroup``, recorded points as one ``recordbatch`` per
    alias, all of it in one request. A live value whose answer was lost may have
    arrived under the platform's time; before it is recorded under its own, the
    platform is asked.

    Attributes:
        client: What speaks to the platform.
        deadline: When everything has to be over, on the monotonic clock; None: never. See `until`.
    """

    def __init__(self, auth: Any, client: OnepV1, autocreate: Any, clock: Clock) -> None:
        self.client = client
        self.deadline: float | None = None
        client._answered = self._note_time  # type: ignore[method-assign]
        self._patience = client.onephttp.httptimeout
        self._clock = clock
        self._server_time: float | None = None  # Unix seconds at `_noted`
        self._noted = 0.0
        self._auth = auth
        self._autocreate = autocreate
        self._last: dict[str, tuple[float, Any]] = {}  # alias -> when written live, what
        self._tried: set[int] = set()  # points refused as a call although their alias is there
        self._leftover: list[tuple[str, str]] = []  # dataports that may be ours to drop, aliases

    # --- requests ---

    def until(self, deadline: float | None) -> AbstractContextManager[None]:
        """Everything that is sent inside the block is over at a time on the monotonic clock."""
        self.deadline = deadline
        if deadline is None:
            return nullcontext()
        return self.client.within(max(0.0, deadline - self._clock.monotonic()))

    def _within_time(self) -> None:
        """Give a request what is left of the time."""
        patience = self._patience
        if self.deadline is not None:
            left = self.deadline - self._clock.monotonic()
            if left <= 0:
                raise JsonRPCRequestException("there is no time left")
            patience = left if patience is None else min(patience, left)
        self.client.onephttp.httptimeout = patience

    def _ask(self, pairs: Sequence[tuple[str, list[Any]]]) -> Answers:
        """Send calls of which all answers are needed."""
        if not pairs:
            return []
        self._within_time()
        calls = self.client._composeCalls(pairs)
        triples = self.client._callJsonRPC(self._auth, calls, returnreq=True)
        return [(isok, response) for _, isok, response in triples]

    def probe(self) -> None:
        """See whether the platform answers something harmless."""
        self._ask([("lookup", ["alias", ""])])

    def platform_time(self) -> float:
        """The platform's clock, or up to two seconds less; asks for it the first time."""
        if self._server_time is None:
            self.probe()
        return self.known_time()

    def known_time(self) -> float:
        """The same, without asking; 0 for a platform that has not told the time."""
        if self._server_time is None:
            return 0.0
        return self._server_time + self._clock.monotonic() - self._noted

    def _note_time(self, headers: Any) -> None:
        """Read the platform's clock off an answer."""
        try:
            self._server_time = parsedate_to_datetime(headers["Date"]).timestamp()
            self._noted = self._clock.monotonic()
        except (KeyError, TypeError, ValueError):
            pass

    # --- what the platform has ---

    def look(self, points: Iterable[Point], shift: int) -> dict[str, dict[int, Any]]:
        """See what the platform has in the seconds in which points may come to lie.

        Returns:
            For each alias second and value.
        """
        wanted = [
            (alias, window)
            for alias, some in by_alias(points).items()
            for window in windows(some, shift)
        ]
        answers = self._ask([_reading(alias, window) for alias, window in wanted])
        found: dict[str, dict[int, Any]] = {alias: {} for alias, _ in wanted}
        for (alias, _), (isok, response) in zip(wanted, answers):
            found[alias].update(_points_of(isok, response))
        return found

    def transformed(self, aliases: Iterable[str]) -> set[str]:
        """Those dataports that keep something else than what is written to them."""
        names = list(dict.fromkeys(aliases))
        pairs = [("info", [{"alias": name}, {"description": True}]) for name in names]
        answers = self._ask(pairs)
        return {name for name, (isok, info) in zip(names, answers) if isok and _changes(info)}

    # --- a round ---

    def send(
        self, live: Sequence[Sequence[Point]], recorded: Sequence[tuple[Point, int]]
    ) -> Outcome:
        """Send points in one request.

        Args:
            live: Groups of live values, each for a ``writegroup`` of its own.
            recorded: Points and their seconds.

        Raises:
            OneException: The request failed as a whole, without any answer.
        """
        outcome = Outcome()
        requests = [*map(_group_request, live), *_record_requests(recorded)]
        if not requests:
            return outcome
        self._within_time()
        calls = self.client._composeCalls([(r.procedure, r.arguments) for r in requests])
        asked = {call["id"]: request for call, request in zip(calls, requests)}
        start = self.platform_time()
        try:
            triples = self.client._callJsonRPC(self._auth, calls, returnreq=True)
        except OnePlatformException as error:
            if not error.answers:
                raise
            triples, outcome.problem = error.answers, error  # those that did come count
        for call, isok, response in triples:
            self._sort(asked.pop(call["id"]), isok, response, outcome)
        outcome.unanswered = [point for request in asked.values() for point, _ in request.points]
        outcome.between = (int(start), int(self.platform_time()) + 1)
        return outcome

    def _sort(self, request: _Request, isok: bool, response: Any, outcome: Outcome) -> None:
        points, is_group = request.points, request.procedure == "writegroup"
        if isok:
            outcome.written += points
            if is_group:
                now = self.platform_time()
                self._last.update({point.alias: (now, point.value) for point, _ in points})
        elif isinstance(response, list) and not is_group:
            _sort_refused(points, response, outcome)
        elif is_group and len(points) > 1:
            outcome.alone += [point for point, _ in points]
        elif isinstance(response, str) and response in _TEMPORARY:
            outcome.temporary[points[0][0].alias] = response
            if is_group:
                outcome.to_recorded += [point for point, _ in points]
        elif response == "invalid":
            alias = points[0][0].alias
            outcome.unknown.setdefault(alias, []).extend(point for point, _ in points)
        else:
            outcome.rejected += [(point, str(response)) for point, _ in points]

    def judge(self, refused: Sequence[tuple[Point, int]], in_doubt: set[int]) -> Outcome:
        """See why points were refused: they may be there since an answer was lost.

        Args:
            refused: Points, and the second under which each was refused.
            in_doubt: Numbers of points that were sent before without an answer.
        """
        outcome = Outcome()
        there = self.look(
            [point._replace(time=second, moves=False) for point, second in refused], 0
        )
        unlike = []
        for point, second in refused:
            found = there[point.alias]
            if second not in found:
                outcome.rejected.append((point, "invalid"))
            elif same(found[second], point.value):
                outcome.written.append((point, second))
            else:
                unlike.append((point, second))
        doubtful = [point.alias for point, _ in unlike if point.number in in_doubt]
        changed = self.transformed(doubtful)
        for point, second in unlike:
            if point.number in in_doubt and point.alias in changed:
                outcome.written.append((point, second))
            elif point.moves:
                outcome.again.append(point)
            else:
                outcome.rejected.append((point, OCCUPIED))
        return outcome

    # --- aliases the platform may not know ---

    def resolve(self, unknown: dict[str, list[Point]]) -> tuple[Outcome, list[str]]:
        """Find out why the points of an alias were refused; create it if that is wanted.

        Returns:
            What becomes of the points, and the aliases that are not there and will not be.
        """
        outcome, missing = Outcome(), []
        found = self._ask([("lookup", ["alias", alias]) for alias in unknown])
        for (alias, points), (isok, _response) in zip(unknown.items(), found):
            reason: str | None = "invalid"
            if isok and not self._tried.issuperset(point.number for point in points):
                reason = None  # somebody may have made it since: once more
                self._tried.update(point.number for point in points)
            elif not isok and self._autocreate:
                reason = self.create(alias, dict(self._autocreate))
                if reason == ALREADY:
                    reason = None  # somebody else was faster: all the same
            elif not isok:
                reason = "no such alias"
                missing.append(alias)
            if reason is not None:
                outcome.rejected += [(point, reason) for point in points]
                self._tried.difference_update(point.number for point in points)
            else:
                outcome.alone += [point for point in points if point.live]
        return outcome, missing

    def exists(self, alias: str) -> bool:
        """Whether the client has a resource with that alias."""
        return self._ask([("lookup", ["alias", alias])])[0][0]

    def create(self, alias: str, wanted: dict[str, Any]) -> str | None:
        """Make a dataport with an alias; return why not, or None."""
        self._clear_up()
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
        ((isok, rid),) = self._ask([("create", ["dataport", description])])
        if not isok:
            return ALREADY if self.exists(alias) else str(rid)
        self._leftover.append((rid, alias))  # until it has its alias
        ((isok, status),) = self._ask([("map", ["alias", rid, alias])])
        if isok:
            self._leftover.pop()
            return None
        self._clear_up()
        return ALREADY if self.exists(alias) else str(status)

    def _clear_up(self) -> None:
        """Drop dataports that were made and did not get their alias."""
        while self._leftover:
            rid, alias = self._leftover[-1]
            ((_, found),) = self._ask([("lookup", ["alias", alias])])
            if found != rid:
                self._ask([("drop", [rid])])
            self._leftover.pop()

    # --- live values whose answer was lost ---

    def confirm(self, points: Sequence[Point]) -> Outcome:
        """See which live values arrived although no answer did.

        Those that did not are to be recorded under their own time.
        """
        outcome = Outcome()
        first = min(int(point.sent or 0) for point in points)
        answers = self._ask(
            [_reading(point.alias, (int(point.sent or 0), 2**53), "desc") for point in points]
        )
        unlike = []
        for point, (isok, response) in zip(points, answers):
            found = _points_of(isok, response)
            if self._has_arrived(point, found):
                outcome.written.append((point, 0))
            elif any(stamp > self._written_at(point) + 1 for stamp in found):
                unlike.append(point)
            else:
                outcome.to_recorded.append(point)
        changed = self.transformed(point.alias for point in unlike)
        for point in unlike:
            if point.alias in changed:
                outcome.written.append((point, 0))
            else:
                outcome.to_recorded.append(point)
        outcome.between = (first, int(self.platform_time()) + 1)
        return outcome

    def _written_at(self, point: Point) -> float:
        return self._last.get(point.alias, (0.0, None))[0]

    def _has_arrived(self, point: Point, found: Mapping[int, Any]) -> bool:
        before, value = self._last.get(point.alias, (0.0, None))
        for stamp, arrived in found.items():
            if not same(arrived, point.value):
                continue
            # A point as old as the last one we wrote is that one, if its value is the same.
            if stamp > before or not same(value, point.value):
                return True
        return False


# --- calls ---------------------------------------------------------------------


def _group_request(points: Sequence[Point]) -> _Request:
    group = [[{"alias": point.alias}, point.value] for point in points]
    return _Request("writegroup", [group], [(point, 0) for point in points])


def _record_requests(recorded: Sequence[tuple[Point, int]]) -> list[_Request]:
    """One call per alias; of points that share a second each but the first has one of its own.

    An answer names seconds: which of two points of one second it means could not be told.
    """
    aliases: dict[str, list[tuple[Point, int]]] = {}
    for entry in recorded:
        aliases.setdefault(entry[0].alias, []).append(entry)
    return [
        _Request(
            "recordbatch",
            [{"alias": alias}, [[second, point.value] for point, second in some]],
            some,
        )
        for alias, entries in aliases.items()
        for some in _distinct(entries)
    ]


def _distinct(entries: list[tuple[Point, int]]) -> list[list[tuple[Point, int]]]:
    """Entries in lists none of which has a second twice; those of a second stay in order."""
    if len({second for _, second in entries}) == len(entries):
        return [entries]
    rounds: list[list[tuple[Point, int]]] = []
    seen: dict[int, int] = {}
    for entry in entries:
        nth = seen.get(entry[1], 0)
        seen[entry[1]] = nth + 1
        if nth == len(rounds):
            rounds.append([])
        rounds[nth].append(entry)
    return rounds


def _sort_refused(
    points: Sequence[tuple[Point, int]], response: list[Any], outcome: Outcome
) -> None:
    """Sort the points of a call some of which were refused."""
    named = {
        entry[0]
        for entry in response
        if isinstance(entry, list) and entry and isinstance(entry[0], (int, float))
    }
    refused = [(point, second) for point, second in points if second in named]
    # An answer that names none of the points says nothing about any of them.
    outcome.refused += refused or points
    if refused:
        outcome.written += [(point, second) for point, second in points if second not in named]


def _reading(alias: str, window: Seconds, sort: str = "asc") -> tuple[str, list[Any]]:
    first, last = window
    options: dict[str, Any] = {"starttime": first, "limit": min(last - first + 1, 1000)}
    if last < 2**53:
        options["endtime"] = last
        options["limit"] = last - first + 1
    return "read", [{"alias": alias}, {**options, "sort": sort}]


def _points_of(isok: bool, response: Any) -> dict[int, Any]:
    """The points of an answer to `read`; none where it makes no sense."""
    if not isok or not isinstance(response, list):
        return {}
    return {
        point[0]: point[1]
        for point in response
        if isinstance(point, list) and len(point) == 2 and isinstance(point[0], int)
    }


def _changes(info: Any) -> bool:
    """Whether a dataport keeps something else than what is written to it."""
    description = info.get("description") if isinstance(info, dict) else None
    return isinstance(description, dict) and bool(description.get("preprocess"))


def by_alias(points: Iterable[Point]) -> dict[str, list[Point]]:
    """Points sorted by their aliases."""
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.alias, []).append(point)
    return found


def same(one: Any, other: Any) -> bool:
    """Whether a value read is one written, whatever the format made of it."""
    if one == other or str(one) == str(other):
        return True
    try:
        return float(one) == float(other)
    except (TypeError, ValueError, OverflowError):
        return False


def size_of(point: Point) -> int:
    """About how many bytes a point takes in a request."""
    value = point.value
    return 24 + (len(value) if isinstance(value, str) else len(jsonrpc.dumps(value)))
