"""The states of a Datastore: started, stopped, closed, refused, forked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from simulation import Core, Fault, World

from pyonep.lifecycle import State, Step, after

OPEN = [State.NEW, State.RUNNING, State.REFUSED, State.STOPPED, State.FORKED]


@pytest.fixture(scope="module")
def core() -> Iterator[Core]:
    core = Core(False)
    yield core
    core.close()


@pytest.fixture
def world(core) -> World:
    world = World(core)
    world.dataport("number")
    return world


@pytest.mark.parametrize("state", list(State))
def test_each_step_leads_somewhere_from_each_state(state) -> None:
    assert after(state, Step.START) is State.RUNNING
    assert after(state, Step.CLOSE) is (State.CLOSING if state in OPEN else state)
    assert after(after(state, Step.CLOSE), Step.END) is State.CLOSED
    assert after(state, Step.STOP) not in (State.RUNNING, State.REFUSED, State.FORKED)
    assert after(after(state, Step.REFUSE), Step.ANSWER) in (state, State.RUNNING)
    assert after(state, Step.FORK) not in (State.RUNNING, State.REFUSED, State.CLOSING)


def test_a_datastore_goes_from_state_to_state(world) -> None:
    store = world.store(interval=1)
    seen = [store._life.state]
    for go in (store.start, store.stop, store.restart, store.close, store.start, store.close):
        go()
        seen.append(store._life.state)
    assert seen == [
        State.NEW,
        State.RUNNING,
        State.STOPPED,
        State.RUNNING,
        State.CLOSED,
        State.RUNNING,
        State.CLOSED,
    ]


@pytest.mark.parametrize("how", ["start", "flush"])
def test_a_key_that_was_refused_is_tried_again_when_told_to(world, how) -> None:
    store = world.store(interval=1)
    store.start()
    world.network.outage = Fault("401")
    store.record("number", [[1, 1]])
    world.clock.advance(5)
    assert store._life.state is State.REFUSED and store.isThreadAlive()
    before = world.network.requests
    world.network.heal()
    world.clock.advance(60)
    assert world.network.requests == before and store.statistics().waiting == 1
    store.start() if how == "start" else store.flush(5)
    world.clock.advance(5)
    assert store._life.state is State.RUNNING and world.points("number") == [[1, 1]]
    store.close()


def test_a_start_while_it_is_closing_takes_that_back(world, tmp_path) -> None:
    store: Any = world.store(
        interval=1, spool=str(tmp_path / "spool"), on_reject=lambda *_: store.start()
    )
    store.start()
    store.record("number", [[1, "bad"]])
    assert store.close() is True
    assert store._life.state is State.RUNNING and store.isThreadAlive()
    assert store.write("number", 2) and store.close()
    assert [value for _, value in world.points("number")] == [2]
    assert store.write("number", 3) is False
