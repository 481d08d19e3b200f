"""What a Datastore does when network, platform, disk or values go wrong."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import textwrap
import threading
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from platforms import dataport
from running import in_threads, run_python
from servers import Proxy, Recorder, Socket, dripping, free_port, results, saying, settles
from stores import FAST, Stores, begin_of_second

from pyonep.backoff import Budget
from pyonep.buffer import Point
from pyonep.datastore import Datastore
from pyonep.exceptions import JsonRPCResponseException, JsonStringException, OnePlatformException
from pyonep.isolation import Isolation, blame
from pyonep.placing import place, windows
from pyonep.server import LocalPlatform, Settings


@pytest.fixture(params=["refused", "replaced"])
def ruled(request, tmp_path):
    """Stores on a platform that refuses to record in a taken second, and on one that replaces."""
    with LocalPlatform(settings=Settings(replace_recorded=request.param == "replaced")) as platform:
        made = Stores(platform, platform.device(), str(tmp_path / "spool.sqlite"))
        for alias in ("a", "b", "c"):
            dataport(made.o, made.cik, "integer", alias=alias)
        yield made
        made.close()


def speaking_to(server, config=FAST, **kwargs):
    """A Datastore of a server that is no platform."""
    return Datastore("a" * 40, 1, transport=server.connection, config=config, **kwargs)


def answering(change):
    """Answers of a recorder, each request's list of them changed."""

    def answer(request):
        status, headers, body = results(request)
        calls = json.loads(request[3])["calls"]
        return status, headers, json.dumps(change(calls, json.loads(body))).encode()

    return answer


# --- one point per second ---


def test_a_value_that_missed_its_moment_replaces_none_that_was_acknowledged(ruled):
    """AMD-005: recorded in its second or the next free one, whatever the platform's rule is."""
    with Proxy(ruled.platform.port) as proxy:
        store = ruled(connection={**proxy.connection, "timeout": 1})
        for value in range(1, 9):
            store.write("a", value)
            proxy.down = value % 2 == 0
            if proxy.down:
                proxy.cut()
            store.flush(0.05 if proxy.down else 5)
            proxy.down = False
        assert store.flush(10)
    rejected = [point[1] for _, point, _ in ruled.rejected]
    assert sorted(ruled.values("a") + rejected) == list(range(1, 9))
    assert len(ruled.values("a")) >= 6
    assert store.statistics().sent == len(ruled.values("a"))


def test_values_over_a_network_that_fails_now_and_then(ruled):
    with Proxy(ruled.platform.port) as proxy:
        store = ruled(connection={**proxy.connection, "timeout": 1})
        store.start()
        for value in range(6):
            for alias in "abc":
                store.write(alias, value)
            proxy.down = value % 3 == 1
            if proxy.down:
                proxy.cut()
            time.sleep(1.15)
        proxy.down = False
        assert store.close()
    replaced = store.statistics().replaced
    arrived = sum(len(ruled.values(alias)) for alias in "abc")
    assert arrived + replaced == 18 and ruled.rejected == [] and replaced <= 9
    for alias in "abc":
        assert ruled.values(alias) == sorted(ruled.values(alias))


def test_two_live_values_within_a_second_both_arrive(stores):
    store = stores()
    begin_of_second()
    for value in (1, 2, 3):
        store.write("a", value)
        assert store.flush(10)
    assert stores.values("a") == [1, 2, 3] and stores.rejected == []
    # They were written live, and what follows live values follows these.
    stamps = [stamp for stamp, _ in stores.points("a")]
    assert stamps[-1] <= time.time()


def test_without_time_to_wait_a_value_is_recorded_in_the_next_free_second(stores):
    store = stores()
    now = begin_of_second()
    for value in range(1, 10):
        store.write("a", value)
        store.flush(0.2)
    assert store.flush(10)
    rejected = [point[1] for _, point, _ in stores.rejected]
    assert sorted(stores.values("a") + rejected) == list(range(1, 10))
    assert rejected and "no free second within 5 seconds" in stores.rejected[0][2]
    assert all(now <= stamp <= time.time() + 6 for stamp, _ in stores.points("a"))


def test_a_live_value_replaces_none_that_was_recorded_in_its_second(ruled):
    """The other way round: what is written waits until the second is over."""
    store = ruled()
    for turn in range(2):
        now = begin_of_second()
        store.record("a", [[now, turn]])
        assert store.flush(10)
        store.write("a", 10 + turn)
        assert store.flush(10)
        store.record("b", [[int(time.time()), turn]])
        store.write("b", 10 + turn)
        assert store.flush(10)
    assert sorted(ruled.values("a")) == [0, 1, 10, 11]
    assert sorted(ruled.values("b")) == [0, 1, 10, 11]


