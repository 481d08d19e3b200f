"""Buffered writing and cached reading for programs that measure all day.

::

    from pyonep.datastore import Datastore

    with Datastore(cik, interval=5, autocreate={"format": "float"}) as store:
        store.write("temperature", 21.5)
        store.record("pressure", [[-10, 1013], [-5, 1012]])

`write` and `record` never wait for the network. A thread brings what waits to the
platform every `interval` seconds, in as few requests as can be.
"""

from __future__ import annotations

import atexit
import logging
import math
import sqlite3
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Callable, NamedTuple, Optional

from . import credentials, forks, jsonrpc
from .backoff import Backoff, Budget, pause
from .buffer import Buffer, MemoryBuffer, Point, SpoolBuffer
from .clock import Clock
from .deadline import time_limit
from .doubts import Doubts
from .endpoint import HOSTED
from .exceptions import (
    JsonRPCRequestException,
    JsonStringException,
    OneException,
    OnePlatformException,
)
from .isolation import Isolation, blame
from .onep import OnepV1
from .placing import place
from .redaction import redact, secrets_of
from .sending import ALREADY, NotNow, Outcome, Sender, by_alias, size_of

__all__ = ["Datastore", "Statistics", "datastore_config", "transport_config"]

log: logging.Logger = logging.getLogger(__name__)

#: Defaults of `config`. Times in seconds.
datastore_config: dict[str, Any] = {
    "write_buffer_size": 1024,  # points that may wait
    "read_cache_size": 1024,  # aliases
    "read_cache_expire_time": 5,
    "log_level": "debug",  # set on the module's logger when given
    "overflow": "refuse",  # or "drop_oldest", or "block"
    "block_timeout": 5,  # how long "block" waits for room
    "request_points": 2000,  # points in one request
    "request_bytes": 1024 * 1024,  # and about so many bytes
    "shift_seconds": 5,  # how much later a value may be recorded whose second is taken
    "retry_base": 1,
    "retry_cap": 60,
    "exit_timeout": 10,  # for stop, close and the end of the interpreter
    "spool_synchronous": "FULL",  # see SpoolBuffer
}
#: Defaults of `transport`: where the platform is.
transport_config: dict[str, Any] = {
    "host": HOSTED,
    "port": None,
    "url": "/onep:v1/rpc/process",
    "https": None,
    "timeout": 10,
}
_OVERFLOW = ("refuse", "drop_oldest", "block")
_UNKNOWN_FOR = 60.0  # seconds for which an alias that was not there is refused
_NEVER = math.inf
_LONGEST_HOLD = 3.0  # seconds for which a live value waits for a second of its own
_SHORTEST = 0.001  # seconds; less may be no step of a clock at all
_LONGEST_REST = 3600.0  # seconds; what a Retry-After may ask for
_LARGEST_TIME = 2**53  # what the platform takes
_DEEPEST = 200  # levels of lists and dicts
_WIDE = 2**64  # integers beyond are looked at more closely
_ATOMS = (bool, type(None))

Reporter = Callable[[str, list[Any], str], object]


class Statistics(NamedTuple):
    """The state of a Datastore, in numbers.

    Attributes:
        waiting: Points that wait.
        sent: Points the platform has.
        retried: Requests that were sent again, or were to be.
        rejected: Points the platform refused for good.
        dropped: Points given up because the buffer was full.
        replaced: Live values replaced by newer ones before they were sent.
        last_success: Unix time of the last request that was answered; None: never.
        last_error: What went wrong last; None: nothing yet.
    """

    waiting: int
    sent: int
    retried: int
    rejected: int
    dropped: int
    replaced: int
    last_success: Optional[float]
    last_error: Optional[str]


class _Counts:
    """The counters behind `Statistics`."""

    def __init__(self) -> None:
        self.sent = self.retried = self.rejected = self.dropped = self.replaced = 0
        self.last_success: Optional[float] = None
        self.last_error: Optional[str] = None


class _Turn(NamedTuple):
    """What an attempt came to.

    Attributes:
        wait: Seconds until the next one makes sense; infinity: not by itself.
        failed: Whether that is so because a request failed.
        idle: Whether all that waits is set aside for longer.
    """

    wait: float = 0.0
    failed: bool = False
    idle: bool = False


class _Batch:
    """What goes into one request."""

    def __init__(self) -> None:
        self.live: list[Point] = []
        self.recorded: list[tuple[Point, int]] = []  # and the second of each
        self.there: list[tuple[Point, int]] = []  # the platform has a point in their second
        self.no_room: list[Point] = []
        self.hold = _NEVER  # seconds until a live value that is held back may go
        self.is_group = False  # of suspects, tried by themselves
        self.open: list[Point] = []  # not answered yet
        self.is_out = False  # whether an answer came: what fails afterwards is another request

    def is_empty(self) -> bool:
        return not (self.live or self.recorded or self.there or self.no_room)


