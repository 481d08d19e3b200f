"""What long work stands on is taken away while others have their turn: it says so.

Every step is followed by a turn of the others here, so that it is known what happened when.
"""

from __future__ import annotations

import asyncio

import pytest
from access_table import World, provisioning_headers, scope_of

from pyonep.server.core import fleet, lifecycle, procedures, turns
from pyonep.server.core.errors import Refused
from pyonep.server.fronts import rpc
from pyonep.server.fronts.app import App
from pyonep.server.platform import Batch

POINTS = 2100


@pytest.fixture
def inner(core, monkeypatch):
    """A platform without a server, on which each step is a turn of its own."""
    monkeypatch.setattr(turns, "TURN", -1)
    return core


@pytest.fixture
def world(inner):
    world = World(inner)
    for name in ("port", "deep", "shared", "public"):
        inner.unit.series.put_many(world.ids[name], range(200, 200 + POINTS), ["1"] * POINTS)
    inner.commit()
    return world


async def during(work, is_under_way, happens):
    """Begin some work, let something happen once it is under way, and return how it ends."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    while not is_under_way():
        assert not task.done(), "it ended before anything could happen"
        await asyncio.sleep(0)
    assert not task.done(), "it ended before anything could happen"
    happens()
    return await task


def ends(inner, world, procedure, arguments, happens):
    """How a long call of the device ends when something happens after its first step."""
    caller = inner.authenticate({"cik": world.key("device")})

    async def run():
        call = inner.call(caller, procedure, arguments)
        work = Batch(inner).carry_out(call.steps, call.check)
        return await during(work, lambda: True, lambda: inner.work(lambda _: happens()))

    try:
        asyncio.run(run())
    except Refused as refused:
        return rpc.status_of(refused)
    return "ok"


def batch(start):
    return [[start + n, 1] for n in range(POINTS)]


def evenly(limit):
    return {"selection": "autowindow", "limit": limit}


LONG = {
    "read": lambda rid: ["read", [rid, {"limit": POINTS}]],
    "first of parts": lambda rid: [
        "read",
        [
            rid,
            {"selection": "givenwindow", "limit": 500, "starttime": 200, "endtime": 200 + POINTS},
        ],
    ],
    "evenly spaced": lambda rid: ["read", [rid, evenly(500)]],
    "all of an auto window": lambda rid: ["read", [rid, evenly(2 * POINTS)]],
}
WRITING = {
    "recordbatch": lambda rid: ["recordbatch", [rid, batch(10_000)]],
    "record": lambda rid: ["record", [rid, batch(10_000)]],
    "writegroup": lambda rid: ["writegroup", [[[rid, 1]] * POINTS]],
    "flush": lambda rid: ["flush", [rid]],
}


def drop(name):
    return lambda inner, world: lifecycle.drop(inner.unit, world.node(name))


def move_away(name):
    return lambda inner, world: lifecycle.move(
        inner.unit, world.node(name), world.node("stranger"), False
    )


def unshare(inner, world):
    inner.unit.rights.remove_share(world.codes["shared"])


def hide(inner, world):
    lifecycle.update(inner.unit, world.node("public"), {"public": False})


TAKEN = {
    "dropped": ("deep", drop("deep")),
    "dropped with its owner": ("deep", drop("inner")),
    "moved away": ("deep", move_away("deep")),
    "moved away with its owner": ("deep", move_away("inner")),
    "no longer shared": ("shared", unshare),
    "shared, and dropped": ("shared", drop("shared")),
    "no longer public": ("public", hide),
    "public, and dropped": ("public", drop("public")),
}


# Only what is the caller's own is written to.
CASES = [(what, how) for how in TAKEN for what in LONG] + [
    (what, how) for how, (name, _) in TAKEN.items() for what in WRITING if name == "deep"
]


@pytest.mark.parametrize(("what", "how"), CASES)
def test_a_long_call_tells_that_its_resource_is_gone(inner, world, what, how):
    name, happens = TAKEN[how]
    call = {**LONG, **WRITING}[what](world.rids[name])
    assert ends(inner, world, *call, lambda: happens(inner, world)) == "restricted"


@pytest.mark.parametrize("what", {**LONG, **WRITING})
def test_a_long_call_does_not_mind_what_is_not_its_own(inner, world, what):
    call = {**LONG, **WRITING}[what](world.rids["deep"])
    assert ends(inner, world, *call, lambda: drop("stranger")(inner, world)) == "ok"


def test_all_of_a_group_has_to_stay(inner, world):
    entries = [[world.rids["port"], 1]] * POINTS + [[world.rids["deep"], 1]] * POINTS
    assert ends(inner, world, "writegroup", [entries], lambda: None) == "ok"
    entries = [[world.rids["deep"], 1], *[[world.rids["port"], 1]] * POINTS]
    assert ends(inner, world, "writegroup", [entries], drop_now(inner, world, "deep")) != "ok"


def lock(inner, world):
    lifecycle.update(inner.unit, world.node("device"), {"locked": True})


def lose_the_key(inner, world):
    inner.unit.resources.set_key(world.node("device"), world.key("device"), "expired", None)


@pytest.mark.parametrize("happens", [drop("deep"), move_away("deep"), lock, lose_the_key])
@pytest.mark.parametrize("steps", range(8))
def test_a_group_is_written_as_a_whole_or_not_at_all(inner, world, monkeypatch, happens, steps):
    """Whatever is taken away, at whichever step."""
    monkeypatch.setattr(procedures.series, "_AT_ONCE", 2)
    device = world.node("device")
    given = {"format": "integer"}
    ports = [lifecycle.create(inner.unit, device, "dataport", given) for _ in range(8)]
    entries = [[node.rid, 1] for node in ports]
    entries.insert(4, [world.rids["deep"], 1])
    caller = inner.authenticate({"cik": world.key("device")})
    writing = inner.call(caller, "writegroup", [entries])
    end = status = None
    try:
        while (end := inner.step(writing.steps)) is None:
            if not steps:
                inner.work(lambda _: happens(inner, world))
            steps -= 1
            writing.check()
    except Refused as refused:
        status = rpc.status_of(refused)
    has_value = {inner.unit.series.count(node.id) for node in ports}
    assert has_value == ({1} if end else {0})
    assert end or status in ("restricted", "locked")


@pytest.mark.parametrize("happens", [drop("port"), lock, lose_the_key])
def test_a_value_that_is_stored_is_told_while_it_is_passed_on(inner, world, happens):
    device, port = world.node("device"), world.node("port")
    given = {"format": "integer", "subscribe": port.rid}
    for _ in range(300):
        lifecycle.create(inner.unit, device, "dataport", given)
    call = ("write", [port.rid, 1])
    assert ends(inner, world, *call, lambda: happens(inner, world)) == "ok"


def drop_now(inner, world, name):
    return lambda: drop(name)(inner, world)


@pytest.mark.parametrize("how", ["dropped", "dropped with its owner", "moved away"])
def test_what_is_told_about_a_resource(inner, world, how):
    for _ in range(250):
        given = {"format": "integer", "subscribe": world.rids["deep"]}
        lifecycle.create(inner.unit, world.node("device"), "dataport", given)
    arguments = [world.rids["deep"], {"subscribers": True}]
    got = ends(inner, world, "info", arguments, lambda: TAKEN[how][1](inner, world))
    assert got == "restricted"


@pytest.mark.parametrize("name", ["inner", "device"])
def test_a_client_that_is_looked_at(inner, world, name):
    for _ in range(600):
        lifecycle.create(inner.unit, world.node("inner"), "dataport", {"format": "integer"})
    call = ["listing", [world.rids["inner"], ["dataport"], {"owned": True}]]
    got = ends(inner, world, *call, drop_now(inner, world, name))
    assert got == "restricted"


@pytest.mark.parametrize("gone", ["inner", "box"])
def test_what_is_cloned(inner, world, gone):
    """By RID it is a ground of the call; by share code it has to be there at the end."""
    for _ in range(60):
        lifecycle.create(inner.unit, world.node(gone), "dataport", {"format": "integer"})
    given = {"rid": world.rids["inner"]} if gone == "inner" else {"code": world.codes["box"]}
    before = inner.unit.usage.tallies(world.ids["device"])["client"]
    got = ends(inner, world, "create", ["clone", given], drop_now(inner, world, gone))
    assert got == ("restricted" if gone == "inner" else "invalid")
    after = inner.unit.usage.tallies(world.ids["device"])["client"]
    assert after[0] == before[0] - (gone == "inner")


# --- over HTTP -------------------------------------------------------------


def request(inner, method, path, headers, body, is_under_way, happens):
    """The status of a request during which something happens."""
    bodies, sent = [body], []

    async def receive():
        if not bodies:
            await asyncio.Event().wait()  # the client stays
        return {"type": "http.request", "body": bodies.pop(), "more_body": False}

    async def send(message):
        sent.append(message)

    async def run():
        work = App(inner)(scope_of(method, path, headers), receive, send)
        await during(work, is_under_way, lambda: inner.work(lambda _: happens()))

    asyncio.run(run())
    return sent[0]["status"]


ROADS = {
    "record of several": ("/onep:v1/stack/record", "alias=port&"),
    "record of one": ("/onep:v1/stack/alias/port", ""),
}


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("how", ["drop", "move"])
def test_points_that_are_recorded_over_http(inner, world, road, how):
    path, start = ROADS[road]
    body = start + "&".join(f"{20_000 + 2 * n}=1" for n in range(POINTS))
    headers = [("X-Exosite-CIK", world.key("device"))]
    happens = {"drop": drop("port"), "move": move_away("port")}[how]
    port = world.ids["port"]
    status = request(
        inner,
        "POST",
        path,
        headers,
        body.encode(),
        lambda: inner.unit.series.count(port, 20_000) > 0,
        lambda: happens(inner, world),
    )
    assert status == 404


def test_values_that_are_written_over_http(inner, world):
    """What is dropped when some have been written is dropped after all have."""
    ids, device = [], world.node("device")
    for number in range(600):
        node = lifecycle.create(inner.unit, device, "dataport", {"format": "integer"})
        inner.unit.resources.map(device.id, f"a{number}", node.id)
        ids.append(node.id)
    status = request(
        inner,
        "POST",
        "/onep:v1/stack/alias",
        [("X-Exosite-CIK", world.key("device"))],
        "&".join(f"a{number}=1" for number in range(600)).encode(),
        lambda: inner.unit.series.count(ids[0]) > 0,
        lambda: lifecycle.drop(inner.unit, inner.unit.resources.by_id(ids[-1])),
    )
    assert status == 204
    assert [inner.unit.series.count(number) for number in ids] == [1] * 599 + [0]
    assert inner.unit.series.count(ids[-1]) == 0


def test_a_model_that_is_removed_while_serial_numbers_are_added(inner, world):
    vendor = inner.unit.devices.vendor(world.names["vendor"])
    model = inner.unit.devices.model(vendor.id, "m")
    status = request(
        inner,
        "POST",
        "/provision/manage/model/m/",
        [*provisioning_headers(world, "vendor", "key", False), ("Content-Type", "text/csv")],
        "".join(f"new{number},x\r\n" for number in range(POINTS)).encode(),
        lambda: inner.unit.devices.serial(model.id, "new0") is not None,
        lambda: fleet.remove_model(inner.unit, model),
    )
    assert status == 404
    while fleet.remove_some(inner.unit):
        pass
    assert not inner.unit.devices.serials(model.id, [f"new{number}" for number in range(500)])


def test_a_share_that_ends_while_a_template_is_cloned(inner, world):
    for _ in range(120):
        lifecycle.create(inner.unit, world.node("cousin"), "dataport", {"format": "integer"})
    vendor, guest = (inner.unit.devices.vendor(world.names[name]) for name in ("vendor", "guest"))
    model = inner.unit.devices.model(vendor.id, "m")
    status = request(
        inner,
        "POST",
        "/provision/manage/model/m/free",
        provisioning_headers(world, "guest", "key", True),
        b"enable=true&owner=" + world.rids["guests"].encode(),
        lambda: bool(inner.unit.enabling),
        lambda: inner.unit.devices.unshare_model(model.id, guest.id),
    )
    assert status == 403
    assert inner.unit.devices.serial(model.id, "free").client is None


def test_a_group_that_is_removed_while_members_are_added(inner, world):
    vendor = inner.unit.devices.vendor(world.names["vendor"])
    model = inner.unit.devices.model(vendor.id, "m")
    number = inner.unit.groups.group(model.id, "g")[0]
    status = request(
        inner,
        "POST",
        "/provision/manage/group/m/g/",
        [*provisioning_headers(world, "vendor", "key", False), ("Content-Type", "text/csv")],
        "".join(f"sn,new{number}\r\n" for number in range(500)).encode(),
        lambda: inner.unit.groups.count_members(number, 0, 0) > 0,
        lambda: inner.unit.groups.remove_group(number),
    )
    assert status == 404
    while fleet.remove_some(inner.unit):
        pass
    assert inner.unit.groups.count_members(number, 0, 0) == 0
