"""A Datastore in a world of its own: simulated time, a network that fails as told, and the
real core of the local platform without a socket.

`World` holds the three together. Nothing here sleeps: whoever waits moves the time on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import sqlite3
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any, NamedTuple

import requests.exceptions
from requests.structures import CaseInsensitiveDict

import pyonep.clock
from pyonep import datastore, exits, failures, onephttp
from pyonep.server.core import devices
from pyonep.server.core.settings import Settings
from pyonep.server.fronts import rpc
from pyonep.server.platform import Platform
from pyonep.server.store import Store

PATIENCE = 5.0  # real seconds after which a thread that does not come back is a failure


STANDSTILL = 20_000  # times that somebody may ask for the time while none passes


class Stuck(BaseException):
    """Something goes on for ever; no handler for errors is to stop it."""


# --- time ------------------------------------------------------------------


class _Sleeper:
    """A thread that waits; only the driver says when its time has come."""

    def __init__(self, deadline: float, condition: threading.Condition) -> None:
        self.deadline, self.condition = deadline, condition
        self.is_due = False


class Clock(pyonep.clock.Clock):
    """Time that passes only while somebody waits or a request is under way.

    The thread that made it drives it: when it waits, the threads of Datastores run, one at a
    time, as their time comes. So what happens depends on nothing but what was asked for.

    Attributes:
        now: True time in Unix seconds.
        offset: How far the machine's clock is from it.
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now
        self.offset = 0.0
        self._asked, self._asked_at = 0, 0.0
        self._driver = threading.get_ident()
        self._sleepers: dict[threading.Thread, _Sleeper] = {}

    def time(self) -> float:
        return self.now + self.offset

    def monotonic(self) -> float:
        self._asked = self._asked + 1 if self.now == self._asked_at else 0
        self._asked_at = self.now
        if self._asked > STANDSTILL:
            raise Stuck("somebody goes round and round without waiting")
        return self.now

    def wait_for(self, condition: Any, is_met: Any, seconds: float | None) -> bool:
        deadline = math.inf if seconds is None else self.now + seconds
        if threading.get_ident() == self._driver:
            while not is_met() and self.now < deadline:
                self._step(deadline)
        else:
            self._sleep(condition, is_met, deadline)
        return bool(is_met())

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self.now < until:
            self._step(until)

    def settle(self, thread: threading.Thread | None) -> None:
        """Let a thread that was just started run until it waits."""
        if thread is not None:
            self._until_waiting(thread, None)

    def _sleep(self, condition: threading.Condition, is_met: Any, deadline: float) -> None:
        me = threading.current_thread()
        self._sleepers[me] = sleeper = _Sleeper(deadline, condition)
        condition.notify_all()
        try:
            # Time passes during a request of the driver as well, and two would run at once.
            while not is_met() and not sleeper.is_due:
                condition.wait()
        finally:
            del self._sleepers[me]

    def _step(self, until: float) -> None:
        """Go on to the next moment at which somebody wakes up, or to `until`."""
        thread = min(self._sleepers, key=lambda one: self._sleepers[one].deadline, default=None)
        if thread is None or self._sleepers[thread].deadline > until:
            assert until < math.inf, "everybody waits for ever"
            self.now = max(self.now, until)
            return
        sleeper = self._sleepers[thread]
        self.now = max(self.now, sleeper.deadline)
        with sleeper.condition:
            sleeper.is_due = True
            sleeper.condition.notify_all()
        self._until_waiting(thread, sleeper)

    def _until_waiting(self, thread: threading.Thread, before: _Sleeper | None) -> None:
        """Wait, in real time, until a thread waits for something else or has ended."""
        pause = threading.Condition() if before is None else before.condition
        with pause:
            for _ in range(int(PATIENCE / 0.005)):
                found = self._sleepers.get(thread)
                if not thread.is_alive() or (found is not None and found is not before):
                    return
                pause.wait(0.005)
        raise Stuck(f"{thread.name} neither waits nor ends")


# --- the network -----------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


