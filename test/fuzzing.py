"""Sends a platform what nobody thought of, over a bare socket, and knows what may come back.

Requests are templates: ``<<cik>>`` stands for a key of the world that they are sent into and
``<<9*5000>>`` for a text repeated, so that a case stays readable and fits any world.
"""

from __future__ import annotations

import http.client
import json
import logging
import re
import socket
from pathlib import Path

from pyonep.server import LocalPlatform, Settings, fleet
from pyonep.server.access import Caller
from pyonep.server.store import PIECE

CORPUS = Path(__file__).parent / "data" / "fuzz"
RPC = "/onep:v1/rpc/process"
# All that a front may say.
STATUSES = {200, 204, 205, 206, 304, 400, 401, 403, 404, 405, 409, 412, 413, 415, 416, 421}
CALL_STATUSES = {"ok", "invalid", "restricted", "error", "expire", "noauth", "locked", "fail"}
PATIENCE = 10  # seconds in which a request that is complete has its answer
MOMENT = 0.1  # seconds in which one has it that may never be complete
_HOLE = re.compile(r"<<(.+?)>>", re.DOTALL)
_MODEL, _SN = "thermo", "SN-1"


class Problems(logging.Handler):
    """Keeps what is logged as an error or with a traceback."""

    def __init__(self):
        super().__init__()
        self.found = []

    def emit(self, record):
        if record.levelno >= logging.ERROR or record.exc_info:
            self.found.append(logging.Formatter("%(name)s: %(message)s").format(record))


class Ground:
    """A platform to be fuzzed, all of whose logs are read; worlds are made on it."""

    def __init__(self):
        settings = Settings(max_data_text=4096, max_text=20_000, max_request_bytes=1024 * 1024)
        self.platform = LocalPlatform(settings=settings)
        self._problems = Problems()
        self._loggers = [logging.getLogger(name) for name in ("pyonep", "uvicorn", "asyncio")]
        # Its lines are made of what was sent, so they are made here too.
        self._calls = logging.getLogger("pyonep.server.calls")

    def __enter__(self):
        for logger in self._loggers:
            logger.addHandler(self._problems)
        self._calls.setLevel(logging.INFO)
        self.platform.start()
        self._other = self.world()
        return self

    def __exit__(self, *_):
        self.platform.stop()
        self._calls.setLevel(logging.NOTSET)
        for logger in self._loggers:
            logger.removeHandler(self._problems)

    def world(self):
        """A device and a vendor with some of everything: what the holes stand for."""
        return self.platform.run(_world)

    def send(self, sent, is_complete=True):
        """Send bytes on a connection of their own; return the answers: status, headers, body.

        Raises:
            AssertionError: There is none, or one that no request may get.
        """
        with socket.create_connection((self.platform.host, self.platform.port)) as conn:
            conn.settimeout(PATIENCE if is_complete else MOMENT)
            answers = list(_answers(conn, sent, is_complete))
        shown = sent if len(sent) < 4000 else sent[:2000] + b" ... " + sent[-2000:]
        faults, self._problems.found = self._problems.found, []
        assert not faults, f"{shown}\n{faults[0]}"
        assert answers or not is_complete, f"no answer to {shown}"
        for status, headers, body in answers:
            assert status in STATUSES, f"{status} {body} to {shown}"
            assert all(_is_clean(value) for value in headers.values()), f"{headers} to {shown}"
        return answers

    def rpc(self, calls, names, is_whole=False):
        """Send the text of calls, or of a whole body; return their answers, or its error."""
        body = calls if is_whole else f'{{"auth": {{"cik": "<<cik>>"}}, "calls": [{calls}]}}'
        ((status, _, content),) = self.send(filled((f"POST {RPC}", [], body), names))
        answer = json.loads(content, parse_constant=_no_constant) if content else None
        assert status == (204 if answer is None else 200), content
        check_rpc(answer)
        return answer

    def serves(self):
        """See whether another client is served as before."""
        call = '{"id": 1, "procedure": "write", "arguments": [{"alias": "plain"}, 1]}'
        assert self.rpc(call, self._other) == [{"id": 1, "status": "ok"}]


def _answers(conn, sent, is_complete):
    try:
        conn.sendall(sent)
    except OSError:
        if is_complete and len(sent) < 100_000:
            raise
        # Refused before it was all there; the answer may be lost with the rest.
    method = sent.split(b" ", 1)[0].decode("latin-1")
    while True:
        response = http.client.HTTPResponse(conn, method=method)
        try:
            response.begin()
            yield response.status, dict(response.headers), response.read()
        except (TimeoutError, socket.timeout, ConnectionError):
            return
        finally:
            response.close()
        if is_complete or response.will_close:
            return


def _is_clean(value):
    return all(c == "\t" or " " <= c != "\x7f" for c in value)


