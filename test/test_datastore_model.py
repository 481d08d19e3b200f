"""A Datastore under random faults, against a ledger of what it accepted.

Time, network and disk are simulated (see simulation.py); the platform is the real one. What
is promised: each value that was accepted is on the platform once, or was reported once.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import fuzzed
from hypothesis import settings, stateful
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    run_state_machine_as_test,
)
from simulation import FAULTS, Core, Fault, Killed, Stuck, World

from pyonep.datastore import datastore_config
from pyonep.exceptions import JsonStringException
from pyonep.lifecycle import State
from pyonep.sending import OCCUPIED

SHIFT = datastore_config["shift_seconds"]
ADDED = 1_000_000  # by the preprocess of one dataport
WAITS, REJECTED, DROPPED, REPLACED = "waits", "rejected", "dropped", "replaced"
# What a value that requests fail with is reported with, and after how many failures.
BLAMED = {
    "no request with it is answered": 20,
    "takes others": 10,
    "answers 400": 3,
    "is the answer to it": 3,
}

aliases = st.sampled_from(["number", "number", "text", "shifted", "new", "newer"])
faults = st.builds(Fault, st.sampled_from(sorted(FAULTS)), st.integers(0, 255))


def rule(**kwargs: Any) -> Any:
    """A rule, in which standing still is a failure like others."""

    def wrap(function: Any) -> Any:
        @functools.wraps(function)
        def step(self: Model, *args: Any, **given: Any) -> None:
            try:
                function(self, *args, **given)
            except Stuck as error:
                raise AssertionError(str(error)) from error

        return stateful.rule(**kwargs)(step)

    return wrap


@functools.cache
def _core(replaces: bool) -> Core:
    return Core(replaces)


def teardown_module() -> None:
    for replaces in (False, True):
        _core(replaces).close()
    _core.cache_clear()


class Entry:
    """A value that was accepted.

    Attributes:
        alias: Of the dataport.
        value: As it was given.
        time: Local second in which it was given, or which was given with it.
        live: Whether by `write`.
        is_bad: Whether the platform, or what is before it, never takes it.
        state: Whether it waits (or has arrived), or how it was reported.
    """

    def __init__(self, alias: str, value: Any, live: bool, is_bad: bool) -> None:
        self.alias, self.value, self.live, self.is_bad = alias, value, live, is_bad
        self.time = 0
        self.state = WAITS
        self.reason = ""
        self.faults = 0  # that requests had met when it was accepted

    def __repr__(self) -> str:
        how = "written" if self.live else "recorded"
        return f"<{self.alias} {self.value!r} {how} at {self.time}: {self.state} {self.reason}>"

    @property
    def kept(self) -> Any:
        """The value as the platform keeps it."""
        return self.value + ADDED if self.alias == "shifted" and not self.is_bad else self.value

    @property
    def may_be_there(self) -> bool:
        """Whether it is to be on the platform, or was dropped while nobody could tell."""
        return self.state == WAITS or "may have arrived" in self.reason

    def may_be_at(self, second: int, value: Any, writes: set[Any]) -> bool:
        if value != self.kept:
            return False
        if not self.live:
            return second == self.time
        in_time = self.time <= second <= self.time + SHIFT
        return in_time or (self.alias, self.value, second) in writes


class Model(RuleBasedStateMachine):
    """One Datastore, sometimes after another one on the same spool."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger: list[Entry] = []
        self.problems: list[str] = []
        self.folder = tempfile.mkdtemp()
        self.number = 0
        self.poisoned = 0
        self.second = 1_000_000_000
        self.world: Any = None

    @initialize(
        replaces=st.booleans(),
        distinct=st.integers(0, 3).map(bool),
        skew=st.sampled_from([0.0, 0.0, 0.4, -3.0, 7200.0, -100_000.0]),
        date_is_late=st.sampled_from([0.0, 0.0, 0.9]),
        spooled=st.booleans(),
        overflow=st.sampled_from(["refuse", "drop_oldest", "block"]),
        size=st.sampled_from([5, 1000, 1000]),
        request_points=st.sampled_from([2, 2000, 2000]),
        autocreate=st.booleans(),
    )
    def begin(
        self,
        replaces,
        distinct,
        skew,
        date_is_late,
        spooled,
        overflow,
        size,
        request_points,
        autocreate,
    ) -> None:
        self.world = World(_core(replaces), skew)
        self.world.network.date_is_late = date_is_late
        self.replaces, self.distinct = replaces, distinct
        self.autocreate = autocreate
        self.world.dataport("number")
        self.world.dataport("text", "string")
        self.world.dataport("shifted", preprocess=[["add", ADDED]])
        config = {"overflow": overflow, "write_buffer_size": size, "retry_base": 1}
        self.options = {
            "interval": 10,
            "autocreate": {"format": "integer"} if autocreate else False,
            "config": {**config, "request_points": request_points, "spool_synchronous": "NORMAL"},
            "spool": os.path.join(self.folder, "spool") if spooled else None,
            "on_reject": lambda *seen: self._reported(REJECTED, *seen),
            "on_drop": lambda *seen: self._reported(DROPPED, *seen),
        }
        self.open_store()

    def open_store(self) -> None:
        self.world.disk_is_full = False
        self.store = self.world.store(**self.options)
        self.accepted = self.store.statistics().waiting  # in the life of this Datastore
        self.reports = {REJECTED: 0, DROPPED: 0, REPLACED: 0}

    def teardown(self) -> None:
        try:
            if self.world is not None:
                self.everything_arrives()
        finally:
            if self.world is not None:
                self.world.kill(self.store)
            shutil.rmtree(self.folder)

    @property
    def runs(self) -> bool:
        return self.store.isThreadAlive()

    # --- the ledger ---

    def _entry(self, alias: str, live: bool, kind: str) -> Entry:
        self.number += 1
        is_bad = kind != "good"
        if kind == "bad":
            is_bad = alias != "text"
            value: Any = f"bad-{self.number}"
        elif kind in FAULTS:
            value = f"poison-{self.number}-"
            self.world.network.poison[f'"{value}"'] = Fault(kind)
        else:
            value = self.number if self.distinct else self.number % 2
            value = f"v{value}" if alias == "text" else value
        return Entry(alias, value, live, is_bad)

    def _reported(self, state: str, alias: str, point: list[Any], reason: str) -> None:
        self.reports[state] += 1
        alike = [
            entry
            for entry in self.ledger
            if (entry.alias, entry.time, entry.value) == (alias, *point) and entry.state == WAITS
        ]
        if not alike:
            self.problems.append(f"{state} does not wait: {alias} {point} {reason}")
            return
        # Of a value that was written and one that was recorded the reason tells which it is.
        fitting = [one for one in alike if self._is_about(one, reason)] or alike
        entry = fitting[0]
        entry.state, entry.reason = state, reason
        if state == REJECTED and not entry.is_bad and not self._is_reason(entry):
            self.problems.append(f"no reason: {entry} of {self.world.points(alias)}")

    def _is_about(self, entry: Entry, reason: str) -> bool:
        """Whether a reason is one for which a value of this kind can be refused."""
        if reason == OCCUPIED:
            return not entry.live
        return entry.live or not reason.startswith("no free second")

    def _accept(self, entries: list[Entry]) -> None:
        for entry in entries:
            entry.faults = self.world.network.faults
        self.ledger += entries
        self.accepted += len(entries)

    # --- what a program does ---

    @rule(alias=aliases, kind=st.sampled_from(["good", "good", "good", "good", "bad"]))
    def write(self, alias, kind) -> None:
        self._write(self._entry(alias, True, kind))

    def _write(self, entry: Entry) -> None:
        before = self.store.statistics()
        is_new = self.store.write(entry.alias, entry.value)
        entry.time = int(self.world.clock.time())
        replaced = self.store.statistics().replaced - before.replaced
        if not (is_new or replaced):
            return
        if replaced:
            assert replaced == 1 and not is_new
            last = [one for one in self.ledger if one.live and one.alias == entry.alias][-1]
            assert last.state == WAITS, last
            last.state = REPLACED
            self.reports[REPLACED] += 1
        self._accept([entry])

    @rule(
        alias=aliases,
        kinds=st.lists(st.sampled_from(["good", "good", "good", "bad"]), min_size=1, max_size=4),
        place=st.integers(0, 3),
    )
    def record(self, alias, kinds, place) -> None:
        """Points in seconds of their own, but for bad ones, which may share that of a good one."""
        entries = []
        for kind in kinds:
            entry = self._entry(alias, False, kind)
            # What a refused point was, cannot be told where the platform keeps something else.
            shares = entry.is_bad and place == 0 and alias != "shifted"
            if not (shares and entries):
                self.second += 1 + place
            entry.time = self.second
            entries.append(entry)
        self._record(entries)

    @precondition(lambda self: not self.replaces)
    @rule(
        alias=st.sampled_from(["number", "text", "new"]),
        offsets=st.lists(st.integers(-3, 6), min_size=1, max_size=3),
    )
    def record_around_now(self, alias, offsets) -> None:
        entries = [self._entry(alias, False, "good") for _ in offsets]
        for entry, offset in zip(entries, offsets):
            entry.time = int(self.world.clock.time()) + offset
        self._record(entries)

    @precondition(lambda self: self.poisoned < 3)
    @rule(
        alias=st.sampled_from(["number", "text"]),
        live=st.booleans(),
        kind=st.sampled_from(["400", "500 before", "cut before", "hangs before"]),
    )
    def something_poisonous(self, alias, live, kind) -> None:
        """A value with which no request ever succeeds."""
        self.poisoned += 1
        entry = self._entry(alias, live, kind)
        if live:
            self._write(entry)
        else:
            self.second += 1
            entry.time = self.second
            self._record([entry])

    def _record(self, entries: list[Entry]) -> None:
        if self.store.record(entries[0].alias, [[one.time, one.value] for one in entries]):
            self._accept(entries)

    @rule(timeout=st.sampled_from([0.01, 1, 30]))
    def flush(self, timeout) -> None:
        start = self.world.clock.now
        if self.store.flush(timeout) and not self.runs:
            self._check(all_there=True)
        # In this world a request of the thread holds up everybody.
        assert self.runs or self.world.clock.now - start < timeout + 0.1

    @rule(
        alias=aliases,
        timeouts=st.lists(st.sampled_from([0.01, 0.01, 1, 30]), min_size=2, max_size=8),
    )
    def written_in_a_row(self, alias, timeouts) -> None:
        """Values that want the same seconds."""
        for timeout in timeouts:
            self._write(self._entry(alias, True, "good"))
            self.flush(timeout)

    @rule(seconds=st.sampled_from([0.1, 0.7, 1.0, 3.0, 30.0]))
    def time_passes(self, seconds) -> None:
        self.world.clock.advance(seconds)

    @rule()
    def start(self) -> None:
        self.store.start()

    @precondition(lambda self: self.runs)
    @rule(force=st.booleans())
    def stop(self, force) -> None:
        if self.store.stop(force):
            self._check(all_there=True)

    @rule(timeout=st.sampled_from([0, 5, 30]), again=st.booleans())
    def close(self, timeout, again) -> None:
        done = self.store.close(timeout)
        assert done == (self.store.statistics().waiting == 0)
        if done:
            self._check(all_there=True)
        assert self.store.close() == done
        assert self.store.write("number", 0) is False
        if again or not self._is_on_disk():
            self.store.start()
        elif self.options["spool"] is not None:
            self._reopen()

    # --- what goes wrong ---

    @rule(plan=st.lists(st.none() | faults, min_size=1, max_size=6))
    def requests_fail(self, plan) -> None:
        self.world.network.plan += plan

    @rule(fault=faults.filter(lambda fault: fault.kind not in ("truncated", "other order")))
    def platform_fails(self, fault) -> None:
        self.world.network.outage = fault

    @rule()
    def network_heals(self) -> None:
        self.world.network.heal()

    @rule(offset=st.sampled_from([0.0, 0.6, -2.0, 86_400.0, -86_400.0]))
    def local_clock_jumps(self, offset) -> None:
        self.world.clock.offset = offset

    @rule(alias=st.sampled_from(["new", "newer"]))
    def a_rival_comes(self, alias) -> None:
        if not self.world.has(alias) and self.autocreate:
            self.world.network.rivals.add(alias)

    @precondition(lambda self: self.options["spool"])
    @rule(is_full=st.booleans())
    def disk(self, is_full) -> None:
        self.world.disk_is_full = is_full

    @precondition(lambda self: self.options["spool"] and self._is_on_disk())
    @rule(when=st.sampled_from(["now", "before", "after"]))
    def killed(self, when) -> None:
        if when != "now" and not self.runs:
            self.world.network.kill_at = when
            with contextlib.suppress(Killed):
                self.store.flush(5)
            self.world.network.kill_at = None
        self._reopen()

    @precondition(lambda self: self.options["spool"] and not self.replaces and self._is_on_disk())
    @rule(
        alias=st.sampled_from(["number", "text"]),
        ahead=st.integers(1, 12),
        waits=st.booleans(),
    )
    def restarted_before_a_recorded_second(self, alias, ahead, waits) -> None:
        """A value is written in a second that the process before recorded a point in."""
        entry = self._entry(alias, False, "good")
        entry.time = int(self.world.platform_time()) + ahead
        self._record([entry])
        self.store.flush(5)
        if not self._is_on_disk():
            return
        self._reopen()
        if waits:
            self.time_passes(max(0.0, entry.time + 0.1 - self.world.platform_time()))
        self._write(self._entry(alias, True, "good"))
        self.flush(30)

    def _is_on_disk(self) -> bool:
        """Whether the spool knows all: what a full disk did not take is gone with the process."""
        return not self.world.disk_is_full and not getattr(
            self.store._waiting.buffer, "_unsaved", None
        )

    def _reopen(self) -> None:
        self.world.kill(self.store)
        self.open_store()

    # --- the oracle ---

    @invariant()
    def nothing_strange_was_reported(self) -> None:
        assert not self.problems, self.problems

    def _is_reason(self, entry: Entry) -> bool:
        """Whether what a value with which nothing is wrong was rejected for is so, right now."""
        if entry.reason == "no such alias":
            return not self.world.has(entry.alias)
        if not self._is_about(entry, entry.reason):
            return False
        if entry.reason == OCCUPIED:
            return self._is_occupied(entry)
        if entry.reason.startswith("no free second"):
            return not self._free_seconds(entry)
        # The network said so of requests with it, often enough, and not of others.
        times = [times for text, times in BLAMED.items() if text in entry.reason]
        return bool(times) and self.world.network.faults - entry.faults >= times[0]

    def _others(self, entry: Entry) -> list[Entry]:
        """The other values of its alias that may be on the platform, or still wait."""
        return [
            one
            for one in self.ledger
            if one.alias == entry.alias and one is not entry and one.may_be_there
        ]

    def _is_occupied(self, entry: Entry) -> bool:
        """Whether the platform has a point in its second, and all it has belongs to others."""
        points = self.world.points(entry.alias)
        owners = _matched(points, self._others(entry), set(self.world.network.writes))
        return entry.time in [at for at, _ in points] and len(owners) == len(points)

    def _free_seconds(self, entry: Entry) -> list[int]:
        """Those in which it may lie and that hold no other value, and are kept for none."""
        points, others = self.world.points(entry.alias), self._others(entry)
        arrived = _matched(points, others, set(self.world.network.writes)).values()
        waiting = [one for one in others if one not in arrived]
        held = {at for at, _ in points} | {one.time for one in waiting if not one.live}
        own = range(entry.time, entry.time + SHIFT + 1)
        open_ = [second for second in own if second not in held]
        # Live values that wait keep a second each, and nobody sees which.
        keepers = _assigned(
            [
                [number for number, at in enumerate(open_) if one.time <= at <= one.time + SHIFT]
                for one in waiting
                if one.live
            ]
        )
        return [second for number, second in enumerate(open_) if number not in keepers]

    @invariant()
    def statistics_add_up(self) -> None:
        if self.world is None:
            return
        now = self.store.statistics()
        assert (now.rejected, now.dropped, now.replaced) == tuple(self.reports.values())
        assert self.accepted == sum(now[:2]) + sum(now[3:6]), (self.accepted, now)

    @rule()
    def everything_arrives(self) -> None:
        """When nothing fails any more, and after a while."""
        network = self.world.network
        network.heal()
        self.world.disk_is_full = False
        if self.store._life.is_closed:
            self.store.start()
        until = self.world.clock.now + 6 * 3600
        while self.store.statistics().waiting and self.world.clock.now < until:
            if self.runs and self.store._life.state is not State.REFUSED:
                self.world.clock.advance(30)
            else:
                self.store.flush(600)
        assert self.store.statistics().waiting == 0, self.store.statistics()
        self._check(all_there=True)
        self.nothing_strange_was_reported()
        self.statistics_add_up()

    def _check(self, all_there: bool) -> None:
        """Compare the ledger with what the platform has."""
        writes = set(self.world.network.writes)
        for alias in ("number", "text", "shifted", "new", "newer"):
            entries = [one for one in self.ledger if one.alias == alias and one.may_be_there]
            points = self.world.points(alias)
            placed = _matched(points, entries, writes)
            strange = [point for number, point in enumerate(points) if number not in placed]
            assert not strange, f"{alias}: nobody wrote {strange}; lost: {entries}"
            missing = [one for one in entries if one not in placed.values()]
            missing = [one for one in missing if one.state == WAITS and not _is_twin(one, points)]
            assert not (missing and all_there), f"{alias}: lost: {missing} of {points}"


