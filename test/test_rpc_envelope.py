"""The envelope, authentication and the naming of resources: rows RPC-001 to RPC-035."""

from __future__ import annotations

import http.client
import json

import pytest
from platforms import Raw

from pyonep import onep
from pyonep.exceptions import OnePlatformException
from pyonep.server import LocalPlatform, Settings


def info(number=None, **more):
    call = {"procedure": "lookup", "arguments": ["alias", ""], **more}
    return call if number is None else {"id": number, **call}


def error(raw, body, **kwargs):
    """The error of a whole request: code and context."""
    found = raw.json(body, **kwargs)["error"]
    assert found["message"] and "Traceback" not in found["message"]
    return found["code"], found.get("context")


@pytest.mark.parametrize(
    "path", ["/onep:v1/rpc/process", "/api:v1/rpc/process", "/onep%3Av1/rpc/process"]
)
def test_both_urls(raw, device, path):
    """RPC-001"""
    request = {"auth": {"cik": device.cik}, "calls": [info(1)]}
    status, headers, body = raw.send(request, path=path)
    assert status == 200
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert int(headers["Content-Length"]) == len(body)
    assert json.loads(body) == [{"id": 1, "status": "ok", "result": device.rid}]


def test_ids_come_back_as_sent(raw, cik):
    """RPC-002"""
    ids = [0, 1, -5, 2**70, 1.5, "", "a", "ü" * 40, 7, 7]
    answers = raw.json({"auth": {"cik": cik}, "calls": [info(n) for n in ids]})
    assert [a["id"] for a in answers] == ids
    assert [type(a["id"]) for a in answers] == [type(n) for n in ids]


@pytest.mark.parametrize("number", ["x" * 41, [], {}, True], ids=repr)
def test_ids_that_are_no_ids(raw, cik, number):
    """RPC-002"""
    assert error(raw, {"auth": {"cik": cik}, "calls": [info(number)]}) == (400, "calls")


def test_a_call_without_id_runs_unanswered(raw, o, cik, new_dataport):
    """RPC-003"""
    new_dataport(o, cik, "integer", alias="x")
    write = {"procedure": "write", "arguments": [{"alias": "x"}, 7]}
    read = {"id": 1, "procedure": "read", "arguments": [{"alias": "x"}, {}]}
    (answer,) = raw.json({"auth": {"cik": cik}, "calls": [write, read]})
    assert answer["id"] == 1 and answer["result"][0][1] == 7


def test_no_call_has_an_id(raw, o, cik, new_dataport):
    """RPC-004"""
    new_dataport(o, cik, "integer", alias="x")
    write = {"procedure": "write", "arguments": [{"alias": "x"}, 7]}
    status, headers, body = raw.send({"auth": {"cik": cik}, "calls": [write]})
    assert (status, headers["Content-Length"], body) == (204, "0", b"")
    assert o.read(cik, {"alias": "x"}, {})[1][0][1] == 7
    assert raw.send({"auth": {"cik": cik}, "calls": []})[0] == 204


def test_order_of_effects_and_answers(o, cik, new_dataport):
    """RPC-005"""
    new_dataport(o, cik, "integer", alias="x")
    for value in range(5):
        o.record(cik, {"alias": "x"}, [[1 + value, value]], defer=True)
        o.read(cik, {"alias": "x"}, {}, defer=True)
    answers = [r for _, _, r in o.send_deferred(cik)]
    assert answers == [r for value in range(5) for r in ("ok", [[1 + value, value]])]


def test_one_failing_call_leaves_the_others(o, cik):
    """RPC-006"""
    o.create(cik, "dataport", {"format": "integer"}, defer=True)
    o.read(cik, {"alias": "nothing"}, {}, defer=True)
    o._call("nonsense", cik, [], True)
    o.create(cik, "dataport", {"format": "float"}, defer=True)
    answers = [(ok, r) for _, ok, r in o.send_deferred(cik)]
    assert [ok for ok, _ in answers] == [True, False, False, True]
    assert [r for ok, r in answers if not ok] == ["invalid", "fail"]
    assert o.listing(cik, ["dataport"])[1] == [[r for ok, r in answers if ok]]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b'{"auth": NaN}', b"[Infinity]", b"'x'", b"1e", b"9" * 10_000],
    ids=lambda body: repr(body[:20]),
)
def test_not_json(raw, body):
    """RPC-007"""
    assert error(raw, body) == (-1, None)