def test_what_is_recorded_replaces_no_value_that_was_written(ruled):
    store = ruled()
    store.write("a", 1)
    assert store.flush(10)
    ((stamp, _),) = ruled.points("a")
    store.record("a", [[stamp - 1, 2], [stamp, 3], [stamp + 1, 4]])
    assert store.flush(10)
    assert ruled.values("a") == [2, 1, 4]
    assert [point for _, point, _ in ruled.rejected] == [[stamp, 3]]


def test_the_seconds_are_known_after_a_restart(ruled):
    store = ruled()
    begin_of_second()
    store.write("a", 1)
    assert store.flush(10) and store.close()
    store = ruled()
    store.write("a", 2)
    assert store.flush(10)
    ((stamp, _), _) = ruled.points("a")
    store.record("a", [[stamp, 3]])
    assert store.flush(10)
    assert ruled.values("a") == [1, 2]
    assert [point for _, point, _ in ruled.rejected] == [[stamp, 3]]


def test_points_of_one_second_in_one_call(ruled):
    """AMD-005: which of them was refused is told apart; what is stored is not reported."""
    store = ruled()
    store.record("a", [[5, "bad"], [5, 1], [6, 2], [6, "bad"], [7, 3]])
    assert store.flush(10)
    assert ruled.points("a") == [[5, 1], [6, 2], [7, 3]]
    assert [point for _, point, _ in ruled.rejected] == [[5, "bad"], [6, "bad"]]
    assert store.statistics().sent == 3 and store.statistics().rejected == 2


def test_places():
    def late(number, time, sent=None):
        return Point(number, "a", time, number, False, sent, True)

    points = [late(1, 10), late(2, 10), Point(3, "a", 12, 3), late(4, 11, 14.0), late(5, 90)]
    assert windows(points, 5) == [(10, 16), (90, 95)]
    places = place(points, {10: 0, 14: 4}, 5)
    assert [(point.number, second) for point, second in places.at] == [
        (1, 11),
        (2, 13),
        (3, 12),
        (5, 90),
    ]
    assert [point.number for point in places.there] == [4]
    assert place([late(1, 10)], dict.fromkeys(range(10, 16)), 5).no_room == [late(1, 10)]


# --- answers ---


def test_answers_are_matched_by_id():
    """A call without an answer is in doubt, whichever of them it is."""
    turns = []

    def first_is_missing(calls, answers):
        records = [call for call in calls if call["procedure"] == "recordbatch"]
        for call, answer in zip(calls, answers):
            if call["arguments"][0] == {"alias": "b"}:
                answer.update(status="restricted")
        if len(records) == 3:
            turns.append(calls)
            return answers[1:]
        return answers

    rejected = []
    with Recorder(answering(first_is_missing)) as server:
        store = speaking_to(server, on_reject=lambda *seen: rejected.append(seen))
        for alias in "abc":
            store.record(alias, [[1, 1]])
        assert store.flush(10)
        last = [call["arguments"][0]["alias"] for call in server.bodies()[-1]["calls"]]
        assert turns and last == ["a"]
        assert rejected == [("b", [1, 1], "restricted")]
        assert store.statistics().sent == 2
        store.close()


def test_answers_nobody_asked_for_count_for_nothing():
    def strange(calls, answers):
        if calls[0]["procedure"] != "recordbatch" or len(strange_turns) > 1:
            return answers
        strange_turns.append(1)
        return [{"id": 99_999, "status": "ok"}, {"id": "0", "status": "ok"}, "ok"]

    strange_turns = []
    with Recorder(answering(strange)) as server:
        store = speaking_to(server)
        store.record("a", [[1, 1]])
        assert store.flush(10)
        assert len(strange_turns) == 2 and store.statistics().sent == 1
        assert store.statistics().retried == 2
        store.close()


def test_a_platform_that_never_answers_a_call_is_not_hammered():
    def never(calls, answers):
        return [a for c, a in zip(calls, answers) if c["arguments"][0] != {"alias": "a"}]

    with Recorder(answering(never)) as server:
        config = {**FAST, "retry_base": 0.2, "retry_cap": 1}
        store = speaking_to(server, config)
        store.record("a", [[1, 1]])
        store.record("b", [[1, 1]])
        assert store.flush(1) is False
        assert store.statistics().waiting == 1 and len(server.requests) < 30
        store.close(0)


# --- exactly once ---