class Answer:
    """What `OneP_Request.exchange` returns besides the body."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status, self.reason = status, "simulated"
        self.headers: Any = CaseInsensitiveDict(headers)


class Fault(NamedTuple):
    """What happens to a request.

    Attributes:
        kind: One of `FAULTS`.
        keep: For `truncated`: which of the answers come, as bits.
    """

    kind: str
    keep: int = 0


LOST, ANSWERED_WRONG, REFUSED = "lost", "answered wrong", "refused"
# What may happen to a request, and what is so for it.
FAULTS = {
    "refused connection": LOST,  # nothing went out
    "cut before": LOST,  # the platform never sees it
    "cut after": LOST,  # carried out, no answer
    "hangs before": LOST,  # the same, after the whole timeout
    "hangs after": LOST,
    "drips": LOST,  # carried out, and the answer takes for ever
    "truncated": ANSWERED_WRONG,  # some calls have no answer
    "other order": ANSWERED_WRONG,
    "half an answer": ANSWERED_WRONG,  # no JSON any more
    "foreign page": REFUSED,  # what a hotel's network answers
    "500 before": REFUSED,
    "500 after": ANSWERED_WRONG,  # carried out, and then the platform failed
    "503": REFUSED,  # with Retry-After
    "400": REFUSED,
    "401": REFUSED,
    "locked": REFUSED,  # the status of each call
}


class Network:
    """Between the clients of a world and its platform.

    Attributes:
        plan: Faults for the next requests; None is a request that goes well.
        outage: A fault that every request meets.
        poison: Text -> fault that every request meets that holds it.
        rivals: Aliases that somebody else makes as soon as one is to be made.
        latency: Seconds that a request takes there and back.
        date_is_late: By how much: a server may make the header Date once a second.
        requests: How many there were.
        writes: ``(alias, value, second)`` of each value that was written live.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.plan: list[Fault | None] = []
        self.outage: Fault | None = None
        self.poison: dict[str, Fault] = {}
        self.rivals: set[str] = set()
        self.latency = 0.02
        self.date_is_late = 0.0
        self.requests = 0
        self.faults = 0
        self.writes: list[tuple[str, Any, int]] = []
        self.kill_at: str | None = None  # "before" or "after" the next request

    def heal(self) -> None:
        """From now on only what is poisonous fails."""
        self.plan.clear()
        self.outage = self.kill_at = None

    def exchange(self, body: str, timeout: float, left: float) -> tuple[Answer, bytes]:
        """Send a request, of which each step may take `timeout` and the whole what is `left`."""
        self.requests += 1
        kill, self.kill_at = self.kill_at, None
        if kill == "before":
            self._kill()
        fault = self._fault_for(body)
        if fault is not None:
            self.faults += 1
        kind = "" if fault is None else fault.kind
        if kind == "refused connection":
            raise failures.NotConnected("simulated: refused")
        self._world.clock.now += self.latency / 2
        answer = None if _is_not_seen(kind) else self._carry_out(json.loads(body), kind)
        self._world.clock.now += self.latency / 2
        if kill == "after":
            self._kill()
        return self._answer(fault, answer, timeout, left)

    def _kill(self) -> None:
        self._world.disk_is_full = True  # nothing more is written, whoever handles it
        raise Killed

    def _fault_for(self, body: str) -> Fault | None:
        for text, fault in self.poison.items():
            if text in body:
                return fault
        planned = self.plan.pop(0) if self.plan else None
        return self.outage or planned

    def _answer(self, fault: Fault | None, answer: Any, timeout: float, left: float) -> Any:
        kind = "" if fault is None else fault.kind
        if kind.startswith("hangs") or kind == "drips":
            # Each byte comes in time, and the last one never.
            drips = left if left < math.inf else onephttp.TOTAL * timeout
            self._world.clock.now += drips if kind == "drips" else min(timeout, left)
            raise requests.exceptions.ReadTimeout("simulated: no answer")
        if kind.startswith("cut"):
            raise requests.exceptions.ConnectionError("simulated: cut")
        if kind == "500 before" or kind == "500 after":
            return self._says(500, b"<html>Internal Server Error</html>")
        if kind == "503":
            return self._says(503, b"", {"Retry-After": "7"})
        if kind == "foreign page":
            return self._says(200, b"<html>Welcome to the hotel</html>")
        if kind in ("400", "401"):
            return self._says(200, _json({"error": {"code": int(kind), "message": "simulated"}}))
        if kind == "truncated" and fault is not None:
            answer = [one for bit, one in enumerate(answer) if fault.keep >> (bit % 8) & 1]
        elif kind == "other order":
            answer = answer[::-1]
        content = _json(answer)
        return self._says(
            200, content[: len(content) // 2] if kind == "half an answer" else content
        )

    def _says(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> Any:
        date = formatdate(self._world.platform_time() - self.date_is_late, usegmt=True)
        return Answer(status, {"Date": date, **(headers or {})}), content

    def _carry_out(self, request: dict[str, Any], kind: str) -> Any:
        if kind == "locked":
            return [{"id": call["id"], "status": "locked"} for call in request["calls"]]
        for call in request["calls"]:
            if call["procedure"] == "create":
                self._make_rivals()
        answers = self._world.process(request)
        if isinstance(answers, list):
            for call, answer in zip(request["calls"], answers):
                self._note(call, answer)
        return answers

    def _make_rivals(self) -> None:
        rivals, self.rivals = self.rivals, set()
        for alias in sorted(rivals):
            self._world.dataport(alias)

    def _note(self, call: dict[str, Any], answer: dict[str, Any]) -> None:
        if call["procedure"] == "writegroup" and answer["status"] == "ok":
            now = int(self._world.platform_time())
            for resource, value in call["arguments"][0]:
                self.writes.append((resource["alias"], value, now))


def _is_not_seen(kind: str) -> bool:
    """Whether the platform does not carry a request out that meets this fault."""
    return kind != "locked" and (kind.endswith("before") or FAULTS.get(kind) == REFUSED)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


class Transport(onephttp.OneP_Request):
    """Takes the place of `OnepV1.onephttp`."""

    def __init__(self, world: World) -> None:
        super().__init__("127.0.0.1:80", https=False)
        self._world = world
        self._end = math.inf

    @contextlib.contextmanager
    def within(self, total: float | None) -> Iterator[None]:
        before = self._end
        self._end = min(before, math.inf if total is None else self._world.clock.now + total)
        try:
            yield
        finally:
            self._end = before

    def exchange(self, method: Any, path: Any, body: Any, *rest: Any, **more: Any) -> Any:
        timeout = more["timeout"] if "timeout" in more else rest[1]
        left = max(0.0, self._end - self._world.clock.now)
        return self._world.network.exchange(body, math.inf if timeout is None else timeout, left)


# --- the disk --------------------------------------------------------------


class Disk:
    """A connection to a spool on a disk that can be full."""

    def __init__(self, connection: Any, world: World) -> None:
        self._connection = connection
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *values: Any) -> Any:
        self._check(sql)
        return self._connection.execute(sql, *values)

    def executemany(self, sql: str, rows: Any) -> Any:
        rows = list(rows)
        if rows:
            self._check(sql)
        return self._connection.executemany(sql, rows)

    def _check(self, sql: str) -> None:
        if self._world.disk_is_full and sql.split()[0] in ("INSERT", "UPDATE", "DELETE", "COMMIT"):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")  # as SQLite does by itself
            raise sqlite3.OperationalError("database or disk is full")


# --- all together ----------------------------------------------------------


class Datastore(datastore.Datastore):
    """A Datastore in a world."""

    def __init__(self, world: World, *args: Any, **kwargs: Any) -> None:
        self.clock = world.clock
        self._world = world
        super().__init__(*args, **kwargs)

    def _open_buffer(self, *before: Any) -> Any:
        buffer = super()._open_buffer(*before)
        database = getattr(buffer, "_database", None)
        if database is not None:
            buffer._database = Disk(database, self._world)
        return buffer

    def start(self, daemon: bool = False) -> None:
        super().start(daemon)
        self.clock.settle(self._thread)

    def _connect(self) -> Any:
        client = super()._connect()
        client.onephttp = Transport(self._world)
        return client


class Core:
    """The core of a local platform, for many worlds one after the other: it warms up slowly.

    Args:
        replaces: Whether a point that is recorded at a second that has one replaces it.
    """

    def __init__(self, replaces: bool) -> None:
        self.clock: Any = time.time
        self._loop = asyncio.new_event_loop()
        settings = Settings(replace_recorded=replaces)
        self.platform = Platform(Store(None), settings, lambda: self.clock())

    def process(self, request: dict[str, Any]) -> Any:
        """Let the platform carry a request out."""
        content = self._loop.run_until_complete(rpc.process(self.platform, _json(request)))
        return None if content is None else json.loads(content)

    def close(self) -> None:
        self.platform.stop()
        self.platform.store.close()
        self._loop.close()


class World:
    """A platform with one device, the network before it, and the time of both.

    Args:
        core: The platform.
        skew: How far the platform's clock is from the true time, in seconds.
    """

    def __init__(self, core: Core, skew: float = 0.0) -> None:
        self.clock = Clock()
        self.disk_is_full = False
        self.platform = core.platform
        self.process = core.process
        self.skew = skew
        core.clock = self.platform_time
        self.network = Network(self)
        self.cik = self.platform.work(devices.add).cik
        self.platform.commit()

    def platform_time(self) -> float:
        """What the platform's clock says."""
        return self.clock.now + self.skew

    def call(self, procedure: str, *arguments: Any) -> dict[str, Any]:
        """Carry one call out, past the network; return its answer."""
        call = {"id": 1, "procedure": procedure, "arguments": list(arguments)}
        (answer,) = self.process({"auth": {"cik": self.cik}, "calls": [call]})
        return answer

    def dataport(self, alias: str, format: str = "integer", **description: Any) -> None:
        """Make a dataport with an alias."""
        made = self.call("create", "dataport", {"format": format, **description})
        assert self.call("map", "alias", made["result"], alias)["status"] == "ok"

    def has(self, alias: str) -> bool:
        """Whether the device has something with an alias."""
        return self.call("lookup", "alias", alias)["status"] == "ok"

    def points(self, alias: str) -> list[list[Any]]:
        """All points of a dataport, oldest first; none where there is no such alias."""
        options = {"limit": 10_000, "sort": "asc", "starttime": 0, "endtime": 2**40}
        return self.call("read", {"alias": alias}, options).get("result", [])

    def store(self, **options: Any) -> Datastore:
        """A Datastore of the device; with a spool, on a disk of its own."""
        return Datastore(self, self.cik, **options)

    def kill(self, store: Datastore) -> None:
        """End a Datastore as a SIGKILL would: nothing is sent, nothing more written to disk."""
        store._end_thread(PATIENCE)
        exits.release(store)
        database = getattr(store._waiting.buffer, "_database", None)
        if database is not None:
            database.close()