@pytest.mark.parametrize("body", [[], "text", 7, None, True], ids=repr)
def test_not_an_object(raw, body):
    """RPC-008"""
    assert error(raw, body) == (400, "calls")


@pytest.mark.parametrize("calls", ["missing", None, {}, "x", 7, [7], [[]], [None]], ids=repr)
def test_calls_missing_or_no_list(raw, cik, calls):
    """RPC-009"""
    request = {"auth": {"cik": cik}}
    if calls != "missing":
        request["calls"] = calls
    assert error(raw, request) == (400, "calls")


AUTHS = [
    None,
    [],
    "x",
    7,
    {},
    {"cik": None},
    {"cik": 7},
    {"cik": ""},
    {"cik": ["a"]},
    {"cik": "A" * 40},
    {"cik": "a" * 39},
    {"cik": "a" * 41},
    {"cik": "a" * 40 + "\n"},
    {"token": None},
    {"token": "a" * 40},
    {"nonsense": "a" * 40},
]


@pytest.mark.parametrize("auth", AUTHS, ids=repr)
def test_auth_missing_or_malformed(raw, auth):
    """RPC-010"""
    assert error(raw, {"auth": auth, "calls": [info(1)]}) == (401, "auth")
    assert error(raw, {"calls": [info(1)]}) == (401, "auth")


def test_unknown_key(raw, o):
    """RPC-011"""
    answer = raw.json({"auth": {"cik": "0" * 40}, "calls": [info(1)]})
    assert answer["error"] == {"code": 401, "message": "Invalid", "context": "auth"}
    with pytest.raises(OnePlatformException):
        o.info("0" * 40, {"alias": ""})


@pytest.mark.parametrize("procedure", ["missing", None, 7, [], {}], ids=repr)
def test_procedure_missing(raw, cik, procedure):
    """RPC-012"""
    call = {"id": 1, "procedure": procedure, "arguments": []}
    if procedure == "missing":
        del call["procedure"]
    (answer,) = raw.json({"auth": {"cik": cik}, "calls": [call]})
    assert (answer["status"], answer["error"]["code"]) == ("fail", 400)
    assert answer["error"]["context"] == "procedure"


@pytest.mark.parametrize("procedure", ["", "nonsense", "__init__", "find", "Read", "map_"])
def test_unknown_procedure(raw, cik, procedure):
    """RPC-013"""
    answer = raw.call(cik, procedure)
    assert answer == {
        "status": "fail",
        "error": {"code": 501, "message": "Error", "context": "procedure"},
    }


WRONG_ARGUMENTS = [
    ("read", []),
    ("read", [7]),
    ("read", [None, {}]),
    ("read", [[], {}]),
    ("read", [{}, {}]),
    ("read", [{"alias": 7}, {}]),
    ("read", [{"alias": "x", "more": 1}, {}]),
    ("read", [{"alias": ""}, {}, {}]),
    ("write", [{"alias": "x"}]),
    ("write", [{"alias": ""}, 1, {}, {}]),
    ("writegroup", []),
    ("writegroup", [7]),
    ("writegroup", [[7]]),
    ("writegroup", [[["x"]]]),
    ("recordbatch", ["x"]),
    ("create", ["client"]),
    ("create", [7, {}]),
    ("create", ["client", 7]),
    ("create", ["client", []]),
    ("drop", []),
    ("info", []),
    ("info", [{"alias": ""}, 7]),
    ("listing", []),
    ("listing", [["client"], 7]),
    ("map", ["alias", "x"]),
    ("map", ["name", {"alias": ""}, "x"]),
    ("map", ["alias", {"alias": ""}, 7]),
    ("unmap", ["alias"]),
    ("unmap", ["name", "x"]),
    ("lookup", ["alias"]),
    ("lookup", ["name", "x"]),
    ("lookup", ["alias", 7]),
    ("activate", ["x", "y"]),
    ("activate", ["client", 7]),
    ("revoke", ["client"]),
    ("tag", [{"alias": ""}, "replace", "x"]),
    ("usage", [{"alias": ""}, "client"]),
    ("flush", []),
    ("wait", []),
    ("grant", [{"alias": ""}]),
    ("share", []),
    ("move", [{"alias": ""}]),
    ("update", [{"alias": ""}]),
]


