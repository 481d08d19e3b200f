"""The Datastore over both buffers: in memory and on disk."""

from __future__ import annotations

import itertools
import json
import os
import re
import resource
import signal
import sqlite3
import textwrap
import threading
import time

import pytest
from platforms import dataport
from running import run_python
from servers import Proxy, Recorder, Socket, free_port, results, saying, settles
from stores import FAST, Stores, begin_of_second

from pyonep import onep
from pyonep.backoff import Backoff
from pyonep.datastore import Datastore, datastore_config, transport_config
from pyonep.exceptions import JsonStringException, OnePlatformException, SpoolError
from pyonep.server import LocalPlatform


@pytest.fixture
def recorder_store():
    """A Datastore against a recorder, and the recorder."""
    with Recorder() as server:
        store = Datastore("a" * 40, 1, transport=server.connection, config=FAST)
        yield store, server
        store.close(0)


# --- what goes out ---


def test_write_and_record(stores):
    store = stores()
    now = int(time.time())
    assert store.write("a", 1) is True
    assert store.record("b", [[100, 1], [-10, 2]]) is True
    assert store.statistics().waiting == 3
    assert store.flush(10) is True
    ((stamp, value),) = stores.points("a")
    assert value == 1 and abs(stamp - now) <= 2
    first, (second, value) = stores.points("b")
    assert first == [100, 1] and value == 2 and abs(second - (now - 10)) <= 1
    statistics = store.statistics()
    assert (statistics.waiting, statistics.sent) == (0, 3)
    assert abs(statistics.last_success - time.time()) < 5 and statistics.last_error is None


def test_only_the_latest_value_waits(stores):
    store = stores()
    assert [store.write("a", n) for n in range(5)] == [True, False, False, False, False]
    assert store.statistics()[:6] == (1, 0, 0, 0, 0, 4)
    assert store.flush(10)
    assert stores.values("a") == [4]
    assert store.write("a", 5) is True


def test_one_flush_is_one_request(recorder_store):
    store, server = recorder_store
    for alias in "abc":
        store.write(alias, 1)
    store.record("d", [[1, 1], [2, 2]])
    store.record("e", [[1, 1]])
    store.record("d", [[3, 3]])
    store.createDataport("x", "float")
    before = len(server.requests)
    assert store.flush(10)
    (request,) = server.bodies()[before:]
    assert [(call["procedure"], call["arguments"]) for call in request["calls"]] == [
        ("writegroup", [[[{"alias": alias}, 1] for alias in "abc"]]),
        ("recordbatch", [{"alias": "d"}, [[1, 1], [2, 2], [3, 3]]]),
        ("recordbatch", [{"alias": "e"}, [[1, 1]]]),
    ]


def test_live_values_share_a_timestamp(stores):
    store = stores()
    for alias in "abc":
        store.write(alias, 7)
    store.flush(10)
    assert len({stores.points(alias)[0][0] for alias in "abc"}) == 1


def test_large_backlogs_are_cut(recorder_store):
    _, server = recorder_store
    config = {**FAST, "write_buffer_size": 10_000, "request_bytes": 3000, "request_points": 50}
    store = Datastore("a" * 40, 1, transport=server.connection, config=config)
    store.record("a", [[n, n] for n in range(1, 201)])
    store.record("b", [[n, "x" * 100] for n in range(1, 101)])
    assert store.flush(10) and store.close()
    sizes = [
        sum(len(call["arguments"][1]) for call in body["calls"])
        for body in server.bodies()
        if body["calls"][0]["procedure"] == "recordbatch"
    ]
    assert sum(sizes) == 300 and max(sizes) <= 50
    assert max(len(request[3]) for request in server.requests) < 5000


def test_the_thread_flushes_by_itself(stores):
    store = stores()
    assert not store.isThreadAlive()
    store.start()
    store.start(daemon=True)
    assert store.isThreadAlive() and "running" in repr(store)
    store.write("a", 1)
    settles(lambda: stores.points("a"))
    store.restart()
    assert store.isThreadAlive()
    store.record("a", [[5, 5]])
    assert store.stop() is True and not store.isThreadAlive()
    assert stores.points("a")[0] == [5, 5]
    store.start()
    store.write("b", 2)
    assert store.stop(True) is True
    assert stores.values("b") == [2]


