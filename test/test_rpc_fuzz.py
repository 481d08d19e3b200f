"""Whatever comes in, the documented error goes out and the platform goes on working."""

from __future__ import annotations

import json

import pytest
from conftest import Raw
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyonep.server import LocalPlatform, procedures

STATUSES = {"ok", "invalid", "restricted", "error", "expire", "noauth", "locked", "fail"}
WORDS = [
    *("alias", "owner", "shared", "client", "share", "dataport", "datarule", "dispatch", "clone"),
    *("add", "remove", "x", "y", "", "inherit", "infinity", "float", "integer", "string"),
    *("asc", "desc", "all", "givenwindow", "autowindow", "email", "\ud800", "\0"),
]
KEYS = [
    *("alias", "format", "retention", "count", "duration", "limits", "preprocess", "subscribe"),
    *("rule", "simple", "timeout", "comparison", "constant", "repeat", "public", "locked"),
    *("limit", "sort", "selection", "starttime", "endtime", "since", "newerthan", "olderthan"),
    *("rid", "code", "meta", "ttl", "owned", "tagged", "aliases", "name", "method", "recipient"),
]
fuzzing = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def world():
    """A platform, a speaker and the keys and RIDs there are."""
    with LocalPlatform() as platform:
        device = platform.device()
        raw = Raw(platform)
        rids = [device.rid]
        for kind, description in (
            ("dataport", {"format": "integer"}),
            ("dataport", {"format": "string"}),
            ("client", {"limits": {"dataport": 5}}),
        ):
            rids.append(raw.call(device.cik, "create", kind, description)["result"])
        raw.call(device.cik, "map", "alias", rids[1], "x")
        yield platform, raw, device, rids
        raw.http.close()


def scalars(rids=()):
    return (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.sampled_from(WORDS)
        | st.text(max_size=20)
        | (st.sampled_from(rids) if rids else st.nothing())
    )


def values(rids=()):
    return st.recursive(
        scalars(rids),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=4)
        ),
        max_leaves=12,
    )


def still_works(raw, device):
    assert raw.call(device.cik, "lookup", "alias", "") == {"status": "ok", "result": device.rid}


def check_answer(answer):
    if isinstance(answer, dict):
        assert answer["error"]["code"] in (-1, 400, 401)
        return
    for one in answer:
        status = one["status"]
        assert isinstance(status, list) or status in STATUSES, one
        if "error" in one:
            assert one["error"]["code"] in (400, 501)


@fuzzing
@given(body=st.binary(max_size=300))
def test_any_bytes(world, body):
    _, raw, device, _ = world
    status, _, content = raw.send(body)
    assert status == 200 and json.loads(content)["error"]["code"] in (-1, 400)
    still_works(raw, device)


@fuzzing
@given(data=st.data())
def test_any_envelope(world, data):
    _, raw, device, _ = world
    auth = data.draw(values() | st.just({"cik": device.cik}))
    call = st.fixed_dictionaries(
        {},
        optional={
            "id": scalars(),
            "procedure": st.sampled_from(["lookup", "info"]) | scalars(),
            "arguments": values(),
        },
    )
    calls = data.draw(values() | st.lists(call, max_size=4))
    request = data.draw(
        st.fixed_dictionaries({}, optional={"auth": st.just(auth), "calls": st.just(calls)})
        | values()
    )
    status, _, content = raw.send(request)
    assert (status == 204 and content == b"") or status == 200
    if content:
        check_answer(json.loads(content))
    still_works(raw, device)


@pytest.mark.parametrize("procedure", procedures.names())
@settings(fuzzing, max_examples=120)
@given(data=st.data())
def test_any_arguments(world, procedure, data):
    _, raw, device, rids = world
    resource = st.sampled_from([*rids, {"alias": "x"}, {"alias": ""}, "0" * 40])
    arguments = data.draw(st.lists(resource | values(rids), max_size=5))
    if procedure == "wait":
        arguments[1:] = [{"timeout": 1, **data.draw(st.sampled_from([{}, {"since": 0}]))}]
    call = {"id": 1, "procedure": procedure, "arguments": arguments}
    check_answer(raw.json({"auth": {"cik": device.cik}, "calls": [call]}))
    still_works(raw, device)
