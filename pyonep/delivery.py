"""One attempt of a Datastore to bring what waits to the platform, and what follows from it."""

from __future__ import annotations

import math
import threading
from typing import Any, NamedTuple, Optional

from .aliases import Resting, Unknown
from .backoff import Backoff, Budget
from .choosing import Batch, Choice
from .clock import Clock
from .dataports import Dataports
from .doubts import Doubts
from .exceptions import JsonRPCRequestException, OnePlatformException
from .isolation import Isolation, blame
from .lifecycle import Lifecycle, Step
from .line import Line, NotNow
from .occupied import Occupied
from .reports import Reports
from .sending import rejecting, send
from .settling import Settlement
from .waiting import Waiting

__all__ = ["Delivery", "Turn"]

NEVER = math.inf
_LONGEST_REST = 3600.0  # seconds; what a Retry-After may ask for
_SHORTEST = 0.001  # seconds; less may be no step of a clock at all
_SHORTEST_IDLE = 0.01


class Turn(NamedTuple):
    """What an attempt came to.

    Attributes:
        wait: Seconds until the next one makes sense; infinity: not by itself.
        failed: Whether that is so because a request failed.
        idle: Whether all that waits is set aside for longer.
    """

    wait: float = 0.0
    failed: bool = False
    idle: bool = False