class Datastore:
    """Buffered access to the dataports of one client. Safe to share between threads.

    A value for which `write` or `record` returned True reaches the platform or is
    reported: to `on_reject` when the platform refuses it for good, to `on_drop` when
    a full buffer gives it up. The platform keeps one point per second: a value that
    missed its moment goes to the second in which it was written, or to the next one that
    is free.

    Args:
        cik: CIK of the client, or an auth object.
        interval: Seconds between flushes, at least 1.
        autocreate: False, or a dict with ``format``, ``preprocess``, ``count``,
            ``duration`` (hours), ``visibility``: an alias that does not exist is created
            with it.
        config: See `datastore_config`; missing keys take its values.
        transport: See `transport_config`; missing keys take its values.
        spool: File in which points are kept until the platform has them. Each is on disk
            before `write` or `record` returns, and is sent after a restart.
        on_reject: Called with ``(alias, [timestamp, value], reason)``.
        on_drop: The same, for points dropped from a full buffer; the reason says so where one
            was sent without an answer and may have arrived.
        on_error: Called with the exception when a request fails.

    Raises:
        SpoolError: The spool is in use or cannot be opened.
        ValueError: A setting makes no sense.
    """

    #: Every clock that is read and every wait; a test has its own.
    clock: Clock = Clock()

    def __init__(
        self,
        cik: Any,
        interval: float,
        autocreate: Any = False,
        config: Mapping[str, Any] = MappingProxyType({}),
        transport: Mapping[str, Any] = MappingProxyType({}),
        spool: str | None = None,
        on_reject: Reporter | None = None,
        on_drop: Reporter | None = None,
        on_error: Callable[[Exception], object] | None = None,
    ) -> None:
        if not isinstance(cik, (str, Mapping)):
            raise ValueError(f"cik must be a CIK or an auth object, not {type(cik).__name__}")
        self._auth = credentials.usable_auth(cik, JsonRPCRequestException)
        self._interval = max(1.0, _seconds("interval", interval))
        self._autocreate = _wanted(autocreate)
        self._config = _checked({**datastore_config, **config})
        self._transport = _transport({**transport_config, **transport})
        if "log_level" in config and config is not datastore_config:
            log.setLevel(str(config["log_level"]).upper())
        self._on_reject, self._on_drop, self._on_error = on_reject, on_drop, on_error
        self._spool = spool
        self._shift = max(0, int(self._config["shift_seconds"]))
        self._buffer: Buffer = self._open_buffer()
        self._counts = _Counts()
        self._begin()
        forks.on_fork(self)

    def _begin(self) -> None:
        """Everything that a fork must not share."""
        self._lock = threading.RLock()  # callbacks may ask for statistics
        self._changed = threading.Condition(self._lock)
        self._sending = threading.RLock()  # callbacks may create dataports
        self._attempting: Optional[int] = None  # the thread that sends
        self._sender = Sender(self._auth, self._connect(), self._autocreate, self.clock)
        self._reader = self._connect()
        base, cap = self._config["retry_base"], self._config["retry_cap"]
        self._budget = Budget()  # for whatever is tried again
        self._backoff = Backoff(base, cap, self._budget)
        most = max(1, int(self._config["request_points"]))
        self._isolation = Isolation(most, base, cap, self._budget)
        self._thread: Optional[threading.Thread] = None
        self._generation = 0  # of threads: each ends when there is a newer one
        self._closed = False
        self._accepts = True  # not from the moment on at which `close` begins
        self._halted = False
        self._start_again = False
        self._not_before = -_NEVER  # the platform asked not to be asked again before
        self._unknown: dict[str, float] = {}
        self._dropped: deque[tuple[Point, str]] = deque()  # and not reported yet
        self._resting: dict[str, tuple[float, int]] = {}  # alias -> until when, times in a row
        self._said: dict[str, str] = {}  # what was logged and still holds
        self._alone: set[int] = set()  # live values that go in a group of their own
        self._in_flight: set[int] = set()
        self._know_of_the_run_before()
        self._cache: OrderedDict[str, tuple[float, int, list[Any]]] = OrderedDict()

    def _know_of_the_run_before(self) -> None:
        """What is in the spool says what the platform may have."""
        self._doubts = Doubts(self._buffer.recorded(2**62))  # any of them may have arrived
        # Alias -> when a live value was acknowledged, at the latest.
        self._live_at = dict.fromkeys(self._buffer.written(), self.clock.monotonic())

    def _open_buffer(self, before: Buffer | None = None) -> Buffer:
        if self._spool is None:
            return MemoryBuffer()
        earlier = before if isinstance(before, SpoolBuffer) else None
        buffer = SpoolBuffer(self._spool, self._config["spool_synchronous"], earlier)
        # What a run before this one did not send has missed its moment.
        buffer.to_recorded([point.number for point in buffer.live() if point.sent is None])
        return buffer

    def _connect(self) -> OnepV1:
        """A client to speak to the platform with; a test gives it another `onephttp`."""
        return OnepV1(**self._transport)

    def after_fork(self) -> None:
        """In the child: begin empty; what waits belongs to the parent."""
        was_running, was_closed = self._thread is not None, self._closed
        self._buffer.abandon()
        self._buffer = MemoryBuffer()
        self._spool = None
        self._counts = _Counts()
        self._begin()
        self._start_again = was_running
        self._closed, self._accepts = was_closed, not was_closed
        _open.discard(self)

    def __repr__(self) -> str:
        state = "running" if self.isThreadAlive() else "not running"
        return f"<Datastore {state}, {len(self._buffer)} waiting>"

    def __enter__(self) -> Datastore:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- writing ---

    def write(self, alias: str, value: Any) -> bool:
        """Write a value at the next flush.

        Args:
            alias: Of the dataport.
            value: A number or text. Until the flush only the latest value of an alias is kept.

        Returns:
            True: a new value waits. False: it replaced one that waited, or was refused (buffer
            full, alias unknown and no autocreate, closed, disk full).

        Raises:
            JsonStringException: The value is not JSON, or value or alias hold half of a surrogate
                pair.
            ValueError: The alias is no text.
        """
        _check_alias(alias)
        value = _kept(value)
        with self._changed:
            waits = self._buffer.has_live(alias)
            may = not self._refuses(alias) and (waits or self._make_room(1))
            is_new = may and self._put(self._put_live, alias, value)
        if self._dropped:
            self._report_dropped()
        return is_new

    def record(self, alias: str, entries: Sequence[Sequence[Any]]) -> bool:
        """Write points at given times at the next flush.

        Args:
            alias: Of the dataport.
            entries: ``[[timestamp, value], ...]``; Unix seconds, negative for an offset from now.

        Returns:
            Whether they wait now; all of them, or none.

        Raises:
            JsonStringException: A value is not JSON, or value or alias hold half of a surrogate
                pair.
            ValueError: A timestamp is no number of seconds, is 0, lies before 1970 or beyond
                2**53; or the alias is no text.
        """
        _check_alias(alias)
        points = _points(entries, int(self.clock.time()))
        with self._changed:
            may = not self._refuses(alias) and self._make_room(len(points))
            done = may and self._put(self._put_points, alias, points)
        if self._dropped:
            self._report_dropped()
        return done

    def _put(self, put: Callable[[str, Any], bool], alias: str, what: Any) -> bool:
        try:
            result = put(alias, what)
        except sqlite3.Error as error:
            self._counts.last_error = f"the spool refused a point: {error}"
            self._say("spool", self._counts.last_error)
            return False
        if self._said:
            self._said.pop("spool", None)
        _open.add(self)
        if self._start_again:
            self._start_again = False
            self._start()
        return result

    def _put_live(self, alias: str, value: Any) -> bool:
        replaced = self._buffer.put_live(alias, int(self.clock.time()), value)
        self._counts.replaced += replaced
        return not replaced

    def _put_points(self, alias: str, points: list[tuple[int, Any]]) -> bool:
        self._buffer.put(alias, points)
        return True

    def _say(self, about: str, text: str) -> None:
        """Log what is wrong, once for as long as it holds."""
        if self._said.get(about) != text:
            self._said[about] = text
            log.error("%s", text)

    def _refuses(self, alias: str) -> bool:
        until = self._unknown.get(alias) if self._unknown else None
        if until is not None and self.clock.monotonic() > until:
            del self._unknown[alias]
            until = None
        return not self._accepts or until is not None

    def _make_room(self, needed: int) -> bool:
        size, overflow = self._config["write_buffer_size"], self._config["overflow"]
        if needed > size:
            return False
        if overflow == "block" and len(self._buffer) + needed > size:
            timeout = self._config["block_timeout"]
            self.clock.wait_for(
                self._changed,
                lambda: not self._accepts or len(self._buffer) + needed <= size,
                timeout,
            )
            return self._accepts and bool(len(self._buffer) + needed <= size)
        while overflow == "drop_oldest" and len(self._buffer) + needed > size:
            # What is being sent may arrive: it cannot be given up now.
            point = self._buffer.oldest(lambda point: point.number in self._in_flight)
            if point is None:
                break
            reason = self._why_dropped(point)
            self._forget([point])
            self._counts.dropped += 1
            self._dropped.append((point, reason))
        return bool(len(self._buffer) + needed <= size)

    def _report_dropped(self) -> None:
        """Outside of the lock: a callback may do what it likes."""
        while self._dropped:
            try:
                point, reason = self._dropped.popleft()
            except IndexError:  # another thread reports them
                return
            self._report(self._on_drop, "dropped", point, reason)

    def _why_dropped(self, point: Point) -> str:
        # While the network fails all that waits may have been sent: to keep it would be to
        # refuse what is newer, which is not what was asked for.
        if point.sent is not None or point.number in self._doubts:
            return "the buffer is full; it was sent without an answer and may have arrived"
        return "the buffer is full"

    # --- sending ---

    def flush(self, timeout: float | None = None) -> bool:
        """Send what waits now.

        Args:
            timeout: Seconds; None waits until all is sent, or the platform refuses the CIK.

        Returns:
            Whether everything that had been accepted reached the platform or was reported.
        """
        return self._send_all(_given_seconds(timeout), try_again=True)

    def _send_all(self, timeout: float | None, try_again: bool) -> bool:
        """Send what waits now, in as many requests as it takes; after a failure only if told."""
        deadline = None if timeout is None else self.clock.monotonic() + timeout
        with self._lock:
            target = self._buffer.last()
        if self._attempting == threading.get_ident():  # a callback: what is sent is not settled
            return self._is_sent(target)
        while not self._is_sent(target):
            left = None if deadline is None else deadline - self.clock.monotonic()
            if (left is not None and left <= 0) or self._is_shut():
                return False
            if not self._sending.acquire(timeout=-1 if left is None else left):
                return False
            try:
                turn = self._attempt(target, deadline)
            finally:
                self._sending.release()
            is_over = (turn.failed or turn.idle) and not try_again
            if turn.wait == _NEVER or (turn.wait and is_over):
                return False
            if turn.wait:
                self._pause(turn.wait, deadline)
        return True

    def _pause(self, seconds: float, deadline: float | None) -> None:
        """Wait before the next attempt; `close` by another thread ends it."""
        if deadline is not None:  # of which the attempt has taken its part by now
            seconds = min(seconds, max(0.0, deadline - self.clock.monotonic()))
        with self._changed:
            was_closed = self._closed  # a flush after `close` waits like any other
            self.clock.wait_for(self._changed, lambda: self._closed and not was_closed, seconds)

    def _is_shut(self) -> bool:
        """Whether the points are in a file that is not ours any more."""
        return self._closed and self._spool is not None

    def _is_sent(self, target: int) -> bool:
        with self._lock:
            oldest = self._buffer.oldest()
            return oldest is None or oldest.number > target

    def _attempt(self, target: int, deadline: float | None = None) -> _Turn:
        """Send one request with what waits.

        Args:
            target: Live values accepted after the point of this number are left for later.
            deadline: When it has to be over, on the monotonic clock.
        """
        rest = self._not_before - self.clock.monotonic()
        if rest > 0:
            self._not_sent(self._fresh(target))
            return _Turn(max(_SHORTEST, rest), failed=True)
        batch = _Batch()
        self._attempting = threading.get_ident()
        try:
            with self._sender.until(deadline):
                self._settle_question()
                self._confirm()
                self._take(batch, target, deadline)
                if batch.is_empty():
                    return self._nothing(batch)
                self._send(batch)
        except NotNow as error:
            self._keep(batch, target, not_carried_out=not batch.is_out)
            self._rest(error.statuses)
            return _Turn(failed=True)
        except Exception as error:
            return self._failed(error, batch, target)
        finally:
            self._attempting = None
            self._in_flight = set()
            self._note_trouble()
        self._succeeded()
        return _Turn()

    def _send(self, batch: _Batch) -> None:
        self._apply(_rejecting(batch.no_room, f"no free second within {self._shift} seconds"))
        if batch.there:
            self._judge(batch.there)
        outcome = self._sender.send(self._groups(batch.live), batch.recorded)
        batch.is_out = True
        self._doubt(batch, outcome.unanswered)
        self._apply(outcome)
        unresolved = [point for points in outcome.unknown.values() for point in points]
        batch.open = [*outcome.unanswered, *unresolved, *(point for point, _ in outcome.refused)]
        self._rest(outcome.temporary)
        if outcome.refused:
            self._judge(outcome.refused)
        if unresolved:
            self._apply(*self._sender.resolve(outcome.unknown))
        self._take_back(point for point, _ in batch.recorded)
        batch.open = outcome.unanswered
        if outcome.problem is not None:
            raise outcome.problem

    def _groups(self, live: list[Point]) -> list[list[Point]]:
        """Live values as they go together; each of a group that was refused goes alone."""
        together = [point for point in live if point.number not in self._alone]
        apart = [[point] for point in live if point.number in self._alone]
        return [together, *apart] if together else apart

    def _nothing(self, batch: _Batch) -> _Turn:
        """There is nothing to be sent now: when there will be."""
        if batch.hold < _NEVER:
            return _Turn(batch.hold and max(_SHORTEST, batch.hold))
        now = self.clock.monotonic()
        until = [until for until, _ in self._resting.values() if until > now]
        soonest = min([self._isolation.next_due(), *until])
        return _Turn() if soonest == _NEVER else _Turn(max(0.01, soonest - now), idle=True)

    # --- what goes into a request ---

    def _take(self, batch: _Batch, target: int, deadline: float | None) -> None:
        """Choose what goes into the next request."""
        now = self._sender.platform_time()
        with self._lock:
            fresh = [point for point in self._fresh(target) if not self._rests(point)]
            points = self._choose(batch, len(fresh))
            numbers = {point.number for point in points}
            self._in_flight = numbers
        self._place(batch, points)
        with self._lock:
            # While the platform was asked, live values may have been replaced.
            fresh = [point for point in self._fresh(target) if not self._rests(point)]
            if not batch.is_group:
                left = None if deadline is None else deadline - self.clock.monotonic()
                self._choose_live(batch, fresh[: self._isolation.limit], now, left)
            batch.open = [*batch.live, *(point for point, _ in batch.recorded)]
            self._in_flight = numbers | {point.number for point in batch.live}
            seconds = {point.number: float(at) for point, at in batch.recorded if point.moves}
            self._buffer.sending({**dict.fromkeys((p.number for p in batch.live), now), **seconds})

    def _choose(self, batch: _Batch, live: int) -> list[Point]:
        """Points with times of their own for the next request."""
        limit = self._isolation.limit
        points = self._buffer.recorded(max(1, limit - live), self._is_aside())
        if not points and not live:
            while not points and (group := self._isolation.due(self.clock.monotonic())):
                points = self._buffer.these(group[:limit])
                self._isolation.settled(set(group) - {point.number for point in points})
                rest = max((self._resting[p.alias][0] for p in points if self._rests(p)), default=0)
                if rest:
                    self._isolation.postpone(group, rest)
                    points = []
                batch.is_group = bool(points)
        return _within(points, self._config["request_bytes"])

    def _is_aside(self) -> Callable[[Point], bool] | None:
        """What leaves out the points that are not to be sent with others now."""
        suspects = self._isolation.suspects
        if not suspects and not self._resting:
            return None
        return lambda point: point.number in suspects or self._rests(point)

    def _rests(self, point: Point) -> bool:
        until = self._resting.get(point.alias) if self._resting else None
        return until is not None and until[0] > self.clock.monotonic()

    def _rest(self, temporary: Mapping[str, str]) -> None:
        """Leave aliases alone for a while of which the platform says: not now."""
        now = self.clock.monotonic()
        pauses: dict[int, float] = {}  # those that fail together are tried again together
        for alias, status in temporary.items():
            times = self._resting.get(alias, (0.0, 0))[1] + 1
            if times not in pauses:
                base, cap = self._config["retry_base"], self._config["retry_cap"]
                pauses[times] = pause(times, base, cap, self._budget.spend())
            self._resting[alias] = (now + pauses[times], times)
            self._note(OnePlatformException(f"the platform answers {status}"))
            self._counts.retried += 1

    def _place(self, batch: _Batch, points: list[Point]) -> None:
        """Find the second of each point; asks the platform where one may be taken by ours."""
        written = self._buffer.written()
        asked = [
            point
            for point in points
            if point.moves or (point.alias in written and self._may_be_written(point))
        ]
        if not asked:
            batch.recorded = [(point, point.time) for point in points]
            return
        found = self._sender.look(asked, self._shift)
        for alias, some in by_alias(points).items():
            if alias not in found:
                batch.recorded += [(point, point.time) for point in some]
                continue
            places = place(some, found[alias], self._shift, self._doubts.seconds(alias))
            batch.recorded += places.at
            batch.there += [
                (point, int(point.sent or 0) if point.moves else point.time)
                for point in places.there
            ]
            batch.no_room += places.no_room

    def _may_be_written(self, point: Point) -> bool:
        """Whether its second may hold a value of ours that was written."""
        first, last = self._buffer.written().get(point.alias, (0, -1))
        return first <= point.time <= last

    def _choose_live(
        self, batch: _Batch, fresh: list[Point], now: float, left: float | None
    ) -> None:
        """Live values go into a second in which the platform has nothing of ours, or wait.

        The platform's second is known to within one or two: those that may be it count.
        """
        taken: dict[str, int] = {}
        # Those that were found there are settled only when this choice is made.
        for point, second in (*batch.recorded, *batch.there) if fresh else ():
            taken[point.alias] = max(second, taken.get(point.alias, 0))
        for point in fresh:
            hold = self._hold(point.alias, taken.get(point.alias, 0), now)
            if hold <= 0:
                batch.live.append(point)
            elif hold > _LONGEST_HOLD or (left is not None and hold > left):
                self._not_sent([point])
                batch.hold = 0.0
            else:
                batch.hold = min(batch.hold, hold)

    def _hold(self, alias: str, taken: int, now: float) -> float:
        """Seconds until a live value of an alias cannot replace a point of ours."""
        hold = 0.0
        if alias in self._live_at:
            # A second after the last one was acknowledged, the platform's second is another one.
            hold = self._live_at[alias] + 1 - self.clock.monotonic()
        near = now + (self._transport["httptimeout"] or 0) + 2
        taken = max([taken, *(second for second in self._buffer.ahead(alias) if second <= near)])
        return max(hold, taken + 1 - now) if taken >= int(now) > 0 else hold

    # --- what became of it ---

    def _settle_question(self) -> None:
        """After a failure that may be due to a point: does the platform answer otherwise?"""
        if not self._isolation.in_question:
            return
        self._sender.probe()
        given_up = self._isolation.platform_answers(self.clock.monotonic())
        if given_up is None:
            return
        number, reason = given_up
        for point in self._buffer.these([number]):
            self._give_up(point, reason)

    def _give_up(self, point: Point, reason: str) -> None:
        """Report a point that the platform never takes, unless it is there."""
        second = point.time if point.sent is None else int(point.sent)
        try:
            outcome = self._sender.judge([(point, second)], lambda number, second: True)
        except OneException:
            outcome = Outcome()
        if not outcome.written:
            outcome = _rejecting([point], reason)
        self._apply(outcome)

    def _judge(self, refused: list[tuple[Point, int]]) -> None:
        self._apply(self._sender.judge(refused, self._doubts.may_be_at))

    def _confirm(self) -> None:
        """Ask after live values whose answer was lost."""
        while True:
            with self._lock:
                live = self._buffer.live()
                unsure = [p for p in live if p.sent is not None and not self._rests(p)]
            if not unsure:
                return
            some = unsure[: self._isolation.limit]
            doubts = {point.alias: self._doubts.seconds(point.alias) for point in some}
            ahead = {point.alias: self._buffer.ahead(point.alias) for point in some}
            self._apply(self._sender.confirm(some, ahead, doubts))

    def _apply(self, outcome: Outcome, missing: Iterable[str] = ()) -> None:
        """Let the buffer know what became of points."""
        with self._changed:
            self._remember(outcome)
            self._settle_doubts(outcome)
            written = [point for point, _ in outcome.written]
            self._forget([*written, *(point for point, _ in outcome.rejected)])
            self._not_sent(outcome.to_recorded)
            self._buffer.unsent([point.number for point in [*outcome.alone, *outcome.again]])
            self._alone.update(point.number for point in outcome.alone)
            self._counts.sent += len(written)
            self._counts.rejected += len(outcome.rejected)
            until = self.clock.monotonic() + _UNKNOWN_FOR
            self._unknown.update(dict.fromkeys(missing, until))
            self._changed.notify_all()
        for point, reason in outcome.rejected:
            self._report(self._on_reject, "rejected", point, reason)

    def _remember(self, outcome: Outcome) -> None:
        """Note the seconds in which the platform has points of ours."""
        now = int(self._sender.known_time())
        wrote: dict[str, tuple[int, int]] = {}
        ahead: dict[str, set[int]] = {}
        if self._resting:
            for point, _ in outcome.written:
                self._resting.pop(point.alias, None)
        for point, second in outcome.written:
            if point.live:
                self._live_at[point.alias] = self.clock.monotonic()
                wrote[point.alias] = outcome.between
                continue
            if second >= now:
                ahead.setdefault(point.alias, set()).add(second)
            if point.moves:
                first, last = wrote.get(point.alias, (second, second))
                wrote[point.alias] = (min(first, second), max(last, second))
        self._buffer.wrote(wrote, ahead, now)

    def _doubt(self, batch: _Batch, points: Iterable[Point]) -> None:
        """Recorded points were sent, and no answer came."""
        seconds = {point.number: second for point, second in batch.recorded}
        for point in points:
            if point.number in seconds:
                self._doubts.add(point, seconds[point.number])

    def _settle_doubts(self, outcome: Outcome) -> None:
        """In a second there is one point: where it is known which, it is none of the others."""
        self._doubts.discard(point.number for point in outcome.again)
        for point, second in outcome.written:
            others = self._doubts.at(point.alias, second) - {point.number}
            if others and not point.live:
                self._doubts.discard(others)
                self._take_back(self._buffer.these(others))

    def _take_back(self, points: Iterable[Point]) -> None:
        """Points that move and are known not to be where they were sent to may go elsewhere.

        Another one may take that second, and would be taken for them there.
        """
        with self._lock:
            moving = [point.number for point in points if point.moves]
            known = [n for n in moving if n in self._buffer and n not in self._doubts]
            if known:
                self._buffer.unsent(known)

    def _forget(self, points: list[Point]) -> None:
        """Points are out of the buffer, whatever became of them."""
        numbers = [point.number for point in points]
        self._buffer.remove(numbers)
        self._isolation.settled(numbers)
        self._doubts.discard(numbers)
        self._alone.difference_update(numbers)

    def _succeeded(self) -> None:
        self._backoff.succeeded()
        self._halted = False
        self._counts.last_success = self.clock.time()
        self._said.pop("fault", None)

    def _note(self, error: Exception) -> None:
        """Note an error, and tell who wants to know."""
        text = redact(f"{type(error).__name__}: {error}", *secrets_of(self._auth))
        self._counts.last_error = text
        log.warning("not sent, kept: %s", text)
        self._tell(self._on_error, error)

    def _keep(self, batch: _Batch, target: int, not_carried_out: bool) -> None:
        """After a failure: which points may have arrived, and which need not be asked after."""
        with self._lock:
            if not batch.live and not batch.is_group:
                self._not_sent(self._fresh(target))  # it did not come to sending them
            elif not_carried_out and not batch.is_out:
                self._not_sent([point for point in batch.open if point.live])
            if not (not_carried_out or batch.is_out):
                self._doubt(batch, batch.open)
            self._take_back(point for point, _ in batch.recorded)

    def _failed(self, error: Exception, batch: _Batch, target: int) -> _Turn:
        """Keep the points, note the error, and say when to try again."""
        found, is_unsent = blame(error), _is_unsent(error)
        self._keep(batch, target, found.refused or is_unsent)
        self._note(error)
        if isinstance(error, OnePlatformException) and error.code == 401:
            self._halted = True
            return _Turn(_NEVER, failed=True)
        self._counts.retried += 1
        # What did not go out failed whatever it holds.
        suspects = [] if is_unsent else [point.number for point in batch.open]
        at_once = self._isolation.failed(suspects, found)
        retry_after = min(getattr(error, "retry_after", None) or 0.0, _LONGEST_REST)
        self._not_before = self.clock.monotonic() + retry_after
        if not retry_after and (at_once or batch.is_group):
            return _Turn(failed=True)
        return _Turn(self._backoff.failed(retry_after), failed=True)

    def _fresh(self, target: int) -> list[Point]:
        with self._lock:
            return [p for p in self._buffer.live() if p.sent is None and p.number <= target]

    def _not_sent(self, live: list[Point]) -> None:
        """Live values missed their moment: they are recorded later, under their own time."""
        with self._lock:
            self._buffer.to_recorded([point.number for point in live])

    def _note_trouble(self) -> None:
        """Say, once, that the spool cannot be kept up to date, for as long as it cannot."""
        trouble = self._buffer.trouble()
        if trouble is None:
            self._said.pop("trouble", None)
            return
        self._counts.last_error = f"the spool cannot be kept up to date: {trouble}"
        self._say("trouble", self._counts.last_error)

    # --- reports ---

    def _report(self, reporter: Reporter | None, what: str, point: Point, reason: str) -> None:
        reason = redact(reason, *secrets_of(self._auth))
        text = f"{what}: a point of {point.alias!r} at {point.time}: {reason}"
        self._counts.last_error = text
        log.error("%s", text)
        self._tell(reporter, point.alias, [point.time, point.value], reason)

    def _tell(self, callback: Callable[..., object] | None, *values: Any) -> None:
        if callback is None:
            return
        try:
            callback(*values)
        except (Exception, SystemExit):  # what else is to be reported must be
            log.exception("a callback failed")

    def statistics(self) -> Statistics:
        """How the Datastore is, at this moment."""
        with self._lock:
            counts = self._counts
            return Statistics(
                len(self._buffer),
                counts.sent,
                counts.retried,
                counts.rejected,
                counts.dropped,
                counts.replaced,
                counts.last_success,
                counts.last_error,
            )

    # --- the thread ---

    def start(self, daemon: bool = False) -> None:
        """Begin to flush every `interval` seconds, in a thread.

        Args:
            daemon: Accepted as ever. Either way the end of the interpreter flushes what waits,
                within ``exit_timeout`` seconds, and says how many points remain.
        """
        with self._lock:
            self._start()

    def _start(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        if self._is_shut():
            self._buffer = self._open_buffer(self._buffer)
            self._know_of_the_run_before()
        self._closed = self._halted = False
        self._accepts = True
        _open.add(self)
        self._generation += 1
        self._thread = threading.Thread(
            target=self._run, args=(self._generation,), name="pyonep-datastore", daemon=True
        )
        self._thread.start()

    def _run(self, generation: int) -> None:
        while self._sleep(self._interval, generation):
            if self._halted:
                continue
            try:
                self._flush_once(generation)
            except Exception as error:  # whatever it is, the next round may go well
                text = redact(f"{type(error).__name__}: {error}", *secrets_of(self._auth))
                self._counts.last_error = text
                self._say("fault", f"a fault while sending; going on: {text}")

    def _sleep(self, seconds: float, generation: int) -> bool:
        """Wait; return whether the thread of this generation is to go on."""
        with self._changed:
            self.clock.wait_for(
                self._changed, lambda: self._generation != generation, max(0.0, seconds)
            )
            return self._generation == generation

    def _flush_once(self, generation: int) -> None:
        """Send what waits now; what comes meanwhile waits for the next flush."""
        with self._lock:
            target = self._buffer.last()
        while self._generation == generation and not self._is_sent(target):
            with self._sending:
                turn = self._attempt(target)
            if turn.wait == _NEVER or turn.idle:
                return
            if turn.wait:
                self._sleep(turn.wait, generation)
            if turn.wait and turn.failed:
                target = self._buffer.last()  # the newest values as well

    def isThreadAlive(self) -> bool:
        """Whether the flushing thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def _end_thread(self, timeout: float) -> None:
        with self._changed:
            self._generation += 1
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, timeout))
        self._thread = None

    def _finish(self, timeout: float, try_again: bool) -> bool:
        """End the thread and send what waits, all of it within a time."""
        deadline = self.clock.monotonic() + timeout
        self._end_thread(timeout)
        return self._send_all(deadline - self.clock.monotonic(), try_again)

    def stop(self, force: bool = False) -> bool:
        """End the thread, after what is buffered went out.

        Args:
            force: Give up at the first request that fails; else try again for ``exit_timeout``
                seconds.

        Returns:
            Whether everything was sent. What was not is kept, for `start` or `flush`.
        """
        return self._finish(self._config["exit_timeout"], try_again=not force)

    def restart(self) -> None:
        """End the thread, which may take until a request under way ends, and start a new one."""
        self._end_thread(self._config["exit_timeout"])
        self.start()

    def close(self, timeout: float | None = None) -> bool:
        """Send what waits, end the thread and accept nothing more until `start`.

        Args:
            timeout: Seconds; ``exit_timeout`` when None.

        Returns:
            Whether everything was sent. What was not stays in a spool, if there is one.
        """
        timeout = _given_seconds(timeout)
        if self._closed:
            return len(self._buffer) == 0
        with self._changed:
            self._accepts = False
            self._changed.notify_all()
        all_sent = self._finish(
            self._config["exit_timeout"] if timeout is None else timeout, try_again=True
        )
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            if self._spool is not None:
                self._buffer.close()
        self._sender.client.close()
        self._reader.close()
        if all_sent or self._spool is not None:
            _open.discard(self)  # else the end of the interpreter says what is lost
        return all_sent

    # --- reading ---

    def read(self, alias: str, count: int = 1, forcequery: bool = False) -> Any:
        """Read the newest points of a dataport, from the cache or from the platform.

        Args:
            alias: Of the dataport.
            count: At most so many.
            forcequery: Ask the platform even when the cache knows.

        Returns:
            ``[[timestamp, value], ...]``, newest first; False when they cannot be read.
        """
        if not forcequery:
            cached = self._cached(alias, count)
            if cached is not None:
                return cached
        try:
            isok, points = self._reader.read(self._auth, {"alias": alias}, {"limit": count})
        except OneException as error:
            log.warning("not read: %s", redact(error, *secrets_of(self._auth)))
            return False
        if not isok:
            return False
        with self._lock:
            until = self.clock.monotonic() + self._config["read_cache_expire_time"]
            self._cache[alias] = (until, count, points)
            self._cache.move_to_end(alias)
            while len(self._cache) > self._config["read_cache_size"]:
                self._cache.popitem(last=False)
        return [list(point) for point in points]

    def _cached(self, alias: str, count: int) -> list[Any] | None:
        with self._lock:
            until, asked, points = self._cache.get(alias, (0.0, 0, []))
            if self.clock.monotonic() >= until:
                return None
            if count > asked and len(points) == asked:
                return None  # there may be more than were asked for
            self._cache.move_to_end(alias)
            return [list(point) for point in points[:count]]

    # --- dataports ---

    def createDataport(
        self,
        alias: str,
        format: str,
        name: str | None = None,
        preprocess: Sequence[Any] = (),
        count: int = 0,
        duration: int = 0,
        visibility: str = "public",
    ) -> tuple[bool, Any]:
        """Make a dataport and give it an alias.

        Args:
            alias: Its alias.
            format: ``float``, ``integer`` or ``string``.
            name: Its name; the alias by default.
            preprocess: ``[[operation, constant or RID], ...]``.
            count: Points it keeps; 0 for all.
            duration: Hours for which it keeps them; 0 for ever.
            visibility: Kept in the description.

        Returns:
            ``(True, True)``, ``(False, "Alias already existed.")`` or ``(False, reason)``.
        """
        wanted = {
            "format": format,
            "name": name,
            "preprocess": list(preprocess),
            "count": count,
            "duration": duration,
            "visibility": visibility,
        }
        with self._sending:
            try:
                with self._sender.until(None):
                    if self._sender.exists(alias):
                        return False, ALREADY
                    reason = self._sender.create(alias, wanted)
            except OneException as error:
                return False, redact(error, *secrets_of(self._auth))
        if reason is not None:
            return False, redact(reason, *secrets_of(self._auth))
        with self._lock:
            self._unknown.pop(alias, None)
        return True, True

    def comment(self, alias: str, visibility: str, commentstr: str) -> bool:
        """Add a comment to a dataport, at once. Procedure ``comment``.

        Args:
            alias: Of the dataport.
            visibility: ``public`` or ``private``.
            commentstr: The text.

        Returns:
            Whether it worked. What went wrong is logged.
        """
        arguments = [{"alias": alias}, visibility, commentstr]
        try:
            isok, status = self._reader._call("comment", self._auth, arguments, False)
        except OneException as error:
            isok, status = False, redact(error, *secrets_of(self._auth))
        if not isok:
            log.warning("no comment on %r: %s", alias, redact(status, *secrets_of(self._auth)))
        return bool(isok)


# --- helpers ---------------------------------------------------------------


_LONGEST = 1e8  # seconds, some three years; waits of threads take no much longer ones
_SECONDS = (
    "read_cache_expire_time",
    "block_timeout",
    "shift_seconds",
    "retry_base",
    "retry_cap",
    "exit_timeout",
)
_COUNTS = ("write_buffer_size", "read_cache_size", "request_points", "request_bytes")


def _seconds(name: str, given: Any) -> float:
    """A time that is given; one without end is a very long one."""
    try:
        seconds = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError):
        seconds = math.nan
    if not seconds >= 0:
        raise ValueError(f"{name} must be a number of seconds, not {given!r}")
    return min(seconds, _LONGEST)


def _given_seconds(timeout: Any) -> float | None:
    """What a call may take; less than nothing is nothing, as ever."""
    if timeout is None:
        return None
    return 0.0 if timeout < 0 else _seconds("timeout", timeout)


def _checked(config: dict[str, Any]) -> dict[str, Any]:
    """The settings, as numbers.

    Raises:
        ValueError: One makes no sense; names it.
    """
    if config["overflow"] not in _OVERFLOW:
        raise ValueError(f"overflow must be one of {', '.join(_OVERFLOW)}")
    for name in _SECONDS:
        config[name] = _seconds(name, config[name])
    for name in _COUNTS:
        try:
            config[name] = int(config[name])
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{name} must be a whole number, not {config[name]!r}") from None
    return config


def _wanted(autocreate: Any) -> dict[str, Any] | None:
    """What is created where an alias is not there."""
    if not autocreate:
        return None
    if not isinstance(autocreate, Mapping):
        raise ValueError('autocreate must be False or a dict such as {"format": "float"}')
    return dict(autocreate)


def _transport(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of OnepV1 for a transport dict."""
    return {
        "host": given["host"],
        "port": given["port"],
        "url": given["url"],
        "https": given["https"],
        "httptimeout": time_limit(given["timeout"], "timeout"),
        "reuseconnection": True,
    }


def _check_alias(alias: Any) -> None:
    if type(alias) is not str and not isinstance(alias, str):
        raise ValueError(f"an alias is text, not {type(alias).__name__}")
    if not alias.isascii():
        _check_text(alias)


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise JsonStringException(
            "a text holds half of a surrogate pair, which is no character"
        ) from None


def _kept(value: Any) -> Any:
    """A value as it is kept: found to be JSON, and not changed by who changes the original.

    Raises:
        JsonStringException: It is not JSON.
    """
    kind = type(value)
    if (kind is float and math.isfinite(value)) or (kind is int and -_WIDE < value < _WIDE):
        return value
    if kind in _ATOMS:
        return value
    if kind is str and value.isascii():
        return value
    jsonrpc.check("write", [value])
    stack = [(value, 0)]
    while stack:
        item, depth = stack.pop()
        if depth > _DEEPEST:
            raise JsonStringException(f"a value is nested more than {_DEEPEST} levels deep")
        if isinstance(item, str):
            _check_text(item)
        elif isinstance(item, dict):
            stack += [(one, depth + 1) for one in (*item, *item.values())]
        elif isinstance(item, (list, tuple)):
            stack += [(one, depth + 1) for one in item]
    try:
        kept = jsonrpc.loads(jsonrpc.dumps(value))
        jsonrpc.check("write", [kept])  # as a spool brings it back
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise JsonStringException(f"a value cannot be written as JSON: {error}") from None
    return kept if isinstance(value, (dict, list, tuple, bytes)) else value


def _points(entries: Sequence[Sequence[Any]], now: int) -> list[tuple[int, Any]]:
    """Entries with times of their own: whole seconds, offsets resolved."""
    points = []
    for stamp, value in entries:
        if type(stamp) is not int:
            stamp = _whole(stamp)
        second = stamp if stamp > 0 else now + stamp
        if not stamp or not 0 < second <= _LARGEST_TIME:
            raise ValueError(f"a timestamp is a number of seconds, not 0: {str(stamp)[:40]}")
        points.append((second, _kept(value)))
    return points


def _whole(stamp: Any) -> int:
    """A timestamp in whole seconds; 0 when it is none."""
    if isinstance(stamp, bool) or not isinstance(stamp, (int, float)):
        raise ValueError(f"a timestamp is a number of seconds, not 0: {stamp!r}")
    return int(stamp) if math.isfinite(stamp) else 0


def _is_unsent(error: Exception) -> bool:
    """Whether a failure says that nothing was carried out."""
    refused = isinstance(error, OnePlatformException) and error.code == 401
    return refused or isinstance(error, JsonRPCRequestException)


def _rejecting(points: Iterable[Point], reason: str) -> Outcome:
    outcome = Outcome()
    outcome.rejected = [(point, reason) for point in points]
    return outcome


def _within(points: list[Point], most: int) -> list[Point]:
    """The first points that take about so many bytes together, at least one."""
    size = 0
    for position, point in enumerate(points):
        size += size_of(point)
        if size > most and position:
            return points[:position]
    return points


# Those with points to send when the interpreter ends.
_open: set[Datastore] = set()


@atexit.register
def _at_exit() -> None:
    """Send what waits, within a bounded time, and say what remains.

    Runs in the main thread and needs no other: from Python 3.12 on none can be started.
    """
    stores = list(_open)
    if not stores:
        return
    now = stores[0].clock.monotonic
    deadline = now() + max(store._config["exit_timeout"] for store in stores)
    for position, store in enumerate(stores):
        # One that cannot be reached leaves the others their share of the time.
        share = max(0.0, deadline - now()) / (len(stores) - position)
        store.close(min(store._config["exit_timeout"], share))
        left = store.statistics().waiting if store._spool is None else 0
        if left:
            points = "1 point was" if left == 1 else f"{left} points were"
            why = store.statistics().last_error
            text = f"{points} not sent" + (f": {why}" if why else "")
            log.error("%s", text)
            print(f"pyonep.datastore: {text}", file=sys.stderr)  # noqa: T201