def test_stop_by_force_brings_all_that_the_platform_takes(stores):
    store = stores()
    store.write("a", 1)
    store.write("nobody's", 2)  # spoils the group: each goes alone after it
    store.record("b", [[5, 5]])
    assert store.stop(True) is True and store.statistics().waiting == 0
    assert stores.values("a") == [1] and stores.values("b") == [5]
    assert [alias for alias, _, _ in stores.rejected] == ["nobody's"]


def test_context_manager_and_close(stores):
    with stores() as store:
        assert store.isThreadAlive()
        store.write("a", 1)
    assert stores.values("a") == [1]
    assert not store.isThreadAlive()
    assert store.write("a", 2) is False and store.record("a", [[1, 1]]) is False
    assert store.close() is True


def test_intervals_are_at_least_a_second(stores):
    assert stores(interval=0)._interval == 1.0


# --- what is refused ---


def test_what_the_platform_refuses_is_taken_out_alone(stores):
    store = stores()
    store.record("a", [[1, 1], [2, "warm"], [3, 3]])
    store.record("b", [[1, 1]])
    store.write("c", "cold")
    store.write("b", 5)
    assert store.flush(10)
    assert stores.values("a") == [1, 3]
    assert stores.values("b") == [1, 5] and stores.values("c") == []
    assert [(alias, value) for alias, (_, value), _ in stores.rejected] == [
        ("a", "warm"),
        ("c", "cold"),
    ]
    assert store.statistics().rejected == 2 and store.statistics().sent == 4


def test_unknown_alias_without_autocreate(stores, caplog):
    store = stores()
    assert store.write("ghost", 1) is True
    assert store.record("ghost", [[1, 1]]) is True
    store.write("a", 1)
    assert store.flush(10)
    assert stores.values("a") == [1]
    assert [seen[0] for seen in stores.rejected] == ["ghost", "ghost"]
    assert "no such alias" in stores.rejected[0][2]
    assert store.write("ghost", 2) is False and store.record("ghost", [[1, 1]]) is False
    assert store.createDataport("ghost", "integer") == (True, True)
    assert store.write("ghost", 3) is True and store.flush(10)
    assert stores.values("ghost") == [3]
    assert stores.cik not in caplog.text


def test_autocreate(stores):
    wanted = {"format": "integer", "count": 2, "preprocess": [["add", 1]], "duration": 5}
    store = stores(autocreate=wanted)
    store.write("new", 1)
    store.record("other", [[-3, 1], [-2, 2], [-1, 3]])
    assert store.flush(10)
    assert stores.values("new") == [2] and stores.values("other") == [3, 4]
    found = stores.o.info(stores.cik, {"alias": "other"}, {"description": True})[1]["description"]
    assert found["retention"] == {"count": 2, "duration": 5}
    assert stores.rejected == [] and wanted["count"] == 2


def test_autocreate_that_fails(stores):
    store = stores(autocreate={"format": "nothing"})
    store.write("new", 1)
    store.write("a", 1)
    assert store.flush(10)
    assert [seen[0] for seen in stores.rejected] == ["new"]
    assert stores.values("a") == [1]


def test_a_dropped_dataport(stores):
    store = stores()
    stores.o.drop(stores.cik, {"alias": "a"})
    store.record("a", [[1, 1]])
    store.record("b", [[1, 1]])
    assert store.flush(10)
    assert [seen[0] for seen in stores.rejected] == ["a"] and stores.values("b") == [1]


def test_a_value_that_is_no_json(stores):
    store = stores()
    for value in (float("nan"), object()):
        with pytest.raises(JsonStringException):
            store.write("a", value)
        with pytest.raises(JsonStringException):
            store.record("a", [[1, 1], [2, value]])
    for stamp in (0, "1", None, True, 0.5):
        with pytest.raises(ValueError, match="timestamp"):
            store.record("a", [[stamp, 1]])
    assert store.statistics().waiting == 0
    assert store.record("a", [[5.7, 1]]) and store.flush(10)
    assert stores.points("a") == [[5, 1]]


def test_a_wrong_cik_does_not_loop(stores):
    store = stores(cik="0" * 40)
    store.write("a", 1)
    store.record("a", [[1, 1]])
    assert store.flush() is False
    assert store.statistics().waiting == 2
    (error,) = stores.errors
    assert isinstance(error, OnePlatformException) and error.code == 401
    assert "401" in store.statistics().last_error
    assert "0" * 40 not in store.statistics().last_error
    store.start()
    time.sleep(1.3)
    assert len(stores.errors) <= 2 and store.statistics().waiting == 2


