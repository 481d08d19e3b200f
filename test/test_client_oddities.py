"""Whatever a public method is given and whatever it is answered, it fails as it is documented."""

from __future__ import annotations

import copy
import importlib
import inspect
import itertools
import json
import logging
import math
import pickle
import pkgutil

import pytest
from conftest import fuzzed
from hypothesis import example, given
from hypothesis import strategies as st
from servers import Recorder, saying

import pyonep
from pyonep import OnepV1, Provision, exceptions
from pyonep.data import DataInterface, RecordConflict
from pyonep.exceptions import (
    OneException,
    OnePlatformException,
    ProvisionException,
    ProvisionTransportError,
)

CIK = "a" * 40
X = {"alias": "x"}
CLASSES = (OnepV1, Provision, DataInterface)


def make(cls, connection):
    given = {**connection, "httptimeout": 5, "reuseconnection": True}
    return cls(CIK, **given) if cls is DataInterface else cls(**given)


def public(cls):
    names = [name for name, _ in inspect.getmembers(cls, inspect.isfunction) if name[0] != "_"]
    return [name for name in names if name not in ("close", "within")]


CALLS = [(cls, name) for cls in CLASSES for name in public(cls)]


def use(call, *args, **kwargs):
    """Make a call; of what it goes through only the beginning."""
    result = call(*args, **kwargs)
    if inspect.isgenerator(result):
        return list(itertools.islice(result, 50))
    return result


# --- odd arguments ---

TEXTS = st.sampled_from(["", "x", ".", "\ud800", "€", "\0", "x\r\ny: z", "\x85", "é", "9" * 300])
ODD = st.one_of(
    TEXTS,
    st.sampled_from([None, True, -1, 0, 2, 10**30, 1.5, math.nan, math.inf, -math.inf]),
    st.sampled_from([b"x", b"\xff", object(), 1j, range(3), {1, 2}, ...]),
    st.lists(TEXTS, max_size=2),
    st.lists(st.lists(TEXTS | st.integers(0, 9), max_size=3), max_size=2),
    st.dictionaries(TEXTS, TEXTS | st.integers(), max_size=2),
    st.dictionaries(TEXTS, st.lists(st.lists(st.integers(0, 9), max_size=3)), max_size=2),
    st.just({1: 2, "a": 3}),
)


def test_odd_arguments_are_errors_of_ours_or_a_typeerror_or_valueerror_and_nothing_is_sent():
    with Recorder(saying(b"")) as server:
        made = {cls: make(cls, server.connection) for cls in CLASSES}

        @fuzzed(800)
        @example((DataInterface, "write"), ["\ud800"], {})
        @given(st.sampled_from(CALLS), st.lists(ODD, min_size=9, max_size=9), st.booleans())
        def play(call, odd, fits):
            cls, name = call
            function = getattr(cls, name)
            names = list(inspect.signature(function).parameters)[1:]
            words = dict(zip(names, odd))
            if fits:
                words.update({key: CIK for key in ("auth", "key", "cik") if key in words})
                words.pop("defer", None)
            one_by_one = call == (DataInterface, "read")  # takes any number of names
            aliases = [words.pop("aliases"), odd[-1]] if one_by_one else []
            before = len(server.requests)
            try:
                use(getattr(made[cls], name), *aliases, **words)
            except OneException as error:
                str(error).encode()
            except UnicodeError:
                raise
            except (TypeError, ValueError):
                assert len(server.requests) == before, "was half-sent"

        play()
        for one in made.values():
            one.close()


@pytest.mark.parametrize(
    "call",
    [
        lambda d, p: d.write({"a": "\ud800"}),
        lambda d, p: d.write({"\ud800": 1}),
        lambda d, p: d.read("\ud800"),
        lambda d, p: d.write_read({}, ["\ud800"]),
        lambda d, p: d.record({"a": [[1, "\ud800"]]}),
        lambda d, p: d.wait("a", 10, since="x\r\ny"),
        lambda d, p: d.wait("a", 10, since="€"),
        lambda d, p: p.model_info(CIK, "\ud800"),
        lambda d, p: p.serialnumber_list(CIK, "m", "\ud800"),
        lambda d, p: p.serialnumber_add_batch_csv(CIK, "m", "\ud800"),
        lambda d, p: p.content_upload(CIK, "m", "c", "\ud800", "text/plain"),
        lambda d, p: p.content_upload(CIK, "m", "c", "x", "text/plain\nx: y"),
        lambda d, p: p._request("/provision/x", CIK, "", "GET", extra_headers={"x\ny": "z"}),
    ],
)
def test_what_http_cannot_carry_is_an_error_of_ours(call):
    with Recorder(saying(b"")) as server:
        where = server.connection
        with pytest.raises(ProvisionTransportError) as caught:
            call(DataInterface(CIK, **where), Provision(**where))
        assert "cannot be sent" in str(caught.value) or "no header can have" in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize("timeout", [None, "10", -1, math.nan, math.inf])