@pytest.mark.parametrize(("procedure", "arguments"), WRONG_ARGUMENTS, ids=repr)
def test_wrong_number_or_kind_of_arguments(raw, o, cik, new_dataport, procedure, arguments):
    """RPC-014"""
    new_dataport(o, cik, alias="x")
    answer = raw.call(cik, procedure, *arguments)
    assert (answer["status"], answer["error"]["code"]) == ("fail", 501)
    assert answer["error"]["context"] == "arguments"


@pytest.mark.parametrize("arguments", [None, {}, "x", 7], ids=repr)
def test_arguments_that_are_no_list(raw, cik, arguments):
    """RPC-014"""
    call = {"id": 1, "procedure": "info", "arguments": arguments}
    (answer,) = raw.json({"auth": {"cik": cik}, "calls": [call]})
    assert (answer["status"], answer["error"]["context"]) == ("fail", "arguments")


def test_requests_per_connection():
    """RPC-015"""
    with LocalPlatform(settings=Settings(requests_per_connection=3)) as platform:
        request = {"auth": {"cik": platform.device().cik}, "calls": [info(1)]}
        raw = Raw(platform)
        closing = [raw.send(request)[1]["Connection"] for _ in range(7)]
        raw.http.close()
        assert [c == "close" for c in closing] == [False, False, True] * 2 + [False]
        with_client = onep.OnepV1(**platform.connection, reuseconnection=True)
        for _ in range(10):
            assert with_client.lookup(request["auth"]["cik"], "alias", "")[0]
        with_client.close()


def test_an_answer_that_is_sent_at_once_is_as_any_other(raw, cik):
    """The last one on a connection goes through uvicorn, head and body one after the other."""
    request = {"auth": {"cik": cik}, "calls": [info(1)]}
    found = []
    for more in ({}, {"Connection": "close"}):
        status, headers, body = raw.send(request, headers=more)
        headers = [one for one in headers.items() if one[0] not in ("date", "connection")]
        found.append((status, headers, body))
    assert found[0] == found[1]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods(raw, method):
    """RPC-016"""
    status, headers, body = raw.send({}, method=method)
    assert (status, headers["Allow"]) == (405, "POST")
    assert body == b"HTTP/1.1 405 Method Not Allowed\r\n"


def test_unknown_path(raw):
    assert raw.send({}, path="/nothing")[0] == 404


def test_invalid_utf8(raw):
    """RPC-017"""
    assert error(raw, b'{"auth": "\xff"}') == (-1, None)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_content_type_does_not_matter(raw, device, content_type):
    headers = {"Content-Type": content_type} if content_type else {}
    request = {"auth": {"cik": device.cik}, "calls": [info(1)]}
    assert raw.json(request, headers=headers)[0]["result"] == device.rid


@pytest.fixture(scope="module")
def small():
    """A platform with tight limits."""
    settings = Settings(
        max_request_bytes=10_000, max_nesting=8, max_calls=3, max_points=4, max_text=100
    )
    with LocalPlatform(settings=settings) as platform:
        yield platform


def test_limits_give_a_clear_error(small):
    """RPC-018"""
    cik = small.device().cik
    raw = Raw(small)
    assert error(raw, b" " * 10_001) == (400, "calls")
    deep = {"auth": {"cik": cik}, "calls": [info(1, more=[[[[[[[]]]]]]])]}
    assert error(raw, deep) == (400, "calls")
    assert error(raw, b"[" * 9_000) in ((400, "calls"), (-1, None))
    assert error(raw, {"auth": {"cik": cik}, "calls": [info(n) for n in range(4)]})[0] == 400
    rid = raw.call(cik, "create", "dataport", {"format": "string"})["result"]
    many = raw.call(cik, "recordbatch", rid, [[n, "x"] for n in range(1, 6)])
    assert many["status"] == "invalid" and "at most 4" in many["error"]["message"]
    assert raw.call(cik, "writegroup", [[rid, "x"]] * 5)["status"] == "invalid"
    assert raw.call(cik, "read", rid, {"limit": 10})["result"] == []
    raw.http.close()


