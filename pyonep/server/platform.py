"""The platform: it decides, the store remembers, and it knows nothing of HTTP."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any, Callable, NamedTuple

from . import access, keys, lifecycle, procedures, rules
from .access import Call, Caller
from .descriptions import LIMITS, complete, is_key
from .errors import Conflict, Malformed, Refused
from .settings import Settings
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
    TimerStore,
)
from .waits import Waits

log: logging.Logger = logging.getLogger(__name__)

Clock = Callable[[], float]


class Device(NamedTuple):
    """A client that is ready to use."""

    cik: str
    rid: str

    def __repr__(self) -> str:
        return f"Device(rid={self.rid!r})"


class Platform:
    """A One Platform on a store.

    All calls come from one thread, the one of the event loop. What they change
    gathers in one transaction; `committed` commits it once for all requests that
    came together.

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
        self.enabling: set[tuple[int, str]] = set()
        self.waits: Waits = Waits()
        self.rollbacks: int = 0
        self.admin_key: str = keys.new()
        self.fault: Exception | None = None  # why the last change could not be kept
        self._asking: list[asyncio.Future[None]] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._next_due: float | None = None
        self._timers_changed = True
        self._removing = False
        self._stopped = False
        self._prepare()

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

    def call(self, caller: Caller, procedure: str, arguments: list[Any]) -> Any:
        """Call a procedure.

        Returns:
            The result; None when there is only a status; a `Waiter` or a generator when
            the result is still to come, see `finished`.

        Raises:
            LookupError: There is no such procedure.
            BadArguments: It does not take such arguments.
            Refused: With the status.
        """
        run = procedures.find(procedure, arguments)
        client = self.resources.by_id(caller.client)
        if client is None or not access.in_tree(self, client):
            raise Refused("restricted", "the calling client is gone")
        if client.description["locked"]:
            raise Refused("locked", "the calling client is locked")
        self.ring_timers()
        return run(Call(self, client, procedure, caller.permissions), *arguments)

    async def finished(self, steps: Any) -> Any:
        """Carry a long procedure to its end, letting others run in between."""
        rollbacks = self.rollbacks
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value
            await self.committed()
            if self.rollbacks != rollbacks:
                steps.close()
                raise RuntimeError("changes of this call were rolled back")

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

    def add_client(self, owner: Node, name: str, cik: str | None = None) -> Node:
        """The same below any client, as it is stored."""
        if cik is not None and not is_key(cik):
            raise Malformed("a CIK has 40 characters of 0-9 and a-f")
        if cik is not None and self.resources.by_cik(cik) is not None:
            raise Conflict("another client has this CIK")
        description = {"name": name, "limits": dict.fromkeys(LIMITS, "inherit")}
        return lifecycle.create(self, owner, "client", description, cik)

    # --- commits ---

    async def committed(self) -> None:
        """Wait until everything done so far is durable."""
        if not self.database.dirty:
            return
        loop = asyncio.get_running_loop()
        if not self._asking:
            # Once all requests that are ready now have run.
            loop.call_soon(self._commit)
        future: asyncio.Future[None] = loop.create_future()
        self._asking.append(future)
        await future

    def _commit(self) -> None:
        asking, self._asking = self._asking, []
        error = self.commit()
        for future in asking:
            if not future.done():
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)

    def commit(self) -> Exception | None:
        """Commit, or roll back and return why."""
        try:
            self.database.commit()
        except Exception as error:
            log.exception("commit failed; rolled back")
            self.rollback()
            self.fault = error
            return error
        self.fault = None
        self.waits.deliver()
        if self._timers_changed:
            self._set_alarm()
        return None

    def rollback(self) -> None:
        """Undo everything since the last commit, whoever did it."""
        self.rollbacks += 1
        with suppress(Exception):
            self.database.rollback()
        self.waits.forget_arrivals()
        asking, self._asking = self._asking, []
        for future in asking:
            if not future.done():
                future.set_exception(RuntimeError("rolled back"))

    # --- timers ---

    def timers_changed(self) -> None:
        """The next timer may be another one."""
        self._timers_changed = True

    def ring_timers(self) -> None:
        """Let all timers ring that have run out."""
        now = self.clock()
        if not self._timers_changed and (self._next_due is None or self._next_due > now):
            return
        while True:
            found = self.timers.first_due(now)
            if found is None:
                break
            node = self.resources.by_id(found[0])
            if node is None or not access.in_tree(self, node):
                self.timers.remove(found[0])
            else:
                rules.ring(self, node)
        self._next_due = self.timers.next_due()

    def _set_alarm(self) -> None:
        self._timers_changed = False
        self._next_due = self.timers.next_due()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._next_due is not None and not self._stopped:
            with suppress(RuntimeError):  # no event loop yet: `start` comes later
                loop = asyncio.get_running_loop()
                delay = max(0.0, self._next_due - self.clock())
                self._alarm = loop.call_later(min(delay, 3600.0), self._on_alarm)

    def _on_alarm(self) -> None:
        self._timers_changed = True
        self.ring_timers()
        if self._asking:
            return  # somebody's commit is on its way
        self.commit()

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
        if lifecycle.remove_some(self) or self.content.remove_some():
            self._removing = True
            # A breath for requests that came in meanwhile.
            asyncio.get_running_loop().call_later(0.001, self._remove_some)
        if not self._asking:
            self.commit()

    # --- life ---

    def start(self) -> None:
        """Begin to run timers and background work in the running event loop."""
        self._stopped = False
        self._set_alarm()
        self.remove_dropped()

    def stop(self) -> None:
        """Stop background work and commit."""
        self._stopped = True
        if self._alarm is not None:
            self._alarm.cancel()
        self.commit()
