"""One round of a Datastore: waiting points in one request, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Optional

from . import jsonrpc
from .buffer import Point, Seconds
from .exceptions import OnePlatformException
from .jsonrpc import Triple
from .line import TEMPORARY, Line

__all__ = ["OCCUPIED", "Outcome", "rejecting", "send", "size_of"]

OCCUPIED = "invalid: there is a point in its second"


class Outcome:
    """What became of the points of a round; what it does not name still waits."""

    def __init__(self) -> None:
        self.written: list[tuple[Point, int]] = []  # and the second, 0 for live values
        self.twins: set[int] = set()  # of those: where their value was already
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


def rejecting(points: Iterable[Point], reason: str) -> Outcome:
    """An outcome that is a rejection of some points."""
    outcome = Outcome()
    outcome.rejected = [(point, reason) for point in points]
    return outcome


class _Request(NamedTuple):
    """A call of a round, and the points it carries; each with its second."""

    procedure: str
    arguments: list[Any]
    points: list[tuple[Point, int]]


def send(
    line: Line, live: Sequence[Sequence[Point]], recorded: Sequence[tuple[Point, int]]
) -> Outcome:
    """Send points in one request.

    Live values go as one ``writegroup`` a group, recorded points as one ``recordbatch`` per
    alias.

    Args:
        line: To the platform.
        live: Groups of live values.
        recorded: Points and their seconds.

    Raises:
        OneException: The request failed as a whole, without any answer.
    """
    outcome = Outcome()
    requests = [*map(_group_request, live), *_record_requests(recorded)]
    if not requests:
        return outcome
    calls = line.compose([(one.procedure, one.arguments) for one in requests])
    asked = {call["id"]: request for call, request in zip(calls, requests)}
    start = line.platform_time()
    for call, isok, response in _answers(line, calls, outcome):
        _sort(asked.pop(call["id"]), isok, response, outcome)
    outcome.unanswered = [point for request in asked.values() for point, _ in request.points]
    outcome.between = (int(start), int(line.platform_time()) + 1)
    return outcome


def _answers(line: Line, calls: list[jsonrpc.Call], outcome: Outcome) -> Sequence[Triple]:
    """The answers that come; where some are missing, those that did come count."""
    try:
        return line.call(calls)
    except OnePlatformException as error:
        if not error.answers:
            raise
        outcome.problem = error
        return error.answers


def _sort(request: _Request, isok: bool, response: Any, outcome: Outcome) -> None:
    """Note what the answer to a call says of its points."""
    points, is_group = request.points, request.procedure == "writegroup"
    if isok:
        outcome.written += points
    elif isinstance(response, list) and not is_group:
        _sort_refused(points, response, outcome)
    elif is_group and len(points) > 1:
        outcome.alone += [point for point, _ in points]
    elif isinstance(response, str) and response in TEMPORARY:
        outcome.temporary[points[0][0].alias] = response
        if is_group:
            outcome.to_recorded += [point for point, _ in points]
    elif response == "invalid":
        alias = points[0][0].alias
        outcome.unknown.setdefault(alias, []).extend(point for point, _ in points)
    else:
        outcome.rejected += [(point, str(response)) for point, _ in points]


# --- calls ---


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


def size_of(point: Point) -> int:
    """About how many bytes a point takes in a request."""
    value = point.value
    if isinstance(value, str):
        return 24 + len(value)
    # A number is as long as it is written; to ask the encoder each time takes ten times as long.
    return 24 + len(repr(value) if isinstance(value, (int, float)) else jsonrpc.dumps(value))