def test_a_body_in_chunks_has_the_same_limit(small):
    """RPC-018"""
    connection = http.client.HTTPConnection(small.host, small.port, timeout=10)
    pieces = (b" " * 1000 for _ in range(20))
    try:
        connection.request("POST", "/onep:v1/rpc/process", pieces, encode_chunked=True)
        assert json.loads(connection.getresponse().read())["error"]["code"] == 400
    except (BrokenPipeError, ConnectionResetError):
        pass  # the platform may close before all of it is sent
    finally:
        connection.close()
    raw = Raw(small)
    assert raw.call(small.device().cik, "lookup", "alias", "")["status"] == "ok"
    raw.http.close()


# --- authentication ---


def test_auth_by_cik(o, device):
    """RPC-020"""
    assert o.lookup({"cik": device.cik}, "alias", "") == (True, device.rid)


def test_auth_as_a_client_below(o, device, new_client):
    """RPC-021"""
    child, _ = new_client(o, device.cik, limits={"client": 1})
    as_child = {"cik": device.cik, "client_id": child}
    assert o.lookup(as_child, "alias", "") == (True, child)
    grandchild = o.create(as_child, "client", {})[1]
    deeper = {"cik": device.cik, "client_id": grandchild}
    assert o.lookup(deeper, "alias", "") == (True, grandchild)
    itself = {"cik": device.cik, "client_id": device.rid}
    assert o.lookup(itself, "alias", "") == (True, device.rid)


def test_auth_as_a_client_outside(raw, o, platform, device, new_dataport):
    """RPC-022"""
    other = platform.device()
    port = new_dataport(o, device.cik)
    for auth in (
        {"cik": device.cik, "client_id": other.rid},
        {"cik": device.cik, "client_id": "0" * 40},
        {"cik": device.cik, "client_id": port},
        {"cik": device.cik, "client_id": 7},
        {"cik": device.cik, "resource_id": other.rid},
        {"cik": device.cik, "resource_id": device.rid},
        {"cik": device.cik, "client_id": device.rid, "resource_id": port},
    ):
        assert error(raw, {"auth": auth, "calls": [info(1)]}) == (401, "auth")


def test_auth_as_the_owner_of_a_resource(o, device, new_client):
    """RPC-023"""
    child, _ = new_client(o, device.cik, limits={"dataport": 1})
    port = o.create({"cik": device.cik, "client_id": child}, "dataport", {"format": "float"})[1]
    assert o.lookup({"cik": device.cik, "resource_id": port}, "alias", "") == (True, child)
    assert o.lookup({"cik": device.cik, "resource_id": child}, "alias", "") == (True, device.rid)


def test_auth_by_token(o, device, new_dataport):
    """RPC-024 RPC-175"""
    port = new_dataport(o, device.cik)
    isok, token = o.grant(device.cik, {"alias": ""}, {port: ["read", "write"]})
    assert isok and len(token) == 40
    assert o.write({"token": token}, port, 5.5) == (True, "ok")
    assert o.read({"token": token}, port, {})[1][0][1] == 5.5


def test_expired_token(timed, timed_o, clock):
    """RPC-025 RPC-177"""
    device = timed.device()
    everything = {device.rid: ["lookup"]}
    short = timed_o.grant(device.cik, {"alias": ""}, everything, 60)[1]
    default = timed_o.grant(device.cik, {"alias": ""}, everything)[1]
    assert timed_o.lookup({"token": short}, "alias", "")[0]
    clock.now += 60
    with pytest.raises(OnePlatformException, match="401"):
        timed_o.lookup({"token": short}, "alias", "")
    assert timed_o.lookup({"token": default}, "alias", "")[0]
    clock.now += 3540
    with pytest.raises(OnePlatformException, match="401"):
        timed_o.lookup({"token": default}, "alias", "")