def test_a_locked_client_is_tried_again(stores):
    box = stores.o.create(stores.cik, "client", {"limits": {"dataport": 1}})[1]
    key = stores.o.info(stores.cik, box, {"key": True})[1]["key"]
    rid = dataport(stores.o, key, "integer", alias="a")
    stores.o.update(stores.cik, box, {"locked": True})
    store = stores(cik=key)
    store.record("a", [[1, 1]])
    assert store.flush(0.5) is False and store.statistics().retried > 0
    stores.o.update(stores.cik, box, {"locked": False})
    assert store.flush(10)
    assert stores.o.read(stores.cik, rid, {})[1] == [[1, 1]] and stores.rejected == []


def test_callbacks_may_fail(stores):
    def fail(*_):
        raise RuntimeError("mine")

    store = stores(config={"write_buffer_size": 2, "overflow": "drop_oldest"})
    reports = store._reports
    reports.on_reject = reports.on_drop = reports.on_error = fail
    for n in range(1, 5):
        assert store.record("a", [[n, "bad" if n == 4 else n]])
    assert store.flush(10)
    assert stores.values("a") == [3]
    assert store.statistics().dropped == 2 and store.statistics().rejected == 1


def test_callbacks_may_ask(stores):
    seen = []
    store = stores(config={"write_buffer_size": 1, "overflow": "drop_oldest"})
    store._reports.on_drop = lambda *_: seen.append(store.statistics().waiting)
    store.record("a", [[1, 1]])
    store.record("a", [[2, 2]])
    assert seen == [1]


# --- full buffers ---


def test_a_full_buffer_refuses(stores):
    store = stores(config={"write_buffer_size": 3})
    assert store.write("a", 1) and store.record("b", [[1, 1]])
    assert store.record("b", [[2, 2], [3, 3]]) is False
    assert store.write("b", 2) is True
    assert store.write("c", 3) is False and store.record("c", [[1, 1]]) is False
    assert store.write("a", 9) is False
    assert store.statistics().waiting == 3
    assert store.flush(10) and stores.values("a") == [9]
    assert store.write("c", 3) is True


def test_a_full_buffer_drops_the_oldest(stores):
    store = stores(config={"write_buffer_size": 3, "overflow": "drop_oldest"})
    store.write("a", 1)
    for n in range(1, 6):
        assert store.record("b", [[n, n]])
    assert store.flush(10)
    assert stores.values("b") == [3, 4, 5] and stores.values("a") == []
    assert [(alias, value) for alias, (_, value), _ in stores.dropped] == [
        ("a", 1),
        ("b", 1),
        ("b", 2),
    ]
    assert store.statistics().dropped == 3


def test_a_full_buffer_blocks(stores):
    store = stores(config={"write_buffer_size": 2, "overflow": "block", "block_timeout": 0.1})
    store.record("a", [[1, 1], [2, 2]])
    start = time.monotonic()
    assert store.write("b", 1) is False
    assert 0.05 < time.monotonic() - start < 10
    store._config["block_timeout"] = 20
    flushing = threading.Timer(0.1, store.flush)
    flushing.start()
    assert store.write("b", 1) is True
    flushing.join()
    assert store.flush(10) and stores.values("b") == [1]


def test_settings_that_make_no_sense(platform):
    with pytest.raises(ValueError, match="overflow"):
        Datastore("c", 1, config={"overflow": "explode"})
    with pytest.raises(ValueError, match="port"):
        Datastore("c", 1, transport={"port": "x"})


def test_the_callers_dicts_and_the_defaults_stay(stores):
    before = (dict(datastore_config), dict(transport_config))
    config, transport = {"write_buffer_size": 5}, {"host": "127.0.0.1", "https": True}
    Datastore("c", 1, False, config, transport)
    Datastore("c", 1, False, datastore_config, transport_config)
    assert config == {"write_buffer_size": 5}
    assert transport == {"host": "127.0.0.1", "https": True}
    assert (datastore_config, transport_config) == before


# --- bad networks ---


