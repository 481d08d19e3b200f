"""A Datastore in processes that are killed, over real sockets that are cut, in real time."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading

import pytest
from platforms import dataport
from servers import Proxy

from pyonep import onep
from pyonep.datastore import Datastore

ROUNDS = 4

# Accepts values for ever, and says so of each: `w value` or `r second`, and what was rejected.
WRITER = """
import itertools, json, os, sys, time
from pyonep.datastore import Datastore
cik, port, spool, first = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
def say(*words):  # in one go, whoever else speaks and whenever it is killed
    os.write(1, " ".join([*map(str, words), chr(10)]).encode())

store = Datastore(
    cik, 1, spool=spool, transport={"host": "127.0.0.1", "port": port, "https": False},
    config={"retry_base": 0.05, "retry_cap": 0.2},
    on_reject=lambda *seen: say("rejected", json.dumps(seen)),
)
store.start()
for number in itertools.count(first):
    if store.record("r", [[number, number]]):
        say("r", number)
    if number % 20 == 0:
        say("w" if store.write("w", number) else "replaces", number)
    time.sleep(0.01)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_what_was_accepted_survives_kills_and_cuts(platform, device, tmp_path):
    o = onep.OnepV1(**platform.connection)
    for alias in "rw":
        dataport(o, device.cik, "integer", alias=alias)
    dice, spool = random.Random(7), str(tmp_path / "spool")
    said: list[list[str]] = []
    with Proxy(platform.port) as proxy:
        for number in range(ROUNDS):
            said += _one_life(device.cik, proxy, spool, 1 + 100_000 * number, dice)
    accepted = {int(line[1]) for line in said if line[0] == "r"}
    assert len(accepted) > 10 * ROUNDS
    rejected = [json.loads(line[1]) for line in said if line[0] == "rejected"]
    with Datastore(
        device.cik,
        1,
        spool=spool,
        transport=platform.connection,
        on_reject=lambda *seen: rejected.append(list(seen)),
    ) as store:
        assert store.flush(30)
    points = _points(o, device.cik, "r")
    assert all(second == value for second, value in points)
    # What was accepted in the very moment of the kill may be there without having been said.
    assert {value for _, value in points} >= accepted
    assert len(points) <= len(accepted) + ROUNDS
    points = _points(o, device.cik, "w")
    written = [value for _, value in points]
    assert written and len(set(written)) == len(written)
    # While the network fails each retry takes the value of its moment, five of them in a second:
    # more than there are seconds in reach. Those are reported, and only those.
    seconds = {second for second, _ in points}
    for alias, (second, value), reason in rejected:
        assert (alias, reason) == ("w", "no free second within 5 seconds")
        assert value not in written and seconds.issuperset(range(second, second + 6))
    given_up = {value for _, (_, value), _ in rejected}
    assert len(given_up) == len(rejected)  # each once
    assert {*written, *given_up} >= _to_be_there(said)
    o.close()


def _one_life(cik, proxy, spool, first, dice):
    """Let a process accept values while the network fails, and kill it; return what it said."""
    arguments = [cik, proxy.port, spool, first]
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    lines = []
    cut = threading.Timer(dice.uniform(0.3, 1.5), lambda: setattr(proxy, "swallow", True))
    kill = threading.Timer(dice.uniform(1.5, 2.5), process.kill)
    assert process.stdout is not None
    for line in process.stdout:
        if not lines:  # it runs
            cut.start()
            kill.start()
        lines.append(line.split(maxsplit=1))
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    cut.join()
    proxy.swallow = False
    return lines


def _to_be_there(said):
    """The values written that were replaced by no other, nor were the last before a kill."""
    wrote = [(line[0], int(line[1])) for line in said if line[0] in ("w", "replaces")]
    return {
        value
        for (_, value), (how, later) in zip(wrote, wrote[1:])
        if how == "w" and later // 100_000 == value // 100_000
    }


def _points(o, cik, alias):
    options = {"limit": 100_000, "sort": "asc", "endtime": 2**40}
    return o.read(cik, {"alias": alias}, options)[1]
