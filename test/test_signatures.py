"""Every call form of every release, positional and by keyword."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from servers import Recorder

import pyonep
from pyonep import datastore, onep, onephttp
from pyonep.datastore import Datastore

SIGNATURES = json.loads((Path(__file__).parent / "data" / "signatures.json").read_text("utf-8"))
CIK = "a" * 40
RID = "b" * 40

# What stands for a parameter in a call, and what it becomes on the wire.
VALUES = {
    "action": "add",
    "alias": "temperature",
    "auth": CIK,
    "cik": CIK,
    "clientid": RID,
    "code": RID,
    "codetype": "client",
    "desc": {"format": "float"},
    "destinationresource": "c" * 40,
    "destinationrid": "c" * 40,
    "endtime": 2,
    "entries": [[1, 2]],
    "mapping": "temperature",
    "metric": "dataport",
    "options": {"x": 1},
    "permissions": {RID: ["read"]},
    "resource": RID,
    "resourceid": RID,
    "rid": RID,
    "starttime": 1,
    "tag": "blue",
    "ttl": 60,
    "type": "dataport",
    "types": ["dataport"],
    "value": 1,
}
PROCEDURES = [
    (name.rsplit(".", 1)[1], form)
    for name, forms in SIGNATURES["methods"].items()
    if name.startswith("pyonep.onep.OnepV1.")
    for form in forms
]
CALLS = [
    (method, form)
    for method, form in PROCEDURES
    if ["defer", False] in form["parameters"] and not method.startswith("_")
]

STYLES = ["positional", "keyword", "mixed", "deferred", "deferred keyword"]


def on_the_wire(method, given):
    """The arguments a call with these parameters has always sent."""
    resource = given.get("resource", given.get("rid"))
    options = given.get("options")
    if method == "listing":
        if resource is not None:
            return [resource, given["types"], options]
        return [given["types"]] if options is None else [given["types"], options]
    if method in ("map", "unmap"):
        return ["alias", *([resource] if resource else []), given["alias"]]
    if method == "createDataport":
        return ["dataport", given["desc"]]
    if method == "grant":
        ttl = given.get("ttl")
        return [resource, given["permissions"], *([{"ttl": ttl}] if ttl else [])]
    if method == "writegroup":
        return [given["entries"]]
    skipped = ("cik", "auth", "defer")
    return [value for name, value in given.items() if name not in skipped]


def by_name(form):
    return {p[0]: VALUES.get(p[0], False) for p in form["parameters"]}


@pytest.fixture(scope="module")
def server():
    with Recorder() as recorder:
        yield recorder


@pytest.mark.parametrize(("method", "form"), CALLS, ids=[f"{m}-{f['releases']}" for m, f in CALLS])
@pytest.mark.parametrize("style", STYLES)
def test_call_form(server, method, form, style):
    o = onep.OnepV1(**server.connection)
    given = by_name(form)
    names = list(given)
    if style.startswith("deferred"):
        given["defer"] = True
    if style.endswith("keyword"):
        result = getattr(o, method)(**given)
    elif style == "mixed":
        result = getattr(o, method)(given[names[0]], **{n: given[n] for n in names[1:]})
    else:
        result = getattr(o, method)(*given.values())
    if style.startswith("deferred"):
        assert result is True
        ((_, *result),) = o.send_deferred(CIK)
    assert tuple(result) == (True, "R0")
    call = server.bodies()[-1]["calls"][0]
    assert call["procedure"] == {"createDataport": "create"}.get(method, method)
    assert call["arguments"] == on_the_wire(method, given)


@pytest.mark.parametrize(("method", "form"), CALLS, ids=[f"{m}-{f['releases']}" for m, f in CALLS])
def test_optional_arguments_may_be_left_out(server, method, form):
    o = onep.OnepV1(**server.connection)
    required = [VALUES[p[0]] for p in form["parameters"] if len(p) == 1]
    assert getattr(o, method)(*required) == (True, "R0")


@pytest.mark.parametrize("form", SIGNATURES["methods"]["pyonep.onep.OnepV1.__init__"])
def test_constructor_forms(server, form):
    given = {p[0]: p[1] for p in form["parameters"]}
    given.update(host="127.0.0.1", port=str(server.port), https=False)
    for o in (onep.OnepV1(*given.values()), onep.OnepV1(**given)):
        assert o.info(CIK, RID) == (True, "R0")
        assert server.requests[-1][1] == given["url"]


def test_deferred_requests_forms():
    for name in ("auth", "cik"):
        deferred = pyonep.DeferredRequests()
        deferred.add(**{name: CIK}, method="info", args=[RID])
        deferred.add(CIK, "wait", [RID, {}], True)
        assert deferred.has_requests(**{name: CIK})
        assert deferred.get_method_args_pairs(**{name: CIK}) == [
            ("info", [RID]),
            ("wait", [RID, {}]),
        ]
        assert deferred.get_notimeout(CIK)
        deferred.reset(**{name: CIK})
        assert not deferred.has_requests(CIK)


PROVISIONING = [
    (name.rsplit(".", 1)[1], form)
    for name, forms in SIGNATURES["methods"].items()
    if name.startswith("pyonep.provision.Provision.") and "__init__" not in name
    for form in forms
    if form["parameters"]
]


@pytest.mark.parametrize(
    ("method", "form"), PROVISIONING, ids=[f"{m}-{f['releases']}" for m, f in PROVISIONING]
)
def test_provision_form(method, form):
    with Recorder(lambda _: (200, {}, b"BODY")) as server:
        provision = pyonep.Provision(**server.connection)
        values = {"sns": ["a"], "data": b"x", "mimetype": "text/plain", "csv_string": "a"}
        names = [p[0] for p in form["parameters"]]
        given = {p[0]: values.get(p[0], p[0] if len(p) == 1 else p[1]) for p in form["parameters"]}
        assert getattr(provision, method)(*given.values()).body == "BODY"
        assert getattr(provision, method)(**given).body == "BODY"
        required = [given[p[0]] for p in form["parameters"] if len(p) == 1]
        assert getattr(provision, method)(*required).status() == 200
        assert names and len(server.requests) == 3


@pytest.mark.parametrize("form", SIGNATURES["methods"]["pyonep.provision.Provision.__init__"])
def test_provision_constructor_forms(form):
    with Recorder(lambda _: (200, {}, b"acme")) as server:
        given = {p[0]: p[1] for p in form["parameters"]}
        given["host"] = f"http://127.0.0.1:{server.port}"
        if "port" in given:
            given.update(host="127.0.0.1", port=str(server.port))
        provisions = [pyonep.Provision(**given)]
        if form["releases"] != "0.8.0":
            # There the sixth argument was another one than in all later releases.
            provisions.append(pyonep.Provision(*given.values()))
        for provision in provisions:
            assert provision.model_list("k").body == "acme"
            header = "X-Exosite-CIK" if given["manage_by_cik"] else "X-Exosite-Token"
            assert server.requests[-1][2][header] == "k"


@pytest.mark.parametrize(
    ("given", "host", "https"),
    [
        ({}, "m2.exosite.com:443", True),
        ({"port": "80"}, "m2.exosite.com:80", False),
        ({"port": 8080}, "m2.exosite.com:8080", False),
        ({"https": False}, "m2.exosite.com:80", False),
        ({"host": "http://m2.exosite.com"}, "m2.exosite.com:80", False),
        ({"host": "https://m2.exosite.com"}, "m2.exosite.com:443", True),
        ({"https": True, "port": 8443}, "m2.exosite.com:8443", True),
    ],
    ids=repr,
)
def test_provision_endpoint(given, host, https):
    http = pyonep.Provision(**given).onephttp
    assert (http.host, http.https) == (host, https)


DATASTORE = [
    (name.rsplit(".", 1)[1], form)
    for name, forms in SIGNATURES["methods"].items()
    if name.startswith("pyonep.datastore.Datastore.")
    for form in forms
]


@pytest.mark.parametrize(("method", "form"), DATASTORE, ids=[m for m, _ in DATASTORE])
def test_datastore_form(server, method, form):
    connection = {**server.connection, "timeout": 5}
    values = {"cik": CIK, "interval": 1, "config": {}, "transport": connection}
    values.update({"value": 1, "entries": [[1, 2]], "format": "float", "commentstr": "x"})
    names = [p[0] for p in form["parameters"]]
    given = {p[0]: values.get(p[0], p[0] if len(p) == 1 else p[1]) for p in form["parameters"]}
    assert list(given) == names
    if method == "__init__":
        for store in (Datastore(*given.values()), Datastore(**given)):
            assert store.write("x", 1) and store.flush(5)
            store.close()
        return
    store = Datastore(CIK, 1, transport=connection)
    getattr(store, method)(*given.values())
    getattr(store, method)(**given)
    store.close()


def test_datastore_dicts():
    for name in ("datastore_config", "transport_config"):
        old = SIGNATURES["module_constants"]["pyonep.datastore"][-1]["names"][name]
        assert set(old) <= set(getattr(datastore, name))


def test_both_names_of_one_argument_are_refused():
    with pytest.raises(TypeError, match="'cik' and 'auth'"):
        onep.OnepV1().info(cik=CIK, auth=CIK, rid=RID)


@pytest.mark.parametrize("cls", [onephttp.OnePHTTP, onephttp.OneP_Request])
def test_http_class_by_either_name(server, cls):
    http = cls(f"127.0.0.1:{server.port}", https=False, headers={"X-A": "1"})
    sent = '{"calls": [{"id": 7}]}'
    body, response = http.request("POST", "/x", sent, {"X-B": "2"})
    assert (response.status_code, response.reason) == (200, "OK")
    assert "R7" in body and response.json()[0]["id"] == 7
    assert http.getresponse() == (body, response)
    headers = server.requests[-1][2]
    assert (headers["X-A"], headers["X-B"]) == ("1", "2")


def test_subclass_hooks_of_an_early_release_are_used(server):
    class Old(onep.OnepV1):
        def _callJsonRPC(self, cik, callrequests, returnreq=False):
            self.seen = (cik, callrequests, returnreq)
            return super()._callJsonRPC(cik, callrequests, returnreq)

        def _getAuth(self, cik):
            return {"cik": cik, "extra": 1}

    o = Old(**server.connection)
    assert o.read(CIK, RID, {}) == (True, "R0")
    assert o.seen[1] == [{"id": 0, "procedure": "read", "arguments": [RID, {}]}]
    assert server.bodies()[-1]["auth"] == {"cik": CIK, "extra": 1}
    assert o._call(method="info", cik=CIK, arg=[RID], defer=False) == (True, "R1")


def test_names_of_the_package():
    for name in (
        "OnepV1",
        "DeferredRequests",
        "__version__",
        "exceptions",
        "onep",
        "provision",
        "Provision",
    ):
        assert hasattr(pyonep, name)
    from pyonep import onep_exceptions

    assert onep_exceptions is pyonep.exceptions
    assert importlib.import_module("pyonep.onep_exceptions") is pyonep.exceptions
    assert (onep.FORMATS.STRING, onep.FORMATS.FLOAT, onep.FORMATS.INTEGER) == (
        "string",
        "float",
        "integer",
    )
