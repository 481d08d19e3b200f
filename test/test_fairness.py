"""No request holds others up: long work comes in steps, and what a request costs has limits."""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import logging
import select
import socket
import sqlite3
import time
from contextlib import closing, contextmanager
from itertools import count

import pytest
from conftest import fuzzed
from hypothesis import given, strategies
from logs import Lines, listening
from platforms import Clock, Raw, in_memory

from pyonep import Provision, onep
from pyonep.server import LocalPlatform, Settings
from pyonep.server.background.events import Note
from pyonep.server.background.waits import Waits
from pyonep.server.core import jsontext, pieces
from pyonep.server.core.events import Written
from pyonep.server.core.results import Wait
from pyonep.server.core.turns import at_once, collector, in_turns
from pyonep.server.runner import Server, listen

RPC = "/onep:v1/rpc/process"
DATA = "/onep:v1/stack/alias"
FORM = "application/x-www-form-urlencoded; charset=utf-8"
POINTS = 100_000
NUMBERS = count()


class House:
    """A platform with much on it."""

    def __init__(self, platform, points=POINTS):
        self.platform = platform
        self.vendor = platform.vendor()
        self.cik = self.vendor.cik
        self.raw = Raw(platform)
        self.beside, self.many, self.empty = (self.dataport() for _ in range(3))
        for start in range(1, points, 50_000):
            batch = [[start + n, n] for n in range(50_000)]
            assert self.ok("recordbatch", self.many, batch) is None

    def ok(self, procedure, *arguments, cik=None):
        answer = self.raw.call(cik or self.cik, procedure, *arguments)
        assert answer["status"] == "ok", answer
        return answer.get("result")

    def dataport(self, **description):
        return self.ok("create", "dataport", {"format": "integer", **description})

    def dataports(self, number, cik=None, **description):
        call = ("create", "dataport", {"format": "integer", **description})
        answers = self.raw.json(json.loads(rpc(cik or self.cik, *[call] * number)))
        return [answer["result"] for answer in answers]

    def model(self, name):
        manage = Provision(
            **self.platform.connection, manage_by_cik=False, manage_by_sharecode=False
        )
        template = self.ok("create", "client", {})
        assert manage.model_create(self.vendor.token, name, template).isok
        return f"/provision/manage/model/{name}/"


@pytest.fixture(scope="module")
def house():
    with LocalPlatform() as platform:
        house = House(platform)
        yield house
        house.raw.http.close()


def rpc(cik, *calls):
    calls = [
        {"id": number, "procedure": procedure, "arguments": arguments}
        for number, (procedure, *arguments) in enumerate(calls)
    ]
    return json.dumps({"auth": {"cik": cik}, "calls": calls}).encode()