@pytest.fixture
def proxied(stores):
    """Stores behind a proxy: ``(stores, proxy)``"""
    with Proxy(stores.platform.port) as proxy:
        make = Stores.__call__
        stores.through = lambda timeout=0.5, **kwargs: make(
            stores, connection={**proxy.connection, "timeout": timeout}, **kwargs
        )
        yield stores, proxy
        proxy.hang = proxy.down = False


def test_write_does_not_wait_for_the_network(proxied):
    stores, proxy = proxied
    store = stores.through(timeout=20, config={"write_buffer_size": 10_000})
    store.start()
    proxy.hang = True
    slowest = 0.0
    for n in range(1, 500):
        start = time.perf_counter()
        store.write("a", n)
        store.record("b", [[n, n]])
        slowest = max(slowest, time.perf_counter() - start)
    assert slowest < 5  # the HTTP timeout is longer
    proxy.hang = False
    assert store.flush(20)
    assert len(stores.points("b")) == 499


def test_an_outage(proxied):
    stores, proxy = proxied
    store = stores.through()
    store.write("a", 1)
    store.record("b", [[5, 5]])
    wrote = int(time.time())
    proxy.down = True
    assert store.flush(0.3) is False
    statistics = store.statistics()
    assert statistics.waiting == 2 and statistics.retried >= 1 and statistics.last_error
    time.sleep(1.2)
    store.write("a", 2)
    proxy.down = False
    assert store.flush(10)
    first, second = stores.points("a")
    assert first[1] == 1 and abs(first[0] - wrote) <= 1 and second[1] == 2
    assert stores.points("b") == [[5, 5]]


@pytest.mark.parametrize("fault", ["swallow", "cut", "hang"])
def test_a_lost_answer_writes_nothing_twice(proxied, fault):
    stores, proxy = proxied
    store = stores.through()
    store.write("b", 0)
    assert store.flush(10)
    time.sleep(1.1)
    store.write("a", 1)
    store.record("c", [[5, 5]])
    proxy.swallow = fault == "swallow"
    if fault == "cut":
        proxy.cut_after = 20
    if fault == "hang":
        # The request is on the platform's side of the proxy before it hangs.
        proxy.swallow = True
    assert store.flush(0.4) in (False, True)
    proxy.swallow = False
    assert store.flush(10)
    assert stores.values("a") == [1] and stores.points("c") == [[5, 5]]


def test_a_lost_request_is_recorded_under_its_own_time(proxied):
    stores, proxy = proxied
    store = stores.through()
    store.write("b", 0)
    assert store.flush(10)
    proxy.cut_request_after = 10
    store.write("a", 1)
    wrote = int(time.time())
    store.flush(0.001)
    time.sleep(1.2)
    assert store.flush(10)
    ((stamp, value),) = stores.points("a")
    assert value == 1 and abs(stamp - wrote) <= 1


def test_retry_after_is_honoured():
    times = []

    def busy(request):
        times.append(time.monotonic())
        if len(times) == 2:
            return 503, {"Retry-After": "1"}, b"busy"
        return results(request)

    with Recorder(busy) as server:
        store = Datastore("a" * 40, 1, transport=server.connection, config=FAST)
        store.write("a", 1)
        assert store.flush(10)
        store.close()
    assert times[2] - times[1] >= 1


def test_a_request_too_large_for_the_platform_is_cut():
    def small(request):
        if len(json.loads(request[3])["calls"][0]["arguments"][-1]) > 10:
            return saying({"error": {"code": 400, "message": "too large"}})(request)
        return results(request)

    with Recorder(small) as server:
        store = Datastore("a" * 40, 1, transport=server.connection, config=FAST)
        store.record("a", [[n, n] for n in range(1, 101)])
        assert store.flush(10)
        assert store.statistics().sent == 100
        store.close()


def test_a_broken_answer_keeps_what_was_answered():
    lost = []

    def partial(request):
        status, headers, body = results(request)
        answers = json.loads(body)
        if not lost and len(answers) == 3:
            lost.append(1)
            answers = answers[:2]
        return status, headers, json.dumps(answers).encode()

    with Recorder(partial) as server:
        store = Datastore("a" * 40, 1, transport=server.connection, config=FAST)
        for alias in "abc":
            store.record(alias, [[1, 1]])
        assert store.flush(10)
        last = server.bodies()[-1]["calls"]
        assert [call["arguments"][0]["alias"] for call in last] == ["c"]
        store.close()


