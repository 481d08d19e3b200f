"""The line of a Datastore to the platform: questions, each with its answer and within a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from email.utils import parsedate_to_datetime
from typing import Any, Optional

from .clock import Clock
from .exceptions import JsonRPCRequestException
from .jsonrpc import Call, Triple
from .onep import OnepV1

__all__ = ["TEMPORARY", "Answers", "Line", "NotNow", "PlatformClock"]

# Statuses that mean: not now. All others mean: never.
TEMPORARY = frozenset({"locked", "error", "expire"})

Answers = list[tuple[bool, Any]]
Procedures = Sequence[tuple[str, list[Any]]]


class NotNow(Exception):
    """The platform does not answer questions about some aliases at the moment.

    Attributes:
        statuses: Alias -> what it says instead.
    """

    def __init__(self, statuses: dict[str, str]) -> None:
        super().__init__(f"the platform answers {', '.join(sorted(set(statuses.values())))}")
        self.statuses: dict[str, str] = statuses


class PlatformClock:
    """What time it is on the platform, as far as its answers told; up to two seconds less."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Unix seconds, and when they were told; together, as more than one thread asks.
        self._told: Optional[tuple[float, float]] = None

    @property
    def is_known(self) -> bool:
        """Whether any answer has told it."""
        return self._told is not None

    def now(self) -> float:
        """Unix seconds; 0 for a platform that has not told the time."""
        if self._told is None:
            return 0.0
        told, at = self._told
        return told + self._clock.monotonic() - at

    def note(self, headers: Mapping[str, str]) -> None:
        """Read it off an answer."""
        try:
            told = parsedate_to_datetime(headers["Date"]).timestamp()
            self._told = told, self._clock.monotonic()
        except (KeyError, TypeError, ValueError, OverflowError):
            pass


class Line:
    """Speaks to the platform on behalf of one client.

    Args:
        client: What sends the requests.
        auth: On whose behalf.
        clock: What time it is here.
        there: What time it is there.
        deadline: When everything has to be over, on the monotonic clock; None: never.
    """

    def __init__(
        self,
        client: OnepV1,
        auth: Any,
        clock: Clock,
        there: PlatformClock,
        deadline: float | None = None,
    ) -> None:
        self.client: OnepV1 = client
        self.there: PlatformClock = there
        self.deadline: Optional[float] = deadline
        self._auth, self._clock = auth, clock

    def until(self, deadline: float | None) -> Line:
        """The same, of which all has to be over at a time on the monotonic clock."""
        return Line(self.client, self._auth, self._clock, self.there, deadline)

    def left(self) -> float | None:
        """Seconds that are left; None: any number."""
        return None if self.deadline is None else self.deadline - self._clock.monotonic()

    # --- requests ---

    def compose(self, pairs: Procedures) -> list[Call]:
        """Calls with ids of their own."""
        self._check_time()
        return self.client._composeCalls(pairs)

    def call(self, calls: list[Call]) -> list[Triple]:
        """Send calls in one request; return ``[(call, isok, response), ...]``."""
        left = self.left()
        with nullcontext() if left is None else self.client.within(max(0.0, left)):
            triples: list[Triple] = self.client._callJsonRPC(self._auth, calls, returnreq=True)
        return triples

    def ask(self, pairs: Procedures) -> Answers:
        """Send calls of which all answers are needed."""
        if not pairs:
            return []
        triples = self.call(self.compose(pairs))
        return [(isok, response) for _, isok, response in triples]

    def inquire(self, about: Sequence[str], pairs: Procedures) -> Answers:
        """Ask about aliases, one call each.

        Raises:
            NotNow: There are some of which the platform says: not now. That is no answer.
        """
        answers = self.ask(pairs)
        later = {
            alias: response
            for alias, (isok, response) in zip(about, answers)
            if not isok and isinstance(response, str) and response in TEMPORARY
        }
        if later:
            raise NotNow(later)
        return answers

    def probe(self) -> None:
        """See whether the platform answers something harmless."""
        self.ask([("lookup", ["alias", ""])])

    def platform_time(self) -> float:
        """The platform's clock; asks for it the first time."""
        if not self.there.is_known:
            self.probe()
        return self.there.now()

    def _check_time(self) -> None:
        """Begin no request when there is no time left for it."""
        left = self.left()
        if left is not None and left <= 0:
            raise JsonRPCRequestException("there is no time left")
