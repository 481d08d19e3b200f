"""No request at all is answered 500, cut off, left unanswered or told of a fault."""

from __future__ import annotations

import pytest
from fuzzing import Ground, corpus, filled


@pytest.fixture(scope="module")
def ground():
    with Ground() as ground:
        yield ground


@pytest.fixture(scope="module")
def names(ground):
    return ground.world()


# --- what is kept ----------------------------------------------------------

KEPT = dict(corpus())


@pytest.mark.parametrize("name", [name for name, case in KEPT.items() if "line" in case])
def test_kept_requests(ground, name):
    case = KEPT[name]
    names = ground.world()
    sent = filled((case["line"], case["headers"], case["body"]), names)
    ((status, headers, body), *_) = ground.send(sent)
    assert status == case.get("expect", status), (case["why"], status, headers, body)
    ground.serves(names)


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
    ground.serves(names)


def call(procedure, arguments, number="1"):
    return f'{{"id": {number}, "procedure": "{procedure}", "arguments": [{arguments}]}}'


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