@pytest.mark.parametrize("format, values", [("integer", [1, "2"]), ("string", ["x", 2.5])])
def test_a_record_whose_answer_was_lost_is_not_reported(ruled, format, values):
    """AMD-005: refused at the second try because it has arrived."""
    dataport(ruled.o, ruled.cik, format, alias="d")
    with Proxy(ruled.platform.port) as proxy:
        store = ruled(connection={**proxy.connection, "timeout": 0.5})
        store.record("d", [[5, values[0]], [6, values[1]]])
        store._delivery.line.probe()
        proxy.swallow = True
        assert store.flush(0.3) is False
        proxy.swallow = False
        assert store.flush(10)
    assert [stamp for stamp, _ in ruled.points("d")] == [5, 6]
    assert ruled.rejected == [] and store.statistics().sent == 2


def test_a_record_whose_answer_was_lost_with_a_preprocess(ruled):
    dataport(ruled.o, ruled.cik, "integer", alias="d", preprocess=[["add", 1]])
    with Proxy(ruled.platform.port) as proxy:
        store = ruled(connection={**proxy.connection, "timeout": 0.5})
        store.record("d", [[5, 5]])
        store.write("d", 1)
        store._delivery.line.probe()
        proxy.swallow = True
        assert store.flush(0.3) is False
        proxy.swallow = False
        assert store.flush(10)
    assert ruled.values("d") == [6, 2] and ruled.rejected == []
    assert store.statistics().sent == 2


def test_a_record_whose_answer_was_lost_when_the_process_died(ruled):
    """AMD-005."""
    with Proxy(ruled.platform.port) as proxy:
        store = ruled(connection={**proxy.connection, "timeout": 0.5})
        store.record("a", [[5, 5]])
        store._delivery.line.probe()
        proxy.swallow = True
        assert store.close(0.3) is False
    store = ruled()
    assert store.flush(10) and store.statistics().sent == 1
    assert ruled.points("a") == [[5, 5]] and ruled.rejected == []


def test_a_value_recorded_late_whose_answer_was_lost(ruled):
    """AMD-005: it keeps the second under which it was sent."""
    with Proxy(ruled.platform.port) as proxy:
        store = ruled(connection={**proxy.connection, "timeout": 0.5})
        store.write("a", 7)
        assert store.flush(10)
        proxy.down = True
        proxy.cut()
        store.write("a", 7)  # the same value: not to be taken for the one that is there
        assert store.flush(0.1) is False
        proxy.down = False
        lost = []

        def swallow_records(request):
            return b"recordbatch" in request and not lost and not lost.append(1)

        proxy.swallow_if = swallow_records
        assert store.flush(10)
    assert lost and ruled.values("a") == [7, 7]
    assert store.statistics().sent == 2 and ruled.rejected == []


def test_a_record_in_a_second_that_has_another_point_is_reported(platform, device):
    """AMD-005."""
    made = Stores(platform, device, None)
    dataport(made.o, made.cik, "integer", alias="a")
    assert made.o.record(made.cik, {"alias": "a"}, [[5, 5]])[0]
    store = made()
    store.record("a", [[5, 6], [6, 7]])
    assert store.flush(10)
    assert made.points("a") == [[5, 5], [6, 7]]
    assert made.rejected == [("a", [5, 6], "invalid: there is a point in its second")]
    made.close()


# --- values the platform never takes ---


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("how", ["record", "write"])
def test_a_value_nested_too_deep_is_isolated(stores, how):
    store = stores(config={"write_buffer_size": 10_000})
    for n in range(1, 301):
        assert store.record("a", [[n, n]])
    if how == "record":
        assert store.record("b", [[7, 7], [8, nested(70)], [9, 9]])
    else:
        assert store.write("b", nested(70)) and store.record("b", [[7, 7], [9, 9]])
    assert store.write("c", 5)
    assert store.flush(20)
    assert store.statistics().retried < 20  # it is found by halving
    assert stores.values("a") == list(range(1, 301))
    assert stores.values("b") == [7, 9] and stores.values("c") == [5]
    ((alias, (_, value), reason),) = stores.rejected
    assert alias == "b" and value == nested(70) and "400" in reason
    assert store._delivery.isolation.limit == 2000 and not store._delivery.isolation.suspects


def test_a_value_too_long_is_isolated(stores):
    store = stores()
    store.record("a", [[1, 1]])
    store.record("b", [[1, "x" * (40 * 1024 * 1024)], [2, 2]])
    store.record("c", [[1, 1]])
    assert store.flush(60)
    assert stores.values("a") == [1] and stores.values("b") == [2] and stores.values("c") == [1]
    ((alias, (stamp, _), _),) = stores.rejected
    assert (alias, stamp) == ("b", 1)