def test_flush_tells_the_truth(stores):
    store = stores(connection={"port": free_port()})
    assert store.flush(0) is True
    store.write("a", 1)
    start = time.monotonic()
    assert store.flush(0.2) is False
    assert time.monotonic() - start < 10
    assert store.stop(True) is False and store.statistics().waiting == 1


def test_flush_is_bounded_when_the_platform_hangs(stores):
    with Socket(lambda conn: None) as dead:
        store = stores(connection={**dead.connection, "timeout": 30})
        store.record("a", [[1, 1]])
        start = time.monotonic()
        assert store.flush(0.3) is False
        assert time.monotonic() - start < 15  # the HTTP timeout is longer
        assert store.close(0.1) is False


def test_backoff():
    backoff = Backoff(1, 60)
    delays = [backoff.failed() for _ in range(10)]
    assert all(0 <= delay <= min(60, 2 ** (n + 1)) for n, delay in enumerate(delays))
    assert len(set(delays)) == 10
    spent = [backoff.failed() for _ in range(50)]
    assert all(30 <= delay <= 60 for delay in spent)
    assert backoff.failed(100) == 100
    for _ in range(4):
        backoff.succeeded()
    assert backoff.failed() <= 2 and backoff.failed() <= 4
    assert backoff.failed() >= 30


def test_a_later_value_is_not_replaced_by_one_that_missed_its_moment(proxied):
    stores, proxy = proxied
    store = stores.through()
    store.flush(10)
    begin_of_second()  # all of it within one
    proxy.down = True
    store.write("a", 1)
    store.flush(0.05)
    proxy.down = False
    store.write("a", 2)
    assert store.flush(10)
    assert stores.values("a") == [1, 2]


def test_live_values_are_written_live_again_when_the_one_that_missed_is_dropped(proxied):
    stores, proxy = proxied
    store = stores.through(config={"write_buffer_size": 1, "overflow": "drop_oldest"})
    proxy.down = True
    store.write("a", 1)
    assert store.flush(0.05) is False
    proxy.down = False
    store.record("b", [[5, 5]])  # takes the place of the one that missed its moment
    assert store.flush(10) and store.statistics().dropped == 1
    store.write("a", 2)
    assert store.flush(10)
    assert stores.values("a") == [2]


# --- reading ---


def test_reads_are_cached(stores):
    store = stores(config={"read_cache_expire_time": 60, "read_cache_size": 2})
    stores.o.recordbatch(stores.cik, {"alias": "a"}, [[1, 1], [2, 2], [3, 3]])
    assert store.read("a") == [[3, 3]]
    stores.o.recordbatch(stores.cik, {"alias": "a"}, [[4, 4]])
    assert store.read("a") == [[3, 3]]
    assert store.read("a", forcequery=True) == [[4, 4]]
    assert store.read("a", 2) == [[4, 4], [3, 3]]
    assert store.read("a", 10) == [[4, 4], [3, 3], [2, 2], [1, 1]]
    stores.o.flush(stores.cik, {"alias": "a"})
    assert len(store.read("a", 20)) == 4  # a short series is cached as well
    assert store.read("b", 5) == [] and store.read("c") == []
    assert store.read("a") == []  # b and c took the two places
    store.read("b").append("x")
    assert store.read("b") == []


def test_the_cache_expires(stores):
    store = stores(config={"read_cache_expire_time": 0.05})
    stores.o.record(stores.cik, {"alias": "a"}, [[1, 1]])
    assert store.read("a") == [[1, 1]]
    stores.o.record(stores.cik, {"alias": "a"}, [[2, 2]])
    time.sleep(0.06)
    assert store.read("a") == [[2, 2]]


def test_reads_that_fail(stores):
    assert stores().read("ghost") is False
    store = stores(connection={"port": free_port(), "timeout": 60}, spool=None)
    start = time.monotonic()
    assert store.read("a") is False
    assert time.monotonic() - start < 20  # it is not tried until the time is up


