"""No request at all is answered 500, cut off, left unanswered or told of a fault."""

from __future__ import annotations

import http.client
import socket

import pytest
from conftest import fuzzed
from fuzzing import RPC, Ground, corpus, filled
from fuzzvalues import (
    ROUTES,
    as_list,
    broken,
    call,
    calls,
    holes,
    lists,
    numbers,
    objects,
    requests,
    resources_to_make,
    texts,
    values,
)
from hypothesis import given
from hypothesis import strategies as st

from pyonep.server.core import procedures

AUTH = ("cik", "client_id", "resource_id", "token")
SEVERAL = st.sampled_from(("read", "wait", "flush", "update", "usage", "info", "writegroup"))


@pytest.fixture(scope="module")
def ground():
    with Ground() as ground:
        yield ground


# --- what is kept ----------------------------------------------------------

KEPT = dict(corpus())
WHOLE = [(c["line"], c["headers"], c["body"]) for c in KEPT.values() if "line" in c]
WHOLE += [
    (f"POST {RPC}", [], f'{{"auth": {{"cik": "<<cik>>"}}, "calls": [{c["calls"]}]}}')
    for c in KEPT.values()
    if "calls" in c
]


@pytest.mark.parametrize("name", [name for name, case in KEPT.items() if "line" in case])
def test_kept_requests(ground, name):
    case = KEPT[name]
    names = ground.world()
    sent = filled((case["line"], case["headers"], case["body"]), names)
    ((status, headers, body), *_) = ground.send(sent)
    assert status == case.get("expect", status), (case["why"], status, headers, body)
    ground.serves()


def outcome(answer):
    """A code for a whole request, a status for its last call."""
    if isinstance(answer, dict):
        return answer["error"]["code"]
    status = answer[-1]["status"] if answer else None
    return "invalid" if isinstance(status, list) else status


@pytest.mark.parametrize("name", [name for name, case in KEPT.items() if "line" not in case])
def test_kept_calls(ground, name):
    """AMD-011"""
    case = KEPT[name]
    names = ground.world()
    if "description" in case:
        kind, description = case["description"]
        made = ground.rpc(call("create", f'"{kind}", {description}'), names)
        names["new"] = made[0].get("result", "refused")
        answer = ground.rpc(call("write", f'"<<new>>", {case["value"]}'), names)
        more = [call(name, '"<<new>>"') for name in ("info", "read", "flush")]
        ground.rpc(", ".join(more), names)
    else:
        answer = ground.rpc(case.get("calls") or case["rpc"], names, "rpc" in case)
    assert outcome(answer) == case["expect"], (case["why"], answer)
    ground.serves()


@pytest.mark.parametrize("number", ["1e999", "-1E400", "<<9*5000>>", "<<9*400>>.0"])
def test_a_number_that_overflows_lets_nothing_happen(ground, number):
    """AMD-011"""
    names = ground.world()
    for odd in (
        call("write", '{"alias": "plain"}, 1', number),
        call("write", f'{{"alias": "plain"}}, {number}'),
        call("create", f'"client", {{"visibility": [{number}]}}'),
    ):
        good = call("write", '{"alias": "plain"}, 1')
        assert outcome(ground.rpc(f"{good}, {odd}, {good}", names)) == -1
    read = ground.rpc(call("read", '{"alias": "plain"}'), names)
    assert read == [{"id": 1, "status": "ok", "result": []}]


# --- what is drawn ---------------------------------------------------------


@pytest.mark.soak
@pytest.mark.parametrize("procedure", procedures.names())
@fuzzed(8)
@given(data=st.data())
def test_any_arguments(ground, procedure, data):
    names = ground.world()
    odd = data.draw(calls(st.just(procedure)))
    ground.rpc(odd, names)
    ground.serves()


@pytest.mark.soak
@fuzzed(40)
@given(several=st.lists(calls(), min_size=2, max_size=6))
def test_any_calls_in_a_row(ground, several):
    names = ground.world()
    ground.rpc(", ".join(several), names)
    ground.serves()


@pytest.mark.soak
@fuzzed(40)
@given(
    auth=values | objects(AUTH, holes | texts),
    rest=st.just("[]") | lists(values) | values,
    noise=st.binary(max_size=300),
)
def test_any_envelope(ground, auth, rest, noise):
    names = ground.world()
    for body in (f'{{"auth": {auth}, "calls": {rest}}}', rest, noise.decode("latin-1")):
        ground.rpc(body, names, is_whole=True)
    ground.serves()