@pytest.mark.parametrize("status", [400, 413, 500])
def test_what_a_proxy_in_between_never_lets_through(status):
    """The value 666 makes it answer so; the rest flows meanwhile."""

    def picky(request):
        if b"666" in request[3]:
            return status, {"Content-Type": "text/html"}, b"<h1>no</h1>"
        return results(request)

    rejected = []
    with Recorder(picky) as server:
        store = speaking_to(server, on_reject=lambda *seen: rejected.append(seen))
        for alias in "abcdefgh":
            store.record(alias, [[n, 666 if (alias, n) == ("e", 5) else 1] for n in range(1, 11)])
        assert store.flush(20)
        assert store.statistics().sent == 79
        ((alias, point, reason),) = rejected
        assert (alias, point) == ("e", [5, 666]) and str(status) in reason
        before = len(server.requests)
        store.record("a", [[20, 1]])
        assert store.flush(5) and len(server.requests) == before + 1
        store.close()


@pytest.mark.parametrize("status", [400, 500, 503])
def test_nothing_is_given_up_while_the_platform_is_down(status):
    """It answers everything so: that says nothing about a value."""
    broken = threading.Event()
    broken.set()

    def down(request):
        if broken.is_set():
            return status, {}, b"down"
        return results(request)

    rejected = []
    with Recorder(down) as server:
        store = speaking_to(server, on_reject=lambda *seen: rejected.append(seen))
        store.record("a", [[n, n] for n in range(1, 5)])
        store.write("b", 1)
        store.write("c", 1)
        assert store.flush(2) is False
        assert rejected == [] and store.statistics().waiting == 6
        assert len(server.requests) < 150
        broken.clear()
        assert store.flush(10)
        assert rejected == [] and store.statistics().sent == 6
        store.close()


def test_while_a_value_is_in_question_others_are_not_delayed():
    """The thread goes on at its pace; the suspect is tried now and then."""

    def picky(request):
        return (500, {}, b"no") if b"666" in request[3] else results(request)

    with Recorder(picky) as server:
        config = {**FAST, "retry_base": 30, "retry_cap": 60}
        store = speaking_to(server, config)
        store.record("bad", [[1, 666]])
        store._delivery.backoff._base = (
            0.01  # the first failures, before it is known whose fault it is
        )
        store.start()
        settles(lambda: store._delivery.isolation.suspects)
        start = time.monotonic()
        for n in range(1, 4):
            store.record("a", [[n, n]])
            settles(lambda: store.statistics().sent >= n)  # noqa: B023 (at once)
        assert time.monotonic() - start < 20  # `retry_base` is longer
        assert store.statistics().waiting == 1
        store.close(0)


def test_an_alias_the_platform_has_locked_does_not_hold_up_others():
    def locked(calls, answers):
        for call, answer in zip(calls, answers):
            if call["arguments"][0] == {"alias": "a"}:
                answer.update(status="locked")
        return answers

    with Recorder(answering(locked)) as server:
        config = {**FAST, "request_points": 10, "retry_base": 30}
        store = speaking_to(server, config)
        store.record("a", [[n, n] for n in range(1, 30)])  # more than fits into a request
        store.record("b", [[n, n] for n in range(1, 30)])
        assert store.flush(1) is False
        assert store.statistics().sent == 29 and store.statistics().waiting == 29
        store.close(0)


def test_one_bad_value_leaves_the_other_live_values_live(stores):
    """They wake who waits for them: what is recorded does not."""
    store = stores()
    store.write("a", 1)
    store.write("b", "bad")
    store._delivery.line.probe()
    seen = []
    waiting = threading.Thread(
        target=lambda: seen.append(stores.o.wait(stores.cik, {"alias": "a"}, {"timeout": 60_000}))
    )
    before = stores.platform.run(lambda p: len(p.waits))
    waiting.start()
    settles(lambda: stores.platform.run(lambda p: len(p.waits)) > before)
    assert store.flush(10)
    waiting.join()
    assert seen[0][0] and seen[0][1][1] == 1
    assert [alias for alias, _, _ in stores.rejected] == ["b"]