def check_rpc(answer):
    """See whether this is an answer of the RPC front that tells of no fault."""
    if isinstance(answer, dict):
        assert answer["error"]["code"] in (-1, 400, 401), answer
        return
    for one in answer or ():
        assert isinstance(one["status"], list) or one["status"] in CALL_STATUSES, one
        assert "error" not in one or one["error"]["code"] in (400, 501), one


def _no_constant(name):
    raise AssertionError(f"{name} is not JSON")


# --- requests --------------------------------------------------------------


def filled(template, names):
    """The bytes of a request; characters stand for bytes, the body's length is counted.

    Args:
        template: ``(line, headers, body)``: a method and a target, pairs, and a text.
        names: What the holes stand for; one that has no name stays as it is.
    """
    line, headers, body = template

    def fill(text):
        return _HOLE.sub(lambda match: _meaning(match, names), text)

    content = fill(body).encode("latin-1")
    headers = [(name, fill(value)) for name, value in headers]
    given = {name.lower() for name, _ in headers}
    if content and not given & {"content-length", "transfer-encoding"}:
        headers.append(("Content-Length", str(len(content))))
    lines = [fill(line) if " HTTP/" in line else f"{fill(line)} HTTP/1.1", "Host: m2.exosite.com"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def _meaning(match, names):
    text, _, count = match[1].rpartition("*")
    return text * int(count) if text and count.isdigit() else names.get(match[1], match[0])


def corpus():
    """All cases that are kept: ``(name, line, case)``."""
    for file in sorted(CORPUS.glob("*.jsonl")):
        for number, text in enumerate(file.read_text("utf-8").splitlines(), 1):
            yield f"{file.stem}:{number}", json.loads(text)


# --- the world -------------------------------------------------------------


_RESOURCES = {
    "plain": ("dataport", {"format": "float"}),
    "int": ("dataport", {"format": "integer", "retention": {"count": 3, "duration": 24}}),
    "text": ("dataport", {"format": "string", "subscribe": "<<int>>"}),
    "sum": ("dataport", {"format": "float", "preprocess": [["mul", 2], ["add", "<<int>>"]]}),
    "simple": (
        "datarule",
        {
            "format": "string",
            "subscribe": "<<int>>",
            "rule": {"simple": {"comparison": "gt", "constant": 3, "repeat": True}},
        },
    ),
    "count": (
        "datarule",
        {
            "format": "integer",
            "rule": {
                "count": {
                    "comparison": "eq",
                    "constant": "x",
                    "count": 2,
                    "timeout": 60,
                    "repeat": True,
                }
            },
        },
    ),
    "mail": (
        "dispatch",
        {"method": "email", "recipient": "a@example.com", "subscribe": "<<text>>"},
    ),
    "child": ("client", {"name": "child", "limits": {"dataport": 5, "client": "inherit"}}),
}


def _world(platform):
    device, account = platform.add_device(), None
    number = platform.resources.by_rid(device.rid).id
    names = {"cik": device.cik, "rid": device.rid, "admin": platform.admin_key}

    def call(procedure, *arguments, client=number):
        return platform.call(Caller(client), procedure, list(arguments))

    for name, (kind, description) in _RESOURCES.items():
        text = _HOLE.sub(lambda match: names[match[1]], json.dumps(description))
        names[name] = call("create", kind, json.loads(text))
        call("map", "alias", names[name], name)
    call("write", {"alias": "int"}, 7)
    names["share"] = call("share", {"alias": "int"}, {"meta": "m"})
    names["key"] = platform.resources.by_rid(names["child"]).cik
    account = fleet.add_account(platform, f"v{number}")
    names.update(vendor=account.name, vcik=account.cik, token=account.token)
    names.update(portal=account.portal_rid, model=_MODEL, sn=_SN)
    _fleet(platform, account, names)
    return names


def _fleet(platform, account, names):
    vendor = platform.fleet.vendor(account.name)
    portal = platform.resources.by_rid(account.portal_rid)
    template = platform.add_client(portal, "template")
    platform.fleet.add_model(vendor.id, _MODEL, *("rid", template.rid, ""))
    model = platform.fleet.model(vendor.id, _MODEL)
    fleet.add(platform, model, [(_SN, "extra"), ("SN-2", "")])
    made = platform.add_client(portal, "made")
    platform.fleet.set_client(platform.fleet.serial(model.id, _SN), made.id, vendor.id)
    names["made"] = made.cik
    platform.content.add(model.id, "blob", "meta", False, platform.now())
    content = platform.content.one(model.id, "blob")
    blob = platform.content.new_blob()
    platform.content.add_piece(blob, 0, b"x" * 3000)
    assert PIECE > 3000
    platform.content.set_blob(content, blob, "text/plain", 3000, platform.now())
    platform.fleet.add_group(model.id, "group", "meta")