def test_create_dataport(stores):
    store = stores()
    assert store.createDataport("new", "float", "Name", [["add", 1]], 5, 7) == (True, True)
    assert store.createDataport("new", "float") == (False, "Alias already existed.")
    isok, reason = store.createDataport("other", "flat")
    assert (isok, reason) == (False, "invalid")
    found = stores.o.info(stores.cik, {"alias": "new"}, {"description": True})[1]["description"]
    assert found["retention"] == {"count": 5, "duration": 7} and found["name"] == "Name"
    before = stores.o.listing(stores.cik, ["dataport"])
    assert store.createDataport("x" * 5000, "float") == (False, "invalid")
    assert stores.o.listing(stores.cik, ["dataport"]) == before  # dropped again
    assert store.comment("new", "public", "x") is True  # AMD-007
    away = stores(connection={"port": free_port()}, spool=None)
    assert away.createDataport("z", "float")[0] is False


# --- the end of the interpreter, and forks ---

SCRIPT = """
import sys, time
from pyonep.datastore import Datastore
cik, port, spool = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None
store = Datastore(cik, 60, transport={"host": "127.0.0.1", "port": port, "https": False},
                  config={"exit_timeout": 1.5, "retry_base": 0.05}, spool=spool)
"""


def script(text, *arguments, **kwargs):
    return run_python("-c", SCRIPT + textwrap.dedent(text), *arguments, **kwargs)


@pytest.mark.parametrize("start", ["", "store.start()", "store.start(daemon=True)"])
def test_the_end_of_the_interpreter_flushes(stores, start):
    text = f"{start}\nstore.write('a', 1)\nstore.record('b', [[5, 5]])"
    done = script(text, stores.cik, stores.platform.port, *filter(None, [stores.spool]))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    assert stores.values("a") == [1] and stores.values("b") == [5]


@pytest.mark.parametrize(
    ("points", "left"), [([[5, 5]], "1 point was"), ([[5, 5], [6, 6]], "2 points were")]
)
def test_the_end_of_the_interpreter_is_bounded(platform, device, points, left):
    start, port = time.monotonic(), free_port()
    done = script(f"store.start(); store.record('b', {points})", device.cik, port)
    line, *more = done.stderr.splitlines()
    # And why: nothing listens there, or the time was over.
    assert line.startswith(f"pyonep.datastore: {left} not sent: JsonRPCRequestException: ")
    assert more == []
    assert done.returncode == 0 and time.monotonic() - start < 30


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork(stores):
    text = """
    import os, warnings
    warnings.simplefilter("ignore")  # about threads, from Python 3.12 on
    store.start()
    store.write("a", 1)
    pid = os.fork()
    if pid == 0:
        assert store.statistics().waiting == 0 and not store.isThreadAlive()
        assert store.record("b", [[5, 5]]) and store.isThreadAlive()
        assert store.flush(10)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert store.statistics().waiting == 1 and store.isThreadAlive()
    assert store.flush(10)
    """
    done = script(text, stores.cik, stores.platform.port, *filter(None, [stores.spool]))
    assert (done.returncode, done.stderr) == (0, "")
    assert stores.values("a") == [1] and stores.values("b") == [5]


def test_a_clock_that_jumps(stores):
    """Live values get the platform's time whatever our clock says, and waiting goes on."""
    text = """
    real, shift = time.time, 0
    time.time = lambda: real() + shift
    store.start()
    for alias, shift in (("a", 0), ("b", 86400), ("c", -86400)):
        assert store.write(alias, 1)
        assert store.flush(10)
    shift = 0
    assert store.record("a", [[-100, 2]])
    shift = 10**6
    assert store.flush(10)
    """
    done = script(text, stores.cik, stores.platform.port, *filter(None, [stores.spool]))
    assert (done.returncode, done.stderr) == (0, "")
    now = time.time()
    for alias in "abc":
        assert abs(stores.points(alias)[-1][0] - now) < 30
    assert abs(stores.points("a")[0][0] - (now - 100)) < 30


# --- the spool ---


@pytest.fixture
def spool(tmp_path):
    return str(tmp_path / "points.sqlite")


