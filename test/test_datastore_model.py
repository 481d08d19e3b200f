"""A Datastore under random faults, against a ledger of what it accepted.

Time, network and disk are simulated (see simulation.py); the platform is the real one. What
is promised: each value that was accepted is on the platform once, or was reported once.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import shutil
import tempfile
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

SHIFT = datastore_config["shift_seconds"]
ADDED = 1_000_000  # by the preprocess of one dataport
WAITS, REJECTED, DROPPED, REPLACED = "waits", "rejected", "dropped", "replaced"

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
        logging.getLogger("pyonep.datastore").setLevel(logging.CRITICAL)
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
        spooled=st.booleans(),
        overflow=st.sampled_from(["refuse", "drop_oldest", "block"]),
        size=st.sampled_from([5, 1000, 1000]),
        request_points=st.sampled_from([2, 2000, 2000]),
        autocreate=st.booleans(),
    )
    def begin(
        self, replaces, distinct, skew, spooled, overflow, size, request_points, autocreate
    ) -> None:
        self.world = World(_core(replaces), skew)
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
        self.store = self.world.store(**self.options)
        self.disk_is_full = False
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
        for entry in self.ledger:
            if (entry.alias, entry.time, entry.value) == (alias, *point) and entry.state == WAITS:
                entry.state, entry.reason = state, reason
                return
        self.problems.append(f"{state} does not wait: {alias} {point} {reason}")

    def _accept(self, entries: list[Entry]) -> None:
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

    @precondition(lambda self: self._is_on_disk())
    @rule(timeout=st.sampled_from([0, 5, 30]), again=st.booleans())
    def close(self, timeout, again) -> None:
        done = self.store.close(timeout)
        assert done == (self.store.statistics().waiting == 0)
        if done:
            self._check(all_there=True)
        assert self.store.close() == done
        assert self.store.write("number", 0) is False
        if again:
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
        self.disk_is_full = is_full
        self._set_disk()

    def _set_disk(self) -> None:
        database = getattr(self.store._buffer, "_database", None)
        if database is not None:
            database.is_full = self.disk_is_full

    @precondition(lambda self: self.options["spool"] and self._is_on_disk())
    @rule(when=st.sampled_from(["now", "before", "after"]))
    def killed(self, when) -> None:
        if when != "now" and not self.runs:
            self.world.network.kill_at = when
            with contextlib.suppress(Killed):
                self.store.flush(5)
            self.world.network.kill_at = None
        self._reopen()

    def _is_on_disk(self) -> bool:
        """Whether the spool knows all: what a full disk did not take is gone with the process."""
        return not self.disk_is_full and not getattr(self.store._buffer, "_unsaved", None)

    def _reopen(self) -> None:
        self.world.kill(self.store)
        self.open_store()

    # --- the oracle ---

    @invariant()
    def nothing_strange_was_reported(self) -> None:
        assert not self.problems, self.problems
        for entry in self.ledger:
            if entry.state == REJECTED and not entry.is_bad:
                assert self._is_reason(entry), entry

    def _is_reason(self, entry: Entry) -> bool:
        """Whether there was a reason to reject a value with which nothing is wrong."""
        if entry.alias in ("new", "newer") and not self.autocreate:
            return True
        near = SHIFT if entry.live else 0
        return (
            any(
                other is not entry
                and other.alias == entry.alias
                and (other.live or entry.live or other.time == entry.time)
                and other.state in (WAITS, REJECTED)
                for other in self.ledger
            )
            and near >= 0
        )

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
        self.disk_is_full = False
        self._set_disk()
        if self.store._closed:
            self.store.start()
        until = self.world.clock.now + 6 * 3600
        while self.store.statistics().waiting and self.world.clock.now < until:
            if self.runs and not self.store._halted:
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
    owner: dict[int, int] = {}

    def assign(position: int, seen: set[int]) -> bool:
        for number in places[position]:
            if number in seen:
                continue
            seen.add(number)
            if number not in owner or assign(owner[number], seen):
                owner[number] = position
                return True
        return False

    # Those that have to be there come first, and keep their places.
    for position in sorted(range(len(entries)), key=lambda one: entries[one].state != WAITS):
        assign(position, set())
    return {number: entries[position] for number, position in owner.items()}


@pytest.mark.soak
def test_what_was_accepted_arrives_once_or_is_reported_once() -> None:
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
