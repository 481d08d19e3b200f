"""The platform: the one way in. It carries out work on what the store remembers.

It knows nothing of HTTP, and decides nothing: what is decided is in `core`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import GeneratorType
from typing import Any, Callable, Optional, TypeVar

from .background.events import Events
from .background.removal import Removal
from .background.ringing import Ringing
from .background.waits import Hangup, Waiter, Waits, ended_by
from .core import access, calling, keys, lifecycle
from .core.access import Caller, Grounds, Watch
from .core.budget import Budget
from .core.errors import NotKept
from .core.results import Result, Wait
from .core.settings import Settings
from .core.turns import Steps, Turn, step
from .core.unit import Clock, Unit
from .store import Database, Store, StoreError, StoreInUse

__all__ = [
    "Batch",
    "Clock",
    "Hangup",
    "Platform",
    "StoreError",
    "StoreInUse",
    "Waiter",
    "ended_by",
]

log: logging.Logger = logging.getLogger(__name__)

T = TypeVar("T")

_PROBE_EVERY = 1.0
_CALM = 10.0  # seconds without a failure, after which all is well again


def _no_objection() -> None:
    """Nothing that the work stands on can be taken away."""


class Platform:
    """A One Platform on a store.

    All work comes from one thread, the one of the event loop, as units: a fault undoes its
    own unit and no other. What they change gathers in one transaction, which is committed
    once for all requests that came together; then events are told.

    Args:
        store: Where everything is kept.
        settings: What can be set.
        clock: Unix time in seconds.
    """

    def __init__(
        self, store: Store, settings: Settings | None = None, clock: Clock = time.time
    ) -> None:
        self.store = store
        self.database: Database = store.database
        self.events: Events = Events(self.reported)
        self.unit: Unit = Unit(store, settings or Settings(), clock)
        self.unit.emit = self.events.emit
        self.unit.afterwards = self._note_afterwards
        self.rollbacks: int = 0
        self.admin_key: str = keys.new()
        # Why changes could not be kept; it stands until none failed for a while, since a small
        # one may fit where a large one does not.
        self.fault: str | None = None
        self._failed = -math.inf
        self._probed = -math.inf
        self._is_working = False
        self._afterwards: list[Callable[[Unit], object]] = []
        self._asking: list[asyncio.Future[None]] = []
        self.waits: Waits = Waits(self.unit)
        self.ringing: Ringing = Ringing(self)
        self.removal: Removal = Removal(self)
        self.events.listeners += [self.waits.hear, self.ringing.hear, self.removal.hear]
        try:
            self._prepare()
        except Exception as error:
            raise StoreError(self.database.explained(error) or str(error)) from error

    @classmethod
    def open(cls, path: str | None, settings: Settings, clock: Clock = time.time) -> Platform:
        """A platform on a file, or in memory.

        Args:
            path: SQLite file; None keeps everything in memory.
            settings: What can be set.
            clock: Unix time in seconds.

        Raises:
            StoreError: The file is no database of ours, is newer, or is in use.
        """
        store = Store(path, settings.synchronous)
        try:
            return cls(store, settings, clock)
        except BaseException:
            store.close()
            raise

    def _prepare(self) -> None:
        self.is_new: bool = lifecycle.add_root(self.unit)
        now = self.unit.clock()
        self.unit.resources.drop_unfinished(now)
        self.unit.content.abandon_unfinished(now)
        self.database.commit()

    @property
    def settings(self) -> Settings:
        """What can be set."""
        return self.unit.settings

    # --- the way in ---

    async def run(
        self,
        work: Callable[..., T | Steps[T]],
        *arguments: Any,
        check: Callable[[], object] = _no_objection,
    ) -> T:
        """Do something, and wait until it is durable.

        Args:
            work: Gets the unit, then the arguments. What it returns is the result; where that
                takes long, the steps to it, each of which is a unit of its own.
            *arguments: For `work`.
            check: Raises when long work may not go on; asked whenever others have run.

        Raises:
            NotKept: It could not be made durable, and is undone.
        """
        batch = Batch(self)
        result: Any = self.work(work, *arguments)
        if type(result) is GeneratorType:
            result = await batch.carry_out(result, check)
        await batch.until_durable()
        end: T = result
        return end

    def work(self, do: Callable[..., T], *arguments: Any) -> T:
        """Do something as a unit: all of what it changes, or, when it raises, nothing.

        What others changed in the same transaction is not touched. It is not durable yet. Work
        that is done as part of other work shares its fate.

        Args:
            do: Gets the unit, then the arguments.
            *arguments: For `do`.
        """
        if self._is_working:
            return do(self.unit, *arguments)
        self._is_working = True
        self.database.begin_unit()
        noted = self.events.begin_unit()
        try:
            result = do(self.unit, *arguments)
            self.database.end_unit()
        except BaseException as error:
            self._undo(noted, error)
            raise
        finally:
            self._is_working = False
            if self._afterwards:
                self._do_afterwards()
        return result

    def step(self, steps: Steps[T]) -> Optional[tuple[T]]:
        """Carry out one step as a unit; the result, in a tuple, when it was the last one."""
        return self.work(_step, steps)

    def _undo(self, noted: int, why: BaseException) -> None:
        self.events.undo(noted)
        if not self.database.undo_unit():
            # SQLite gave up the transaction; it does so when the disk is full.
            self.rollback(why if isinstance(why, Exception) else NotKept(repr(why)))

    def _note_afterwards(self, do: Callable[[Unit], object]) -> None:
        self._afterwards.append(do)

    def _do_afterwards(self) -> None:
        waiting, self._afterwards = self._afterwards, []
        for do in waiting:
            with self.reported("clearing up"):
                self.work(do)

    def run_aside(self, work: Callable[..., object], *arguments: Any) -> None:
        """Do something that nobody waits for; a fault of it is logged.

        Args:
            work: Gets the unit, then the arguments.
            *arguments: For `work`.
        """
        with self.reported("working in the background"):
            self.work(work, *arguments)
        self.commit_unless_asked()

    def watch(self, check_caller: Callable[[Unit], object], grounds: Grounds) -> Watch:
        """What watches over long work.

        Args:
            check_caller: Raises when the caller may not act any more.
            grounds: What the work stands on; more may follow.
        """
        return Watch(self.unit, partial(check_caller, self.unit), grounds)

    def ring_timers(self) -> None:
        """Let the timers ring that have run out, before whatever comes next is looked at."""
        self.ringing.ring()

    # --- calls ---

    def authenticate(self, auth: Any) -> Caller:
        """Find out who calls.

        Raises:
            Unauthorized: No client that may call.
        """
        return access.authenticate(self.unit, auth)

    def call(
        self,
        caller: Caller,
        procedure: str,
        arguments: list[Any],
        budget: Budget | None = None,
        is_checked: bool = False,
    ) -> Result:
        """Call a procedure.

        Args:
            caller: Who calls.
            procedure: Its name.
            arguments: Its arguments.
            budget: What is left to the request that the call is part of.
            is_checked: Whether the caller was authenticated a moment ago, and nobody else
                has run since.

        Returns:
            What it comes to; `Batch.carry_out` carries out the steps to it.

        Raises:
            Refused: There is no such procedure, or it is not carried out.
        """
        self.ring_timers()
        budget = budget or Budget(self.settings)
        return self.work(calling.call, caller, procedure, arguments, budget, is_checked)

    # --- waits ---

    def open_wait(self, wait: Wait) -> Waiter:
        """Begin to wait for what is written from now on; `close_wait` ends it."""
        return self.waits.open(wait, self.events.count)

    async def point(self, waiter: Waiter) -> list[Any]:
        """Wait for the point: ``[time, value]``.

        Raises:
            Expired: None came in time.
            Gone: The resource was dropped.
            Refused: The caller may not have the point any more.
            HungUp: The client did, see `ended_by`.
        """
        return await self.waits.result(waiter)

    def close_wait(self, waiter: Waiter) -> None:
        """End a wait, whether its point came or not."""
        self.waits.close(waiter)

    async def wait(self, wait: Wait, hangup: Hangup | None) -> list[Any]:
        """Wait for a point: ``[time, value]``.

        Args:
            wait: For what.
            hangup: Returns when the client has hung up.

        Raises:
            Expired: None came in time.
            Gone: The resource was dropped.
            Refused: The caller may not have the point any more.
            HungUp: The client did.
        """
        waiter = self.open_wait(wait)
        try:
            with ended_by(hangup, [waiter]):
                return await self.point(waiter)
        finally:
            self.close_wait(waiter)

    def end_waits(self) -> None:
        """End all waits, as if their time was over: the platform stops."""
        self.waits.expire_all()

    # --- faults ---

    @contextmanager
    def reported(self, what: str) -> Iterator[None]:
        """Log a fault of work that nobody waits for."""
        try:
            yield
        except Exception as error:
            self.report(error, what)

    def report(self, error: Exception, what: str) -> str | None:
        """Log a fault: one of the disk in a sentence and once, any other with its traceback.

        Returns:
            The sentence; None for a fault of ours.
        """
        sentence = self.database.explained(error)
        if sentence is None:
            log.error("fault while %s", what, exc_info=error)
        else:
            if self.fault != sentence:
                log.error("%s", sentence)
            self.fault, self._failed = sentence, time.monotonic()
        return sentence

    async def probe(self) -> str | None:
        """Write something, at most once a second; why it could not be kept, or None."""
        now = time.monotonic()
        if now - self._probed >= _PROBE_EVERY:
            self._probed = now
            # Inside, since what could not be kept is logged already, where that happened.
            with self.reported("looking whether all is well"), suppress(NotKept):
                await self.run(self._probe)
        return self.fault

    def _probe(self, unit: Unit) -> None:
        self.database.probe(unit.now())

    # --- commits ---

    async def until_durable(self) -> None:
        """Wait until everything done so far is durable.

        Raises:
            NotKept: It could not be made durable.
        """
        if self.database.dirty or self.events.are_waiting:
            loop = asyncio.get_running_loop()
            if not self._asking:
                # Once all requests that are ready now have run.
                loop.call_soon(self._commit)
            future: asyncio.Future[None] = loop.create_future()
            self._asking.append(future)
            await future

    def _commit(self) -> None:
        # A rollback in the meantime has told those who asked before it.
        error = self.commit()
        asking, self._asking = self._asking, []
        for future in asking:
            if not future.done():
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)

    def commit(self) -> NotKept | None:
        """Commit, or roll back and return why."""
        if self.database.dirty:
            try:
                self.database.commit()
            except Exception as error:
                self.rollback(error)
                return NotKept(str(self.fault))
            if self.fault is not None and time.monotonic() - self._failed >= _CALM:
                log.warning("what is written is kept again")
                self.fault = None
        self.events.publish()
        return None

    def commit_unless_asked(self) -> None:
        """Commit what was done in the background, unless somebody's commit is on its way."""
        if not self._asking:
            self.commit()

    def rollback(self, why: Exception) -> None:
        """Undo everything since the last commit, whoever did it: it cannot be kept."""
        self.rollbacks += 1
        if self.report(why, "keeping what was written") is None:
            self.fault, self._failed = f"nothing can be kept: {why}", time.monotonic()
        with suppress(Exception):
            self.database.rollback()
        self.events.forget()
        self.ringing.forget()
        asking, self._asking = self._asking, []
        for future in asking:
            if not future.done():
                future.set_exception(NotKept(self.fault))

    # --- life ---

    def start(self) -> None:
        """Begin to run timers and background work in the running event loop."""
        self.database.begin_check()
        self.ringing.start()
        self.removal.start()

    def stop(self) -> None:
        """Stop background work and commit."""
        self.removal.stop()
        self.ringing.stop()
        self.commit()

    def close(self) -> None:
        """Close the store.

        Raises:
            StoreError: What was still to be written could not be.
        """
        self.store.close()