@pytest.mark.soak
@fuzzed(80)
@given(data=st.data())
def test_any_description(ground, data):
    """What was made is written, recorded, read, described and copied, and then polled."""
    names = ground.world()
    answer = ground.rpc(call("create", data.draw(resources_to_make())), names)
    names["new"] = answer[0].get("result", "") if isinstance(answer, list) else ""
    new = st.just('"<<new>>"')
    ground.rpc(call("map", '"alias", "<<new>>", "new"'), names)
    points = data.draw(lists(st.tuples(numbers, numbers | texts).map(as_list)))
    ground.rpc(call("record", f'"<<new>>", {points}'), names)
    for value in data.draw(st.lists(numbers | texts, min_size=1, max_size=3)):
        ground.rpc(call("write", f'"<<new>>", {value}'), names)
    ground.rpc(data.draw(calls(SEVERAL, new)), names)
    more = [call(name, '"<<new>>"') for name in ("info", "read")]
    ground.rpc(", ".join([*more, call("create", '"clone", {"rid": "<<new>>"}')]), names)
    polled = [("X-Exosite-CIK", "<<cik>>"), ("Request-Timeout", "1"), ("If-Modified-Since", "0")]
    ground.send(filled(("GET /onep:v1/stack/alias?new", polled, ""), names))
    ground.serves()


@pytest.mark.soak
@pytest.mark.parametrize("target", ROUTES)
@fuzzed(8)
@given(data=st.data())
def test_any_request(ground, target, data):
    names = ground.world()
    ground.send(filled(data.draw(requests(st.just(target))), names))
    ground.serves()


@pytest.mark.soak
@fuzzed(40)
@given(data=st.data())
def test_any_bytes(ground, data):
    names = ground.world()
    kept = data.draw(st.sampled_from(WHOLE) | requests(st.sampled_from(list(ROUTES))))
    ground.send(data.draw(broken(filled(kept, names))), is_complete=False)
    ground.serves()


PIPED = requests(st.sampled_from(list(ROUTES)), odd_headers=("Range", "Cookie", "Expect"))


@pytest.mark.soak
@fuzzed(40)
@given(several=st.lists(PIPED, min_size=2, max_size=4))
def test_requests_right_behind_each_other(ground, several):
    names = ground.world()
    ground.pipeline([filled(one, names) for one in several])
    ground.serves()


@pytest.mark.soak
@fuzzed(40)
@given(data=st.data(), part=st.floats(0, 1))
def test_whoever_hangs_up(ground, data, part):
    """In the middle of a request, right behind it, or while a long poll waits."""
    names = ground.world()
    polled = [("X-Exosite-CIK", "<<cik>>"), ("Request-Timeout", "5000")]
    poll = ("GET /onep:v1/stack/alias?int", polled, "")
    kept = data.draw(st.sampled_from([*WHOLE, poll]) | requests(st.sampled_from(list(ROUTES))))
    sent = filled(kept, names)
    ground.hang_up(sent if data.draw(st.booleans()) else sent[: int(part * len(sent))], 0)


def test_whoever_hangs_up_while_a_blob_is_sent(ground):
    names = ground.world()
    key = [("X-Exosite-CIK", "<<vcik>>")]
    blob = "/provision/manage/content/<<model>>/blob"
    ground.send(filled((f"POST {blob}", key, "<<x*20000000>>"), names))
    for read in (1, 1000, 100_000):
        ground.hang_up(filled((f"GET {blob}?download=true", key, ""), names), read)


def test_a_blob_is_sent_whole_although_it_is_replaced(ground):
    names = ground.world()
    key = [("X-Exosite-CIK", "<<vcik>>")]
    blob = "/provision/manage/content/<<model>>/blob"
    ground.send(filled((f"POST {blob}", key, "<<x*20000000>>"), names))
    ask = filled((f"GET {blob}?download=true", key, ""), names)
    with socket.create_connection((ground.platform.host, ground.platform.port)) as conn:
        conn.sendall(ask)
        response = http.client.HTTPResponse(conn)
        response.begin()
        ((status, _, _),) = ground.send(filled((f"POST {blob}", key, "<<y*100>>"), names))
        assert status == 205
        assert response.read() == b"x" * 20_000_000
        response.close()
    ground.look(ask)
    ((_, _, content),) = ground.send(ask)
    assert content == b"y" * 100
    while ground.platform.run(lambda platform: platform.unit.content.remove_some()):
        pass  # nothing of the first one stays


@pytest.mark.parametrize("target", [target for target in ROUTES if "GET" in ROUTES[target]])
def test_head_is_get_without_a_body(ground, target):
    names = ground.world()
    for query in ("", "?download=true&id=blob&vendor=<<vendor>>&model=<<model>>", "?int"):
        answers = []
        for method in ("GET", "HEAD"):
            headers = [("X-Exosite-CIK", "<<cik>>" if "alias" in target else "<<vcik>>")]
            sent = filled((f"{method} {target}{query}", headers, ""), names)
            ((status, headers, body),) = ground.send(sent)
            headers.pop("date")
            answers.append((status, headers))
        assert answers[0] == answers[1]
        assert body == b""