def test_blame_and_isolation():
    bad = OnePlatformException("x", code=400)
    assert blame(bad).refused and not blame(JsonRPCResponseException("x")).refused
    isolation = Isolation(8, 1, 60, Budget())
    assert isolation.failed([1, 2, 3, 4], blame(bad))  # at once: the platform says why
    assert isolation.suspects == {1, 2, 3, 4} and isolation.limit == 2
    assert isolation.due(0) == [1, 2]
    isolation.settled([1, 2])
    assert isolation.due(0) == [3, 4]
    assert isolation.failed([3, 4], blame(bad)) and isolation.due(0) == [3]
    isolation.settled([3])
    for turn in range(3):
        assert isolation.due(turn) == [4] and isolation.failed([4], blame(bad))
        assert isolation.in_question
        given_up = isolation.platform_answers(turn)
    assert given_up == (4, "the platform answers 400 to it")
    isolation.settled([4])
    assert isolation.limit == 8 and isolation.due(0) is None
    lost = blame(JsonRPCResponseException("x"))
    assert not isolation.failed([5, 6], lost) and not isolation.in_question
    assert not isolation.failed([5, 6, 7], lost) and isolation.in_question


# --- the disk ---

FULL_DISK = f"""
import resource, signal, sys
sys.path.append({str(Path(__file__).parent)!r})
from servers import settles
"""
FULL_DISK += """
from pyonep.datastore import Datastore

cik, port, spool = sys.argv[1:]
store = Datastore(cik, 1, transport={"host": "127.0.0.1", "port": port, "https": False},
                  config={"retry_base": 0.01, "retry_cap": 0.05, "write_buffer_size": 100_000},
                  spool=spool)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
before = resource.getrlimit(resource.RLIMIT_FSIZE)

def full(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

def until(condition):
    settles(condition, store.statistics)
"""


def full_disk(text, stores, port=None):
    done = run_with_full_disk(text, stores, port)
    assert done.returncode == 0, done.stderr
    return done


def run_with_full_disk(text, stores, port=None):
    script = FULL_DISK + textwrap.dedent(text)
    return run_python("-c", script, stores.cik, port or stores.platform.port, stores.spool)


@pytest.fixture
def spooled(platform, device, tmp_path):
    made = Stores(platform, device, str(tmp_path / "spool.sqlite"))
    for alias in ("a", "b"):
        dataport(made.o, device.cik, "integer", alias=alias)
    yield made
    made.close()


def test_the_thread_survives_a_full_disk(spooled):
    done = full_disk(
        """
        store.start()
        accepted = 0
        for n in range(1, 4):
            store.write("a", n)
            accepted += store.record("b", [[n, n]])
        full(1)  # nothing goes to disk from here on
        assert store.record("b", [[100, 100]]) is False
        assert store.write("b", 100) is False
        until(lambda: store.statistics().sent == accepted + 1)  # and yet it is sent
        assert store.record("b", [[101, 101]]) is False
        assert store.isThreadAlive() and "spool" in store.statistics().last_error
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert store.record("b", [[102, 102]])
        until(lambda: store.statistics().waiting == 0)
        assert store.isThreadAlive() and store.close()
        """,
        spooled,
    )
    assert spooled.values("b") == [1, 2, 3, 102] and spooled.values("a") == [3]
    assert done.stderr.count("the spool") <= 4, done.stderr  # said, and not each time
    left = sqlite3.connect(spooled.spool)
    assert left.execute("SELECT count(*) FROM points").fetchone() == (0,)
    left.close()


def test_a_full_disk_and_no_network_at_the_same_time(spooled):
    """The handler of a failure meets a failure of its own."""
    with Proxy(spooled.platform.port) as proxy:
        proxy.down = True

        def switch_on():
            settles(lambda: proxy.faults > 20)
            proxy.down = False

        switch = threading.Thread(target=switch_on)
        switch.start()
        full_disk(
            """
            for n in range(1, 4):
                store.write("a", n)
                store.record("b", [[n, n]])
            full(1)
            store.start()
            until(lambda: store.statistics().retried > 3)
            assert store.isThreadAlive()
            until(lambda: store.statistics().waiting == 0)
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            assert store.close()
            """,
            spooled,
            proxy.port,
        )
        switch.join()
    assert spooled.values("b") == [1, 2, 3] and spooled.values("a") == [3]


def test_a_process_that_ends_while_the_disk_is_full_sends_nothing_twice(spooled):
    full_disk(
        """
        import os
        store.write("a", 1)
        store.record("b", [[1, 1]])
        full(1)
        assert store.flush(10)
        os._exit(0)
        """,
        spooled,
    )
    time.sleep(1)
    store = spooled()
    assert store.flush(10) and spooled.rejected == []
    assert spooled.values("b") == [1]
    store.close()