def _is_twin(entry: Entry, points: list[list[Any]]) -> bool:
    """A point that was recorded twice with the same second and value is there when it is once."""
    return not entry.live and [entry.time, entry.kept] in points


def _matched(points: list[Any], entries: list[Entry], writes: set[Any]) -> dict[int, Entry]:
    """As many points as can be given to an entry each: number of the point -> entry."""
    places = [
        [number for number, (at, value) in enumerate(points) if one.may_be_at(at, value, writes)]
        for one in entries
    ]
    # Those that have to be there come first, and keep their places: first of all live ones, since
    # one that was recorded twice, with the same second and value, is there when it is once.
    first = sorted(
        range(len(entries)), key=lambda one: (entries[one].state != WAITS, not entries[one].live)
    )
    owner = _assigned([places[position] for position in first])
    return {number: entries[first[position]] for number, position in owner.items()}


def _assigned(wanted: list[list[int]]) -> dict[int, int]:
    """Give as many as can be one of the places that each of them wants: place -> who has it."""
    owner: dict[int, int] = {}

    def assign(position: int, seen: set[int]) -> bool:
        for number in wanted[position]:
            if number in seen:
                continue
            seen.add(number)
            if number not in owner or assign(owner[number], seen):
                owner[number] = position
                return True
        return False

    for position in range(len(wanted)):
        assign(position, set())
    return owner


