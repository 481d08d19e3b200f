"""Nobody gets what is not theirs: the table of who, by which road, what, in each state.

The table and its oracle are in `access_table`. Here it is gone through, in this process and
over a socket, with the roads that do not fit into a table.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
from itertools import product

import access_table as at
import pytest
from access_table import Draft, World, auth_of, exchange
from conftest import SOAK
from platforms import Raw

from pyonep.server.core import access, lifecycle
from pyonep.server.core import procedures as table
from pyonep.server.core.access import PERMISSIONS
from pyonep.server.fronts import rpc
from pyonep.server.platform import Batch

EVERY = 1 if SOAK else 5  # so many rows of the big tables are skipped for one that is tried
AFFECTED = [("fine", "device")] + [
    (state, name)
    for state, name in product(at.STATES[1:], ("device", "portal", "vendor", "stranger"))
    if (state, name) not in (("moved", "vendor"), ("dropped", "stranger"), ("moved", "stranger"))
]


def compare(world, draft, ways, rows, differ):
    for way, auth in ways:
        for deed, target in rows:
            arguments = deed.arguments(world, target)
            got = at.told(world.outcome(auth, deed.procedure, arguments))
            want = at.expected(draft, way, deed, target)
            if got != want:
                place = at.DEEDS.index(deed)
                differ.append((way, f"{deed.procedure} #{place}", target, got, want))


# --- the RPC API -----------------------------------------------------------


def test_every_procedure_is_in_the_table():
    assert set(table.names()) <= {deed.procedure for deed in at.DEEDS}


@pytest.mark.parametrize(("state", "name"), AFFECTED)
def test_every_procedure_by_every_road(core, state, name):
    """AMD-020 AMD-021"""
    world, draft, differ = World(core), Draft(), []
    ways = [(way, auth_of(world, way)) for way in at.WAYS]
    world.happen(state, name)
    draft.happen(state, name)
    compare(world, draft, ways, at.rows(), differ)
    assert not differ, differ[:20]


@pytest.mark.soak
@pytest.mark.parametrize("part", range(4))
def test_every_procedure_by_tokens_that_permit_a_little(core, part):
    """AMD-022"""
    world, differ = World(core), []
    for number, way in enumerate(list(at.tokens())[part::4]):
        rows = at.rows()
        chosen = rows[number % EVERY :: EVERY]
        compare(world, Draft(), [(way, auth_of(world, way))], chosen, differ)
    assert not differ, differ[:20]


@pytest.mark.soak
@pytest.mark.parametrize("state", ["expired", "locked", "revoked", "waiting", "dropped"])
def test_two_states_at_once(core, state):
    for other, name in product(("locked", "expired", "dropped"), ("device", "portal")):
        world, draft, differ = World(core), Draft(), []
        ways = [(way, auth_of(world, way)) for way in at.WAYS]
        for what, whom in ((state, "vendor"), (other, name)):
            if draft.there(whom):
                world.happen(what, whom)
                draft.happen(what, whom)
        compare(world, draft, ways, at.rows()[:: 4 * EVERY], differ)
        assert not differ, differ[:20]


def test_a_lock_that_is_taken_away(core):
    """AMD-020"""
    world = World(core)
    for way in at.WAYS:
        auth = auth_of(world, way)
        for name in (way.holder, way.client):
            world.happen("locked", name)
            assert world.outcome(auth, "read", [world.rids["port"]]) == "locked"
            core.unit.resources.describe(
                world.node(name), {**world.node(name).description, "locked": False}, 1
            )
            assert world.outcome(auth, "read", [world.rids["port"]]) == "ok"


def test_a_batch_is_checked_call_by_call(core):
    """AMD-020 AMD-021"""
    for state, name in AFFECTED:
        world, draft = World(core), Draft()
        callers = [core.authenticate(auth_of(world, way)) for way in at.WAYS]
        world.happen(state, name)
        draft.happen(state, name)
        for way, caller in zip(at.WAYS, callers):
            gate = at.may(draft, way)
            if gate == "ok":
                assert core.call(caller, "read", [world.rids["port"], {}]).value
                continue
            with pytest.raises(at.Refused) as refused:
                core.call(caller, "read", [world.rids["port"], {}])
            assert rpc.status_of(refused.value) == ("locked" if gate == "locked" else "restricted")


def test_tokens_end(core, clock):
    """AMD-021"""
    world = World(core)
    read = ["read", [world.rids["port"]]]
    auth = {
        "token": world.do(
            {"cik": world.key("device")},
            "grant",
            at.HERE,
            {world.rids["port"]: ["read"]},
            {"ttl": 10},
            raw=True,
        )
    }
    assert world.outcome(auth, *read) == "ok"
    clock.now += 9.9
    assert world.outcome(auth, *read) == "ok"
    clock.now += 0.2
    assert world.outcome(auth, *read) == "401"


@pytest.mark.parametrize("name", ["device", "vendor"])
def test_a_new_key_does_not_wake_the_tokens_of_the_old_one(core, name):
    """AMD-021"""
    world = World(core)
    auth = auth_of(world, at.WAYS[6])  # by the vendor, for the device
    world.happen("revoked", name)
    node = world.node(name)
    core.unit.resources.set_key(node, node.cik, "activated", None)
    assert world.outcome(auth, "read", [world.rids["port"]]) == "401"


def test_a_token_of_an_older_file_rests_on_the_client_it_acts_as(core):
    """AMD-021"""
    world = World(core)
    auth = auth_of(world, at.WAYS[5])  # by the portal
    core.database.change(at.delete_makers())
    world.happen("expired", "portal")
    assert world.outcome(auth, "read", [world.rids["port"]]) == "ok"
    world.happen("expired", "device")
    assert world.outcome(auth, "read", [world.rids["port"]]) == "401"


# --- info, with a token ----------------------------------------------------


def test_the_keys_that_a_token_gives(core):
    """AMD-023"""
    world = World(core)

    def key(permits, name, maker="device"):
        given = {world.rids[top]: words for top, words in permits.items()}
        grant = world.do({"cik": world.key(maker)}, "grant", world.rids["device"], given, raw=True)
        told = world.do({"token": grant}, "info", world.rids[name], {"key": True}, raw=True)
        return told.get("key")

    for maker in ("device", "portal", "vendor"):
        assert key({"device": ["info"]}, "inner", maker) == world.key("inner")
        assert key({"inner": ["info"]}, "inner", maker) == world.key("inner")
        assert key({"device": ["info"]}, "device", maker) is None
        assert key({"device": list(PERMISSIONS)}, "innermost", maker) is None
    without = [word for word in PERMISSIONS if word != "info"]
    with pytest.raises(at.Refused, match="does not permit info"):
        key({"device": without}, "inner")
    assert key({"device": ["info"]}, "innermost") is None


def test_a_share_code_opens_and_needs_its_permission(core):
    """AMD-022"""
    world = World(core)
    for words, shown in ((["info"], False), (["info", "share"], True)):
        given = {world.rids["port"]: words}
        token = world.do({"cik": world.key("device")}, "grant", at.HERE, given, raw=True)
        told = world.do({"token": token}, "info", world.rids["port"], raw=True)
        assert ("shares" in told) is shown
        assert (world.codes["port"] in json.dumps(told)) is shown


def test_where_a_dispatch_sends_what_a_token_may_not_read(core):
    """AMD-022"""
    world = World(core)
    cik = {"cik": world.key("device")}
    given = {"method": "email", "recipient": "a@b.example", "subscribe": world.rids["port"]}
    rid = world.do(cik, "create", "dispatch", given, raw=True)
    elsewhere = {"recipient": "x@y.example"}
    for permits, want in (
        ({rid: ["update", "read"]}, "restricted"),
        ({rid: ["update"], world.rids["port"]: ["read"]}, "ok"),
    ):
        auth = {"token": world.do(cik, "grant", at.HERE, permits, raw=True)}
        assert world.outcome(auth, "update", [rid, elsewhere]) == want
        assert world.outcome(auth, "update", [rid, {"name": "x"}]) == "ok"


@pytest.mark.parametrize("more", [True, False])
def test_a_token_moves_nothing_to_where_it_may_do_more(core, more):
    """AMD-022"""
    world = World(core)
    here, there = ["move", "read"], ["move", "read", *(["write"] if more else [])]
    permits = {world.rids["port"]: here, world.rids["inner"]: there}
    cik = {"cik": world.key("device")}
    auth = {"token": world.do(cik, "grant", at.HERE, permits, raw=True)}
    got = world.outcome(auth, "move", [world.rids["port"], world.rids["inner"]])
    assert got == ("restricted" if more else "ok")


# --- waits -----------------------------------------------------------------


def test_a_point_is_not_delivered_when_the_access_ended_with_it(core):
    """AMD-020: what came and the lock are durable in the same moment."""
    world = World(core)
    auth = {"cik": world.key("device")}

    async def run():
        caller = core.authenticate(auth)
        wait = core.call(caller, "wait", [world.rids["port"], {"timeout": 10_000}]).wait
        waiter = core.open_wait(wait)
        core.call(caller, "write", [world.rids["port"], 5])
        core.work(lambda _: world.happen("locked", "device"))
        await core.until_durable()
        with pytest.raises(at.Refused, match="locked"):
            await core.waits.result(waiter)

    asyncio.run(run())


def ends(timed, work, ask):
    """Open a wait, let something happen once it is open, and return what `ask` returns."""
    found = []
    before = timed.run(lambda inner: len(inner.waits))
    thread = threading.Thread(target=lambda: found.append(ask()))
    thread.start()
    while timed.run(lambda inner: len(inner.waits)) == before:
        assert thread.is_alive()
    timed.run(lambda inner: work())
    thread.join(20)
    assert found, "the wait goes on although the access ended"
    return found[0]


def call(timed, auth, procedure, *arguments):
    raw = Raw(timed)
    try:
        return raw.call(auth, procedure, *arguments)
    finally:
        raw.http.close()


ENDS = [
    *[(way, state, name) for way in at.WAYS for state in at.STATES[1:] for name in ("device",)],
    *[(way, "locked", "vendor") for way in at.WAYS],
    *[(way, "revoked", "portal") for way in at.WAYS],
]


def test_a_wait_ends_with_the_access_it_rests_on(timed):
    """AMD-020 AMD-021"""
    tried = 0
    for way, state, name in ENDS:
        world = timed.run(World)
        draft = Draft()
        draft.happen(state, name)
        gate = at.may(draft, way)
        if gate == "ok":
            continue
        tried += 1
        auth = timed.run(lambda inner: auth_of(world, way))  # noqa: B023
        answer = ends(
            timed,
            lambda: world.happen(state, name),  # noqa: B023
            lambda: call(timed, auth, "wait", world.rids["port"], {"timeout": 60_000}),  # noqa: B023
        )
        want = {"locked", "error"} if gate == "locked" else {"restricted", "error"}
        assert answer["status"] in want, (way, state, name, answer)
    assert tried > 20


def test_a_wait_ends_with_the_share_or_the_publicity(timed):
    def revoke(world):
        world.do({"cik": world.key("stranger")}, "revoke", "share", world.codes["shared"], raw=True)

    def give_up(world):
        auth = {"cik": world.key("device")}
        world.do(auth, "deactivate", "share", world.codes["shared"], raw=True)

    def hide(world):
        lifecycle.update(timed._platform.unit, world.node("public"), {"public": False})

    for work, name in ((revoke, "shared"), (give_up, "shared"), (hide, "public")):
        world = timed.run(World)
        auth = {"cik": world.key("device")}
        rid = world.rids[name]
        answer = ends(
            timed,
            lambda: work(world),  # noqa: B023
            lambda: call(timed, auth, "wait", rid, {"timeout": 60_000}),  # noqa: B023
        )
        assert answer == {"status": "restricted"}


@pytest.mark.parametrize(("state", "want"), [("locked", 403), ("expired", 401), ("dropped", 401)])
@pytest.mark.parametrize("road", ["alias", "waitalias"])
def test_a_long_poll_ends_with_the_access(timed, state, want, road):
    world = timed.run(World)
    headers = {"X-Exosite-CIK": world.key("device"), "Request-Timeout": "60000"}

    def ask():
        raw = Raw(timed)
        path = f"/onep:v1/stack/{road}?port"
        method, body = ("GET", b"") if road == "alias" else ("POST", b"timeout=60000")
        try:
            return raw.send(body, path, method, headers)[0]
        finally:
            raw.http.close()

    assert ends(timed, lambda: world.happen(state, "device"), ask) == want


# --- the other fronts ------------------------------------------------------


@pytest.mark.parametrize(("state", "name"), AFFECTED)
def test_the_data_interface(core, state, name):
    """AMD-020 AMD-021"""
    draft = Draft()
    draft.happen(state, name)
    want = {"ok": (200, 204), "locked": (403,), "401": (401,)}[at.may(draft, at.WAYS[0])]
    for method, path, body in at.DATA_ROUTES:
        world = World(core)
        world.happen(state, name)
        headers = [("X-Exosite-CIK", world.key("device"))]
        assert exchange(core, method, path, headers, body) in want, (method, path)
        for other in ("shared", "released", "given", "public", "deep", "hidden"):
            elsewhere, there = path.replace("port", other), body.replace(b"port", other.encode())
            before = core.unit.series.count(world.ids[other])
            assert exchange(core, method, elsewhere, headers, there) not in (500,)
            assert core.unit.series.count(world.ids[other]) == before


def test_every_provisioning_route_is_in_the_table():
    routes = list(at.provisioning_routes())
    methods = sum(
        len(route.methods)
        for shapes in at.provisioning._ROUTES.values()
        for route in shapes.values()
    )
    assert len(routes) >= methods


PROVISIONED = [("fine", "vendor"), *product(at.STATES[1:-1], ("vendor", "guest", "device"))]


@pytest.mark.soak
@pytest.mark.parametrize(("state", "name"), PROVISIONED)
def test_every_provisioning_route_by_every_road(core, state, name):
    """AMD-020 AMD-021"""
    draft, world, differ = Draft(), None, []
    draft.happen(state, name)
    rows = list(product(at.provisioning_routes(), at.PROVISIONERS))
    for route, who in rows if SOAK or state == "fine" else rows[::EVERY]:
        if world is None:
            world = World(core)
            world.happen(state, name)
        headers = [*at.provisioning_headers(world, *who), ("Content-Type", route.type)]
        got = exchange(core, route.method, route.path, headers, route.body)
        if got < 300:
            world = None  # it may have changed
        want = at.provisioned(draft, route, *who)
        if not (got not in (401, 403, 500) if want == "through" else got in want):
            differ.append((route[:2], who, got, want))
    assert not differ, differ[:20]


def test_what_a_device_downloads(core):
    """AMD-020 AMD-021"""

    def downloads(world, who, query=""):
        path = f"/provision/download?vendor={world.names['vendor']}&model=m{query}"
        return exchange(core, "GET", path, [("X-Exosite-CIK", world.key(who))])

    world = World(core)
    assert downloads(world, "device") == 200
    assert downloads(world, "device", "&id=c") == 404  # nothing was uploaded yet
    assert downloads(world, "device", "&id=p") == 403  # protected
    assert downloads(world, "guests") == 200
    for who in ("portal", "vendor", "guest", "stranger", "cousin", "inner"):
        for query in ("", "&id=c", "&id=c&info=true", "&id=p"):
            assert downloads(world, who, query) == 403
    for state, want in (("locked", 403), ("expired", 401), ("revoked", 401), ("dropped", 401)):
        world = World(core)
        world.happen(state, "device")
        assert downloads(world, "device", "&id=c") == want


@pytest.mark.parametrize("by", ["key", "token"])
@pytest.mark.parametrize(
    ("state", "want"), [("fine", 205), ("locked", 403), ("expired", 401), ("dropped", 401)]
)
def test_an_upload_ends_with_the_access(core, state, want, by):
    """AMD-020 AMD-021"""
    world = World(core)
    headers = at.provisioning_headers(world, "vendor", by, False)
    path, blob = "/provision/manage/content/m/c", b"x" * 1_000_000
    got = exchange(core, "POST", path, headers, blob, lambda: world.happen(state, "vendor"))
    assert got == want
    vendor = core.unit.devices.vendor(world.names["vendor"])
    content = core.unit.content.one(core.unit.devices.model(vendor.id, "m").id, "c")
    assert content.size == (len(blob) if state == "fine" else 0)


def test_long_work_ends_with_the_access(core):
    """AMD-020"""
    world = World(core)
    caller = core.authenticate({"cik": world.key("device")})

    def steps():
        world.happen("locked", "device")
        while True:
            yield

    with pytest.raises(at.Refused, match="locked"):
        asyncio.run(Batch(core).carry_out(steps(), lambda: access.check(core.unit, caller)))


def test_a_template_that_is_out_of_reach_is_not_cloned(core):
    for state in ("moved", "dropped"):
        world = World(core)
        headers = [("X-Exosite-CIK", world.key("vendor"))]
        body = b"enable=true&owner=" + world.rids["portal"].encode()
        world.happen(state, "cousin")
        assert exchange(core, "POST", "/provision/manage/model/m/free", headers, body) == 412
    for state, want in (("dropped", 412), ("moved", 200)):
        world = World(core)
        vendor = core.unit.devices.vendor_of(world.ids["vendor"])
        core.unit.devices.add_model(vendor.id, "coded", "code", world.codes["box"], "")
        core.unit.devices.add_serials(
            core.unit.devices.model(vendor.id, "coded").id, [("free", "")]
        )
        headers = [("X-Exosite-CIK", world.key("vendor"))]
        body = b"enable=true&owner=" + world.rids["portal"].encode()
        world.happen(state, "box")
        path = "/provision/manage/model/coded/free"
        assert exchange(core, "POST", path, headers, body) == want
    world = World(core)
    headers = [("X-Exosite-CIK", world.key("vendor"))]
    for owner, want in (("stranger", 403), ("guests", 403), ("port", 403), ("portal", 200)):
        body = b"enable=true&owner=" + world.rids[owner].encode()
        got = exchange(core, "POST", "/provision/manage/model/m/free", headers, body)
        assert got == want
    world = World(core)
    world.happen("dropped", "portal")
    headers = [("X-Exosite-CIK", world.key("vendor"))]
    body = b"enable=true&owner=" + world.rids["portal"].encode()
    assert exchange(core, "POST", "/provision/manage/model/m/free", headers, body) == 404


@pytest.mark.parametrize("body", [b"disable=true", b"enable=true", b"enable=true&oldsn=free"])
@pytest.mark.parametrize(("sn", "want"), [("mine", 205), ("free", 404), ("sn", 404)])
def test_a_guest_acts_on_what_it_enabled_itself(core, body, sn, want):
    world = World(core)
    headers = at.provisioning_headers(world, "guest", "key", True)
    got = exchange(core, "POST", f"/provision/manage/model/m/{sn}", headers, body)
    assert got == (404 if b"oldsn" in body else want)


# --- over a socket ---------------------------------------------------------


def test_a_sample_over_a_socket(timed):
    """AMD-020 AMD-021 AMD-022"""
    chance = random.Random(7)
    ways = [*at.WAYS, *chance.sample(list(at.tokens()), 8)]
    for state, name in chance.sample(AFFECTED, 12):
        world, draft = timed.run(World), Draft()
        pairs = [(way, timed.run(lambda inner: auth_of(world, way))) for way in ways]  # noqa: B023
        timed.run(lambda inner: world.happen(state, name))  # noqa: B023
        draft.happen(state, name)
        for way, auth in pairs:
            rows = [(d, t) for d, t in at.rows() if at.expected(draft, way, d, t) != "ok"]
            for deed, target in chance.sample(rows, 6):
                answer = call(timed, auth, deed.procedure, *deed.arguments(world, target))
                status = answer.get("status") or str(answer["error"]["code"])
                want = at.expected(draft, way, deed, target)
                assert at.told(status) == want, (way, deed.procedure, target)