class Delivery:
    """Brings points to the platform, a request at a time.

    Args:
        waiting: The points.
        line: To the platform.
        life: The state of the Datastore: whether the platform takes its CIK is a part of it.
        reports: Counters and callbacks.
        dataports: Those that are made where an alias is not there.
        config: The settings, checked.
        reach: Seconds that may pass until a request is carried out.
        clock: What time it is.

    Attributes:
        lock: Held during an attempt.
        line: To the platform, without an end.
        unknown: Aliases that are not there.
        doubts: Points that may have arrived.
        settlement: What became of points.
        isolation: Points that make requests fail.
        backoff: When to try again.
    """

    def __init__(
        self,
        waiting: Waiting,
        line: Line,
        life: Lifecycle,
        reports: Reports,
        dataports: Dataports,
        config: dict[str, Any],
        reach: float,
        clock: Clock,
    ) -> None:
        self.lock: threading.RLock = threading.RLock()  # callbacks may create dataports
        self.line: Line = line
        self._waiting, self._life, self._reports = waiting, life, reports
        self._dataports, self._clock = dataports, clock
        self._sender: Optional[int] = None  # the thread that is in an attempt
        self._not_before = -NEVER  # the platform asked not to be asked again before
        self._shift = int(config["shift_seconds"])
        self._prepare(config, reach)

    def _prepare(self, config: dict[str, Any], reach: float) -> None:
        """Make what an attempt is put together of."""
        base, cap, budget = config["retry_base"], config["retry_cap"], Budget()
        self.backoff: Backoff = Backoff(base, cap, budget)
        self.isolation: Isolation = Isolation(max(1, config["request_points"]), base, cap, budget)
        self._resting = Resting(base, cap, budget, self._clock)
        self.unknown: Unknown = Unknown(self._clock)
        self.doubts: Doubts = Doubts()
        self._occupied = Occupied(self._waiting, self._clock, reach)
        self._choice = Choice(
            self._waiting,
            self.isolation,
            self._resting,
            self._occupied,
            self.doubts,
            self._shift,
            config["request_bytes"],
        )
        self.settlement: Settlement = Settlement(
            self._waiting,
            self._reports,
            self.isolation,
            self._resting,
            self.unknown,
            self._occupied,
            self.doubts,
        )

    def begin(self) -> None:
        """Another buffer: what it has says what the platform may have."""
        recorded = self._waiting.buffer.recorded(2**62)  # any of them may have arrived
        self.doubts.begin(recorded, self._waiting.unsure())
        self._occupied.begin()

    def is_under_way_here(self) -> bool:
        """Whether this very thread is in an attempt: what is sent is not settled then."""
        return self._sender == threading.get_ident()

    def attempt(self, target: int, deadline: float | None = None) -> Turn:
        """Send one request with what waits. The caller holds `lock`.

        Args:
            target: Live values accepted after the point of this number are left for later.
            deadline: When it has to be over, on the monotonic clock.
        """
        rest = self._not_before - self._clock.monotonic()
        if rest > 0:
            self._waiting.missed(self._waiting.fresh(target))
            return Turn(max(_SHORTEST, rest), failed=True)
        batch = Batch()
        self._sender = threading.get_ident()
        try:
            return self._try(batch, target, self.line.until(deadline))
        except NotNow as error:
            self.settlement.keep(batch, target, not_carried_out=not batch.is_out)
            self.settlement.rest(error.statuses)
            return Turn(failed=True)
        except Exception as error:
            return self._failed(error, batch, target)
        except BaseException:  # Ctrl-C: the request may have arrived
            self.settlement.keep(batch, target, not_carried_out=False)
            raise
        finally:
            self._sender = None
            self._waiting.in_flight = set()
            self._note_trouble()

    def _try(self, batch: Batch, target: int, line: Line) -> Turn:
        self.settlement.settle_question(line, self._clock.monotonic())
        self.settlement.confirm(line)
        self._choice.take(batch, target, line, self._clock.monotonic())
        if batch.is_empty():
            return self._nothing(batch)
        self._send(batch, line)
        self.backoff.succeeded()
        self._life.go(Step.ANSWER)
        self._reports.last_success = self._clock.time()
        self._reports.is_over("fault")
        return Turn()

    def _send(self, batch: Batch, line: Line) -> None:
        settled = self.settlement
        no_room = f"no free second within {self._shift} seconds"
        settled.apply(rejecting(batch.no_room, no_room), line.there.now())
        if batch.there:
            settled.judge(line, batch.there)
        outcome = send(line, settled.groups(batch.live), batch.recorded)
        batch.is_out = True
        settled.doubt(batch, outcome.unanswered)
        settled.answered(outcome, line.there.now())
        unresolved = [point for points in outcome.unknown.values() for point in points]
        batch.open = [*outcome.unanswered, *unresolved, *(point for point, _ in outcome.refused)]
        settled.rest(outcome.temporary)
        if outcome.refused:
            settled.judge(line, outcome.refused)
        if unresolved:
            found, missing = self._dataports.resolve(line, outcome.unknown)
            settled.apply(found, line.there.now(), missing)
        settled.take_back(point for point, _ in batch.recorded)
        batch.open = outcome.unanswered
        if outcome.problem is not None:
            raise outcome.problem

    def _nothing(self, batch: Batch) -> Turn:
        """There is nothing to be sent now: when there will be."""
        if batch.hold < NEVER:
            return Turn(batch.hold and max(_SHORTEST, batch.hold))
        soonest = min(self.isolation.next_due(), self._resting.next_due())
        if soonest == NEVER:
            return Turn()
        return Turn(max(_SHORTEST_IDLE, soonest - self._clock.monotonic()), idle=True)

    def _failed(self, error: Exception, batch: Batch, target: int) -> Turn:
        """Keep the points, note the error, and say when to try again."""
        found, is_unsent = blame(error), _is_unsent(error)
        self.settlement.keep(batch, target, found.refused or is_unsent)
        self._reports.failed(error)
        if _is_for_the_key(error):
            self._life.go(Step.REFUSE)
            return Turn(NEVER, failed=True)
        self._reports.retried += 1
        # What did not go out failed whatever it holds.
        suspects = [] if is_unsent else [point.number for point in batch.open]
        at_once = self.isolation.failed(suspects, found)
        retry_after = min(getattr(error, "retry_after", None) or 0.0, _LONGEST_REST)
        self._not_before = self._clock.monotonic() + retry_after
        # What did not go out says nothing of a group: the next one would not go out either.
        if not (retry_after or is_unsent) and (at_once or batch.is_group):
            return Turn(failed=True)
        return Turn(self.backoff.failed(retry_after), failed=True)

    def _note_trouble(self) -> None:
        """Say, once, that the spool cannot be kept up to date, for as long as it cannot."""
        trouble = self._waiting.trouble()
        if trouble is None:
            self._reports.is_over("trouble")
        else:
            self._reports.says("trouble", trouble)


def _is_for_the_key(error: Exception) -> bool:
    """Whether the platform refuses the CIK."""
    return isinstance(error, OnePlatformException) and error.code == 401


def _is_unsent(error: Exception) -> bool:
    """Whether a failure says that nothing was carried out."""
    return _is_for_the_key(error) or isinstance(error, JsonRPCRequestException)