def http_request(method, path, body, headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer_of(connection):
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


# --- others get their turn -------------------------------------------------


def reads(house):
    return RPC, rpc(house.cik, *[("read", house.many, {"limit": POINTS})] * 5), {}


def spaced(house):
    options = {"limit": 30_000, "selection": "autowindow", "starttime": 5}
    return RPC, rpc(house.cik, ("read", house.many, options)), {}


def batch(house):
    points = [[5_000_000 + n, n] for n in range(100_000)]
    return RPC, rpc(house.cik, ("recordbatch", house.dataport(), points)), {}


def group(house):
    return RPC, rpc(house.cik, ("writegroup", [[house.empty, n] for n in range(50_000)])), {}


def small_calls(house):
    return RPC, rpc(house.cik, *[("info", house.many, {"basic": True})] * 10_000), {}


def lists(house):
    request = json.loads(rpc(house.cik, ("lookup", "alias", "")))
    request["more"] = [[[1] * 100] * 100] * 250
    return RPC, json.dumps(request).encode(), {}


def subscribers(house):
    source = house.dataport()
    house.dataports(5000, subscribe=source)
    return RPC, rpc(house.cik, *[("write", source, n) for n in range(3)]), {}


def names(house):
    limits = {"limits": {"dataport": "inherit"}}
    box = house.ok("create", "client", limits)
    key = house.ok("info", box, {"key": True})["key"]
    rids = house.dataports(5000, cik=key)
    mapping = [("map", "alias", rid, f"name {number}") for number, rid in enumerate(rids)]
    house.raw.send(rpc(key, *mapping))
    calls = [("info", {"alias": ""}, {"aliases": True}), ("listing", ["dataport"])]
    return RPC, rpc(key, *calls * 8), {}


def flushed(house):
    full = house.dataport(format="string")
    for start in range(1, 30_000, 5000):
        points = [[start + n, "x" * 1000] for n in range(5000)]
        assert house.ok("recordbatch", full, points) is None
    return RPC, rpc(house.cik, ("flush", full)), {}


def pairs(house):
    body = b"&".join(b"alias%d=1" % number for number in range(150_000))
    return DATA, body, {"X-Exosite-CIK": house.cik, "Content-Type": FORM}


def serials(house):
    body = b"".join(b"sn%06d,extra\r\n" % number for number in range(60_000))
    headers = {"X-Exosite-Token": house.vendor.token, "Content-Type": "text/csv"}
    return house.model(f"many{next(NUMBERS)}"), body, headers


CASES = (
    *(reads, spaced, batch, group, small_calls, lists),
    *(subscribers, names, flushed, pairs, serials),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_others_are_answered_meanwhile(house, case):
    """Each of these takes ten turns and more, on a fast machine as well."""
    found = []
    for _ in range(10):  # on a busy machine a writer may miss its chance now and then
        path, body, headers = case(house)
        status, content, meanwhile = answered_meanwhile(
            house, http_request("POST", path, body, headers)
        )
        assert status in (200, 204, 205), content
        found.append(meanwhile)
        if meanwhile >= 5:
            return
    raise AssertionError(f"so many others were answered while one request ran: {found}")


def answered_meanwhile(house, request):
    """Send a request; its status and body, and how many writes were answered before it."""
    place = (house.platform.host, house.platform.port)
    with socket.create_connection(place, timeout=60) as long:
        long.sendall(request[:-1])
        for _ in range(20):  # until all of it but the last byte has come
            house.ok("write", house.beside, 1)
        long.sendall(request[-1:])
        meanwhile = 0
        while not select.select([long], [], [], 0)[0]:
            house.ok("write", house.beside, 1)
            meanwhile += 1
        return (*answer_of(long), meanwhile)


def test_others_are_answered_while_a_timer_rings():
    """Much hangs on a timer that runs out again before it has rung."""
    with LocalPlatform() as platform:
        house = House(platform, points=0)
        rule = {"timeout": {"timeout": 0.05, "repeat": True}}
        rid = house.ok("create", "datarule", {"format": "integer", "rule": rule})
        chain = [["add", 1]] * 100
        last = house.dataports(400, subscribe=rid, preprocess=chain)[-1]
        request = http_request("POST", RPC, rpc(house.cik, ("wait", last)), {})
        meanwhile = 0
        while meanwhile < 10:  # the test ends by its timeout where nobody gets a turn
            with socket.create_connection((platform.host, platform.port), timeout=60) as long:
                long.sendall(request)
                while not select.select([long], [], [], 0)[0]:
                    house.ok("write", house.beside, 1)
                    meanwhile += 1
                assert json.loads(answer_of(long)[1])[0]["status"] == "ok"
        house.raw.http.close()


def test_timers_that_run_out_meanwhile_ring_once():
    clock = Clock()
    with LocalPlatform(clock=clock) as platform:
        house = House(platform, points=0)
        rule = {"timeout": {"timeout": 1, "repeat": True}}
        rid = house.ok("create", "datarule", {"format": "integer", "rule": rule})
        follower = house.dataport(subscribe=rid)
        clock.now += 1000
        (point,) = house.ok("read", follower, {"limit": 9})
        assert point == [int(clock.now), 1]
        house.raw.http.close()


@pytest.fixture
def lines(monkeypatch):
    """What the log of calls says, and to nobody else."""
    monkeypatch.setattr(logging.getLogger("pyonep.server.calls"), "propagate", False)
    with listening(Lines(), "pyonep.server.calls", level=logging.INFO) as kept:
        yield kept.lines


def test_the_log_of_many_calls_lets_others_in(house, lines):
    request = http_request("POST", RPC, small_calls(house)[1], {})
    where = (house.platform.host, house.platform.port)
    for _ in range(10):  # on a busy machine a writer may miss its chance now and then
        lines.clear()
        with socket.create_connection(where, timeout=60) as long:
            long.sendall(request)
            while not select.select([long], [], [], 0)[0]:
                house.ok("write", house.beside, 1)
            answer_of(long)
        kinds = [text.split()[2] for text in lines]
        assert kinds.count("info") == 10_000
        last = len(kinds) - kinds[::-1].index("info")
        if "write" in kinds[kinds.index("info") : last]:
            return
    raise AssertionError("nobody was let in while 10,000 lines were written")


def test_what_is_long_is_cut_in_log_and_error(house, lines):
    name = "x" * 100_000
    for argument in ({"alias": name}, {"alias": [name] * 9}, name, [name] * 9, {"alias": ""}):
        answer = house.raw.call(house.cik, "read", argument, {})
        assert len(json.dumps(answer)) < 500
    house.raw.call(house.cik, "writegroup", [[{"alias": name}, 1]] * 9 + [3, [[name]]])
    headers = {"X-Exosite-CIK": house.cik, "Content-Type": FORM}
    house.raw.send(f"{name[:900]}=1&b=2".encode(), DATA, headers=headers)
    assert len(lines) == 7
    assert all(len(line) < 1000 for line in lines)


def test_calls_are_counted_before_they_are_looked_at(house):
    answer = house.raw.json({"auth": {"cik": house.cik}, "calls": [1] * 20_000})
    assert "at most 10000 calls" in answer["error"]["message"]


def test_the_time_of_each_wait_in_a_request_runs_at_once(house):
    short, late = house.dataports(2)
    calls = [("wait", late, {}), ("wait", short, {"timeout": 50}), ("wait", late, {})]
    place = (house.platform.host, house.platform.port)
    with socket.create_connection(place, timeout=60) as long:
        long.sendall(http_request("POST", RPC, rpc(house.cik, *calls), {}))
        while len(house.platform._platform.waits) < 3:
            house.ok("write", house.beside, 1)
        assert house.raw.call(house.cik, "wait", short, {"timeout": 60})["status"] == "expire"
        for rid in (short, late):
            house.ok("write", rid, 1)
        answers = json.loads(answer_of(long)[1])
    assert [answer["status"] for answer in answers] == ["ok", "expire", "ok"]


def test_many_waits_end_in_one_request(house):
    calls = [("wait", house.empty, {})] * 9000 + [("wait", house.beside, {"timeout": 0})]
    place = (house.platform.host, house.platform.port)
    with socket.create_connection(place, timeout=60) as long:
        long.sendall(http_request("POST", RPC, rpc(house.cik, *calls), {}))
        while not select.select([long], [], [], 0)[0]:
            house.ok("write", house.empty, 1)
        statuses = [answer["status"] for answer in json.loads(answer_of(long)[1])]
    assert statuses == ["ok"] * 9000 + ["expire"]


def test_those_who_wait_are_told_in_turns(core):
    async def told():
        waits = Waits(core.unit)
        waiting = [waits.open(Wait(1, 30.0, None, lambda: None), 0) for _ in range(500)]
        waits.hear([Note(Written(1, value, value), value, 0.0) for value in (1, 2)])
        steps = 0
        while not all(waiter.future.done() for waiter in waiting):
            steps += 1
            assert sum(waiter.future.done() for waiter in waiting) < 100 * steps
            waits.hear([])  # those who are told already go on with all
            await asyncio.sleep(0)
        assert {tuple(waiter.future.result()) for waiter in waiting} == {(1, 1)}
        return steps

    assert asyncio.run(told()) >= 10


def test_long_values_by_alias_are_told_in_turns(house):
    """Each takes a while to write down, and there are many of them."""
    rid = house.dataport(format="string")
    house.ok("write", rid, "é" * 500_000)
    house.raw.send(rpc(house.cik, *[("map", "alias", rid, f"long{n}") for n in range(8)]))
    path = DATA + "?" + "&".join(f"long{n}" for n in range(8))
    status, content, meanwhile = asked(house, "GET", path)
    assert (status, content.count(b"%C3%A9"), meanwhile >= 5) == (200, 4_000_000, True)
    more = [f"long{n}" for n in range(8, 20)]
    house.raw.send(rpc(house.cik, *[("map", "alias", rid, name) for name in more]))
    status, _, _ = asked(house, "GET", path + "&" + "&".join(more))
    assert status == 400  # more bytes than an answer has
    assert asked(house, "GET", path)[0] == 200


def test_clashing_points_by_alias_are_told_in_turns(house):
    house.raw.call(house.cik, "map", "alias", house.dataport(), "clashing")
    times = [str(1_000_000 + n) for n in range(80_000)]
    body = "&".join(f"{time}=1" for time in times).encode()
    assert asked(house, "POST", f"{DATA}/clashing", body)[0] == 204
    status, content, meanwhile = asked(house, "POST", f"{DATA}/clashing", body)
    assert (status, meanwhile >= 5) == (409, True)
    assert content == f"clashing={'%2C'.join(times)}".encode()


def managed(house, method, path, body=b"", type="text/csv"):
    """Status and body of an answer to a vendor."""
    headers = {"X-Exosite-Token": house.vendor.token, "Content-Type": type}
    status, _, content = house.raw.send(body, path, method, headers)
    return status, content


def listed(house, path, limit=1000):
    """All rows of a list, page by page."""
    rows = []
    while True:
        mark = "&" if "?" in path else "?"
        status, content = managed(house, "GET", f"{path}{mark}offset={len(rows)}&limit={limit}")
        if status == 204:
            return rows
        assert status == 200
        page = content.decode().splitlines()
        assert len(page) <= limit
        rows += page


def group_with(house, model, name, members):
    house.model(model)
    path = f"/provision/manage/group/{model}/"
    assert managed(house, "POST", path, f"id={name}".encode(), FORM)[0] == 205
    for first in range(0, len(members), 20_000):
        body = "\r\n".join(members[first : first + 20_000]).encode()
        assert managed(house, "POST", f"{path}{name}/", body)[0] == 205
    return f"{path}{name}"


def test_pages_of_a_large_group(house):
    members = [f"{'sn' if n % 3 else 'content'},m{n:06d},0," for n in range(12_000)]
    path = group_with(house, "paged", "large", members) + "/"
    assert listed(house, path) == members
    assert listed(house, f"{path}?type=sn") == [one for one in members if one.startswith("sn")]
    assert managed(house, "DELETE", path, b"content,m000000\r\nsn,m011999")[0] == 205
    del members[-1], members[0]
    assert listed(house, path) == members
    assert managed(house, "GET", f"{path}?offset=11990&limit=5")[1].split() == [
        one.encode() for one in members[11_990:11_995]
    ]
    assert managed(house, "GET", f"{path}?offset={10**30}")[0] == 204
    assert managed(house, "GET", path[:-1])[1] == b",11998\r\n"
    assert managed(house, "GET", f"{path}?id=m000003")[1] == b"content,m000003,0,\r\n"


def test_pages_of_long_rows_have_an_end_and_let_others_in(house):
    meta = "m" * 60_000
    members = [f"sn,m{n},0,{meta}" for n in range(600)]
    house.model("long")
    path = "/provision/manage/group/long/"
    assert managed(house, "POST", path, b"id=g", FORM)[0] == 205
    for first in range(0, 600, 100):
        body = "\r\n".join(members[first : first + 100]).encode()
        assert managed(house, "POST", path + "g/", body)[0] == 205
    token = {"X-Exosite-Token": house.vendor.token}
    status, content, meanwhile = asked(house, "GET", path + "g/?limit=400", headers=token)
    assert (status, content.count(b"sn,"), meanwhile >= 5) == (200, 400, True)
    assert managed(house, "GET", path + "g/?limit=1000")[0] == 400
    assert [len(row) for row in listed(house, path + "g/", 250)] == [len(one) for one in members]


def test_many_groups_that_hold_one(house):
    house.model("held")
    path = "/provision/manage/group/held/"
    assert managed(house, "POST", "/provision/manage/model/held/", b"sn=s", FORM)[0] == 205
    names = [f"g{n}" for n in range(600)]
    for name in [*names, "top"]:
        assert managed(house, "POST", path, f"id={name}".encode(), FORM)[0] == 205
    for name in names:
        assert managed(house, "POST", f"{path}{name}/", b"sn,s")[0] == 205
        assert managed(house, "POST", f"{path}top/", f"group,{name}".encode())[0] == 205
        assert managed(house, "POST", f"{path}{name}/", b"group,top")[0] == 205
    assert listed(house, "/provision/manage/model/held/s?show=groups", 100) == names
    assert listed(house, f"{path}top?show=groups", 7) == names
    assert managed(house, "DELETE", f"{path}top")[0] == 205
    assert managed(house, "GET", f"{path}g5/")[1] == b"sn,s,0,\r\n"
    assert managed(house, "POST", path, b"id=top", FORM)[0] == 205
    assert listed(house, f"{path}top?show=groups") == listed(house, f"{path}top/") == []


def test_what_was_under_a_model_goes_bit_by_bit(tmp_path):
    """A model of the same name may be there meanwhile; a restart goes on."""
    with LocalPlatform(str(tmp_path / "file")) as platform:
        house = House(platform, points=0)
        sns = [f"s{n}" for n in range(3000)]
        path = group_with(house, "gone", "g", [f"sn,{sn}" for sn in sns])[: -len("/g")]
        serials = "/provision/manage/model/gone"
        assert managed(house, "POST", serials + "/", "\r\n".join(sns).encode())[0] == 205
        content = "/provision/manage/content/gone/"
        for n in range(50):
            assert managed(house, "POST", content, f"id=c{n}".encode(), FORM)[0] == 205
        assert managed(house, "DELETE", serials)[0] == 205
        assert managed(house, "GET", serials + "/")[0] == 404
        house.model("gone")
        new = b"s1\r\ns2"
        assert managed(house, "POST", serials + "/", new)[0] == 205
        assert managed(house, "GET", path)[0] == managed(house, "GET", content)[0] == 204
        house.raw.http.close()
        assert platform.run(lambda inner: inner.unit.jobs.after("model", 0, 1))
    with LocalPlatform(str(tmp_path / "file")) as platform:
        house.platform, house.raw = platform, Raw(platform)
        while platform.run(lambda inner: inner.unit.jobs.after("model", 0, 1)):
            house.ok("write", house.beside, 1)
        assert managed(house, "GET", serials + "/")[1].split() == [b"s1,,", b"s2,,"]
        house.raw.http.close()
    with closing(sqlite3.connect(tmp_path / "file")) as file:
        counts = [
            file.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("serials", "members", "contents", "groups")
        ]
    assert counts == [2, 0, 0, 0]


def test_a_resource_with_many_aliases_goes_and_moves_in_turns():
    with LocalPlatform() as platform:
        house = House(platform, points=0)
        limits = {"limits": {"dataport": "inherit"}}
        box = house.ok("create", "client", limits)
        key = house.ok("info", box, {"key": True})["key"]
        names = [f"name {n}" for n in range(3000)]
        rid = house.dataport()
        house.raw.send(rpc(house.cik, *[("map", "alias", rid, name) for name in names]))
        other = house.dataports(1, cik=key)[0]
        house.ok("map", "alias", other, "name 7", cik=key)
        house.ok("move", rid, box, {"aliases": True})
        assert house.ok("info", {"alias": ""}, {"aliases": True})["aliases"] == {}
        aliases = house.ok("info", {"alias": ""}, {"aliases": True}, cik=key)["aliases"]
        assert aliases == {other: ["name 7"], rid: sorted(set(names) - {"name 7"})}
        house.ok("drop", rid)
        aliases = house.ok("info", {"alias": ""}, {"aliases": True}, cik=key)["aliases"]
        assert aliases == {other: ["name 7"]}
        answer = house.raw.call(key, "read", {"alias": "name 8"})
        assert answer["status"] == "invalid"  # no resource has it
        again = house.dataports(1, cik=key)[0]
        house.ok("map", "alias", again, "name 2999", cik=key)
        house.ok("map", "alias", again, "name 0", cik=key)
        while platform.run(lambda inner: inner.unit.resources.dropped()) is not None:
            house.ok("write", house.beside, 1)
        aliases = house.ok("info", {"alias": ""}, {"aliases": True}, cik=key)["aliases"]
        assert aliases == {other: ["name 7"], again: ["name 0", "name 2999"]}
        house.raw.http.close()


def test_many_with_a_tag(house):
    limits = {"limits": {"dataport": "inherit", "client": "inherit"}}
    box = house.ok("create", "client", limits)
    key = house.ok("info", box, {"key": True})["key"]
    rids = house.dataports(6000, cik=key)
    calls = [("tag", rid, "add", "red") for rid in [*rids[:5500], house.many]]
    house.raw.send(rpc(house.cik, *calls))
    assert house.ok("listing", ["dataport"], {"tagged": ["red"]}, cik=key) == {
        "dataport": rids[:5500]
    }
    found = house.ok("listing", ["dataport"], {"tagged": ["red", "blue"]})["dataport"]
    assert sorted(found) == sorted([*rids[:5500], house.many])


def asked(house, method, path, body=b"", headers=None):
    """Status and body of an answer, and how many writes were answered while it was made."""
    headers = headers or {"X-Exosite-CIK": house.cik, "Content-Type": FORM}
    request = http_request(method, path, body, headers)
    place = (house.platform.host, house.platform.port)
    with socket.create_connection(place, timeout=60) as long:
        long.sendall(request)
        meanwhile = 0
        while not select.select([long], [], [], 0)[0]:
            house.ok("write", house.beside, 1)
            meanwhile += 1
        return (*answer_of(long), meanwhile)


# --- what comes without a key ----------------------------------------------


def test_without_a_good_key_bodies_are_short(house):
    form = {"Content-Type": FORM}
    for path, headers in (
        ("/provision/activate", form),
        (DATA, {**form, "X-Exosite-CIK": "f" * 40}),
        (DATA, form),
        ("/provision/manage/model/", {**form, "X-Exosite-Token": "f" * 40}),
    ):
        speaker = Raw(house.platform)
        status, answer, _ = speaker.send(b"a=b&" * 17_000, path, headers=headers)
        assert status == 413 and answer["Connection"] == "close"
        speaker.http.close()


def test_with_a_key_they_are_as_long_as_they_need_to_be(house):
    house.raw.call(house.cik, "map", "alias", house.empty, "a")
    headers = {"X-Exosite-CIK": house.cik, "Content-Type": FORM}
    body = b"&".join(b"unknown%d=1" % number for number in range(10_000)) + b"&a=5"
    assert house.raw.send(body, DATA, headers=headers)[0] == 204
    assert house.ok("read", house.empty, {})[0][1] == 5


def test_a_long_request_is_refused_before_all_of_it_has_come(house):
    body = rpc("f" * 40, ("write", house.empty, "x" * 1_000_000))
    place = (house.platform.host, house.platform.port)
    with socket.create_connection(place, timeout=30) as one:
        one.sendall(http_request("POST", RPC, body, {})[:200_000])
        status, content = answer_of(one)
    error = {"code": 401, "message": "Invalid", "context": "auth"}
    assert (status, json.loads(content)) == (200, {"error": error})


def test_a_long_request_may_say_last_who_sends_it(house):
    request = json.loads(rpc(house.cik, ("lookup", "alias", "")))
    request = {"more": "x" * 200_000, "calls": request["calls"], "auth": request["auth"]}
    assert house.raw.json(request)[0]["status"] == "ok"


def test_fields_and_rows_have_an_end(house):
    path = house.model("rows")
    token = {"X-Exosite-Token": house.vendor.token}
    for type, body in (
        (FORM, b"sn=" + b"%41" * 200_000),
        ("text/csv", b"," * 300_000),
        ("text/csv", b'"\n",' * 100_000),
    ):
        speaker = Raw(house.platform)
        assert speaker.send(body, path, headers={**token, "Content-Type": type})[0] == 413
        speaker.http.close()
    headers = {"X-Exosite-CIK": house.cik, "Content-Type": FORM}
    assert house.raw.send(b"a=" + b"%41" * 70_000, DATA, headers=headers)[0] == 413


# --- what one request may cost ---------------------------------------------


def test_an_answer_has_so_many_points(house):
    """A hundred reads of a hundred thousand points would take gigabytes."""
    calls = [("read", house.many, {"limit": POINTS})] * 7
    answers = house.raw.json(json.loads(rpc(house.cik, *calls)))
    assert [answer["status"] for answer in answers] == ["ok"] * 5 + ["invalid"] * 2
    assert all(len(answer["result"]) == POINTS for answer in answers[:5])
    assert answers[5]["error"]["code"] == 400
    assert "at most 500000 points" in answers[5]["error"]["message"]


@contextmanager
def limited(**limits):
    """A platform with limits of its own: a client, and the key of a device."""
    with LocalPlatform(settings=Settings(**limits)) as platform:
        with closing(onep.OnepV1(**platform.connection)) as o:
            yield o, platform.device().cik


def test_an_answer_has_so_many_bytes():
    with limited(max_answer_bytes=10_000) as (o, cik):
        rid = o.create(cik, "dataport", {"format": "string", "meta": "m" * 3000})[1]
        o.recordbatch(cik, rid, [[n, "x" * 1000] for n in range(1, 20)])
        assert len(o.read(cik, rid, {"limit": 5})[1]) == 5
        assert o.read(cik, rid, {"limit": 20}) == (False, "invalid")
        for _ in range(4):
            o.info(cik, rid, {"description": True}, defer=True)
        o.write(cik, rid, "y", defer=True)
        results = [isok for _, isok, _ in o.send_deferred(cik)]
        assert results == [True, True, True, False, True]


def test_a_request_causes_so_much_work():
    with limited(max_work=20) as (o, cik):
        rid = o.create(cik, "dataport", {"format": "integer"})[1]
        for _ in range(15):
            o.create(cik, "dataport", {"format": "integer", "subscribe": rid})
        for value in range(3):
            o.write(cik, rid, value, defer=True)
        assert [isok for _, isok, _ in o.send_deferred(cik)] == [True, True, False]
        assert o.write(cik, rid, 9) == (True, "ok")


def test_long_values_are_more_work():
    with limited(max_work=50) as (o, cik):
        rid = o.create(cik, "dataport", {"format": "string"})[1]
        long = o.create(cik, "dataport", {"format": "string", "preprocess": [["value", rid]]})[1]
        o.write(cik, rid, "x" * 10_000)
        for value in ("x" * 10_000, "x" * 10_000, "x"):
            o.write(cik, rid, value, defer=True)
        assert [isok for _, isok, _ in o.send_deferred(cik)] == [True, True, False]
        refused = o.recordbatch(cik, long, [[n, "a"] for n in range(1, 10)])[1]
        assert [time for time, _ in refused] == [3, 4, 5, 6, 7, 8, 9]
        for _ in range(9):
            o.create(cik, "dataport", {"format": "string", "subscribe": rid})
        o.write(cik, rid, "y" * 2000, defer=True)
        o.write(cik, rid, "y", defer=True)
        assert [isok for _, isok, _ in o.send_deferred(cik)] == [True, False]


def test_long_values_are_written_in_turns(house):
    source = house.dataport(format="string")
    house.ok("write", source, "x" * 1_000_000)
    copy = house.dataport(format="string", preprocess=[["value", source]])
    body = rpc(house.cik, ("recordbatch", copy, [[n, "a"] for n in range(1, 101)]))
    status, content, meanwhile = asked(house, "POST", RPC, body)
    assert (status, json.loads(content)[0]["status"], meanwhile >= 5) == (200, "ok", True)
    assert house.ok("info", copy, {"storage": True})["storage"]["count"] == 100
    house.ok("drop", copy)


def test_a_request_of_data_causes_so_much_work():
    with LocalPlatform(settings=Settings(max_work=20)) as platform:
        device = platform.device()
        platform.dataport(device.cik, "a")
        raw = Raw(platform)
        headers = {"X-Exosite-CIK": device.cik, "Content-Type": FORM}
        assert raw.send(b"1=1&5=5", DATA + "/a", headers=headers)[0] == 204
        body = b"&".join(b"%d=1" % n for n in range(100, 150))
        assert raw.send(body, DATA + "/a", headers=headers)[0] == 400
        assert raw.send(b"a=7", DATA, headers=headers)[0] == 204
        raw.http.close()


def test_a_preprocess_has_so_many_operations(house):
    steps = [["mul", 1e3]] * 101
    description = {"format": "float", "preprocess": steps}
    answer = house.raw.call(house.cik, "create", "dataport", description)
    assert answer["status"] == "invalid" and "at most 100" in answer["error"]["message"]
    rid = house.ok("create", "dataport", {"format": "float", "preprocess": steps[:100]})
    assert house.raw.call(house.cik, "write", rid, 10**9)["status"] == "invalid"  # it overflows
    assert house.raw.call(house.cik, "update", rid, {"preprocess": steps})["status"] == "invalid"


def test_a_tree_is_so_deep():
    with limited(max_depth=4) as (o, cik):
        description = {"limits": dict.fromkeys(("client", "share"), "inherit")}

        def below(rid):
            return o.create({"cik": cik, "client_id": rid}, "client", description)

        chain = o.create(cik, "client", description)[1]
        middle = below(chain)[1]
        lowest = below(middle)[1]
        other = o.create(cik, "client", description)[1]
        assert below(lowest) == (False, "invalid")
        assert o.move(cik, chain, other) == (False, "invalid")
        assert o.move(cik, other, lowest) == (False, "invalid")
        assert o.move(cik, lowest, other) == (True, "ok")
        assert o.create(cik, "clone", {"rid": chain})[0]


def test_a_model_has_so_many_ranges(house):
    path = house.model("ranged")
    headers = {"X-Exosite-Token": house.vendor.token, "Content-Type": "application/json"}

    def add(*ranges):
        given = [
            {"format": "base10", "length": 9, "casing": None, "first": first, "last": last}
            for first, last in ranges
        ]
        speaker = Raw(house.platform)
        status = speaker.send({"ranges": given}, path, headers=headers)[0]
        speaker.http.close()
        return status

    assert add(*[(n * 10, n * 10 + 5) for n in range(8000)]) == 413
    assert add(*[(n * 10, n * 10 + 5) for n in range(998)]) == 205
    assert add((20_000, 20_001), (9_975, 9_979)) == 409
    assert add((20_000, 20_001), (9_980, 9_981)) == 205
    assert add((30_000, 30_001)) == 413


# --- what real clients need ------------------------------------------------


def test_a_picture_as_text(house):
    rid = house.dataport(format="string")
    picture = "/9j/4AAQ" * (128 * 1024)
    assert house.ok("write", rid, picture) is None
    assert house.ok("read", rid, {})[0][1] == picture


def test_many_texts_come_back_in_order(house):
    rid = house.dataport(format="string")
    points = [[n, f'text "{n}" ü' * (n % 50)] for n in range(1, 5001)]
    assert house.ok("recordbatch", rid, points) is None
    assert house.ok("read", rid, {"limit": 10_000, "sort": "asc"}) == points
    assert house.ok("read", rid, {"limit": 2500}) == points[:2499:-1]
    assert house.ok("read", rid, {"limit": 1001, "sort": "asc"}) == points[:1001]


def test_floats_come_back_as_they_were(house):
    rid = house.dataport(format="float")
    points = [[n, value] for n, value in enumerate([1e300, -0.0, 1e-7, 0.1, 5.0] * 500, 1)]
    assert house.ok("recordbatch", rid, points) is None
    found = house.ok("read", rid, {"limit": 10_000, "sort": "asc"})
    assert repr(found) == repr(points)


def test_a_long_group_is_written_whole_or_not_at_all(house):
    rid = house.dataport()
    entries = [[rid, 1]] * 3000 + [[rid, "no number"]]
    assert house.raw.call(house.cik, "writegroup", entries)["status"] == "invalid"
    assert house.ok("read", rid, {}) == []


def test_of_many_points_those_refused_are_told(house):
    rid = house.dataport()
    points = [[n, "bad" if n % 1000 == 7 else n] for n in range(1, 5001)]
    answer = house.raw.call(house.cik, "recordbatch", rid, points)
    assert answer["status"] == [[n, "invalid"] for n in range(7, 5001, 1000)]
    assert house.ok("info", rid, {"storage": True})["storage"]["count"] == 4995


def test_many_serial_numbers_are_added_all_or_none(house):
    path = house.model("all")
    headers = {"X-Exosite-Token": house.vendor.token, "Content-Type": "text/csv"}
    assert house.raw.send(b"sn2999,x\r\n", path, headers=headers)[0] == 205
    rows = b"".join(b"sn%04d,x\r\n" % number for number in range(3000))
    assert house.raw.send(rows, path, headers=headers)[0] == 409
    status, _, content = house.raw.send(b"", path, "GET", headers)
    assert status == 200 and content.count(b"sn") == 1


# --- JSON in pieces --------------------------------------------------------

_LEAVES = strategies.one_of(
    strategies.none(),
    strategies.booleans(),
    strategies.integers(-(10**12), 10**12),
    strategies.floats(allow_nan=False, allow_infinity=False),
    strategies.text(alphabet='ab,:[]{}"\\ü€\n', max_size=12),
)
_JSON = strategies.recursive(
    _LEAVES,
    lambda inner: strategies.one_of(
        strategies.lists(inner, max_size=6),
        strategies.dictionaries(strategies.text(alphabet='a,]}"', max_size=3), inner, max_size=4),
    ),
    max_leaves=30,
)


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setattr(pieces, "_WINDOW", 10)
    monkeypatch.setattr(pieces, "ITEMS", 3)


@pytest.mark.usefixtures("narrow")
@fuzzed(200)
@given(value=_JSON, indent=strategies.sampled_from([None, 1]))
def test_json_in_pieces_is_the_same_json(value, indent):
    body = json.dumps(value, indent=indent).encode()
    assert at_once(pieces.decoded(body, 64)) == value
    assert "".join(at_once(pieces.encoded(value)).parts) == json.dumps(value)


@pytest.mark.usefixtures("narrow")
@fuzzed(200)
@given(value=_JSON, place=strategies.integers(0), wrong=strategies.sampled_from(list('[]{},:"x1 ')))
def test_what_is_no_json_is_none_in_pieces(value, place, wrong):
    text = json.dumps(value)
    place %= len(text)
    body = (text[:place] + wrong + text[place + 1 :]).encode()
    try:
        expected = jsontext.decode(body, 64)
    except jsontext.NotJson:
        with pytest.raises(jsontext.NotJson):
            at_once(pieces.decoded(body, 64))
    else:
        assert at_once(pieces.decoded(body, 64)) == expected


@pytest.mark.parametrize("deepest", [1, 2, 5, 64])
def test_nesting_is_seen_in_pieces(narrow, deepest):
    for fill in ("", "1, " * 20):
        fits = "[" + f"{fill}[" * (deepest - 1) + "]" * deepest
        at_once(pieces.decoded(fits.encode(), deepest))
        with pytest.raises(jsontext.NestedTooDeep):
            at_once(pieces.decoded(f"[{fill}{fits}]".encode(), deepest))


# --- the collector of cycles -----------------------------------------------


def collected_during_long_work():
    """Whether the collector is there at the end of some long work, and whether it comes back."""
    seen = []

    def steps(others):
        while not others.done():  # until the work has made a break
            yield
        seen.append(gc.isenabled())

    async def run():
        await in_turns(steps(asyncio.ensure_future(asyncio.sleep(0))))
        deadline = time.monotonic() + 20
        while not gc.isenabled() and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        seen.append(gc.isenabled())

    asyncio.run(run())
    return seen


def test_the_collector_is_left_alone_in_a_process_of_somebody_else():
    with LocalPlatform() as platform:
        cik = platform.device().cik
        raw = Raw(platform)
        raw.send(rpc(cik, *[("lookup", "alias", "")] * 10_000))
        assert gc.isenabled()
        assert collected_during_long_work() == [True, True]
        raw.http.close()


def test_in_a_process_of_ours_it_rests_during_long_work_and_comes_back():
    collector.begin()
    try:
        assert collected_during_long_work() == [False, True]
    finally:
        collector.end()
    assert collected_during_long_work() == [True, True]


@pytest.mark.parametrize("owns_process", [True, False])
def test_a_server_takes_it_only_in_a_process_of_its_own(owns_process):
    async def run():
        with in_memory() as platform, listen("127.0.0.1", 0) as listener:
            server = Server(platform, owns_process)
            serving = asyncio.ensure_future(server.serve(sockets=[listener]))
            while not server.started:
                await asyncio.sleep(0)
            collector.hold_off()
            assert gc.isenabled() is not owns_process
            server.stop()
            await serving

    asyncio.run(run())
    assert gc.isenabled()


def test_it_comes_back_when_the_platform_ends_during_long_work():
    async def run():
        collector.begin()
        collector.hold_off()
        assert not gc.isenabled()
        collector.end()
        assert gc.isenabled()

    asyncio.run(run())


def test_a_collector_that_its_owner_turned_off_stays_off():
    async def run():
        collector.begin()
        collector.hold_off()
        collector.end()

    gc.disable()
    try:
        asyncio.run(run())
        assert not gc.isenabled()
    finally:
        gc.enable()