def test_the_thread_survives_whatever_is_raised_inside_a_round(stores, caplog):
    """It says so once, and goes on."""
    store = stores()
    oldest, rounds = store._waiting.buffer.oldest, []

    def broken(*given):
        rounds.append(1)
        if len(rounds) < 3:
            raise RuntimeError("whatever")
        return oldest(*given)

    store._waiting.buffer.oldest = broken
    store.record("a", [[1, 1]])
    store.start()
    settles(lambda: not store.statistics().waiting)
    assert store.isThreadAlive() and stores.values("a") == [1]
    assert caplog.text.count("whatever") == 1


# --- making dataports ---


def test_three_stores_that_make_the_same_dataports(platform, device):
    """Losing the race is success, and leaves nothing behind."""
    made = Stores(platform, device, None)
    aliases = [f"n{n}" for n in range(10)]
    some = [made(autocreate={"format": "integer"}) for _ in range(3)]
    for number, store in enumerate(some):
        for alias in aliases:
            store.record(alias, [[100 + number, number]])
    start = threading.Barrier(3)

    def flush(store):
        start.wait()
        assert store.flush(20)

    in_threads(flush, some)
    assert made.rejected == []
    assert all(made.values(alias) == [0, 1, 2] for alias in aliases)
    assert len(made.o.listing(made.cik, ["dataport"], {"owned": True})[1]["dataport"]) == 10
    made.close()


def test_a_dataport_that_is_made_between_refusal_and_question(platform, device):
    """Somebody else made it after the points were refused: there is nothing wrong with them."""
    made = Stores(platform, device, None)
    with Proxy(platform.port) as proxy:
        done = []

        def meanwhile(request):
            if b'"new"' in request and b'"lookup"' in request and not done:
                done.append(dataport(made.o, device.cik, "integer", alias="new"))
            return False

        proxy.swallow_if = meanwhile
        store = made(connection={**proxy.connection, "timeout": 5})
        store.record("new", [[1, 1]])
        store.write("new", 2)
        assert store.flush(20)
        assert done and made.values("new") == [1, 2] and made.rejected == []
    made.close()


@pytest.mark.parametrize("fault", ["create", "map"])
def test_a_dataport_that_lost_its_alias_is_dropped(platform, device, fault):
    """The race is lost in between, or the answer that the alias is there."""
    made = Stores(platform, device, None)
    with Proxy(platform.port) as proxy:
        done = []

        def meanwhile(request):
            if b'"map"' in request and not done:
                done.append(1)
                if fault == "create":
                    dataport(made.o, device.cik, "integer", alias="new")
                else:
                    return True
            return False

        proxy.swallow_if = meanwhile
        connection = {**proxy.connection, "timeout": 1}
        store = made(connection=connection, autocreate={"format": "integer"})
        store.record("new", [[1, 1]])
        assert store.flush(20)
        assert done and made.values("new") == [1] and made.rejected == []
    assert len(made.o.listing(made.cik, ["dataport"], {"owned": True})[1]["dataport"]) == 1
    made.close()


def test_comment():
    """AMD-007: there is no method of OnepV1 for it."""

    def only_public(calls, answers):
        if calls[0]["arguments"][1] != "public":
            answers[0]["status"] = "invalid"
        return answers

    with Recorder(answering(only_public)) as server:
        store = speaking_to(server)
        assert store.comment("a", "public", "calibrated") is True
        assert store.comment("a", "secret", "x") is False
        (first, _) = server.bodies()
        assert first["calls"][0]["procedure"] == "comment"
        assert first["calls"][0]["arguments"] == [{"alias": "a"}, "public", "calibrated"]
        store.close()
    away = {"host": "127.0.0.1", "port": free_port(), "https": False}
    assert Datastore("a" * 40, 1, transport=away).comment("a", "public", "x") is False


def test_comments_on_the_platform(stores):
    """AMD-007."""
    store = stores()
    assert store.comment("a", "public", "calibrated") is True
    assert store.comment("a", "secret", "x") is False
    assert store.comment("ghost", "public", "x") is False
    isok, info = stores.o.info(stores.cik, {"alias": "a"}, {"comments": True})
    assert isok and info["comments"] == [["public", "calibrated"]]


# --- ends ---


def test_close_and_start_again(stores):
    store = stores()
    store.record("a", [[1, 1]])
    assert store.close()
    store.start()
    assert store.record("a", [[2, 2]]) and store.write("b", 1)
    assert store.close() and stores.values("a") == [1, 2] and stores.values("b") == [1]


