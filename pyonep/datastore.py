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
import os
import sqlite3
import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Callable, NamedTuple, Optional

from . import credentials, jsonrpc, onephttp
from .backoff import Backoff
from .buffer import Buffer, MemoryBuffer, Point, SpoolBuffer
from .clock import Clock
from .exceptions import (
    JsonRPCRequestException,
    OneException,
    OnePlatformException,
)
from .onep import OnepV1
from .redaction import redact, secrets_of
from .sending import Outcome, Sender, size_of

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
    "retry_base": 1,
    "retry_cap": 60,
    "exit_timeout": 10,  # for stop, close and the end of the interpreter
    "spool_synchronous": "FULL",  # see SpoolBuffer
}
#: Defaults of `transport`: where the platform is.
transport_config: dict[str, Any] = {
    "host": onephttp.HOSTED,
    "port": None,
    "url": "/onep:v1/rpc/process",
    "https": None,
    "timeout": 10,
}
_OVERFLOW = ("refuse", "drop_oldest", "block")
_UNKNOWN_FOR = 60.0  # seconds for which an alias that was not there is refused
_NEVER = math.inf

Reporter = Callable[[str, list[Any], str], object]


class Statistics(NamedTuple):
    """How a Datastore is.

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


class Datastore:
    """Buffered access to the dataports of one client. Safe to share between threads.

    A value for which `write` or `record` returned True reaches the platform or is
    reported: to `on_reject` when the platform refuses it for good, to `on_drop` when
    a full buffer gives it up. What is sent again carries its own timestamp, so that
    writing it twice is writing it once.

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
        on_drop: The same, for points dropped from a full buffer.
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
        self._auth = credentials.usable_auth(cik, JsonRPCRequestException)
        self._interval = max(1.0, float(interval))
        self._autocreate = dict(autocreate) if autocreate else None
        self._config = {**datastore_config, **config}
        if self._config["overflow"] not in _OVERFLOW:
            raise ValueError(f"overflow must be one of {', '.join(_OVERFLOW)}")
        self._transport = _transport({**transport_config, **transport})
        if "log_level" in config and config is not datastore_config:
            log.setLevel(str(config["log_level"]).upper())
        self._on_reject, self._on_drop, self._on_error = on_reject, on_drop, on_error
        self._spool = spool
        self._buffer: Buffer = MemoryBuffer()
        if spool is not None:
            self._buffer = SpoolBuffer(spool, self._config["spool_synchronous"])
        self._counts = _Counts()
        self._begin()
        _all.add(self)

    def _begin(self) -> None:
        """Everything that a fork must not share."""
        self._lock = threading.RLock()  # callbacks may ask for statistics
        self._changed = threading.Condition(self._lock)
        self._sending = threading.Lock()
        self._sender = Sender(self._auth, self._connect(), self._autocreate, self.clock)
        self._reader = self._connect()
        self._backoff = Backoff(self._config["retry_base"], self._config["retry_cap"])
        self._limit = int(self._config["request_points"])
        self._thread: Optional[threading.Thread] = None
        self._stopping = False
        self._closed = False
        self._halted = False
        self._start_again = False
        self._unknown: dict[str, float] = {}
        # Aliases with a live value that missed its moment -> its number, while it waits.
        self._missed = self._buffer.last_recorded()
        self._cache: OrderedDict[str, tuple[float, int, list[Any]]] = OrderedDict()

    def _connect(self) -> OnepV1:
        """A client to speak to the platform with; a test gives it another `onephttp`."""
        return OnepV1(**self._transport)

    def _after_fork(self) -> None:
        """In the child: begin empty; what waits belongs to the parent."""
        was_running = self._thread is not None
        self._buffer.abandon()
        self._buffer = MemoryBuffer()
        self._counts = _Counts()
        self._begin()
        self._start_again = was_running
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
            JsonStringException: The value is not JSON.
        """
        jsonrpc.check("write", [alias, value])
        with self._changed:
            waits = self._buffer.has_live(alias)
            if self._refuses(alias) or not (waits or self._make_room(1)):
                return False
            return self._put(lambda: not self._put_live(alias, value))

    def record(self, alias: str, entries: Sequence[Sequence[Any]]) -> bool:
        """Write points at given times at the next flush.

        Args:
            alias: Of the dataport.
            entries: ``[[timestamp, value], ...]``; Unix seconds, negative for an offset from now.

        Returns:
            Whether they wait now; all of them, or none.

        Raises:
            JsonStringException: A value is not JSON.
            ValueError: A timestamp is not a number of seconds, or 0.
        """
        points = _points(entries, int(self.clock.time()))
        jsonrpc.check("record", [alias, [value for _, value in points]])
        with self._changed:
            if self._refuses(alias) or not self._make_room(len(points)):
                return False
            return self._put(lambda: self._put_points(alias, points))

    def _put(self, put: Callable[[], bool]) -> bool:
        try:
            result = put()
        except sqlite3.Error as error:
            self._counts.last_error = f"the spool refused a point: {error}"
            log.error("%s", self._counts.last_error)
            return False
        _open.add(self)
        if self._start_again:
            self._start_again = False
            self._start()
        return result

    def _put_live(self, alias: str, value: Any) -> bool:
        replaced = self._buffer.put_live(alias, int(self.clock.time()), value)
        self._counts.replaced += replaced
        return replaced

    def _put_points(self, alias: str, points: list[tuple[int, Any]]) -> bool:
        self._buffer.put(alias, points)
        return True

    def _refuses(self, alias: str) -> bool:
        until = self._unknown.get(alias) if self._unknown else None
        if until is not None and self.clock.monotonic() > until:
            del self._unknown[alias]
            until = None
        return self._closed or until is not None

    def _make_room(self, needed: int) -> bool:
        size, overflow = self._config["write_buffer_size"], self._config["overflow"]
        if needed > size:
            return False
        if overflow == "block" and len(self._buffer) + needed > size:
            timeout = self._config["block_timeout"]
            self.clock.wait_for(
                self._changed, lambda: self._closed or len(self._buffer) + needed <= size, timeout
            )
            return not self._closed and bool(len(self._buffer) + needed <= size)
        while overflow == "drop_oldest" and len(self._buffer) + needed > size:
            point = self._buffer.oldest()
            if point is None:
                break
            self._forget([point])
            self._counts.dropped += 1
            self._report(self._on_drop, "dropped", point, "the buffer is full")
        return bool(len(self._buffer) + needed <= size)

    # --- sending ---

    def flush(self, timeout: float | None = None) -> bool:
        """Send what waits now.

        Args:
            timeout: Seconds; None waits until all is sent, or the platform refuses the CIK.

        Returns:
            Whether everything that had been accepted reached the platform or was reported.
        """
        return self._send_all(timeout, try_again=True)

    def _send_all(self, timeout: float | None, try_again: bool) -> bool:
        """Send what waits now, in as many requests as it takes; after a failure only if told."""
        deadline = None if timeout is None else self.clock.monotonic() + timeout
        with self._lock:
            target = self._buffer.last()
        while not self._is_sent(target):
            left = None if deadline is None else deadline - self.clock.monotonic()
            if left is not None and left <= 0:
                return False
            if not self._sending.acquire(timeout=-1 if left is None else left):
                return False
            try:
                delay = self._attempt(with_live=True, timeout=left)
            finally:
                self._sending.release()
            if delay == _NEVER or (delay and not try_again):
                return False
            if delay:
                self._pause(delay if left is None else min(delay, left))
        return True

    def _pause(self, seconds: float) -> None:
        """Wait before the next attempt; `close` by another thread ends it."""
        with self._changed:
            self.clock.wait_for(self._changed, lambda: self._closed, seconds)

    def _is_sent(self, target: int) -> bool:
        with self._lock:
            oldest = self._buffer.oldest()
            return oldest is None or oldest.number > target

    def _attempt(self, with_live: bool, timeout: float | None = None) -> float | None:
        """Send one request with what waits.

        Returns:
            None: it was answered. Seconds after which to try again; infinity: not by itself.
        """
        longest = self._transport["httptimeout"]
        patience = longest if timeout is None else max(0.05, min(longest or timeout, timeout))
        self._sender.client.onephttp.httptimeout = patience
        live: list[Point] = []
        try:
            if not self._confirm():
                return None
            live, recorded = self._take(with_live)
            if live or recorded:
                outcome = self._sender.send([*live, *recorded])
                self._apply(outcome)
                live = []  # they have their answer, whatever goes wrong from here on
                if outcome.unknown:
                    self._apply(*self._sender.resolve(outcome.unknown))
                if outcome.temporary is not None:
                    raise OnePlatformException(f"the platform answers {outcome.temporary}")
        except Exception as error:
            return self._failed(error, live, with_live)
        self._succeeded()
        return None

    def _confirm(self) -> bool:
        """Ask after live values whose answer was lost; False when that is all for now."""
        with self._lock:
            unsure = [point for point in self._buffer.live() if point.sent is not None]
        if not unsure:
            return True
        self._apply(self._sender.confirm(unsure[: self._limit]))
        self._succeeded()
        return len(unsure) <= self._limit

    def _take(self, with_live: bool) -> tuple[list[Point], list[Point]]:
        """What goes into the next request."""
        now = self._sender.platform_time()
        with self._lock:
            live = self._fresh()[: self._limit] if with_live else []
            # The platform keeps one point per second: written live, a value would be replaced
            # by an older one of the same second that is recorded after it.
            self._not_sent([point for point in live if point.alias in self._missed])
            live = [point for point in live if point.alias not in self._missed]
            left = self._limit - len(live)
            recorded = _within(self._buffer.recorded(left), self._config["request_bytes"])
            self._buffer.sending([p.number for p in live], now)
        return live, recorded

    def _apply(self, outcome: Outcome, missing: Iterable[str] = ()) -> None:
        """Let the buffer know what became of points."""
        with self._changed:
            done = [*outcome.written, *(point for point, _ in outcome.rejected)]
            self._forget(done)
            self._not_sent(outcome.to_recorded)
            self._counts.sent += len(outcome.written)
            self._counts.rejected += len(outcome.rejected)
            until = self.clock.monotonic() + _UNKNOWN_FOR
            self._unknown.update(dict.fromkeys(missing, until))
            self._changed.notify_all()
        for point, reason in outcome.rejected:
            self._report(self._on_reject, "rejected", point, reason)

    def _forget(self, points: list[Point]) -> None:
        """Points are out of the buffer, whatever became of them."""
        self._buffer.remove([point.number for point in points])
        for point in points:
            if self._missed.get(point.alias) == point.number:
                del self._missed[point.alias]

    def _succeeded(self) -> None:
        self._backoff.succeeded()
        self._halted = False
        self._counts.last_success = self.clock.time()

    def _failed(self, error: Exception, live: list[Point], with_live: bool) -> float:
        """Keep the points, note the error, and say when to try again."""
        text = redact(f"{type(error).__name__}: {error}", *secrets_of(self._auth))
        self._counts.last_error = text
        log.warning("not sent, kept: %s", text)
        code = error.code if isinstance(error, OnePlatformException) else None
        if not live and with_live:
            self._not_sent(self._fresh())  # it did not come to sending them
        elif isinstance(error, JsonRPCRequestException) or code in (400, 401):
            self._not_sent(live)  # not carried out: nothing has to be asked after
        self._tell(self._on_error, error)
        if code == 401:
            self._halted = True
            return _NEVER
        if code == 400 and self._limit > 1:
            self._limit = max(1, self._limit // 2)  # too large for the platform
        self._counts.retried += 1
        return self._backoff.failed(getattr(error, "retry_after", None))

    def _fresh(self) -> list[Point]:
        with self._lock:
            return [point for point in self._buffer.live() if point.sent is None]

    def _not_sent(self, live: list[Point]) -> None:
        """Live values missed their moment: they are recorded later, under their own time."""
        with self._lock:
            self._buffer.to_recorded([point.number for point in live])
            for point in live:
                last = max(point.number, self._missed.get(point.alias, 0))
                self._missed[point.alias] = last

    # --- reports ---

    def _report(self, reporter: Reporter | None, what: str, point: Point, reason: str) -> None:
        log.error("%s: a point of %r at %d: %s", what, point.alias, point.time, redact(reason))
        self._tell(reporter, point.alias, [point.time, point.value], reason)

    def _tell(self, callback: Callable[..., object] | None, *values: Any) -> None:
        if callback is None:
            return
        try:
            callback(*values)
        except Exception:
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
        self._stopping = self._closed = self._halted = False
        _open.add(self)
        self._thread = threading.Thread(target=self._run, name="pyonep-datastore", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self.clock.wait_for(self._changed, lambda: self._stopping, self._interval)
                if self._stopping:
                    return
            if not self._halted:
                self._flush_once()

    def _flush_once(self) -> None:
        """Send what waits now; what comes meanwhile waits for the next flush."""
        with_live = True
        with self._lock:
            target = self._buffer.last()
        while not self._stopping and not self._is_sent(target):
            with self._sending:
                delay = self._attempt(with_live)
            if delay == _NEVER:
                return
            if delay:
                with self._changed:
                    self.clock.wait_for(self._changed, lambda: self._stopping, delay)
                continue
            with_live = False

    def isThreadAlive(self) -> bool:
        """Whether the flushing thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def _end_thread(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(self._config["exit_timeout"])
        self._thread = None

    def stop(self, force: bool = False) -> bool:
        """End the thread, after what is buffered went out.

        Args:
            force: Give up at the first request that fails; else try again for ``exit_timeout``
                seconds.

        Returns:
            Whether everything was sent. What was not is kept, for `start` or `flush`.
        """
        self._end_thread()
        return self._send_all(self._config["exit_timeout"], try_again=not force)

    def restart(self) -> None:
        """End the thread, which may take until a request under way ends, and start a new one."""
        self._end_thread()
        self.start()

    def close(self, timeout: float | None = None) -> bool:
        """Send what waits, end the thread and accept nothing more.

        Args:
            timeout: Seconds; ``exit_timeout`` when None.

        Returns:
            Whether everything was sent. What was not stays in a spool, if there is one.
        """
        if self._closed:
            return len(self._buffer) == 0 if self._spool is None else True
        self._end_thread()
        all_sent = self.flush(self._config["exit_timeout"] if timeout is None else timeout)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            if self._spool is not None:
                self._buffer.close()
                self._buffer = MemoryBuffer()
        self._sender.client.close()
        self._reader.close()
        _open.discard(self)
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
                if self._sender.client.lookup(self._auth, "alias", alias)[0]:
                    return False, "Alias already existed."
                reason = self._sender.create(alias, wanted)
            except OneException as error:
                return False, redact(error, *secrets_of(self._auth))
        if reason is not None:
            return False, reason
        with self._lock:
            self._unknown.pop(alias, None)
        return True, True

    def comment(self, alias: str, visibility: str, commentstr: str) -> bool:
        """Return False: the platform no longer has comments."""
        return False


# --- helpers ---------------------------------------------------------------


def _transport(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of OnepV1 for a transport dict."""
    return {
        "host": given["host"],
        "port": given["port"],
        "url": given["url"],
        "https": given["https"],
        "httptimeout": given["timeout"],
        "reuseconnection": True,
    }


def _points(entries: Sequence[Sequence[Any]], now: int) -> list[tuple[int, Any]]:
    """Entries with times of their own: whole seconds, offsets resolved."""
    points = []
    for entry in entries:
        stamp, value = entry
        if isinstance(stamp, bool) or not isinstance(stamp, (int, float)) or not int(stamp):
            raise ValueError(f"a timestamp is a number of seconds, not 0: {stamp!r}")
        points.append((int(stamp) if stamp > 0 else now + int(stamp), value))
    return points


def _within(points: list[Point], most: int) -> list[Point]:
    """The first points that take about so many bytes together, at least one."""
    size = 0
    for position, point in enumerate(points):
        size += size_of(point)
        if size > most and position:
            return points[:position]
    return points


# Those with points to send when the interpreter ends, and all there are for a fork.
_open: set[Datastore] = set()
_all: weakref.WeakSet[Datastore] = weakref.WeakSet()


@atexit.register
def _at_exit() -> None:
    """Send what waits, within a bounded time, and say what remains.

    Runs in the main thread and needs no other: from Python 3.12 on none can be started.
    """
    for store in list(_open):
        store.close()
        left = store.statistics().waiting
        if left:
            log.error("%d points were not sent", left)
            print(f"pyonep.datastore: {left} points were not sent", file=sys.stderr)  # noqa: T201


def _forked() -> None:
    for store in list(_all):
        store._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
