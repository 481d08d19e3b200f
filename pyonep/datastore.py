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

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Callable, Optional

from . import credentials, exits, forks
from .buffer import Buffer, MemoryBuffer
from .clock import Clock
from .dataports import Dataports
from .delivery import Delivery
from .exceptions import JsonRPCRequestException, OneException
from .flushing import Flusher, Flushing
from .intake import Intake
from .lifecycle import Lifecycle, State, Step, after
from .line import Line, PlatformClock
from .onep import OnepV1
from .readcache import ReadCache
from .reports import Reporter, Reports, Statistics
from .settings import (
    checked,
    client_arguments,
    created,
    datastore_config,
    given_seconds,
    seconds,
    transport_config,
)
from .spool import SpoolBuffer
from .values import check_alias, kept, timed
from .waiting import Waiting

__all__ = ["Datastore", "Statistics", "datastore_config", "transport_config"]

log: logging.Logger = logging.getLogger(__name__)


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
        self._interval = max(1.0, seconds("interval", interval))
        self._autocreate = created(autocreate)
        self._config = checked({**datastore_config, **config})
        self._transport = client_arguments({**transport_config, **transport})
        if "log_level" in config and config is not datastore_config:
            log.setLevel(str(config["log_level"]).upper())
        self._reports = Reports(self._auth, on_reject, on_drop, on_error)
        self._exit_timeout: float = self._config["exit_timeout"]
        self._spool = spool
        self._begin(self._open_buffer(), State.NEW)
        forks.on_fork(self)

    def _begin(self, buffer: Buffer, state: State) -> None:
        """Everything that a fork must not share."""
        self._waiting = Waiting(buffer)
        self._life = Lifecycle(self._waiting.changed, state)
        self._thread: Optional[Flusher] = None
        self._reader = self._connect()
        self._cache = ReadCache(
            self._config["read_cache_size"], self._config["read_cache_expire_time"], self.clock
        )
        self._dataports = Dataports(self._autocreate)
        self._delivery = Delivery(
            self._waiting,
            self._open_line(),
            self._life,
            self._reports,
            self._dataports,
            self._config,
            (self._transport["httptimeout"] or 0) + 2,  # the platform's clock may be 2 s ahead
            self.clock,
        )
        self._delivery.begin()
        self._flushing = Flushing(
            self._waiting, self._delivery, self._life, self._reports, self.clock
        )
        self._intake = Intake(
            self._waiting, self._delivery, self._life, self._reports, self._config, self.clock
        )

    def _open_line(self) -> Line:
        client, there = self._connect(), PlatformClock(self.clock)
        client.on_answer = there.note
        return Line(client, self._auth, self.clock, there)

    def _connect(self) -> OnepV1:
        """A client to speak to the platform with; a test gives it another `onephttp`."""
        return OnepV1(**self._transport)

    def _open_buffer(self, before: Buffer | None = None) -> Buffer:
        if self._spool is None:
            return MemoryBuffer()
        earlier = before if isinstance(before, SpoolBuffer) else None
        buffer = SpoolBuffer(self._spool, self._config["spool_synchronous"], earlier)
        # What a run before this one did not send has missed its moment.
        buffer.to_recorded([point.number for point in buffer.live() if point.sent is None])
        return buffer

    def after_fork(self) -> None:
        """In the child: begin empty; what waits belongs to the parent."""
        self._waiting.buffer.abandon()
        self._spool = None
        self._reports.begin()
        self._begin(MemoryBuffer(), after(self._life.state, Step.FORK))
        exits.release(self)

    def __repr__(self) -> str:
        state = "running" if self.isThreadAlive() else "not running"
        return f"<Datastore {state}, {len(self._waiting.buffer)} waiting>"

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
        check_alias(alias)
        is_accepted, has_replaced = self._intake.write(alias, kept(value))
        self._came(is_accepted)
        return is_accepted and not has_replaced

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
        check_alias(alias)
        is_accepted = self._intake.record(alias, timed(entries, int(self.clock.time())))
        self._came(is_accepted)
        return is_accepted

    def _came(self, is_accepted: bool) -> None:
        """What follows from new points."""
        if is_accepted:
            exits.expect(self, self._exit_timeout, self._spool is not None)
            if self._life.state is State.FORKED:
                self.start()
        self._intake.report_dropped()

    # --- sending ---

    def flush(self, timeout: float | None = None) -> bool:
        """Send what waits now.

        Args:
            timeout: Seconds; None waits until all is sent, or the platform refuses the CIK.

        Returns:
            Whether everything that had been accepted reached the platform or was reported.
        """
        return self._send_all(given_seconds(timeout), try_again=True)

    def _send_all(self, timeout: float | None, try_again: bool) -> bool:
        return self._flushing.send_all(timeout, try_again, lambda: not self._is_shut())

    def _is_shut(self) -> bool:
        """Whether the points are in a file that is not ours any more."""
        return self._life.is_closed and self._spool is not None

    def statistics(self) -> Statistics:
        """How the Datastore is, at this moment."""
        with self._waiting.changed:
            return self._reports.statistics(len(self._waiting.buffer))

    # --- its life ---

    def start(self, daemon: bool = False) -> None:
        """Begin to flush every `interval` seconds, in a thread.

        Args:
            daemon: Accepted as ever. Either way the end of the interpreter flushes what waits,
                within ``exit_timeout`` seconds, and says how many points remain.
        """
        with self._waiting.changed:
            if self._is_shut():
                self._waiting.buffer = self._open_buffer(self._waiting.buffer)
                self._delivery.begin()
            self._life.go(Step.START)
            exits.expect(self, self._exit_timeout, self._spool is not None)
            if not self.isThreadAlive():
                self._thread = self._flushing.thread(self._interval)
                self._thread.start()

    def isThreadAlive(self) -> bool:
        """Whether the flushing thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def _end_thread(self, timeout: float) -> None:
        with self._waiting.changed:
            self._life.go(Step.STOP)
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.end(timeout)

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
        return self._finish(self._exit_timeout, try_again=not force)

    def restart(self) -> None:
        """End the thread, which may take until a request under way ends, and start a new one."""
        self._end_thread(self._exit_timeout)
        self.start()

    def close(self, timeout: float | None = None) -> bool:
        """Send what waits, end the thread and accept nothing more until `start`.

        Args:
            timeout: Seconds; ``exit_timeout`` when None.

        Returns:
            Whether everything was sent. What was not stays in a spool, if there is one.
        """
        timeout = given_seconds(timeout)
        if self._life.is_closed:
            return len(self._waiting.buffer) == 0
        self._life.go(Step.CLOSE)
        all_sent = self._finish(self._exit_timeout if timeout is None else timeout, try_again=True)
        with self._waiting.changed:
            if not self._life.go(Step.END):
                return all_sent  # somebody else closed it, or started it again
            if self._spool is not None:
                self._waiting.buffer.close()
        self._delivery.line.client.close()
        self._reader.close()
        if all_sent or self._spool is not None:
            exits.release(self)  # else the end of the interpreter says what is lost
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
        points = self._cache.get(alias, count, lambda: self._newest(alias, count), forcequery)
        return False if points is None else points

    def _newest(self, alias: str, count: int) -> list[Any] | None:
        try:
            isok, points = self._reader.read(self._auth, {"alias": alias}, {"limit": count})
        except OneException as error:
            log.warning("not read: %s", self._reports.redacted(error))
            return None
        return points if isok else None

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
        with self._delivery.lock:
            try:
                reason = self._dataports.make(self._delivery.line, alias, wanted)
            except OneException as error:
                reason = str(error)
        if reason is not None:
            return False, self._reports.redacted(reason)
        self._delivery.unknown.discard(alias)
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
            isok, status = False, error
        if not isok:
            log.warning("no comment on %r: %s", alias, self._reports.redacted(status))
        return bool(isok)