def test_points_accepted_after_close_and_start_survive_sigkill(spooled):
    text = """
    import os, signal
    assert store.close()
    store.start()
    assert store.record("b", [[5, 5]])
    os.kill(os.getpid(), signal.SIGKILL)
    """
    run_with_full_disk(text, spooled, free_port())
    store = spooled()
    assert store.statistics().waiting == 1 and store.flush(10)
    assert spooled.values("b") == [5]


def test_close_tells_the_truth_each_time(stores):
    store = stores(connection={"port": free_port()})
    store.record("a", [[1, 1]])
    assert store.close(0.1) is False and store.close() is False
    assert store.statistics().waiting == 1
    assert store.flush(0.1) is False
    store.start()
    assert store.statistics().waiting == 1 and store.close(0.1) is False


@pytest.mark.parametrize("stamp", [2**63, 2**70, -(2**70), 1e300, float("inf"), float("nan"), -4e9])
def test_times_that_are_none(stores, stamp):
    store = stores()
    with pytest.raises(ValueError, match="timestamp"):
        store.record("a", [[1, 1], [stamp, 2]])
    assert store.statistics().waiting == 0 and store.flush(5)


def test_text_that_is_none(stores):
    store = stores()
    half = "\ud800"
    for value in (half, [half], {"x": half}, {half: 1}):
        with pytest.raises(JsonStringException, match="surrogate"):
            store.write("a", value)
        with pytest.raises(JsonStringException, match="surrogate"):
            store.record("a", [[1, 1], [2, value]])
    for call in (lambda: store.write(half, 1), lambda: store.record(half, [[1, 1]])):
        with pytest.raises(JsonStringException, match="surrogate"):
            call()
    for alias in (5, None, ["a"], {"alias": "a"}):
        with pytest.raises(ValueError, match="an alias is text"):
            store.write(alias, 1)
        with pytest.raises(ValueError, match="an alias is text"):
            store.record(alias, [[1, 1]])
    assert store.statistics().waiting == 0
    assert store.write("a", 1) and store.flush(5) and stores.values("a") == [1]


def test_a_value_is_kept_as_it_was(stores):
    dataport(stores.o, stores.cik, "string", alias="s")
    store = stores()
    value = [1]
    store.record("s", [[1, value]])
    value.append(2)
    assert [point.value for point in store._waiting.buffer.recorded(5)] == [[1]]


def test_a_point_that_is_being_sent_is_not_dropped():
    """It may arrive: it cannot be reported as given up at the same time."""
    sending, go_on = threading.Event(), threading.Event()

    def slow(request):
        if b"recordbatch" in request[3]:
            sending.set()
            go_on.wait(60)
        return results(request)

    dropped = []
    with Recorder(slow) as server:
        config = {**FAST, "overflow": "drop_oldest", "write_buffer_size": 2}
        store = speaking_to(server, config, on_drop=lambda *seen: dropped.append(seen))
        store.record("a", [[1, 1]])
        flushing = threading.Thread(target=store.flush, args=(10,))
        flushing.start()
        assert sending.wait(60)
        assert store.record("a", [[2, 2]]) and store.record("a", [[3, 3]])
        go_on.set()
        flushing.join()
        assert store.flush(10) and store.statistics().sent == 2
        assert dropped == [("a", [2, 2], "the buffer is full")]
        store.close()


# --- time ---


DRIP = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


def test_a_platform_that_drips_is_left_in_time(stores):
    with Socket(dripping(DRIP, b" ")) as slow:
        store = stores(connection={**slow.connection, "timeout": 5})
        store.record("a", [[1, 1]])
        for end in (lambda: store.flush(1), lambda: store.close(1)):
            start = time.monotonic()
            assert end() is False
            assert time.monotonic() - start < 12  # the drip lasts longer


def test_close_while_the_thread_is_in_a_request_is_in_time(stores):
    arrived = threading.Event()
    with Socket(lambda conn: arrived.set()) as dead:
        store = stores(connection={**dead.connection, "timeout": 30})
        store.record("a", [[1, 1]])
        store.start()
        assert arrived.wait(60)
        start = time.monotonic()
        assert store.close(1) is False
        assert time.monotonic() - start < 15  # the HTTP timeout is longer


