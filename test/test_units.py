"""Work on a store in memory, some of which fails: what fails is undone, and nothing else."""

from __future__ import annotations

import contextlib

from conftest import fuzzed
from hypothesis import given
from hypothesis import strategies as st
from platforms import in_memory


class Fault(Exception):
    pass


def series(platform, number):
    """Everything that can be asked about a series, through its caches and behind them."""
    store = platform.unit.series
    points = dict(store.page(number, -(2**60), 2**60, 1000, True, 10**6)[0])
    newest = store.newest(number)
    assert store.count(number) == len(points)
    assert store.size(number) == sum(map(len, points.values()))
    assert (newest and tuple(newest)) == (max(points.items()) if points else None)
    return points


NUMBERS = st.integers(1, 3)
TIMES = st.integers(1, 6)
VALUES = st.text("ab", max_size=3)
ENTRIES = st.lists(st.tuples(TIMES, VALUES), max_size=4)
STEPS = st.one_of(
    st.tuples(st.just("put"), NUMBERS, TIMES, VALUES),
    st.tuples(st.just("put_many"), NUMBERS, ENTRIES),
    st.tuples(st.just("remove"), NUMBERS, TIMES, TIMES),
    st.tuples(st.just("keep"), NUMBERS, st.integers(0, 2)),
    st.tuples(st.just("look"), NUMBERS),
    st.tuples(st.just("count"), NUMBERS),
    st.tuples(st.just("tag"), NUMBERS, VALUES),
    st.tuples(st.just("atomic fault"), NUMBERS, TIMES, VALUES),
)


def take(platform, model, step):
    """One step, on the store and on a dict of dicts."""
    kind, number, *rest = step
    store, points = platform.unit.series, model[number]
    if kind == "put":
        store.put(number, *rest)
        points[rest[0]] = rest[1]
    elif kind == "put_many":
        store.put_many(number, *columns(rest[0]))
        points.update(rest[0])
    elif kind == "remove":
        store.remove(number, *rest)
        for time in [t for t in points if rest[0] <= t <= rest[1]]:
            del points[time]
    elif kind == "keep":
        store.keep_newest(number, rest[0])
        for time in sorted(points)[: max(0, len(points) - rest[0])]:
            del points[time]
    elif kind == "look":
        assert dict(store.page(number, 1, 6, 100, True, 10**6)[0]) == points
    elif kind == "count":
        assert store.count(number, 2, 5) == len([t for t in points if 2 <= t <= 5])
    elif kind == "tag":
        platform.unit.resources.add_tag(number, rest[0])
        model["tags"].add((number, rest[0]))
    else:
        with contextlib.suppress(Fault), platform.database.atomic():
            store.put(number, *rest)
            raise Fault


def columns(entries):
    """Times and values."""
    return [time for time, _ in entries], [value for _, value in entries]


def copied(model):
    return {key: value.copy() for key, value in model.items()}


@fuzzed(100)
@given(st.lists(st.tuples(st.lists(STEPS, max_size=4), st.sampled_from(["", "fault", "commit"]))))
def test_what_fails_is_undone_and_nothing_else(units):
    with in_memory() as platform:
        undone_or_kept(platform, units)


def undone_or_kept(platform, units):
    model = {number: {} for number in (1, 2, 3)}
    model["tags"] = set()

    def work(_, steps, end):
        for step in steps:
            take(platform, model, step)
        if end == "fault":
            raise Fault

    for steps, end in units:
        before = copied(model)
        try:
            platform.work(work, steps, end)
        except Fault:
            model = before
        if end == "commit":
            assert platform.commit() is None
    for number in (1, 2, 3):
        assert series(platform, number) == model[number]
        tags = {(number, tag) for tag in platform.unit.resources.tags(number)}
        assert tags == {tag for tag in model["tags"] if tag[0] == number}
    platform.commit()
    platform.database.rollback()  # forgets what is cached
    for number in (1, 2, 3):
        assert series(platform, number) == model[number]


def test_a_unit_that_only_reads_or_writes_points_costs_no_savepoint(core):
    ran = []
    core.work(lambda unit: unit.series.put(1, 5, "a"))
    core.database._driver.set_trace_callback(ran.append)
    core.work(lambda unit: unit.series.put(1, 6, "a"))
    core.work(lambda unit: unit.series.newest(1))
    core.work(lambda unit: unit.series.page(1, 0, 9, 10, True, 100))  # needs what is held back
    core.database._driver.set_trace_callback(None)
    assert not [sql for sql in ran if "SAVEPOINT" in sql]


@fuzzed(50)
@given(st.lists(st.lists(st.tuples(st.integers(1, 250), VALUES), min_size=90, max_size=220)))
def test_of_many_points_that_are_held_back_the_last_of_a_second_stays(batches):
    points = {}

    def put(unit, entries):
        unit.series.put_many(1, *columns(entries))

    with in_memory() as platform:
        for entries in batches:
            platform.work(put, entries)
            points.update(entries)
        assert platform.commit() is None
        assert series(platform, 1) == points
        platform.database.rollback()  # forgets what is cached
        assert series(platform, 1) == points
