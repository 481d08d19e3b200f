"""The front for whoever runs the platform: health, new devices and vendors."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from platforms import Raw

from pyonep import onep
from pyonep.server import LocalPlatform
from pyonep.server.core import devices, lifecycle, turns
from pyonep.server.core.devices import Device
from pyonep.server.core.errors import Conflict
from pyonep.server.store import ROOT
from pyonep.version import __version__


@pytest.fixture
def key(platform):
    return platform.run(lambda inner: inner.admin_key)


def post(raw, path, body, key):
    return raw.send(body, path=f"/admin/{path}", headers={"X-Admin-Key": key})


def test_health(raw):
    status, headers, body = raw.send(b"", path="/health", method="GET")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == {"status": "ok", "version": __version__}
    assert raw.send(b"", path="/health")[0] == 405


@pytest.mark.parametrize("others", [0, 49, 50, 130])
def test_of_two_who_add_a_name_at_once_one_is_told(core, monkeypatch, others):
    """It is looked for in steps, and each is a turn of its own here."""
    monkeypatch.setattr(turns, "TURN", -1)
    for number in range(others):
        core.work(devices.add, f"other {number}")

    async def run():
        looked = [core.run(devices.add_named, "x") for _ in "ab"]
        first, second = await asyncio.gather(*looked, return_exceptions=True)
        assert isinstance(first, Device) and isinstance(second, Conflict)

    asyncio.run(run())
    steps = lifecycle.named_client(core.unit, ROOT, "y")
    assert len(list(steps)) == (others + 1) // 50


def test_health_when_nothing_can_be_kept(tmp_path, caplog):
    with LocalPlatform(str(tmp_path / "x.sqlite")) as platform:
        cik, _ = platform.device()
        raw = Raw(platform)
        o = onep.OnepV1(**platform.connection)
        _, rid = o.create(cik, "dataport", {"format": "string"})

        def health():
            status, _, body = raw.send(b"", path="/health", method="GET")
            return status, json.loads(body)["status"]

        def forbid(writing):
            platform.run(
                lambda inner: inner.database._driver.execute(f"PRAGMA query_only = {writing}")
            )

        forbid(1)
        for _ in range(3):
            with pytest.raises(onep.OnePlatformException, match="fault of the platform"):
                o.write(cik, rid, "x")
        assert health() == (503, "failing")
        forbid(0)
        probes_again(platform)
        assert health() == (200, "ok")  # though nobody wrote
        forbid(1)
        probes_again(platform)
        assert health() == (503, "failing")  # the same
        forbid(0)
        assert o.write(cik, rid, "x" * 500_000) == (True, "ok")
        assert health() == (503, "failing")  # a moment ago it was not
        probes_again(platform)
        assert health() == (200, "ok")
        raw.http.close()
    said = [record.getMessage() for record in caplog.records]
    assert len([line for line in said if "cannot be written to" in line]) == 2  # once each time
    assert not any(record.exc_info for record in caplog.records)


def probes_again(platform):
    """As if the last probe and the last failure were long ago."""
    platform.run(lambda inner: vars(inner).update(_probed=-1e9, _failed=-1e9))


def test_a_device_with_a_key_of_its_own(raw, key, o):
    status, _, body = post(raw, "devices", {"name": "kitchen", "cik": "1" * 40}, key)
    added = json.loads(body)
    assert (status, added["cik"]) == (200, "1" * 40)
    assert o.lookup("1" * 40, "alias", "") == (True, added["rid"])
    status, headers, _ = post(raw, "devices", {"name": "cellar", "cik": "1" * 40}, key)
    assert (status, headers["X-Error-Detail"]) == (409, "another client has this CIK")


def test_a_vendor(raw, key):
    given = {"name": "admin-test", "cik": "2" * 40, "token": "3" * 40}
    status, _, body = post(raw, "vendors", given, key)
    added = json.loads(body)
    assert status == 200 and added.items() >= given.items()
    assert {"rid", "portal_cik", "portal_rid"} < set(added)
    assert post(raw, "vendors", {**given, "name": "admin-test-2"}, key)[0] == 409
    # All or nothing: the name is still free.
    assert post(raw, "vendors", {"name": "admin-test-2"}, key)[0] == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        ([], "object of texts"),
        ({"name": 1}, "object of texts"),
        ({}, "too few"),
        ({"name": "x", "colour": "red"}, "colour"),
        ({"name": "x", "cik": "X" * 40}, "40 characters"),
    ],
)
def test_bad_bodies(raw, key, body, said):
    status, headers, _ = post(raw, "devices", body, key)
    assert status == 400 and said in headers["X-Error-Detail"]


@pytest.mark.parametrize("given", ["", "0" * 40, "ä"])
def test_nothing_is_added_without_the_key(raw, given):
    assert post(raw, "devices", {"name": "x"}, given.encode())[0] == 401


def test_only_post_adds(raw, key):
    status, headers, _ = raw.send(b"", path="/admin/devices", method="GET")
    assert (status, headers["Allow"]) == (405, "POST")
    assert post(raw, "others", {}, key)[0] == 404


# --- the log of calls ---


@pytest.fixture
def lines(platform, o, raw, cik, caplog):
    """Makes a request in the log of calls; gives its lines, white space folded."""
    caplog.set_level(logging.INFO, "pyonep.server.calls")

    def lines(work):
        caplog.clear()
        work()
        return [" ".join(record.getMessage().split()) for record in caplog.records]

    return lines


def short(rid):
    return rid[:4] + "…"


def test_log_of_rpc_calls(lines, o, device, new_dataport):
    cik, me = device.cik, short(device.rid)
    rid = new_dataport(o, cik, alias="temperature")
    _, code = o.share(cik, rid)

    def say(work):
        (line,) = lines(work)
        assert line.startswith(f"rpc {me} ")
        return line.partition(f"rpc {me} ")[2]

    assert say(lambda: o.write(cik, {"alias": "temperature"}, 1)) == "write temperature ok"
    assert say(lambda: o.read(cik, rid)) == f"read {short(rid)} ok"
    assert say(lambda: o.map(cik, rid, "t2")) == f"map {short(rid)} t2 ok"
    assert say(lambda: o.unmap(cik, "t2")) == "unmap t2 ok"
    assert say(lambda: o.tag(cik, rid, "add", "blue")) == f"tag {short(rid)} add blue ok"
    assert say(lambda: o.lookup(cik, "shared", code)) == f"lookup shared {short(code)} ok"
    assert say(lambda: o.revoke(cik, "share", code)) == "revoke share ok"
    assert say(lambda: o.drop(cik, "0" * 40)) == (
        "drop 0000… restricted: no such resource within reach"
    )
    group = [[{"alias": "temperature"}, 1], [rid, 2]]
    assert say(lambda: o.writegroup(cik, group)) == f"writegroup temperature, {short(rid)} ok"
    many = [{"alias": f"a{n}"} for n in range(9)]
    assert say(lambda: o.writegroup(cik, [[one, 1] for one in many])).startswith(
        "writegroup a0, a1, a2, a3, a4 and 4 more invalid: "
    )
    assert say(lambda: o.recordbatch(cik, rid, [[0, 1]])) == (
        f"recordbatch {short(rid)} invalid: 1 points"
    )
    assert say(lambda: o.wait(cik, rid, {"timeout": 1})) == f"wait {short(rid)} expire"


def test_log_of_requests_that_make_no_sense(lines, raw, o, cik):
    assert lines(lambda: raw.send(b"{"))[0].startswith("rpc - request -1 the body is not JSON")
    assert lines(lambda: raw.call("0" * 40, "info", {})) == ["rpc - request 401 Invalid (auth)"]
    assert "fly fail: 501 Error (procedure): there is no" in lines(lambda: raw.call(cik, "fly"))[0]
    assert (
        "read x\\n\\x1b[1m y" in lines(lambda: raw.call(cik, "read", {"alias": "x\n\x1b[1m y"}))[0]
    )
    for call in ({"id": 1}, {"id": 1, "procedure": "read", "arguments": 1}):
        (line,) = lines(lambda call=call: raw.send({"auth": {"cik": cik}, "calls": [call]}))
        assert "fail" in line


def test_log_of_the_other_fronts(lines, platform, raw, o, device, new_dataport):
    new_dataport(o, device.cik, alias="temperature")
    vendor = platform.vendor("logged")
    mine, token = {"X-Exosite-CIK": device.cik}, {"X-Exosite-Token": vendor.token}
    stack, me = "/onep:v1/stack", short(device.rid)

    def say(path, method="GET", headers=mine, body=b""):
        (line,) = lines(lambda: raw.send(body, path=path, method=method, headers=headers))
        return line

    written = say(f"{stack}/alias", "POST", body=b"temperature=21.5&x=1")
    unknown = "no dataport has the alias 'x'"
    assert written == f"data {me} POST /onep:v1/stack/alias temperature, x 204: {unknown}"
    assert (
        say(f"{stack}/alias?temperature") == f"data {me} GET /onep:v1/stack/alias?temperature 200"
    )
    recorded = say(f"{stack}/record", "POST", body=b"alias=temperature&0=1")
    assert recorded.startswith(f"data {me} POST /onep:v1/stack/record 400: a timestamp must be")
    assert (
        say("/provision/register", headers=token) == "provision logged GET /provision/register 200"
    )
    form = b"vendor=logged&model=m&sn=1"
    activated = say("/provision/activate", "POST", {}, form)
    assert activated.startswith("provision - POST /provision/activate logged, m, 1 404:")
    assert say("/nowhere", headers={}) == "data - GET /nowhere 404"
    assert lines(lambda: raw.send(b"", path="/health", method="GET")) == []