def test_a_wait_that_is_no_time(timeout):
    with pytest.raises(ValueError, match="timeout must be a number of milliseconds"):
        DataInterface(CIK, "127.0.0.1", 9, https=False).wait("a", timeout)


# --- odd answers ---

VALUES = st.recursive(
    st.sampled_from([None, True, 0, 5, -1, 1e300, math.nan, math.inf, "", "x", "\ud800", "ok"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "status", "result", "error"]), inner, max_size=3)
    ),
    max_leaves=12,
)
FITTING = {  # for what is read out of a body that is no JSON
    "form": b"a=1,2&b=%ff%zz&&=",
    "list": b'x,y\r\n"z',
    "numbers": b"1,2,3,4,5,6",
    "ranges": b'{"ranges": [5]}',
    "no UTF-8": b"\xff\xfe=1",
    "nothing": b"",
}


def simple(function):
    """Something for each argument that has to be given."""
    made = {}
    for name, one in list(inspect.signature(function).parameters.items())[1:]:
        kind = str(one.annotation)
        if one.default is not one.empty or one.kind is one.VAR_POSITIONAL:
            continue
        if name in ("auth", "key", "cik"):
            made[name] = CIK
        elif kind.startswith("Mapping"):
            made[name] = {"x": [[1, 2]]}
        elif kind.startswith("Sequence"):
            made[name] = [["x", 2]] if "Sequence[Sequence" in kind else [{}]
            made[name] = ["x"] if kind == "Sequence[str]" else made[name]
        else:
            made[name] = 1 if kind.startswith(("int", "float")) else "x"
    return made


def test_odd_answers_are_errors_of_ours():
    now = [None]

    def answer(request):
        status, value = now[0]
        if isinstance(value, bytes):
            return status, {}, value
        calls = json.loads(request[3])["calls"] if request[3].startswith(b'{"auth') else []
        body = [{"id": call["id"], "status": "ok", "result": value} for call in calls]
        return status, {}, json.dumps(body if calls else value).encode()

    with Recorder(answer) as server:
        made = {cls: make(cls, server.connection) for cls in CLASSES}

        @fuzzed(800)
        @example((OnepV1, "points"), 200, 5)
        @example((OnepV1, "points"), 200, [1, 2])
        @example((Provision, "serialnumber_ranges"), 200, b'{"ranges": [5]}')
        @example((DataInterface, "read"), 200, b"\xff")
        @given(
            st.sampled_from(CALLS),
            st.sampled_from([200, 200, 200, 204, 404, 409]),
            VALUES | st.sampled_from(list(FITTING.values())),
        )
        def play(call, status, value):
            cls, name = call
            now[:] = [(status, b"" if status == 204 else value)]
            made[cls].deferred = pyonep.DeferredRequests() if cls is OnepV1 else None
            try:
                use(getattr(made[cls], name), **simple(getattr(cls, name)))
            except OneException as error:
                assert CIK not in str(error)

        play()
        for one in made.values():
            one.close()


@pytest.mark.parametrize("result", [5, None, "x", {"a": 1}, [1, 2], [[1]], [[1, 2, 3]], [["1", 2]]])
def test_points_that_are_none(result):
    with answered(lambda n: result) as server:
        with pytest.raises(OnePlatformException, match="'x' cannot be read: the answer is no list"):
            list(OnepV1(**server.connection).points(CIK, X))


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize(
    "page", [lambda n: [[5, 1], [6, 1]], lambda n: [[5, 1]], lambda n: [[5 + n % 2, 1]]]
)
def test_points_that_do_not_go_on(page, sort):
    with answered(page) as server:
        with pytest.raises(OnePlatformException, match="does not go on in time"):
            list(OnepV1(**server.connection).points(CIK, X, sort=sort))
    assert len(server.requests) <= 3