@pytest.fixture
def quiet() -> Iterator[None]:
    """Thousands of reports are no news."""
    logger = logging.getLogger("pyonep.datastore")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(before)


@pytest.mark.soak
def test_what_was_accepted_arrives_once_or_is_reported_once(quiet) -> None:
    run_state_machine_as_test(Model, settings=settings(fuzzed(150), stateful_step_count=25))


# --- what the model found, as short as can be ---


@pytest.fixture
def world() -> World:
    world = World(_core(False))
    world.dataport("number")
    return world


def test_a_pause_between_attempts_keeps_to_the_time_of_a_flush(world) -> None:
    store = world.store(interval=1)
    store.record("number", [[1, 1]])
    world.network.outage = Fault("hangs before")
    start = world.clock.now
    assert store.flush(12) is False
    assert world.clock.now - start < 12.1
    world.kill(store)


def test_a_flush_after_close_waits_between_attempts(world) -> None:
    store = world.store(interval=1)
    store.record("number", [[1, 1]])
    world.network.outage = Fault("refused connection")
    assert store.close(0) is False
    assert store.flush(60) is False
    assert 2 < world.network.requests < 20
    world.network.heal()
    assert store.flush(60) and world.points("number") == [[1, 1]]
    world.kill(store)


@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_after_each_fault_each_value_is_there_once(world, kind) -> None:
    store = world.store(interval=1)
    for value in range(1, 6):
        store.record("number", [[value, value]])
        store.write("number", 10 + value)
        world.network.plan += [None, Fault(kind), None, Fault(kind)]
        store.flush(3)
        world.clock.advance(1)
    world.network.heal()
    assert store.flush(600)
    values = sorted(value for _, value in world.points("number"))
    done = store.statistics()
    assert len(set(values)) == len(values) == done.sent == 10 - done.replaced
    assert set(values) <= {1, 2, 3, 4, 5, 11, 12, 13, 14, 15} and done.rejected == 0
    world.kill(store)


