"""No credential in a log line, a repr, the text of an error or what the error came from.

The calls are generated from the signatures of the public classes, the servers throw back
whatever they are sent, and everything that comes out is searched.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import importlib
import inspect
import io
import itertools
import json
import logging
import pkgutil
import socket
import traceback
from urllib.parse import quote, quote_plus, unquote_plus

import pytest
from conftest import fuzzed
from hypothesis import given
from hypothesis import strategies as st
from logs import Lines, listening
from platforms import client as new_client
from servers import Listener, Recorder, free_port

import pyonep
from pyonep import OnepV1, Provision, credentials
from pyonep.data import DataInterface
from pyonep.datastore import Datastore
from pyonep.exceptions import JsonRPCRequestException, OneException, ProvisionTransportError
from pyonep.provision import ProvisionResponse
from pyonep.redaction import redact, scrubbed
from pyonep.server import LocalPlatform

HEX = "c0ffee0123456789abcdefdeadbeef5555544444"
ODD = "pa'ss \"wörd\\100%+&=ß7"
USABLE = {"from a file": f" {HEX}\r\n", "odd": ODD}
UNUSABLE = {
    "newline inside": f"{HEX[:20]}\n{HEX[20:]}",
    "NUL": f"{HEX}\0{HEX}",
    "escape": f"{HEX}\x1b[0m.",
    "C1": f"{HEX}\x85x",
    "not Latin-1": f"{HEX[:30]}ключ€",
    "surrogate": f"{HEX[:30]}\udc80x",
}
PUBLIC = (OnepV1, Provision, DataInterface, Datastore)
KEYS = {"auth", "cik", "key"}


# --- what must not be seen, and where it is looked for ---


def shapes(secret):
    """A secret as it looks in texts, reprs, JSON, URLs and bytes, and most of it."""
    secret = secret.strip()
    whole = {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, errors="replace")}
    for encoding in ("latin-1", "utf-8"):
        raw = secret.encode(encoding, "replace")
        whole |= {repr(raw)[2:-1], raw.decode("latin-1")}
    return whole | {one[: len(one) * 3 // 4] for one in whole}


def assert_hidden(secret, where, texts):
    for text in texts:
        seen = [shape for shape in shapes(secret) if shape in text]
        assert not seen, f"{where} shows a key: {text[:2000]!r}"


def chain(error):
    """An error, and all that is reached from it."""
    seen, waiting = [], [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            waiting += [one.__cause__, one.__context__, *one.args, *vars(one).values()]
    return seen


def texts_of(error):
    """Everything that a report of an error could show."""
    yield "".join(traceback.format_exception(type(error), error, error.__traceback__))
    for one in chain(error):
        # What a caller reads out of an error on purpose is not a report of it.
        shown = {name: value for name, value in vars(one).items() if name != "answers"}
        yield from (str(one), repr(one), repr(one.args), repr(shown))
        yield repr(getattr(one, "object", ""))
        if getattr(one, "request", None) is not None:
            yield repr(vars(one.request))


@pytest.fixture
def lines():
    with listening(Lines(), "pyonep", "urllib3", level=logging.DEBUG) as kept:
        yield kept.lines


# --- calls, from the signatures ---


def methods(cls):
    """The public methods of a class, and some that other programs call."""
    names = [name for name, _ in inspect.getmembers(cls, inspect.isfunction) if name[0] != "_"]
    return names + [name for name in ("_request",) if hasattr(cls, name)]


def arguments(function, secret):
    """Something for each argument that has to be given; a secret where a key belongs."""
    made = {}
    for name, one in list(inspect.signature(function).parameters.items())[1:]:
        kind = str(one.annotation)
        if name in KEYS or name == "code":
            made[name] = secret
        elif one.default is not one.empty or one.kind not in (
            one.POSITIONAL_OR_KEYWORD,
            one.KEYWORD_ONLY,
        ):
            continue
        elif kind.startswith("Mapping"):
            made[name] = {"x": [[1, 2]] if name == "points" else 1}
        elif kind.startswith("Sequence"):
            made[name] = [[1, 2]] if "Sequence[Sequence" in kind else ["x"]
        elif kind.startswith(("int", "float")):
            made[name] = 1
        else:
            made[name] = {"method": "GET", "path": "/x"}.get(name, "x")
    return made


def make(cls, secret, where):
    if cls is DataInterface:
        return cls(secret, **where, httptimeout=2)
    if cls is Datastore:
        config = {"exit_timeout": 0, "retry_base": 60}
        return cls(secret, 1, {"format": "float"}, config, {**where, "timeout": 2})
    extra = {"verbose": True, "raise_api_exceptions": True} if cls is Provision else {}
    return cls(**where, httptimeout=2, **extra)


def exercise(cls, name, secret, where):
    """Make one call; yield the texts of all that came of it."""
    made = None
    try:
        made = make(cls, secret, where)
        given = arguments(getattr(cls, name), secret)
        if (cls, name) in ((Datastore, "flush"), (Datastore, "close"), (DataInterface, "wait")):
            given["timeout"] = 0.1 if cls is Datastore else 1
        result = getattr(made, name)(**given)
        if cls is Datastore:
            made.write("alias", 1)
            made.flush(0.1)
            yield repr(made.statistics())
        if inspect.isgenerator(result):
            result = list(itertools.islice(result, 5))  # the same page for ever
        if name != "loggedrequests" and isinstance(result, ProvisionResponse):
            yield repr([result])
    except OneException as error:
        yield from texts_of(error)
    finally:
        if made is not None:
            yield repr(made)
            for attribute, value in vars(made).items():
                if attribute[0] != "_":
                    yield repr(value)
            made.close(0) if cls is Datastore else made.close()


CALLS = [
    pytest.param(cls, name, id=f"{cls.__name__}.{name}") for cls in PUBLIC for name in methods(cls)
]


# --- servers that throw back what they are sent ---


def heard(request):
    """All credentials of a request, as text in the bytes that came."""
    _, path, headers, body = request
    given = [*headers.values(), unquote_plus(path)]
    return " ".join(given).encode("latin-1", "replace") + body


def echo(status, content_type):
    def answer(request):
        said = heard(request)
        quiet = said.decode("latin-1").replace("\r", " ").replace("\n", " ")
        headers = {"Content-Type": content_type, "X-Error-Detail": quiet}
        return status, headers, said

    return Recorder(answer)


def refusal(code):
    """An error object of the platform that repeats the key."""

    def answer(request):
        text = heard(request).decode("utf-8", "replace")
        error = {"code": code, "message": text, "context": text}
        return 200, {"Content-Type": "application/json"}, json.dumps({"error": error}).encode()

    return Recorder(answer)


def strange(request):
    """Answers that no call asked for."""
    text = heard(request).decode("utf-8", "replace")
    body = json.dumps([{"id": text, "status": text}, text]).encode()
    return 200, {"Content-Type": "application/json"}, body


def redirect(port):
    def answer(request):
        where = f"http://127.0.0.1:{port}/{quote(heard(request))}"
        return 307, {"Location": where}, b""

    return Recorder(answer)


def repeater(before):
    """A server that answers with the request itself behind some bytes, and hangs up."""

    def serve(conn):
        with contextlib.suppress(OSError):
            conn.settimeout(2)
            said = conn.recv(65536)
            conn.sendall(before + said.replace(b"\r\n", b" ") + b"\r\n\r\n" + said)
            conn.shutdown(socket.SHUT_WR)
            while conn.recv(65536):  # what is left unread would make it a reset
                pass

    return Listener(serve)


class Nobody:
    def __init__(self, **extra):
        self.connection = {"host": "127.0.0.1", "port": free_port(), "https": False, **extra}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


WORLDS = {
    "nobody": Nobody,
    "html": lambda: echo(200, "text/html"),
    "400": lambda: echo(400, "text/plain"),
    "401": lambda: echo(401, "application/json"),
    "409": lambda: echo(409, "application/x-www-form-urlencoded"),
    "502": lambda: echo(502, "text/html; charset=latin-1"),
    "refusal": lambda: refusal(401),
    "strange": lambda: Recorder(strange),
    "redirect": lambda: redirect(free_port()),
    "status line": lambda: repeater(b"HTTP/1.1 500 "),
    "no HTTP": lambda: repeater(b""),
    "cut off": lambda: repeater(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\nX-Echo: "),
    "not gzip": lambda: repeater(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nX-Echo: "),
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("secret", USABLE)
def test_a_key_that_is_sent_is_not_shown(lines, world, secret):
    secret = USABLE[secret]
    with WORLDS[world]() as server:
        for param in CALLS:
            cls, name = param.values
            assert_hidden(secret, param.id, exercise(cls, name, secret, server.connection))
    assert_hidden(secret, "the log", lines)
    assert lines


@pytest.mark.parametrize(("cls", "name"), CALLS)
def test_a_key_that_cannot_be_sent_is_not_shown(lines, cls, name):
    """AMD-047"""
    for secret in UNUSABLE.values():
        where = Nobody().connection
        assert_hidden(secret, name, exercise(cls, name, secret, where))
        assert_hidden(secret, "the log", lines)


TAKERS = [
    one
    for one in CALLS
    if {"auth", "key", "cik"} & set(inspect.signature(getattr(*one.values)).parameters)
    and one.values[0] in (OnepV1, Provision)
]
HELD = ("has_deferred", "send_deferred")  # speak of what was deferred


@pytest.mark.parametrize(("cls", "name"), [one for one in TAKERS if one.values[1] not in HELD])
def test_a_key_that_cannot_be_sent_is_an_error(cls, name):
    """AMD-047"""
    with Recorder() as server:
        for secret in UNUSABLE.values():
            made = make(cls, secret, server.connection)
            with pytest.raises((JsonRPCRequestException, ProvisionTransportError)) as caught:
                result = getattr(made, name)(**arguments(getattr(cls, name), secret))
                list(result)  # a generator begins here
            assert "a key has a character inside" in str(caught.value)
            made.close()
    assert server.requests == []


@pytest.mark.parametrize("secret", list(UNUSABLE.values()), ids=list(UNUSABLE))
@pytest.mark.parametrize("auth", [str, lambda key: {"cik": key}, lambda key: {"token": key}])
def test_what_is_deferred_for_such_a_key_is_refused_at_once(secret, auth):
    """AMD-047"""
    o = OnepV1()
    with pytest.raises(JsonRPCRequestException, match="a key has a character inside"):
        o.write(auth(secret), {"alias": "x"}, 1, defer=True)
    assert not o.has_deferred(auth(secret))


@pytest.mark.parametrize("secret", list(UNUSABLE.values()), ids=list(UNUSABLE))
@pytest.mark.parametrize(
    "made",
    [DataInterface, lambda key: Datastore(key, 1), lambda key: Datastore({"token": key}, 1)],
)
def test_objects_for_one_client_refuse_such_a_key_when_they_are_made(made, secret):
    """AMD-047"""
    with pytest.raises(OneException, match="a key has a character inside") as caught:
        made(secret)
    assert_hidden(secret, "the error", texts_of(caught.value))


@pytest.mark.parametrize("key", [None, 1.5, ["x"], object()])
def test_a_key_that_is_no_text(key):
    with pytest.raises(ProvisionTransportError, match="a key must be text, not"):
        Provision().model_list(key)


SPACES = ["{}\n", "{}\r\n", " {}", "\t{} \n", "\n{}"]


@pytest.mark.parametrize("space", SPACES)
def test_white_space_around_a_key(platform, space):
    """AMD-047"""
    cik, _ = platform.device()
    written = space.format(cik)
    o = OnepV1(**platform.connection)
    for auth in (written, {"cik": written}):
        assert o.create(auth, "dataport", {"format": "float"})[0]
        assert o.info(auth, {"alias": ""}, defer=True)
    assert o.has_deferred(cik) and len(o.send_deferred(cik)) == 2
    rid, _ = new_client(o, cik)
    assert o.listing({"cik": written, "client_id": rid}, ["client"], {})[0]
    o.close()
    with contextlib.closing(DataInterface(written, **platform.connection)) as device:
        assert device.read("x") == {}
    with Datastore(written, 1, {"format": "float"}, transport=platform.connection) as store:
        assert store.write("x", 1) and store.flush(5)


@pytest.mark.parametrize("space", SPACES)
def test_white_space_around_a_vendor_key(platform, space):
    """AMD-047"""
    vendor = platform.vendor(f"spaces{SPACES.index(space)}")
    for key, by_cik in ((vendor.cik, True), (vendor.token, False)):
        p = Provision(**platform.connection, manage_by_cik=by_cik)
        assert p.model_list(space.format(key)).isok
        p.close()


# --- the answers of provisioning ---


def test_an_activated_key_is_not_in_the_repr(platform):
    vendor = platform.vendor("shower")
    p = Provision(**platform.connection)
    assert p.model_create(vendor.cik, "m", vendor.portal_rid).isok
    p.serialnumber_add(vendor.cik, "m", "1")
    p.serialnumber_enable(vendor.cik, "m", "1", vendor.portal_rid)
    activated = p.serialnumber_activate("m", "1", "shower")
    token = p.token_create(vendor.cik, "label")
    p.close()
    for response in (activated, token):
        key = response.body
        assert credentials.is_cik(key)
        assert key not in repr(response) and key not in repr([(True, response)])
        # As scripts use it: as text, and on the screen.
        assert response == key and str.strip(response) == key
        assert key in str(response) and key in f"{response}"


# --- values that are made of parts ---


def modules():
    for found in pkgutil.walk_packages(pyonep.__path__, "pyonep."):
        if not found.name.endswith("__main__") and "pytest" not in found.name:
            yield importlib.import_module(found.name)


def is_secret(field):
    return field.lstrip("_").rpartition("_")[2] in {"cik", "token", "key", "secret", "password"}


def records():
    """Every named tuple and data class of the package that has a credential in a field."""
    for module in modules():
        for cls in vars(module).values():
            if not inspect.isclass(cls) or cls.__module__ != module.__name__:
                continue
            fields = getattr(cls, "_fields", None)
            if dataclasses.is_dataclass(cls):
                fields = [one.name for one in dataclasses.fields(cls) if one.init]
            if fields and any(map(is_secret, fields)):
                yield pytest.param(cls, fields, id=cls.__qualname__)


@pytest.mark.parametrize(("cls", "fields"), list(records()))
def test_a_record_with_a_key_does_not_show_it(cls, fields):
    for secret in (HEX, ODD):
        made = cls(**{name: secret if is_secret(name) else "public" for name in fields})
        assert_hidden(secret, cls.__name__, [repr(made), str(made), repr([made]), f"{made}"])


def test_a_platform_does_not_show_its_keys():
    with LocalPlatform() as platform:
        device, vendor = platform.device(), platform.vendor("v")
        shown = repr((platform, device, vendor))
    for secret in (device.cik, vendor.cik, vendor.token, vendor.portal_cik):
        assert_hidden(secret, "the platform", [shown])


# --- hosts with a user ---


@pytest.mark.parametrize("cls", [OnepV1, Provision, DataInterface, Datastore])
@pytest.mark.parametrize("host", ["http://user:{}@host", "{}@host", "http://user:{}@host/path"])
@pytest.mark.parametrize("by_environment", [False, True])
def test_a_password_in_a_url_is_not_shown(monkeypatch, cls, host, by_environment):
    host = host.format("s3cret-pass")
    given = {"host": host}
    if by_environment:
        monkeypatch.setenv("PYONEP_ENDPOINT", host)
        given = {}
    args = {DataInterface: (HEX,), Datastore: (HEX, 1)}.get(cls, ())
    with pytest.raises(ValueError) as caught:
        cls(*args, **({"transport": given} if cls is Datastore else given))
    assert_hidden("s3cret-pass", "the error", texts_of(caught.value))


# --- masking itself ---

secrets = st.text(
    st.characters(max_codepoint=255, exclude_categories=["Cc"]), min_size=4, max_size=20
).filter(lambda text: len(text.strip()) > 3)


@fuzzed(100)
@given(secrets, st.text(max_size=20))
def test_a_known_secret_is_masked_in_every_form(secret, around):
    secret = secret.strip()
    cores = [
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        repr(f"\"'{secret}")[4:-1],
        repr(secret.encode())[2:-1],
        repr(secret.encode("latin-1"))[2:-1],
        secret.encode().decode("latin-1"),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
    ]
    for core in cores:
        left = redact(f"{around}{core}{around}", secret)
        assert core not in left or core in "<redacted>"


def test_the_chain_of_an_error_is_masked():
    secret = HEX

    def fail():
        try:
            try:
                f"\xff{secret}".encode("latin-1").decode("utf-8")
            except UnicodeDecodeError:
                raise http.client.HTTPException(secret, secret.encode(), [secret])  # noqa: B904
        except http.client.HTTPException as error:
            raise OSError(5, secret, secret) from error

    with pytest.raises(OSError) as caught:
        fail()
    error = caught.value
    assert scrubbed(error, secret) is error
    said = io.StringIO()
    traceback.print_exception(type(error), error, None, file=said)
    assert_hidden(secret, "the chain", [said.getvalue()])
    assert len(chain(error)) == 3
    for one in chain(error):
        assert_hidden(secret, "the chain", [repr(one), repr(vars(one))])