def test_serial_numbers_that_do_not_go_on():
    with Recorder(saying(b"a,,\r\nb,,\r\n")) as server:
        with pytest.raises(OnePlatformException, match="the same page came again"):
            list(Provision(**server.connection).serialnumbers(CIK, "m"))
    assert len(server.requests) == 2


def answered(result):
    """A server that answers the n-th request with the result that a function gives."""
    count = itertools.count()

    def answer(request):
        calls = json.loads(request[3])["calls"]
        value = result(next(count))
        body = [{"id": call["id"], "status": "ok", "result": value} for call in calls]
        return 200, {}, json.dumps(body).encode()

    return Recorder(answer)


# --- errors in another process ---


def every_error():
    """One of each class of errors there is, as the library makes them."""
    for module in pkgutil.walk_packages(pyonep.__path__, "pyonep."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting, seen = [OneException], []
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if cls.__module__.startswith("pyonep.") and cls not in seen:
            seen.append(cls)
    refused = {"code": 401, "message": "Invalid", "context": "auth"}
    special = {
        RecordConflict: lambda: RecordConflict({"a": [1.0]}),
        OnePlatformException: lambda: OnePlatformException(refused, answers=[({}, True, 1)]),
        ProvisionException: refusal,
    }
    for cls in seen:
        yield special.get(cls, lambda cls=cls: cls("a text"))()


def refusal():
    with Recorder(lambda _: (404, {}, b"no such thing")) as server:
        with pytest.raises(ProvisionException) as caught:
            Provision(**server.connection, raise_api_exceptions=True).model_info(CIK, "m")
    return caught.value


@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
def test_every_error_can_go_to_another_process(again):
    kinds = set()
    for error in every_error():
        other = again(error)
        kinds.add(type(error))
        assert type(other) is type(error)
        assert (str(other), repr(other), other.args) == (str(error), repr(error), error.args)
        assert vars(other).keys() == vars(error).keys()
        for name, value in vars(error).items():
            assert repr(vars(other)[name]) == repr(value)
    assert kinds >= {getattr(exceptions, name) for name in exceptions.__all__}


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_an_answer_can_go_to_another_process(protocol):
    response = pickle.loads(pickle.dumps(refusal().response, protocol))
    assert (response.status, response.body, response.isok) == (404, "no such thing", False)
    assert response.content == b"no such thing"
    assert copy.deepcopy(response).body == response.body


# --- keys in texts of the platform ---


@pytest.mark.parametrize(
    "auth", [CIK, {"token": "Zz-secret"}, {"cik": "s3cret", "client_id": "b" * 40}]
)
def test_a_platform_that_repeats_the_key_in_a_status(auth, caplog):
    caplog.set_level(logging.DEBUG)

    def answer(request):
        given = json.loads(request[3])
        said = str(given["auth"])
        error = {"code": 1, "message": said}
        body = [{"id": one["id"], "status": said, "error": error} for one in given["calls"]]
        return 200, {"X-Error-Detail": said}, json.dumps(body).encode()

    secret = auth if isinstance(auth, str) else next(iter(auth.values()))
    with Recorder(answer) as server:
        o = OnepV1(**server.connection)
        for resource in (X, {"alias": secret}, secret):
            with pytest.raises(OnePlatformException) as caught:
                list(o.points(auth, resource))
            assert secret not in repr(caught.value) + str(caught.value)
    assert secret not in caplog.text


def test_a_subclass_that_sends_another_key_than_it_is_given(caplog):
    class Mine(OnepV1):
        def _getAuth(self, auth):
            return {"token": "Zz-secret"}

    caplog.set_level(logging.DEBUG)
    with Recorder(lambda request: (200, {}, request[3])) as server:
        with pytest.raises(OnePlatformException) as caught:
            Mine(**server.connection).write("me", X, "Zz-secret")
    assert "Zz-secret" not in str(caught.value) + caplog.text


def test_a_key_in_a_path_and_in_a_conflict(caplog):
    caplog.set_level(logging.DEBUG)
    key = "Zz-secret"
    with Recorder(lambda request: (409, {}, b"Zz-secret=1,2")) as server:
        where = server.connection
        with pytest.raises(RecordConflict) as caught:
            DataInterface(key, **where).record({key: [[1, 2]]})
        Provision(**where).model_info(key, key)
    ours = [one.getMessage() for one in caplog.records if one.name.startswith("pyonep")]
    assert ours and key not in str(caught.value) + "".join(ours)
    assert caught.value.conflicts == {key: [1.0, 2.0]}