def test_what_is_dropped_and_may_have_arrived_says_so(world) -> None:
    dropped: list[Any] = []
    store = world.store(
        interval=1,
        config={"write_buffer_size": 2, "overflow": "drop_oldest"},
        on_drop=lambda *seen: dropped.append(seen),
    )
    assert store.record("number", [[1, 1]])
    world.network.plan = [None, Fault("cut after")]
    assert store.stop(True) is False  # one attempt
    assert store.record("number", [[2, 2]]) and store.record("number", [[3, 3], [4, 4]])
    (first, second) = dropped
    assert first[:2] == ("number", [1, 1]) and "may have arrived" in first[2]
    assert second == ("number", [2, 2], "the buffer is full")
    assert store.flush(60) and world.points("number") == [[1, 1], [3, 3], [4, 4]]
    world.kill(store)


def test_a_point_under_suspicion_rests_when_the_platform_says_not_now(world) -> None:
    store = world.store(interval=1)
    store.record("number", [[1, 1], [2, 2]])
    world.network.poison["recordbatch"] = Fault("500 before")
    store.flush(3)
    world.network.heal()
    world.network.poison.clear()
    world.network.outage = Fault("locked")
    before = world.network.requests
    store.flush(60)
    assert world.network.requests - before < 100
    world.network.heal()
    assert store.flush(600) and world.points("number") == [[1, 1], [2, 2]]
    world.kill(store)