def test_key_that_is_not_activated(o, cik, new_client):
    """RPC-026 RPC-094"""
    source, _ = new_client(o, cik)
    copy = o.create(cik, "clone", {"rid": source})[1]
    found = o.info(cik, copy, {"key": True, "basic": True})[1]
    assert found["basic"]["status"] == "notactivated"
    with pytest.raises(OnePlatformException, match="401"):
        o.lookup(found["key"], "alias", "")
    assert o.activate(cik, "client", found["key"]) == (True, "ok")
    assert o.lookup(found["key"], "alias", "") == (True, copy)


def test_expired_key(timed, timed_o, clock):
    """RPC-027"""
    o, cik = timed_o, timed.device().cik
    source = o.create(cik, "client", {})[1]
    copy = o.create(cik, "clone", {"rid": source})[1]
    key = o.info(cik, copy, {"key": True})[1]["key"]
    clock.now += 24 * 3600 - 1
    assert o.info(cik, copy, {"basic": True})[1]["basic"]["status"] == "notactivated"
    clock.now += 1
    assert o.info(cik, copy, {"basic": True})[1]["basic"]["status"] == "expired"
    assert o.activate(cik, "client", key) == (False, "invalid")
    with pytest.raises(OnePlatformException, match="401"):
        o.lookup(key, "alias", "")


def test_locked_client(o, cik, new_client):
    """RPC-028"""
    child, key = new_client(o, cik)
    assert o.update(cik, child, {"locked": True}) == (True, "ok")
    assert o.lookup(key, "alias", "") == (False, "locked")
    for _ in range(3):
        o.info(key, {"alias": ""}, defer=True)
    assert [r for _, _, r in o.send_deferred(key)] == ["locked"] * 3
    assert o.info(cik, child, {"basic": True})[1]["basic"]["status"] == "locked"
    o.update(cik, child, {"locked": False})
    assert o.lookup(key, "alias", "") == (True, child)


def test_ancestors_act_on_a_locked_client(o, cik, new_client):
    """RPC-029"""
    child, _ = new_client(o, cik, locked=True, limits={"dataport": 2})
    port = o._call("create", cik, [child, "dataport", {"format": "float"}], False)[1]
    assert o.write(cik, port, 1.5) == (True, "ok")
    assert o.info(cik, child, {"counts": True})[1]["counts"]["dataport"] == 1


# --- naming ---


def test_resource_by_rid(o, cik, new_dataport):
    """RPC-030"""
    assert o.write(cik, new_dataport(o, cik), 1) == (True, "ok")


def test_resource_by_alias(o, cik, new_dataport):
    """RPC-031"""
    new_dataport(o, cik, alias="größe")
    assert o.write(cik, {"alias": "größe"}, 1) == (True, "ok")


def test_the_empty_alias_is_the_caller(o, cik):
    """RPC-032"""
    assert o.info(cik, {"alias": ""}, {"basic": True})[1]["basic"]["type"] == "client"


@pytest.mark.parametrize("alias", ["nothing", "\ud800", "x" * 5000], ids=repr)
def test_unknown_alias(raw, cik, alias):
    """RPC-033"""
    for procedure in ("read", "info", "drop", "wait"):
        assert raw.call(cik, procedure, {"alias": alias}, *([{}][: procedure == "wait"]))[
            "status"
        ] == ("invalid")


def test_dropped_or_foreign_rid(o, platform, cik, new_dataport):
    """RPC-034"""
    dropped = new_dataport(o, cik)
    o.drop(cik, dropped)
    foreign = new_dataport(o, platform.device().cik)
    for rid in (dropped, foreign, "0" * 40):
        assert o.read(cik, rid, {}) == (False, "restricted")
        assert o.write(cik, rid, 1) == (False, "restricted")
        assert o.drop(cik, rid) == (False, "restricted")
        assert o.info(cik, rid) == (False, "restricted")


@pytest.mark.parametrize("rid", ["", "x", "A" * 40, "0" * 39, "0" * 41, "0" * 40 + "\n"])
def test_malformed_rid(o, cik, rid):
    """RPC-035"""
    assert o.read(cik, rid, {}) == (False, "invalid")
