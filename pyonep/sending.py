"""One round of a Datastore: waiting points in one request, and what became of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, nullcontext
from email.utils import parsedate_to_datetime
from typing import Any, Callable, NamedTuple, Optional

from . import jsonrpc
from .buffer import Point, Seconds
from .clock import Clock
from .exceptions import JsonRPCRequestException, OnePlatformException
from .onep import OnepV1
from .placing import windows

__all__ = ["NotNow", "Outcome", "Sender"]

# Statuses that mean: not now. All others mean: never.
_TEMPORARY = frozenset({"locked", "error", "expire"})
_REMEMBERED = 8  # values of an alias that were acknowledged
ALREADY = "Alias already existed."
OCCUPIED = "invalid: there is a point in its second"


class NotNow(Exception):
    """The platform does not answer questions about some aliases at the moment.

    Attributes:
        statuses: Alias -> what it says instead.
    """

    def __init__(self, statuses: dict[str, str]) -> None:
        super().__init__(f"the platform answers {', '.join(sorted(set(statuses.values())))}")
        self.statuses = statuses


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
        client.on_answer = self._note_time
        self._clock = clock
        self._server_time: float | None = None  # Unix seconds at `_noted`
        self._noted = 0.0
        self._auth = auth
        self._autocreate = autocreate
        # Alias -> the last live values that were acknowledged: between which seconds, and what.
        self._acknowledged: dict[str, deque[tuple[int, int, Any]]] = {}
        self._tried: set[int] = set()  # points refused as a call although their alias is there
        self._leftover: list[tuple[str, str]] = []  # dataports that may be ours to drop, aliases

    # --- requests ---

    @contextmanager
    def until(self, deadline: float | None) -> Iterator[None]:
        """Everything that is sent inside the block is over at a time on the monotonic clock."""
        before, self.deadline = self.deadline, deadline
        left = None if deadline is None else max(0.0, deadline - self._clock.monotonic())
        try:
            with nullcontext() if left is None else self.client.within(left):
                yield
        finally:
            self.deadline = before

    def _check_time(self) -> None:
        """Begin no request when there is no time left for it."""
        if self.deadline is not None and self.deadline <= self._clock.monotonic():
            raise JsonRPCRequestException("there is no time left")

    def _ask(self, pairs: Sequence[tuple[str, list[Any]]]) -> Answers:
        """Send calls of which all answers are needed."""
        if not pairs:
            return []
        self._check_time()
        calls = self.client._composeCalls(pairs)
        triples = self.client._callJsonRPC(self._auth, calls, returnreq=True)
        return [(isok, response) for _, isok, response in triples]

    def _inquire(self, about: Sequence[str], pairs: Sequence[tuple[str, list[Any]]]) -> Answers:
        """Ask about aliases, one call each.

        Raises:
            NotNow: There are some of which the platform says: not now. That is no answer.
        """
        answers = self._ask(pairs)
        later = {
            alias: response
            for alias, (isok, response) in zip(about, answers)
            if not isok and isinstance(response, str) and response in _TEMPORARY
        }
        if later:
            raise NotNow(later)
        return answers

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
        except (KeyError, TypeError, ValueError, OverflowError):
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
        names = [alias for alias, _ in wanted]
        answers = self._inquire(names, [_reading(alias, window) for alias, window in wanted])
        found: dict[str, dict[int, Any]] = {alias: {} for alias, _ in wanted}
        for (alias, _), (isok, response) in zip(wanted, answers):
            found[alias].update(_points_of(isok, response))
        return found

    def transformed(self, aliases: Iterable[str]) -> set[str]:
        """Those dataports that keep something else than what is written to them."""
        names = list(dict.fromkeys(aliases))
        pairs = [("info", [{"alias": name}, {"description": True}]) for name in names]
        answers = self._inquire(names, pairs)
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
        self._check_time()
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
        acknowledged = [point for point, second in outcome.written if point.live]
        outcome.unanswered = [point for request in asked.values() for point, _ in request.points]
        outcome.between = (int(start), int(self.platform_time()) + 1)
        for point in acknowledged:
            recent = self._acknowledged.setdefault(point.alias, deque(maxlen=_REMEMBERED))
            # The platform's clock is known to within two seconds.
            recent.append((int(start), outcome.between[1] + 1, point.value))
        return outcome

    def _sort(self, request: _Request, isok: bool, response: Any, outcome: Outcome) -> None:
        points, is_group = request.points, request.procedure == "writegroup"
        if isok:
            outcome.written += points
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

    def judge(
        self, refused: Sequence[tuple[Point, int]], may_be_at: Callable[[int, int], bool]
    ) -> Outcome:
        """See why points were refused: they may be there since an answer was lost.

        Args:
            refused: Points, and the second under which each was refused.
            may_be_at: Whether the point of a number was sent to a second before without an answer.
        """
        outcome = Outcome()
        there = self.look(
            [point._replace(time=second, moves=False) for point, second in refused], 0
        )
        unlike, claimed = [], set()
        for point, second in refused:
            found = there[point.alias]
            if second not in found:
                outcome.rejected.append((point, "invalid"))
            elif same(found[second], point.value):
                outcome.written.append((point, second))
                claimed.add((point.alias, second))
            else:
                unlike.append((point, second))
        doubtful = {
            point.number: point.alias
            for point, second in unlike
            if may_be_at(point.number, second)
            and _may_become(point.value, there[point.alias][second])
        }
        changed = self.transformed(doubtful.values())
        for point, second in unlike:
            place = (point.alias, second)
            if doubtful.get(point.number) in changed and place not in claimed:
                outcome.written.append((point, second))
                claimed.add(place)  # in a second there is one point
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
        names = list(unknown)
        found = self._inquire(names, [("lookup", ["alias", alias]) for alias in names])
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
        return self._inquire([alias], [("lookup", ["alias", alias])])[0][0]

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
        ((isok, rid),) = self._inquire([alias], [("create", ["dataport", description])])
        if not isok:
            return ALREADY if self.exists(alias) else str(rid)
        self._leftover.append((rid, alias))  # until it has its alias
        ((isok, status),) = self._inquire([alias], [("map", ["alias", rid, alias])])
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

    def confirm(
        self,
        points: Sequence[Point],
        others: Mapping[str, Set[int]],
        doubts: Mapping[str, Set[int]],
    ) -> Outcome:
        """See which live values arrived although no answer did.

        Those that did not are to be recorded under their own time.

        Args:
            points: The values.
            others: For each alias seconds in which the platform has another point of ours.
            doubts: The same, where it may have one.
        """
        outcome = Outcome()
        before = {point.alias: self._before(point) for point in points}
        firsts = [min([int(p.sent or 0), *(one[0] for one in before[p.alias])]) for p in points]
        answers = self._inquire(
            [point.alias for point in points],
            [_reading(p.alias, (first, 2**53), "desc") for p, first in zip(points, firsts)],
        )
        unlike, latest = [], self.known_time() + 2  # what lies later was recorded
        for point, (isok, response) in zip(points, answers):
            known = others.get(point.alias, ())
            read = _points_of(isok, response).items()
            found = {at: value for at, value in read if at <= latest and at not in known}
            _leave_out(found, before[point.alias])
            found = {at: value for at, value in found.items() if at >= int(point.sent or 0)}
            unsure = doubts.get(point.alias, ())
            if any(same(value, point.value) for value in found.values()):
                outcome.written.append((point, 0))
            elif any(at not in unsure for at in found):
                unlike.append(point)
            else:
                outcome.to_recorded.append(point)
        changed = self.transformed(point.alias for point in unlike)
        for point in unlike:
            if point.alias in changed:
                outcome.written.append((point, 0))
            else:
                outcome.to_recorded.append(point)
        sent = min(int(point.sent or 0) for point in points)
        outcome.between = (sent, int(self.platform_time()) + 1)
        return outcome

    def _before(self, point: Point) -> list[tuple[int, int, Any]]:
        """Acknowledged values whose points may lie among those at which a lost one may be."""
        chain: list[tuple[int, int, Any]] = []
        first = int(point.sent or 0)
        for one in reversed(self._acknowledged.get(point.alias, ())):
            if one[1] < first:
                break
            chain.insert(0, one)
            first = min(first, one[0])
        return chain


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


def _leave_out(found: dict[int, Any], known: Iterable[tuple[int, int, Any]]) -> None:
    """Take away a point for each value that is known to be there."""
    for first, last, value in known:
        within = sorted(at for at in found if first <= at <= last)
        alike = [at for at in within if same(found[at], value)]
        for at in (alike or within)[:1]:  # where a preprocess made something else of it: any
            del found[at]


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


def _may_become(value: Any, found: Any) -> bool:
    """Whether a preprocess may have made what was found of a value."""
    if isinstance(found, str):
        return True
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def size_of(point: Point) -> int:
    """About how many bytes a point takes in a request."""
    value = point.value
    return 24 + (len(value) if isinstance(value, str) else len(jsonrpc.dumps(value)))