def test_flushes_without_enough_time_lose_nothing_and_suspect_nobody(world) -> None:
    rejected: list[Any] = []
    store = world.store(interval=1, on_reject=lambda *seen: rejected.append(seen))
    world.dataport("shifted", preprocess=[["add", ADDED]])
    for value in range(5):
        store.write("shifted", value)
        store.flush(0.01)  # time for a question, none for a point
    for _ in range(60):
        store.flush(0.01)
    assert store.flush(600) and not rejected
    values = sorted(value for _, value in world.points("shifted"))
    assert values == [ADDED + value for value in range(5)]
    world.kill(store)


def test_a_step_back_of_the_clock_rejects_nothing(world) -> None:
    rejected: list[Any] = []
    store = world.store(interval=1, on_reject=lambda *seen: rejected.append(seen))
    world.network.outage = Fault("refused connection")
    for value, offset in enumerate([0, -86_400, -2]):
        world.clock.offset = offset
        store.write("number", value)
        store.stop(True)
    world.network.heal()
    assert store.flush(60) and not rejected
    assert sorted(value for _, value in world.points("number")) == [0, 1, 2]
    world.kill(store)


def test_two_points_in_doubt_in_one_second_are_not_both_there(world, tmp_path) -> None:
    rejected: list[Any] = []
    options = {"spool": str(tmp_path / "spool"), "on_reject": lambda *seen: rejected.append(seen)}
    world.dataport("shifted", preprocess=[["add", ADDED]])
    store = world.store(interval=1, **options)
    store.record("shifted", [[5, 1], [5, "bad"]])
    world.kill(store)
    store = world.store(interval=1, **options)
    assert store.flush(60) and store.statistics().sent == 1
    assert rejected == [("shifted", [5, "bad"], OCCUPIED)]
    assert world.points("shifted") == [[5, ADDED + 1]]
    world.kill(store)


def test_what_a_full_disk_did_not_take_is_known_after_close_and_start(world, tmp_path) -> None:
    rejected: list[Any] = []
    store = world.store(
        interval=1,
        spool=str(tmp_path / "spool"),
        on_reject=lambda *seen: rejected.append(seen),
    )
    store.record("number", [[1, 1], [2, "bad"]])
    store.write("number", 3)
    world.disk_is_full = True
    assert store.close(60) and len(rejected) == 1
    store.start()
    world.disk_is_full = False
    assert store.close(60) and len(rejected) == 1
    assert [value for _, value in world.points("number")] == [1, 3]
    store.start()
    assert store.close(60) and len(rejected) == 1 and len(world.points("number")) == 2


def test_a_question_that_is_answered_not_now_says_nothing(world) -> None:
    rejected: list[Any] = []
    store = world.store(interval=1, on_reject=lambda *seen: rejected.append(seen))
    store.record("number", [[1, 1]])
    world.network.plan = [None, Fault("cut after"), Fault("locked"), None, Fault("locked")]
    assert store.flush(600) and not rejected
    assert world.points("number") == [[1, 1]]
    world.kill(store)


@pytest.mark.parametrize("kind", ["cut before", "cut after"])
def test_a_value_that_is_always_the_same_is_counted_not_guessed(world, kind) -> None:
    store = world.store(interval=1)
    for _ in range(6):
        store.write("number", 5)
        assert store.flush(60)
        world.clock.advance(0.7)
    world.network.plan = [Fault(kind)]
    store.write("number", 5)
    assert store.flush(60)
    assert [value for _, value in world.points("number")] == [5] * 7
    world.kill(store)


def test_what_fails_after_an_answer_leaves_what_was_not_answered_in_doubt(world) -> None:
    store = world.store(interval=1)
    store.record("number", [[1, 1]])
    assert store.flush(60)
    store.record("number", [[1, 2]])  # refused, so that a question follows
    store.write("number", 3)
    world.network.plan = [Fault("truncated", 2), Fault("refused connection")]
    assert store.flush(60)
    assert sorted(value for _, value in world.points("number")) == [1, 3]
    world.kill(store)


def test_callbacks_may_do_what_they_like(world) -> None:
    seen: list[Any] = []

    def on_reject(*what: Any) -> None:
        seen.append((what, store.createDataport("made", "float"), store.flush(1)))
        raise SystemExit

    store = world.store(interval=1, on_reject=on_reject)
    store.record("number", [[1, "bad"], [2, "bad"], [3, 3]])
    assert store.flush(60) and len(seen) == 2 and seen[0][1] == (True, True)
    assert "bad" not in str(world.points("number")) and "rejected" in str(store.statistics())
    world.kill(store)


def test_what_drops_points_may_flush(world) -> None:
    store = world.store(
        interval=1,
        config={"write_buffer_size": 1, "overflow": "drop_oldest"},
        on_drop=lambda *_: store.flush(60),
    )
    store.record("number", [[1, 1]])
    store.record("number", [[2, 2]])
    assert world.points("number") == [[2, 2]]
    world.kill(store)


@pytest.mark.parametrize("value", [10**5000, [[10**5000]]], ids=["bare", "nested"])
def test_what_cannot_be_written_as_json_is_refused_at_once(world, value) -> None:
    store = world.store(interval=1)
    with pytest.raises(JsonStringException):
        store.write("number", value)
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    with pytest.raises(JsonStringException):
        store.record("number", [[1, deep]])
    assert store.write("text", b"bytes") and store._waiting.buffer.live()[0].value == "bytes"
    world.kill(store)


def test_a_value_that_waits_for_retry_after_keeps_its_time(world) -> None:
    store = world.store(interval=1)
    store.record("number", [[1, 1]])
    world.network.plan = [None, Fault("503")]
    store.stop(True)
    at = int(world.clock.now)
    store.write("number", 2)
    assert store.flush(60) and [at, 2] in world.points("number")
    world.kill(store)