class Batch:
    """Units of one request, which are made durable together.

    Each of them is undone alone when it fails; none counts before all are durable.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._rollbacks = platform.rollbacks

    async def until_durable(self) -> None:
        """Wait until all that was done is durable.

        Raises:
            NotKept: It could not be made so, or was rolled back meanwhile.
        """
        await self._platform.until_durable()
        if self._rollbacks != self._platform.rollbacks:
            raise NotKept("what was done before was rolled back")

    async def carry_out(self, steps: Steps[T], check: Callable[[], object]) -> T:
        """Carry long work to its end, letting others run in between.

        Args:
            steps: The work; each step is a unit.
            check: Raises when it may not go on: its caller lost the right, or what it works
                on is gone. Asked whenever others have run.

        Raises:
            NotKept: What was done so far is undone.
        """
        platform, turn = self._platform, Turn()
        try:
            while (end := platform.step(steps)) is None:
                if turn.is_over:
                    await self.until_durable()
                    await turn.pass_on()
                    platform.work(_asked, check)
            return end[0]
        finally:
            platform.work(_closed, steps)


def _asked(_: Unit, check: Callable[[], object]) -> None:
    check()


def _step(_: Unit, steps: Steps[T]) -> Optional[tuple[T]]:
    return step(steps)


def _closed(_: Unit, steps: Steps[Any]) -> None:
    steps.close()
