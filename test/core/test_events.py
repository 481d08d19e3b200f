"""Units and events: what fails is undone alone, and what happened is told after the commit."""

from __future__ import annotations

import asyncio

import pytest
from access_table import exchange

from pyonep.server.core import devices, lifecycle
from pyonep.server.core.errors import Gone, NotKept, Refused
from pyonep.server.core.events import Remains, Written
from pyonep.server.core.results import Wait
from pyonep.server.platform import Batch


class Fault(Exception):
    pass


@pytest.fixture
def told(core):
    """What was told so far: one list of events for each commit."""
    found = []
    core.events.listeners.append(lambda notes: found.append([note.event for note in notes]))
    return found


def put(unit, value, time=5):
    """Write a value, and tell it."""
    unit.series.put(1, time, str(value))
    unit.emit(Written(1, time, value))
    return value


def put_then_fail(unit, value):
    put(unit, value)
    raise Fault


def values(platform):
    return dict(platform.unit.series.page(1, 0, 100, 100, True, 10**6)[0])


# --- units ---


def test_work_within_work_shares_its_fate(core):
    def outer():
        core.work(lambda unit: unit.series.put(1, 5, "a"))
        raise Fault

    with pytest.raises(Fault):
        core.work(lambda _: outer())
    assert core.unit.series.newest(1) is None


def test_what_is_done_afterwards_is_done_in_any_case(core):
    def work(fault):
        core.unit.series.put(1, 5, "undone")
        core.unit.afterwards(lambda _: core.unit.series.put(1, 6, "kept"))
        if fault:
            raise Fault

    with pytest.raises(Fault):
        core.work(lambda _: work(True))
    assert values(core) == {6: "kept"}


def test_a_fault_afterwards_is_logged(core, caplog):
    def fault(_):
        core.unit.series.put(1, 7, "undone")
        raise Fault

    core.work(lambda unit: unit.afterwards(fault))
    assert values(core) == {}
    assert "fault while clearing up" in caplog.text


def test_work_in_steps_is_a_sequence_of_units(core):
    def steps():
        put(core.unit, 1, 5)
        yield
        put(core.unit, 2, 6)
        raise Fault

    work = steps()
    assert core.step(work) is None
    with pytest.raises(Fault):
        core.step(work)
    assert values(core) == {5: "1"}


def test_run_returns_when_it_is_durable(core, told):
    async def run():
        assert await core.run(put, 7) == 7
        assert told == [[Written(1, 5, 7)]]
        assert not core.database.dirty

    asyncio.run(run())


def test_run_goes_through_steps_and_asks_whether_it_may_go_on(core):
    def refuse():
        raise Refused

    def steps(unit):
        for time in range(1, 100):
            put(unit, time, time)
            yield
            end = asyncio.get_running_loop().time() + 0.005
            while asyncio.get_running_loop().time() < end:
                pass
        return "done"

    async def run():
        assert await core.run(at_once_or_not) == "soon"
        with pytest.raises(Refused):
            await core.run(steps, check=refuse)

    def at_once_or_not(unit):
        yield
        return "soon"

    asyncio.run(run())
    assert 0 < len(values(core)) < 99


# --- events ---


def test_events_are_told_once_in_order_after_the_commit(core, told):
    for value in (1, 2):
        core.work(put, value)
    core.work(lambda unit: unit.emit(Remains()))
    assert told == []
    assert core.commit() is None
    assert told == [[Written(1, 5, 1), Written(1, 5, 2), Remains()]]
    core.commit()
    assert told[1:] == [[]]


def test_what_is_told_is_durable(core):
    seen = []
    core.events.listeners.append(lambda notes: seen.append(core.database.dirty))
    core.work(put, 1)
    core.commit()
    assert seen == [False]


def test_what_is_undone_is_not_told(core, told):
    core.work(put, 1)
    with pytest.raises(Fault):
        core.work(put_then_fail, 2)
    core.work(put, 3)
    core.commit()
    assert told == [[Written(1, 5, 1), Written(1, 5, 3)]]


def test_what_is_rolled_back_is_not_told(core, told):
    async def run():
        batch = Batch(core)
        core.work(put, 1)
        core.rollback(OSError("no space"))
        with pytest.raises(NotKept):
            await batch.until_durable()

    asyncio.run(run())
    core.work(put, 2)
    core.commit()
    assert told == [[Written(1, 5, 2)]]