def test_a_live_value_replaces_none_that_was_found_in_the_same_attempt(world) -> None:
    store = world.store(interval=1)
    world.network.outage = Fault("refused connection")
    store.write("number", 1)
    store.stop(True)  # it misses its moment
    world.network.heal()
    world.network.poison["recordbatch"] = Fault("cut after")
    store.stop(True)  # it arrives, and nobody says so
    world.network.poison.clear()
    store.write("number", 2)
    assert store.flush(60)
    assert [value for _, value in world.points("number")] == [1, 2]
    world.kill(store)


def _live_in_a_second(world: World, store: Any, second: int, value: int) -> None:
    """Write a value live as soon as a second has come."""
    world.clock.advance(second + 0.1 - world.clock.now)
    store.write("number", value)
    assert store.flush(60)


@pytest.mark.parametrize("end", ["kill", "close"])
def test_a_point_recorded_ahead_is_known_after_a_restart(world, tmp_path, end) -> None:
    spool = str(tmp_path / "spool")
    store = world.store(interval=1, spool=spool)
    at = int(world.clock.now) + 5
    store.record("number", [[at, 1]])
    assert store.flush(60)
    world.kill(store) if end == "kill" else store.close()
    store = world.store(interval=1, spool=spool)
    _live_in_a_second(world, store, at, 2)
    assert [value for _, value in world.points("number")] == [1, 2]
    world.kill(store)


def test_a_value_that_was_moved_ahead_is_known_after_a_restart(world, tmp_path) -> None:
    spool = str(tmp_path / "spool")
    store = world.store(interval=1, spool=spool)
    store.write("number", 0)
    assert store.flush(60)
    world.clock.advance(1)
    world.clock.offset = 20.0
    world.network.outage = Fault("refused connection")
    store.write("number", 1)
    store.stop(True)  # it misses its moment
    world.network.heal()
    assert store.flush(60)
    (_, (at, _)) = world.points("number")
    store.write("number", 2)
    world.network.plan = [Fault("cut after")]
    store.stop(True)  # it arrives, and nobody says so
    world.kill(store)
    store = world.store(interval=1, spool=spool)
    assert store.flush(60)
    _live_in_a_second(world, store, at, 3)
    assert sorted(value for _, value in world.points("number")) == [0, 1, 2, 3]
    world.kill(store)


def test_seconds_ahead_are_forgotten_when_they_have_passed(world, tmp_path) -> None:
    store = world.store(interval=1, spool=str(tmp_path / "spool"))
    for value in range(50):
        store.record("number", [[int(world.clock.now) + 3, value]])
        assert store.flush(60)
        world.clock.advance(1)
    assert len(store._waiting.buffer.ahead("number")) < 10
    kept = store._waiting.buffer._database.execute("SELECT count(*) FROM ahead").fetchone()
    assert kept[0] < 10 and len(world.points("number")) == 50
    world.kill(store)


def test_what_a_full_disk_did_not_take_of_seconds_ahead_is_known_after_close_and_start(
    world, tmp_path
) -> None:
    store = world.store(interval=1, spool=str(tmp_path / "spool"))
    at = int(world.clock.now) + 5
    store.record("number", [[at, 1]])
    world.disk_is_full = True
    assert store.close(60)
    world.disk_is_full = False
    store.start()
    _live_in_a_second(world, store, at, 2)
    assert [value for _, value in world.points("number")] == [1, 2]
    store.close()


def test_a_value_that_is_answered_not_now_keeps_no_second(world) -> None:
    """Another one may come to that second, and would be taken for it there."""
    store = world.store(interval=1)
    world.network.outage = Fault("refused connection")
    for value in (1, 2):
        store.write("number", value)
        store.stop(True)  # it misses its moment
    world.network.heal()
    world.network.plan = [None, None, Fault("locked")]  # not the questions before it
    store.stop(True)
    assert [point.sent for point in store._waiting.buffer.recorded(9)] == [None, None]
    assert store.flush(60)
    assert [value for _, value in world.points("number")] == [1, 2]
    world.kill(store)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_during_a_request_leaves_its_points_in_doubt(world, when) -> None:
    """Ctrl-C in a program that goes on."""
    rejected: list[Any] = []
    store = world.store(interval=1, on_reject=lambda *seen: rejected.append(seen))
    world.dataport("shifted", preprocess=[["add", ADDED]])
    store.record("shifted", [[1, 1]])
    assert store.flush(60)
    store.record("shifted", [[2, 2]])
    world.network.kill_at = when
    with pytest.raises(Killed):
        store.flush(60)
    assert store.flush(60) and not rejected
    assert world.points("shifted") == [[1, ADDED + 1], [2, ADDED + 2]]
    world.kill(store)