def test_points_on_disk_survive_sigkill(platform, device, spool):
    text = """
    import os, signal
    for n in range(1, 101):
        assert store.record("a", [[n, n]])
        store.write("b", n)
    print("accepted", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    done = script(text, device.cik, free_port(), spool)
    assert done.returncode == -signal.SIGKILL and done.stdout == "accepted\n"
    made = Stores(platform, device, spool)
    for alias in "ab":
        dataport(made.o, device.cik, "integer", alias=alias)
    store = made()
    assert store.statistics().waiting == 101
    assert store.flush(10)
    assert made.points("a") == [[n, n] for n in range(1, 101)] and made.values("b") == [100]
    made.close()
    left = sqlite3.connect(spool)
    assert left.execute("SELECT count(*) FROM points").fetchone() == (0,)
    left.close()


def test_the_spool_is_sent_in_order(recorder_store, spool):
    _, server = recorder_store
    store = Datastore(
        "a" * 40,
        1,
        transport={"port": free_port(), "host": "127.0.0.1", "https": False},
        spool=spool,
        config=FAST,
    )
    for n in range(1, 50):
        store.record("a", [[n, n]])
    store.close(0.1)
    store = Datastore("a" * 40, 1, transport=server.connection, spool=spool, config=FAST)
    assert store.flush(10)
    sent = [
        entry
        for body in server.bodies()
        for call in body["calls"]
        if call["procedure"] == "recordbatch"
        for entry in call["arguments"][1]
    ]
    assert sent == [[n, n] for n in range(1, 50)]
    store.close()


def test_two_on_one_spool(stores, spool):
    first = stores(spool=spool)
    with pytest.raises(SpoolError, match="in use"):
        stores(spool=spool)
    first.close()
    stores(spool=spool).close()
    done = script("", stores.cik, 1, spool)
    assert done.returncode == 0


def test_a_spool_that_cannot_be_opened(tmp_path):
    with pytest.raises(SpoolError, match="unable to open"):
        Datastore("c", 1, spool=str(tmp_path / "nowhere" / "x"))
    with pytest.raises(SpoolError, match="synchronous"):
        Datastore("c", 1, spool=str(tmp_path / "x"), config={"spool_synchronous": "OFF"})


@pytest.mark.parametrize("damage", ["text", "middle"])
def test_a_damaged_spool_is_set_aside(stores, spool, damage):
    store = stores(spool=spool, connection={"port": free_port()})
    for n in range(1, 1000):
        store.record("a", [[n, "x" * 100]])
    store.close(0)
    with open(spool, "r+b") as file:
        if damage == "text":
            file.truncate()
            file.write(b"this is no database at all, whatever its name says" * 100)
        else:
            file.seek(4096 * 3)
            file.write(os.urandom(4096 * 5))
    with open(spool, "rb") as file:
        content = file.read()
    with pytest.warns(RuntimeWarning, match="is damaged .* was moved to"):
        store = stores(spool=spool)
    folder = os.path.dirname(spool)
    (aside,) = [name for name in os.listdir(folder) if re.search(r"[.]damaged-[0-9]+$", name)]
    with open(os.path.join(folder, aside), "rb") as file:
        assert file.read() == content
    assert store.write("a", 1) and store.flush(10)


def test_a_full_disk_refuses_and_recovers(stores, spool):
    store = stores(spool=spool, config={"write_buffer_size": 100_000})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = os.path.getsize(spool + "-wal") + 20_000
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        accepted = [n for n in range(1, 500) if store.record("a", [[n, n]])]
        refused = store.statistics()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert 0 < len(accepted) < 499
    assert refused.waiting == len(accepted) and "spool" in refused.last_error
    assert store.record("a", [[500, 500]])
    assert store.flush(20)
    assert [n for n, _ in stores.points("a")] == [*accepted, 500]


def test_a_value_in_flight_when_the_process_died(platform, device, spool):
    """A live value that was sent, and may have arrived, is asked after at the restart."""
    made = Stores(platform, device, spool)
    dataport(made.o, device.cik, "integer", alias="a")
    with Proxy(platform.port) as proxy:
        store = made(connection={**proxy.connection, "timeout": 0.5})
        store.write("a", 1)
        store._delivery.line.platform_time()
        proxy.swallow = True
        assert store.flush(0.3) is False
        store.close(0)
    time.sleep(1.1)
    store = made()
    assert store.statistics().waiting == 1 and store.flush(10)
    assert made.values("a") == [1]
    made.close()


def test_two_values_of_a_second_both_arrive_though_the_earlier_was_in_doubt(stores, platform):
    with Proxy(platform.port) as proxy:
        store = stores(connection={**proxy.connection, "timeout": 1})
        store.write("c", 1)
        assert store.flush(10)
        for alias in ("a", "b"):
            second = begin_of_second()
            store.write(alias, 1)
            proxy.cut_request_after = 50  # it may have arrived, for all that can be known here
            assert store.stop(True) is False
            proxy.down = True
            store.write(alias, 2)  # the question fails, and this one misses its moment
            in_time = int(time.time()) == second
            assert store.stop(True) is False
            proxy.down = False
            assert store.flush(10)
            if in_time:  # a slow machine has another try
                break
    assert in_time and stores.points(alias) == [[second, 1], [second + 1, 2]]


# --- everything at once ---


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_faults_lose_and_duplicate_nothing(stores, seed, tmp_path, survived):
    """Random writes, records and flushes while the network, the platform and we ourselves fail."""
    import random

    dice = random.Random(seed)
    file = str(tmp_path / "platform.sqlite")
    platform = LocalPlatform(file).start()
    port, device = platform.port, platform.device()
    o = onep.OnepV1(**platform.connection)
    aliases = [f"p{n}" for n in range(6)]
    for alias in aliases:
        dataport(o, device.cik, "integer", alias=alias)
    unique, stamps = itertools.count(1), itertools.count(1000)
    live, recorded, bad = {}, {}, set()
    rejected, faults = [], 0

    with Proxy(port) as proxy:

        def make():
            return Datastore(
                device.cik,
                1,
                transport={**proxy.connection, "timeout": 0.3},
                config={**FAST, "write_buffer_size": 100_000, "request_points": 200},
                spool=stores.spool,
                on_reject=lambda alias, point, reason: rejected.append(point[1]),
            )

        store = make()
        store.start()
        for _step in range(250):
            action = dice.random()
            alias = dice.choice(aliases)
            if action < 0.35:
                value = next(unique)
                if not store._waiting.buffer.has_live(alias) and store.write(alias, value):
                    live[value] = alias
            elif action < 0.75:
                entries = [[next(stamps), next(unique)] for _ in range(dice.randrange(1, 30))]
                assert store.record(alias, entries)
                recorded.update({value: (alias, stamp) for stamp, value in entries})
            elif action < 0.78:
                word = f"bad{next(unique)}"
                assert store.record(alias, [[next(stamps), word]])
                bad.add(word)
            elif action < 0.84:
                store.flush(0.05)
            elif action < 0.86:
                store._interval = 1
                time.sleep(dice.random() * 0.2)
            elif action < 0.89:
                proxy.cut_after = dice.randrange(1, 400)
            elif action < 0.91:
                proxy.cut_request_after = dice.randrange(1, 2000)
            elif action < 0.93:
                proxy.swallow = True
                store.flush(0.2)
                proxy.swallow = False
            elif action < 0.95:
                proxy.reset = dice.random() < 0.5
                proxy.cut()
                faults += 1
            elif action < 0.97:
                proxy.down = True
                store.flush(0.1)
                proxy.down = False
            elif action < 0.98:
                proxy.latency = dice.choice([0, 0.02])
            elif action < 0.99:
                platform.stop()
                store.flush(0.1)
                platform = LocalPlatform(file, port=port).start()
                faults += 1
            elif stores.spool is not None:
                store._end_thread(10)
                store.close(0)  # as good as killed: nothing is flushed
                store = make()
                store.start()
                faults += 1
        proxy.latency = 0
        assert store.flush(60), store.statistics()
        faults += proxy.faults
        statistics = store.statistics()
        store.close()

    found = {}
    o = onep.OnepV1(**platform.connection)
    for alias in aliases:
        options = {"limit": 100_000, "endtime": 2**40}
        for stamp, value in o.read(device.cik, {"alias": alias}, options)[1]:
            found.setdefault(value, []).append((alias, stamp))
    platform.stop()
    for value, place in recorded.items():
        assert found.get(value) == [place], (value, place, found.get(value))
    missing = {value for value in live if value not in found}
    twice = {value: places for value, places in found.items() if len(places) > 1}
    assert twice == {}
    # Of more live values of one alias than there are free seconds, some are reported.
    assert sorted(map(str, rejected)) == sorted(map(str, [*bad, *missing]))
    kind = "memory" if stores.spool is None else "spool"
    survived(
        f"{kind}, seed {seed}: {len(recorded)} recorded and {len(live)} live points over "
        f"{faults} faults, {statistics.retried} retries"
    )
    assert faults >= 5 and len(recorded) > 500
