"""Sends a platform what nobody thought of, over a bare socket, and knows what may come back.

Requests are templates: ``<<cik>>`` stands for a key of the world that they are sent into and
``<<9*5000>>`` for a text repeated, so that a case stays readable and fits any world.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import logging
import re
import socket
import struct
from pathlib import Path

from logs import Lines, listening
from platforms import Raw

from pyonep.server import LocalPlatform, Settings

CORPUS = Path(__file__).parent / "data" / "fuzz"
RPC = "/onep:v1/rpc/process"
# All that a front may say.
STATUSES = {200, 204, 205, 206, 304, 400, 401, 403, 404, 405, 409, 412, 413, 415, 416, 421, 431}
CALL_STATUSES = {"ok", "invalid", "restricted", "error", "expire", "noauth", "locked", "fail"}
PATIENCE = 10  # seconds in which a request that is complete has its answer
MOMENT = 0.1  # seconds in which one has it that may never be complete
_HOLE = re.compile(r"<<(.+?)>>", re.DOTALL)


def is_problem(record):
    """Whether something is logged as an error or with a traceback."""
    return record.levelno >= logging.ERROR or bool(record.exc_info)


class Ground:
    """A platform to be fuzzed, all of whose logs are read; worlds are made on it."""

    def __init__(self):
        settings = Settings(max_data_text=4096, max_text=20_000, max_request_bytes=1024 * 1024)
        self.platform = LocalPlatform(settings=settings)
        self._numbers = itertools.count()
        self._problems = Lines("%(name)s: %(message)s")
        self._problems.addFilter(is_problem)
        self._opened = contextlib.ExitStack()

    def __enter__(self):
        listen = self._opened.enter_context
        listen(listening(self._problems, "pyonep", "uvicorn", "asyncio"))
        # The lines of calls are made of what was sent, so they are made here too.
        listen(listening(logging.NullHandler(), "pyonep.server.calls", level=logging.INFO))
        listen(self.platform)
        self._admin_key = self.platform.run(lambda platform: platform.admin_key)
        self._other = self.world()
        return self

    def __exit__(self, *_):
        self._opened.close()

    def world(self):
        """A device and a vendor with some of everything: what the holes stand for."""
        device = self.platform.device()
        account = self.platform.vendor(f"v{next(self._numbers)}")
        names = {"cik": device.cik, "rid": device.rid, "admin": self._admin_key}
        raw = Raw(self.platform)
        try:
            _device(raw, names)
            _fleet(raw, account, names)
        finally:
            raw.http.close()
        return names

    def send(self, sent, is_complete=True):
        """Send bytes on a connection of their own; return the answers: status, headers, body.

        Raises:
            AssertionError: There is none, or one that no request may get.
        """
        with socket.create_connection((self.platform.host, self.platform.port)) as conn:
            conn.settimeout(PATIENCE if is_complete else MOMENT)
            answers = list(_answers(conn, sent, is_complete))
        shown = self.look(sent)
        assert answers or not is_complete, f"no answer to {shown}"
        for status, headers, body in answers:
            assert status in STATUSES, f"{status} {body} to {shown}"
            assert all(_is_clean(value) for value in headers.values()), f"{headers} to {shown}"
        return answers

    def look(self, sent):
        """See whether anything was logged as an error; return how to show what was sent."""
        shown = sent if len(sent) < 4000 else sent[:2000] + b" ... " + sent[-2000:]
        faults, self._problems.lines = self._problems.lines, []
        assert not faults, f"{shown}\n{faults[0]}"
        return shown

    def hang_up(self, sent, after):
        """Send bytes, read up to so many of the answer, and reset the connection."""
        with socket.create_connection((self.platform.host, self.platform.port)) as conn:
            conn.settimeout(PATIENCE)
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            conn.sendall(sent)
            if after:
                conn.recv(after)
        self.serves()
        self.look(sent)

    def pipeline(self, several):
        """Send requests right behind each other; return the answers, which come in order."""
        with socket.create_connection((self.platform.host, self.platform.port)) as conn:
            conn.settimeout(PATIENCE)
            conn.sendall(b"".join(several))
            stream = conn.makefile("rb")
            for sent in several:
                response = http.client.HTTPResponse(_Stream(stream), method=_method(sent))
                response.begin()
                response.read()
                assert response.status in STATUSES, f"{response.status} to {sent}"
                if response.will_close:
                    break
            stream.close()
        self.look(b"".join(several))

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
    while True:
        response = http.client.HTTPResponse(conn, method=_method(sent))
        try:
            response.begin()
            yield response.status, dict(response.headers), response.read()
        except (TimeoutError, socket.timeout, ConnectionError):
            return
        finally:
            response.close()
        if is_complete or response.will_close:
            return


class _Stream:
    """A connection whose answers are read through one buffer."""

    def __init__(self, stream):
        self._stream = stream

    def makefile(self, _):
        return self

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def close(self):
        pass


def _method(sent):
    return sent.split(b" ", 1)[0].decode("latin-1")


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

_SIMPLE = {"simple": {"comparison": "gt", "constant": 3, "repeat": True}}
_COUNT = {"comparison": "eq", "constant": "x", "count": 2, "timeout": 60, "repeat": True}
_RESOURCES = {
    "plain": ("dataport", {"format": "float"}),
    "int": ("dataport", {"format": "integer", "retention": {"count": 3, "duration": 24}}),
    "text": ("dataport", {"format": "string"}),
    "sum": ("dataport", {"format": "float"}),
    "simple": ("datarule", {"format": "string", "rule": _SIMPLE}),
    "count": ("datarule", {"format": "integer", "rule": {"count": _COUNT}}),
    "mail": ("dispatch", {"method": "email", "recipient": "a@example.com"}),
    "child": ("client", {"name": "child", "limits": {"dataport": 5, "client": "inherit"}}),
}


def _device(raw, names):
    """A device that owns one of each kind, some of which feed others."""
    known = [["create", kind, description] for kind, description in _RESOURCES.values()]
    names.update(zip(_RESOURCES, _called(raw, names["cik"], known)))
    fed = {"text": "int", "simple": "int", "mail": "text"}
    calls = [["map", "alias", names[name], name] for name in _RESOURCES]
    calls += [["update", names[name], {"subscribe": names[fed[name]]}] for name in fed]
    calls += [["update", names["sum"], {"preprocess": [["mul", 2], ["add", names["int"]]]}]]
    calls += [["write", names["int"], 7], ["share", names["int"], {"meta": "m"}]]
    calls += [["info", names["child"], {"key": True}]]
    *_, names["share"], child = _called(raw, names["cik"], calls)
    names["key"] = child["key"]


def _called(raw, cik, calls):
    """Call procedures in one request; return their results."""
    numbered = [
        {"id": number, "procedure": call[0], "arguments": call[1:]}
        for number, call in enumerate(calls)
    ]
    answers = raw.json({"auth": {"cik": cik}, "calls": numbered})
    assert all(answer["status"] == "ok" for answer in answers), answers
    return [answer.get("result") for answer in answers]


def _fleet(raw, account, names):
    """A vendor with a model, serial numbers, a device, content and a group."""
    names.update(vendor=account.name, vcik=account.cik, token=account.token)
    names.update(portal=account.portal_rid, model="thermo", sn="SN-1")
    (template,) = _called(raw, account.cik, [["create", "client", {"name": "template"}]])
    model = "/provision/manage/model/"
    key = {"X-Exosite-CIK": account.cik}
    form = {**key, "Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}

    def post(path, body, headers=form):
        status, _, content = raw.send(body.encode(), path, "POST", headers)
        assert status in (200, 205), (path, status, content)
        return content.decode()

    post(model, f"model=thermo&rid={template}")
    post(f"{model}thermo/", "sn=SN-1&sn=SN-2&extra=x")
    post(f"{model}thermo/SN-1", f"enable=true&owner={account.portal_rid}")
    names["made"] = post("/provision/activate", f"vendor={account.name}&model=thermo&sn=SN-1", {})
    post("/provision/manage/content/thermo/", "id=blob&meta=m")
    post("/provision/manage/content/thermo/blob", "x" * 3000, {**key, "Content-Type": "text/plain"})
    post("/provision/manage/group/thermo/", "id=group&meta=m")