@pytest.mark.parametrize("kind", ["number", "shifted"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_value_in_flight_at_a_kill_is_told_from_the_one_before(world, tmp_path, kind, when):
    """Of equal values by counting them; of a dataport with a preprocess in no other way."""
    spool = str(tmp_path / "spool")
    world.dataport("shifted", preprocess=[["add", ADDED]])
    added = ADDED if kind == "shifted" else 0
    world.network.date_is_late = 0.9
    store = world.store(interval=1, spool=spool)
    store.write(kind, 1)
    assert store.flush(60)
    store.write(kind, 1)
    world.network.kill_at = when
    with pytest.raises(Killed):
        store.flush(60)
    world.kill(store)
    world.disk_is_full = False
    store = world.store(interval=1, spool=spool)
    assert store.flush(60)
    assert [value for _, value in world.points(kind)] == [1 + added, 1 + added]
    world.kill(store)


def test_points_that_a_full_disk_did_not_take_are_counted_once_after_close_and_start(
    world, tmp_path
) -> None:
    store = world.store(interval=1, spool=str(tmp_path / "spool"))
    world.network.outage = Fault("refused connection")
    for value in (1, 2, 3):
        store.write("number", value)
        store.stop(True)  # it misses its moment
    world.network.heal()
    world.disk_is_full = True
    world.network.plan = [None, None, Fault("cut after")]
    assert store.close(0.1) is False
    store.start()
    assert store.flush(60) and store.statistics().sent == 3
    assert [value for _, value in world.points("number")] == [1, 2, 3]
    world.kill(store)


def test_what_is_tried_alone_waits_while_nothing_goes_out(world) -> None:
    store = world.store(interval=1)
    store.record("number", [[1, 1], [2, 2]])
    world.network.plan = [None, Fault("400")]
    store.flush(0.05)  # their request is refused: each is tried alone
    assert store._delivery.isolation.suspects
    world.network.outage = Fault("refused connection")
    before = world.network.requests
    assert store.flush(60) is False and world.network.requests - before < 60
    world.network.heal()
    assert store.flush(600) and world.points("number") == [[1, 1], [2, 2]]
    world.kill(store)


# --- a live value and points that may be there: in its second, after it, or just before it ---


def test_values_of_one_second_while_requests_are_cut_off_arrive_once_or_are_dropped(world) -> None:
    """A history that the model drew."""
    random.seed(0)  # the pauses between retries are drawn
    dropped: list[Any] = []
    world.dataport("shifted", preprocess=[["add", ADDED]])
    store = world.store(
        interval=10,
        config={"overflow": "drop_oldest", "write_buffer_size": 5},
        on_drop=lambda *seen: dropped.append(seen),
    )
    for value in (1, 0):
        store.write("shifted", value)
        store.flush(0.01)
    store.record("number", [[1, "poison"]])
    world.network.poison['"poison"'] = Fault("cut before")
    for value, timeout in [(0, 0.01), (1, 1), (0, 1), (1, 1)]:
        store.write("shifted", value)
        store.flush(timeout)
    assert store.flush(6 * 3600) and [point[1] for _, point, _ in dropped] == [1, 0]
    assert _values(world, "shifted") == [0, 0, 1, 1] and store.statistics().sent == 4
    world.kill(store)


def _in_doubt(world: World, store: Any, alias: str, point: list[int]) -> None:
    """Record a point that arrives, of which nobody says so, and that is tried alone then."""
    store.record(alias, [point])
    world.network.poison["recordbatch"] = Fault("cut after")
    for _ in range(3):
        store.stop(True)
    assert point[0] in [at for at, _ in world.points(alias)]
    world.network.poison["recordbatch"] = Fault("cut before")


def _is_lost(world: World, store: Any, alias: str, value: int) -> None:
    """Write a value live with a request that never comes to the platform."""
    store.write(alias, value)
    world.network.poison["writegroup"] = Fault("cut before")
    store.stop(True)
    del world.network.poison["writegroup"]


def _values(world: World, alias: str) -> list[int]:
    return sorted(value % ADDED for _, value in world.points(alias))


kinds = pytest.mark.parametrize("kind", ["number", "shifted"])


@kinds
def test_a_live_value_replaces_no_point_in_doubt_that_is_tried_alone(world, kind) -> None:
    world.dataport("shifted", preprocess=[["add", ADDED]])
    store = world.store(interval=1)
    at = int(world.clock.now) + 2
    store.write(kind, 0)
    assert store.flush(60)
    _in_doubt(world, store, kind, [at, 1])
    world.clock.advance(at + 0.1 - world.clock.now)
    store.write(kind, 2)
    store.flush(1)
    world.network.poison.clear()
    assert store.flush(600) and _values(world, kind) == [0, 1, 2]
    world.kill(store)


@kinds
def test_a_lost_live_value_is_told_from_a_point_in_doubt_far_ahead(world, kind) -> None:
    world.dataport("shifted", preprocess=[["add", ADDED]])
    store = world.store(interval=1)
    _in_doubt(world, store, kind, [int(world.clock.now) + 60, 1])
    _is_lost(world, store, kind, 1)
    world.clock.advance(100)
    world.network.poison.clear()
    assert store.flush(600) and _values(world, kind) == [1, 1]
    world.kill(store)


@kinds
def test_a_lost_live_value_is_told_from_a_point_that_was_dropped(world, kind) -> None:
    dropped: list[Any] = []
    world.dataport("shifted", preprocess=[["add", ADDED]])
    store = world.store(
        interval=1,
        config={"write_buffer_size": 1, "overflow": "drop_oldest"},
        on_drop=lambda *seen: dropped.append(seen),
    )
    store.record(kind, [[int(world.clock.now) + 2, 1]])
    world.network.plan = [None, Fault("cut after")]
    store.stop(True)
    world.clock.advance(1)
    _is_lost(world, store, kind, 1)
    assert len(dropped) == 1 and "may have arrived" in dropped[0][2]
    world.clock.advance(3)
    assert store.flush(60) and _values(world, kind) == [1, 1]
    world.kill(store)


@kinds
@pytest.mark.parametrize("late", [0.0, 0.9])
@pytest.mark.parametrize("first", ["cut before", "cut after"])
@pytest.mark.parametrize("then", ["cut before", "cut after"])
def test_a_lost_live_value_is_told_from_one_that_was_dropped(
    world, kind, late, first, then
) -> None:
    dropped: list[Any] = []
    world.dataport("shifted", preprocess=[["add", ADDED]])
    world.network.date_is_late = late
    store = world.store(
        interval=1,
        config={"write_buffer_size": 1, "overflow": "drop_oldest"},
        on_drop=lambda *seen: dropped.append(seen),
    )
    store.write(kind, 0)
    assert store.flush(60)
    world.clock.advance(3)
    store.write(kind, 1)
    world.network.plan = [Fault(first)]
    store.stop(True)
    store.write(kind, 1)
    world.network.plan = [Fault(then)]
    store.flush(1)
    assert len(dropped) == 1 and "may have arrived" in dropped[0][2]
    there = [0, 1, 1] if first == "cut after" else [0, 1]
    assert store.flush(60) and _values(world, kind) == there
    world.kill(store)


@pytest.mark.parametrize("first", ["cut before", "cut after"])
def test_a_live_value_of_the_run_before_that_is_dropped_at_once_is_told_from_others(
    world, tmp_path, first
) -> None:
    """When what time it is there has not been told yet."""
    options = {"interval": 1, "spool": str(tmp_path / "spool")}
    store = world.store(**options)
    world.network.plan = [None, Fault(first)]
    store.write("number", 1)
    store.stop(True)
    world.kill(store)
    store = world.store(config={"write_buffer_size": 1, "overflow": "drop_oldest"}, **options)
    _is_lost(world, store, "number", 1)
    assert store.flush(60) and store.statistics().dropped == 1
    assert _values(world, "number") == ([1, 1] if first == "cut after" else [1])
    world.kill(store)


def _in_doubt_at_last(world: World, store: Any, alias: str, point: list[int]) -> None:
    """The same of a point that was tried alone before it arrived: nothing asks after it."""
    store.record(alias, [point, [1, 1]])
    world.network.poison["recordbatch"] = Fault("cut before")
    store.stop(True)
    store.stop(True)
    world.network.poison["recordbatch"] = Fault("cut after")
    store.stop(True)
    assert point[0] in [at for at, _ in world.points(alias)]
    world.network.poison["recordbatch"] = Fault("cut before")


@kinds
@pytest.mark.parametrize("fault", ["cut before", "cut after"])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_lost_live_value_is_counted_beside_a_point_just_before_the_last_one(
    world, kind, fault, is_known
) -> None:
    """The platform's second is known to within some: the last one might lie where that is."""
    world.dataport("shifted", preprocess=[["add", ADDED]])
    world.network.date_is_late = 0.9
    store = world.store(interval=1)
    world.clock.advance(9.05)
    second = int(world.clock.now)
    store.write(kind, 1)
    assert store.flush(60)
    if is_known:
        world.clock.advance(1.01)
        store.record(kind, [[second - 1, 1]])
        assert store.flush(60)
    else:
        _in_doubt_at_last(world, store, kind, [second - 1, 1])
        world.clock.advance(second + 1.06 - world.clock.now)
    store.write(kind, 1)
    world.network.poison["writegroup"] = Fault(fault)
    store.flush(1)
    world.network.poison.clear()
    assert store.flush(600) and len(_values(world, kind)) == (3 if is_known else 4)
    world.kill(store)


@kinds
@pytest.mark.parametrize("fault", ["cut before", "cut after"])
def test_what_was_recorded_after_a_lost_live_value_is_not_there_after_a_restart(
    world, tmp_path, kind, fault
) -> None:
    rejected: list[Any] = []
    options = {"spool": str(tmp_path / "spool"), "on_reject": lambda *seen: rejected.append(seen)}
    world.dataport("shifted", preprocess=[["add", ADDED]])
    store = world.store(interval=1, **options)
    store.write(kind, 1)
    world.network.plan = [None, Fault(fault)]
    store.stop(True)
    at = int(world.clock.now)
    store.record(kind, [[at, 2]])
    world.kill(store)
    store = world.store(interval=1, **options)
    assert store.flush(60)
    if fault == "cut after":
        assert rejected == [(kind, [at, 2], OCCUPIED)] and _values(world, kind) == [1]
    else:
        assert not rejected and _values(world, kind) == [1, 2]
    world.kill(store)


@kinds
def test_a_lost_live_value_is_told_from_a_point_that_was_given_up_unasked(world, kind) -> None:
    rejected: list[Any] = []
    world.dataport("shifted", preprocess=[["add", ADDED]])
    store = world.store(interval=1, on_reject=lambda *seen: rejected.append(seen[1]))
    at = int(world.clock.now) + 3600
    store.record(kind, [[at, 1]])
    world.network.poison = {"recordbatch": Fault("cut after"), "starttime": Fault("cut before")}
    assert store.flush(3000) and rejected == [[at, 1]] and _values(world, kind) == [1]
    _is_lost(world, store, kind, 1)
    world.clock.advance(3600)
    world.network.poison.clear()
    assert store.flush(600) and _values(world, kind) == [1, 1]
    world.kill(store)


@pytest.mark.parametrize("fault", ["cut before", "cut after"])
@pytest.mark.parametrize("late", [0.0, 0.9])
def test_a_point_recorded_where_its_value_is_already_is_counted_with_that(
    world, fault, late
) -> None:
    world.network.date_is_late = late
    store = world.store(interval=1)
    world.clock.advance(9.05)
    store.write("number", 1)
    assert store.flush(60)
    store.record("number", world.points("number"))
    assert store.flush(60) and store.statistics().sent == 2
    world.clock.advance(1)
    store.write("number", 1)
    world.network.poison["writegroup"] = Fault(fault)
    store.stop(True)
    world.network.poison.clear()
    assert store.flush(60) and _values(world, "number") == [1, 1]
    world.kill(store)
