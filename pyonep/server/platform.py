"""The platform: it decides, the store remembers, and it knows nothing of HTTP."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import GeneratorType
from typing import Any, Callable, NamedTuple, TypeVar

from .background.ringing import Ringing
from .background.waits import Waits
from .core import access, dataports, fleet, keys, lifecycle, procedures
from .core.access import Call, Caller, Watch
from .core.budget import Budget
from .core.dataports import Dataport
from .core.descriptions import LIMITS, complete, is_key
from .core.errors import Conflict, Malformed, NotFound, NotKept
from .core.settings import Settings
from .core.turns import Steps, Turn, step
from .store import (
    ROOT,
    ContentStore,
    Database,
    FleetStore,
    Node,
    ResourceStore,
    RightsStore,
    SeriesStore,
    Store,
    StoreError,
    TimerStore,
)

log: logging.Logger = logging.getLogger(__name__)

Clock = Callable[[], float]
T = TypeVar("T")

_BREATH = 0.001  # seconds between bits of background work, for requests that came in meanwhile
_PAUSE_AFTER_FAULT = 10.0
_PROBE_EVERY = 1.0
_CALM = 10.0  # seconds without a failure, after which all is well again


class Unfinished(NamedTuple):
    """A call that takes long, as `Platform.finished` takes it."""

    steps: Steps[Any]
    check: Callable[[], None]


class Device(NamedTuple):
    """A client that is ready to use."""

    cik: str
    rid: str

    def __repr__(self) -> str:
        return f"Device(rid={self.rid!r})"


class Platform:
    """A One Platform on a store.

    All calls come from one thread, the one of the event loop. What they change goes
    through `work`, so that a fault undoes its own work and no other, and gathers in one
    transaction; `committed` commits it once for all requests that came together.

    Args:
        store: Where everything is kept.
        settings: Limits and habits.
        clock: Unix time in seconds.
    """

    def __init__(
        self, store: Store, settings: Settings | None = None, clock: Clock = time.time
    ) -> None:
        self.store = store
        self.settings: Settings = settings or Settings()
        self.clock = clock
        self.resources: ResourceStore = store.resources
        self.series: SeriesStore = store.series
        self.rights: RightsStore = store.rights
        self.timers: TimerStore = store.timers
        self.fleet: FleetStore = store.fleet
        self.content: ContentStore = store.content
        self.database: Database = store.database
        self.removing: Node | None = None  # what was dropped and is removed now
        self.overfull: set[int] = set()  # series with more points than their retention keeps
        self.enabling: set[tuple[int, str]] = set()  # (model, serial number) being cloned for
        self.waits: Waits = Waits()
        self.rollbacks: int = 0
        self._narrowings = 0  # those after which waits were looked at
        self.admin_key: str = keys.new()
        # Why changes could not be kept; it stands until none failed for a while, since a small
        # one may fit where a large one does not.
        self.fault: str | None = None
        self._failed = -math.inf
        self._probed = -math.inf
        self._is_working = False
        self._afterwards: list[Callable[[], None]] = []
        self._asking: list[asyncio.Future[None]] = []
        self.ringing: Ringing = Ringing(self)
        self._removing = False
        self._stopped = False
        try:
            self._prepare()
        except Exception as error:
            raise StoreError(self.database.explained(error) or str(error)) from error

    def _prepare(self) -> None:
        self.is_new: bool = self.resources.by_id(ROOT) is None
        if self.is_new:
            limits = dict.fromkeys(LIMITS, "inherit")
            description = complete("client", {"name": "root", "limits": limits})
            key = (keys.new(), access.EXPIRED, None)  # nobody acts as the root
            self.resources.add(keys.new(), None, "client", description, self.now(), key)
        self.resources.drop_unfinished()
        self.content.abandon_unfinished()
        self.database.commit()

    def now(self) -> int:
        """Unix time in whole seconds."""
        return int(self.clock())

    # --- calls ---

    def authenticate(self, auth: Any) -> Caller:
        """Find out who calls.

        Raises:
            Unauthorized: No client that may call.
        """
        return access.authenticate(self, auth)

    def call(
        self,
        caller: Caller,
        procedure: str,
        arguments: list[Any],
        budget: Budget | None = None,
        is_checked: bool = False,
    ) -> Any:
        """Call a procedure.

        Args:
            caller: Who calls.
            procedure: Its name.
            arguments: Its arguments.
            budget: What is left to the request that the call is part of.
            is_checked: Whether the caller was authenticated a moment ago, and nobody else
                has run since.

        Returns:
            The result; None when there is only a status; a `Waiter` or `Unfinished` when
            the result is still to come.

        Raises:
            LookupError: There is no such procedure.
            BadArguments: It does not take such arguments.
            Refused: With the status.
        """
        self.ringing.ring()
        budget = budget or Budget(self.settings)
        return self.work(self._call, caller, procedure, arguments, budget, is_checked)

    def _call(
        self,
        caller: Caller,
        procedure: str,
        arguments: list[Any],
        budget: Budget,
        is_checked: bool,
    ) -> Any:
        run = procedures.find(procedure, arguments)
        client = self.resources.by_id(caller.client)
        is_own = client is not None and caller.holder == caller.client
        if not (is_checked and is_own) or client is None or client.description["locked"]:
            self.check(caller)
        assert client is not None
        call = Call(self, client, procedure, caller, budget, {})
        result = run(call, *arguments)
        if type(result) is not GeneratorType:
            return result
        watch = Watch(self.database, lambda: self.check(caller), call.grounds)
        return Unfinished(result, watch.check)

    def check(self, caller: Caller) -> None:
        """See whether a caller may act now.

        Raises:
            Refused: ``locked``, or ``restricted``: it may not any more.
        """
        refused = access.ended(self, caller)
        if refused is not None:
            raise refused

    async def finished(self, steps: Steps[T], check: Callable[[], object]) -> T:
        """Carry long work to its end, letting others run in between.

        Args:
            steps: The work.
            check: Raises when it may not go on: its caller lost the right, or what it works
                on is gone. Asked whenever others have run.

        Raises:
            NotKept: What it did so far is undone.
        """
        rollbacks, turn = self.rollbacks, Turn()
        try:
            while True:
                end: Any = self.work(step, steps)
                if end is not None:
                    result: T = end[0]
                    return result
                if turn.is_over:
                    await self.committed(rollbacks)
                    await turn.pass_on()
                    check()
        finally:
            self.work(steps.close)

    def add_device(self, name: str = "device", cik: str | None = None) -> Device:
        """Make a client that may own as much as it likes.

        Args:
            name: Its name.
            cik: Its key, for scripts that have one written into them; a new one by default.

        Raises:
            Malformed: The key has not the form of one.
            Conflict: Another client has this key.
        """
        root = self.resources.by_id(ROOT)
        assert root is not None
        node = self.add_client(root, name, cik)
        assert node.cik is not None
        return Device(node.cik, node.rid)

    def device_named(self, name: str) -> Steps[Node | None]:
        """A device with a name, among those that `add_device` made; in steps."""
        return lifecycle.named_client(self, ROOT, name)

    def add_dataport(
        self,
        cik: str,
        alias: str,
        format: str = "float",
        name: str | None = None,
        rid: str | None = None,
    ) -> Dataport:
        """Make a dataport of the client with this key, and give it an alias.

        Raises:
            NotFound: No client has this key.
            Malformed: Alias, format or RID has not the form of one.
            Conflict: Alias or RID is taken.
        """
        client = self.resources.by_cik(cik) if is_key(cik) else None
        if client is None or not access.in_tree(self, client):
            raise NotFound("no device has this CIK")
        return dataports.add(self, client, alias, format, name, rid)

    def add_client(self, owner: Node, name: str, cik: str | None = None) -> Node:
        """Make a client that may own as much as its owner, below any client.

        Args:
            owner: The client that it is below.
            name: Its name.
            cik: Its key; a new one by default.

        Returns:
            The client, as it is stored.

        Raises:
            Malformed: The key has not the form of one.
            Conflict: Another client has this key.
        """
        if cik is not None and not is_key(cik):
            raise Malformed("a CIK has 40 characters of 0-9 and a-f")
        if cik is not None and self.resources.by_cik(cik) is not None:
            raise Conflict("another client has this CIK")
        description = {"name": name, "limits": dict.fromkeys(LIMITS, "inherit")}
        return lifecycle.create(self, owner, "client", description, cik)

    # --- work ---

    def work(self, do: Callable[..., T], *arguments: Any) -> T:
        """Do something: all of what it changes, or, when it raises, nothing.

        What others changed in the same transaction, and what waits, is not touched. Work
        that is done as part of other work shares its fate.
        """
        if self._is_working:
            return do(*arguments)
        self._is_working = True
        self.database.begin_unit()
        noted = self.waits.begin_unit()
        try:
            result = do(*arguments)
            self.database.end_unit()
        except BaseException as error:
            self._undo(noted, error)
            raise
        finally:
            self._is_working = False
            if self._afterwards:
                self._do_afterwards()
        return result

    def _undo(self, noted: int, why: BaseException) -> None:
        self.waits.undo(noted)
        if not self.database.undo_unit():
            # SQLite gave up the transaction; it does so when the disk is full.
            self.rollback(why if isinstance(why, Exception) else NotKept(repr(why)))

    def afterwards(self, do: Callable[[], None]) -> None:
        """Do something as work of its own when this work has ended, however it ends."""
        self._afterwards.append(do)

    def _do_afterwards(self) -> None:
        waiting, self._afterwards = self._afterwards, []
        for do in waiting:
            with self.reported("clearing up"):
                self.work(do)

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
                self.work(self.database.probe, self.now())
                await self.committed()
        return self.fault

    # --- commits ---

    async def committed(self, rollbacks: int | None = None) -> None:
        """Wait until everything done so far is durable.

        Args:
            rollbacks: What `rollbacks` was when the caller's work began, for work that let
                others run in between.

        Raises:
            NotKept: It could not be made durable.
        """
        if self.database.dirty:
            loop = asyncio.get_running_loop()
            if not self._asking:
                # Once all requests that are ready now have run.
                loop.call_soon(self._commit)
            future: asyncio.Future[None] = loop.create_future()
            self._asking.append(future)
            await future
        if rollbacks is not None and rollbacks != self.rollbacks:
            raise NotKept("what was done before was rolled back")

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
        if not self.database.dirty:
            return None
        try:
            self.database.commit()
        except Exception as error:
            self.rollback(error)
            return NotKept(str(self.fault))
        if self.fault is not None and time.monotonic() - self._failed >= _CALM:
            log.warning("what is written is kept again")
            self.fault = None
        self.waits.durable()
        self._end_waits(self.waits.deliver())
        if self.database.narrowings != self._narrowings:
            self._narrowings = self.database.narrowings
            self._end_waits(self.waits.end_refused())
        self.ringing.look()
        return None

    def commit_unless_asked(self) -> None:
        """Commit what was done in the background, unless somebody's commit is on its way."""
        if not self._asking:
            self.commit()

    def _end_waits(self, steps: Steps[None]) -> None:
        """End waits, and let others run in between."""
        for _ in steps:
            asyncio.get_running_loop().call_soon(self._end_waits, steps)
            return

    def rollback(self, why: Exception) -> None:
        """Undo everything since the last commit, whoever did it: it cannot be kept."""
        self.rollbacks += 1
        if self.report(why, "keeping what was written") is None:
            self.fault, self._failed = f"nothing can be kept: {why}", time.monotonic()
        with suppress(Exception):
            self.database.rollback()
        self.waits.forget()
        self.ringing.forget()
        asking, self._asking = self._asking, []
        for future in asking:
            if not future.done():
                future.set_exception(NotKept(self.fault))

    # --- removing what was dropped ---

    def remove_dropped(self) -> None:
        """Begin to remove, bit by bit, what was taken out of the tree."""
        if not self._removing and not self._stopped:
            with suppress(RuntimeError):
                asyncio.get_running_loop().call_soon(self._remove_some)
                self._removing = True

    def _remove_some(self) -> None:
        self._removing = False
        if self._stopped:
            return
        pause = _PAUSE_AFTER_FAULT
        try:
            pause = _BREATH if self.work(self._removed_some) else 0.0
        except Exception as error:
            is_ours = self.report(error, "removing what was dropped") is None
            if is_ours and lifecycle.pass_over(self):
                pause = _BREATH
        if pause:
            self._removing = True
            asyncio.get_running_loop().call_later(pause, self._remove_some)
        self.commit_unless_asked()

    def _removed_some(self) -> bool:
        return lifecycle.remove_some(self) or fleet.remove_some(self) or self.content.remove_some()

    # --- life ---

    def start(self) -> None:
        """Begin to run timers and background work in the running event loop."""
        self._stopped = False
        self.database.begin_check()
        self.ringing.start()
        self.remove_dropped()

    def stop(self) -> None:
        """Stop background work and commit."""
        self._stopped = True
        self.ringing.stop()
        self.commit()
