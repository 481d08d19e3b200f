"""The requests that 0.13.8 put on the wire, row by row."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from servers import Recorder

import pyonep

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "wire.jsonl").read_text("utf-8").splitlines()
]
PROVISION = [row for row in ROWS if row["call"]["class"] == "Provision"]
RPC = [row for row in ROWS if row["call"]["class"] == "OnepV1"]


def run(o, row):
    """Make the calls of a row; return what the last one returned or raised."""
    for step in row["call"]["steps"]:
        try:
            result = getattr(o, step["method"])(*step.get("args", ()), **step.get("kwargs", {}))
        except pyonep.exceptions.OneException as error:
            result = f"raised {type(error).__name__}"
    return json.loads(json.dumps(result))


def body_of(recorded):
    """A body in a form that can be compared.

    The recording lists the keys of an argument in alphabetical order, whatever order
    they were sent in; the text itself must be as long as it was.
    """
    text = recorded.get("text", "")
    if not text.startswith("{"):
        return recorded
    return json.loads(text), len(text)


# What the recording tells of the headers; where a row has none of them, none was sent.
TOLD = ("content-type", "x-exosite-cik", "x-exosite-token")


def shown(request, expected):
    """A request in the form of the recording."""
    method, path, headers, body = request
    names = {*TOLD, *expected["headers"]}
    path, _, query = path.partition("?")
    try:
        text = {"text": body.decode("utf-8")}
    except UnicodeDecodeError:
        text = {"base64": base64.b64encode(body).decode()}
    return {
        "body": body_of(text),
        "headers": {name: headers[name] for name in names if name in headers},
        "method": method,
        "path": path,
        "query": query,
    }


@pytest.mark.parametrize("row", RPC, ids=lambda row: str(row["id"]))
def test_rpc_row(row):
    with Recorder() as server:
        o = pyonep.OnepV1(**server.connection, **row["call"]["init"])
        result = run(o, row)
        o.close()
    assert result == row["result"]
    assert len(server.requests) == len(row["requests"])
    for request, expected in zip(server.requests, row["requests"]):
        assert shown(request, expected) == {**expected, "body": body_of(expected["body"])}


def given(value):
    """An argument of a recorded call; bytes are written as ``{"$bytes": base64}``."""
    if isinstance(value, dict) and set(value) == {"$bytes"}:
        return base64.b64decode(value["$bytes"])
    return value


@pytest.mark.parametrize("row", PROVISION, ids=lambda row: str(row["id"]))
def test_provision_row(row):
    """AMD-044: a form in PUT and DELETE has no Content-Type (rows 86 to 88, 122 to 124)."""
    (step,) = row["call"]["steps"]
    with Recorder(lambda _: (200, {"Content-Type": "text/plain"}, b"BODY")) as server:
        provision = pyonep.Provision(**server.connection, **row["call"]["init"])
        args = [given(value) for value in step.get("args", ())]
        response = getattr(provision, step["method"])(*args, **step.get("kwargs", {}))
        provision.close()
    assert [response.body, response.status, response.isok] == row["result"]
    (request,), (expected,) = server.requests, row["requests"]
    assert shown(request, expected) == {**expected, "body": body_of(expected["body"])}


def test_every_row_of_the_recording_is_replayed():
    assert (len(RPC), len(PROVISION)) == (71, 74)
    assert len(ROWS) == 145