def test_one_who_listens_may_work(core, told):
    """What that changes is told after a commit of its own."""

    def answer(notes):
        for note in notes:
            if note.event == Written(1, 5, 1):
                core.work(put, 2, 6)

    core.events.listeners.append(answer)
    core.work(put, 1)
    core.commit()
    assert told == [[Written(1, 5, 1)]]
    core.commit()
    assert told[1:] == [[Written(1, 6, 2)]]


def test_a_fault_of_one_who_listens_is_told_and_the_others_hear_all_the_same(core, caplog):
    def broken(notes):
        raise Fault("while listening")

    told = []
    core.events.listeners[:0] = [broken]
    core.events.listeners.append(lambda notes: told.extend(note.event for note in notes))
    asyncio.run(core.run(put, 1))
    asyncio.run(core.run(put, 2, 6))
    assert told == [Written(1, 5, 1), Written(1, 6, 2)]
    assert caplog.text.count("fault while telling what happened") == 2


# --- waits ---


def waiting(core, port, since=None):
    return core.open_wait(Wait(port.id, 10, since, lambda: None))


def write(core, port, value):
    def do(unit):
        unit.series.put(port.id, unit.now(), str(value))
        unit.emit(Written(port.id, unit.now(), value))

    core.work(do)


@pytest.fixture
def port(core):
    def make(unit):
        owner = unit.resources.by_rid(devices.add(unit).rid)
        return lifecycle.create(unit, owner, "dataport", {"format": "integer"})

    port = core.work(make)
    core.commit()
    return port


def test_a_wait_between_two_writes_of_one_transaction_gets_the_second(core, port):
    async def run():
        write(core, port, 1)
        waiter = waiting(core, port)
        write(core, port, 2)
        assert not waiter.future.done()
        core.commit()
        assert (await core.waits.result(waiter))[1] == 2

    asyncio.run(run())


def test_a_wait_does_not_get_what_is_undone(core, port):
    async def run():
        waiter = waiting(core, port)
        with pytest.raises(Fault):
            core.work(emit_then_fail, port)
        core.commit()
        assert not waiter.future.done()
        write(core, port, 2)
        core.commit()
        assert (await core.waits.result(waiter))[1] == 2

    def emit_then_fail(unit, port):
        unit.emit(Written(port.id, unit.now(), 1))
        raise Fault

    asyncio.run(run())


def test_a_wait_ends_with_its_resource(core, port):
    async def run():
        waiter = waiting(core, port)
        core.work(lifecycle.drop, port)
        core.commit()
        with pytest.raises(Refused, match="the resource was dropped"):
            await core.waits.result(waiter)

    asyncio.run(run())


def test_a_wait_that_nobody_ends_expires(core, port):
    async def run():
        waiter = core.open_wait(Wait(port.id, 0, None, lambda: None))
        with pytest.raises(Refused, match="no point came in time"):
            await core.waits.result(waiter)
        assert len(core.waits) == 0

    asyncio.run(run())


def test_a_wait_that_began_before_a_rollback_gets_what_follows(core, port):
    async def run():
        for value in range(3):
            write(core, port, value)
        waiter = waiting(core, port)
        core.rollback(OSError("no space"))
        write(core, port, 7)
        core.commit()
        assert (await core.waits.result(waiter))[1] == 7

    asyncio.run(run())


def test_what_is_written_to_and_dropped_at_once_is_gone_for_who_waits(core, port):
    async def run():
        waiter = waiting(core, port)
        write(core, port, 1)
        core.work(lifecycle.drop, port)
        core.commit()
        with pytest.raises(Gone):
            await core.waits.result(waiter)

    asyncio.run(run())


def test_a_long_poll_tells_no_point_whose_commit_fails(core, port, monkeypatch):
    """What it finds there at once may be another's, and not be durable yet."""
    cik = core.unit.resources.by_id(port.owner).cik
    core.work(lambda unit: unit.resources.map(port.owner, "port", port.id))
    core.commit()
    write(core, port, 1)
    monkeypatch.setattr(core.database, "commit", no_space)
    headers = [("X-Exosite-CIK", cik), ("Request-Timeout", "1"), ("If-Modified-Since", "1")]
    assert exchange(core, "GET", "/onep:v1/stack/alias?port", headers) == 500


def no_space():
    raise OSError("no space")