def test_several_stores_share_one_exit_time(platform, device):
    made = Stores(platform, device, None)
    dataport(made.o, made.cik, "integer", alias="a")
    with Socket(lambda conn: None) as dead:
        text = """
        import sys, time
        from pyonep.datastore import Datastore
        cik, good, *dead = sys.argv[1:]
        stores = [
            Datastore(cik, 60, transport={"host": "127.0.0.1", "port": port, "https": False},
                      config={"exit_timeout": 3})
            for port in (*dead * 6, good)
        ]
        for store in stores:
            store.record("a", [[5, 5]])
        print(time.time(), flush=True)
        """
        done = run_python("-c", textwrap.dedent(text), made.cik, platform.port, dead.port)
        assert time.time() - float(done.stdout) < 12  # six times 3 are more
    lines = done.stderr.splitlines()
    assert len(lines) == 6  # each with what failed last, which may be that there was no time left
    assert all(line.startswith("pyonep.datastore: 1 point was not sent") for line in lines)
    assert made.values("a") == [5]
    made.close()


def test_retry_after_holds_for_the_next_flush_as_well():
    times = []

    def busy(request):
        times.append(time.monotonic())
        if b"recordbatch" in request[3] and len(times) < 4:
            date = {"Retry-After": formatdate(time.time() + 2, usegmt=True)}
            return 503, date if len(times) > 2 else {"Retry-After": "4"}, b"busy"
        return results(request)

    with Recorder(busy) as server:
        store = speaking_to(server)
        store._delivery.line.probe()
        store.record("a", [[1, 1]])
        assert store.flush(2) is False  # sent once, on a machine as slow as may be
        assert store.flush(0.2) is False and store.stop(True) is False
        assert len(times) == 2
        assert store.flush(30)
        assert times[2] - times[1] >= 4
        store.close()


def test_a_thread_that_is_replaced_ends(stores):
    """Also when it was in a request when the new one began."""
    arrived = threading.Event()
    with Socket(lambda conn: arrived.set()) as dead:
        store = stores(connection={**dead.connection, "timeout": 2}, config={"exit_timeout": 0.2})
        store.record("a", [[1, 1]])
        store.start()
        assert arrived.wait(60)
        old = store._thread
        store.restart()
        assert store._thread is not old and store.isThreadAlive()
        old.join(60)
        assert not old.is_alive() and store.isThreadAlive()
        store.close(0)


CIK = "a" * 40
NOWHERE = {"host": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("exit_timeout", "soon"),
        ("exit_timeout", None),
        ("block_timeout", -1),
        ("retry_cap", float("nan")),
        ("shift_seconds", True),
        ("write_buffer_size", "many"),
        ("request_points", float("inf")),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(setting, value):
    with pytest.raises(ValueError, match=setting):
        Datastore(CIK, 1, config={setting: value})


@pytest.mark.parametrize("cik", [None, b"a" * 40, 5])
def test_a_key_of_another_kind_is_refused(cik):
    with pytest.raises(ValueError, match="cik must be"):
        Datastore(cik, 1)


def test_an_autocreate_that_says_nothing_is_refused():
    with pytest.raises(ValueError, match="autocreate must be"):
        Datastore(CIK, 1, autocreate=True)


def test_times_without_end_are_long_ones(platform, cik, o, new_dataport):
    new_dataport(o, cik, "integer", alias="a")
    endless = float("inf")
    times = dict.fromkeys(("exit_timeout", "block_timeout", "retry_cap"), endless)
    store = Datastore(cik, endless, transport=platform.connection, config=times)
    store.start()
    assert store.write("a", 1) and store.flush(endless) and store.isThreadAlive()
    assert store.record("a", [[5, 1]]) and store.close(endless)
    assert o.read(cik, {"alias": "a"}, {"limit": 9})[1][-1] == [5, 1]


def test_what_a_platform_says_of_a_comment_shows_no_key(caplog):
    token = "a-token-of-no-common-form"
    answer = [{"id": 0, "status": f"no, {token} may not"}]
    with Recorder(saying(answer)) as server:
        store = Datastore({"token": token}, 1, transport=server.connection)
        assert not store.comment("a", "public", "text")
        store.close(0)
    assert "no comment on 'a'" in caplog.text and token not in caplog.text


def test_a_spool_with_a_row_that_is_none_of_ours_is_moved_aside(tmp_path):
    path = tmp_path / "spool.sqlite"
    store = Datastore(CIK, 1, spool=str(path), transport=NOWHERE, config={"exit_timeout": 0})
    store.write("a", 1)
    store.close(0)
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE points SET value = '{'")
        file.commit()
    with pytest.warns(RuntimeWarning, match="is damaged"):
        store = Datastore(CIK, 1, spool=str(path), transport=NOWHERE)
    assert store.statistics().waiting == 0
    assert list(tmp_path.glob("spool.sqlite.damaged-*"))
    store.close(0)
