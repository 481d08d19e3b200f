"""What programs that are built on this library use of it, beyond its methods.

One of them, a command line client for the whole platform, knew many of its private names;
the second half of this file makes the calls that its commands made.
"""

from __future__ import annotations

import ast
import json
from urllib.parse import parse_qs

import pytest
from servers import Recorder

import pyonep
from pyonep import onep, provision
from pyonep.exceptions import ProvisionException

KEY = "c" * 40
PATH = "/provision/manage/model/m/"


@pytest.fixture
def recorder():
    with Recorder(lambda _: (200, {"Content-Type": "text/plain"}, b"BODY")) as server:
        yield server


def sent(recorder, *args, **options):
    """Call `_request`; return what arrived."""
    pyonep.Provision(**recorder.connection, **options)._request(*args)
    ((method, path, headers, body),) = recorder.requests
    return method, path, headers, body


# --- names ---


def test_a_get_puts_its_data_behind_the_path(recorder):
    """AMD-041"""
    method, path, headers, body = sent(recorder, PATH, KEY, "offset=1&limit=5", "GET", True)
    assert (method, path, body) == ("GET", PATH + "?offset=1&limit=5", b"")
    assert headers["X-Exosite-CIK"] == KEY and "Content-Type" not in headers


def test_a_get_without_data(recorder):
    """AMD-041"""
    method, path, headers, _ = sent(recorder, PATH + "?show=ranges", KEY, "", "GET", False)
    assert (method, path, headers["X-Exosite-Token"]) == ("GET", PATH + "?show=ranges", KEY)
    assert "X-Exosite-CIK" not in headers


@pytest.mark.parametrize(
    ("method", "content_type"),
    [
        ("POST", "application/x-www-form-urlencoded; charset=utf-8"),
        ("PUT", None),
        ("DELETE", None),
    ],
)
def test_other_methods_send_their_data_as_the_body(recorder, method, content_type):
    """AMD-041, AMD-044"""
    got, path, headers, body = sent(recorder, PATH, KEY, "a=1&b=2", method, True)
    assert (got, path, body) == (method, PATH, b"a=1&b=2")
    assert headers["Content-Type"] == content_type


@pytest.mark.parametrize("name", ["Content-Type", "content-type", "CONTENT-TYPE"])
def test_headers_of_the_caller_win(recorder, name):
    """AMD-041"""
    extra = {name: "text/csv; charset=utf-8", "Accept": "*", "X-Exosite-CIK": "other"}
    _, _, headers, _ = sent(recorder, PATH, KEY, "sn1,blue", "POST", True, extra)
    assert headers.get_all("Content-Type") == ["text/csv; charset=utf-8"]
    assert headers.get_all("Accept") == ["*"]
    assert headers.get_all("X-Exosite-CIK") == ["other"]


def test_the_arguments_have_the_names_they_had(recorder):
    """AMD-041"""
    o = pyonep.Provision(**recorder.connection)
    response = o._request(
        path=PATH, key=KEY, data="x", method="GET", key_is_cik=False, extra_headers={"Accept": "*"}
    )
    assert isinstance(response, provision.ProvisionResponse)
    assert (response.body, response.status(), response.isok) == ("BODY", 200, True)


@pytest.mark.parametrize("raises", [False, True])
def test_a_refusal(platform, raises):
    """AMD-041"""
    o = pyonep.Provision(**platform.connection, raise_api_exceptions=raises)
    if not raises:
        assert o._request(PATH, KEY, "", "GET", True).status == 401
        return
    with pytest.raises(ProvisionException, match="401") as caught:
        o._request(PATH, KEY, "", "GET", True)
    assert caught.value.response.status() == 401


def test_names_that_other_programs_import():
    """AMD-042"""
    paths = {name: getattr(provision, name) for name in dir(provision) if name.startswith("PROV")}
    assert paths == {
        "PROVISION_BASE": "/provision",
        "PROVISION_ACTIVATE": "/provision/activate",
        "PROVISION_DOWNLOAD": "/provision/download",
        "PROVISION_MANAGE": "/provision/manage",
        "PROVISION_MANAGE_CONTENT": "/provision/manage/content/",
        "PROVISION_MANAGE_MODEL": "/provision/manage/model/",
        "PROVISION_REGISTER": "/provision/register",
    }
    o = pyonep.Provision()
    assert o._onephttp is o.onephttp
    assert o._filter_options() == []
    assert o._filter_options(False, True, False) == ["noaliases", "nohistorical"]
    assert o._filter_options(aliases=True, comments=False, historical=True) == ["nocomments"]


# --- the calls of a command line client ---


class Client(onep.OnepV1):
    """It measured its calls, and brought a procedure back that had gone."""

    def _callJsonRPC(self, cik, callrequests, returnreq=False):
        self.seen = [call["procedure"] for call in callrequests]
        return onep.OnepV1._callJsonRPC(self, cik, callrequests, returnreq)

    def comment(self, cik, rid, visibility, comment, defer=False):
        return self._call("comment", cik, [rid, visibility, comment], defer)


class Commands:
    """What its commands were made of: one call, or several that were deferred."""

    def __init__(self, platform):
        self.o = Client(
            host=platform.host,
            port=str(platform.port),
            httptimeout="60",
            https=False,
            agent="Client 0.9",
            reuseconnection=True,
            logrequests=True,
        )

    def one(self, cik, name, *args, **kwargs):
        isok, response = getattr(self.o, name)(cik, *args, **kwargs)
        assert isok, response
        return response

    def many(self, cik, *calls):
        assert not self.o.has_deferred(cik)
        for name, *args in calls:
            getattr(self.o, name)(cik, *args, defer=True)
        assert self.o.has_deferred(cik)
        answers = []
        for call, isok, response in self.o.send_deferred(cik):
            assert isok, (call, response)
            answers.append(response)
        return answers

    def client(self, cik, name, alias=None):
        limits = "client dataport datarule disk dispatch email email_bucket http http_bucket"
        limits += " share sms sms_bucket xmpp xmpp_bucket"
        desc = {"limits": dict.fromkeys(limits.split(), "inherit"), "writeinterval": "inherit"}
        rid = self.one(cik, "create", "client", {**desc, "name": name})
        if alias:
            self.one(cik, "map", rid, alias)
        return rid, self.one(cik, "info", rid, {"key": True})["key"]

    def dataport(self, cik, alias, format="float"):
        retention = {"count": "infinity", "duration": "infinity"}
        desc = {"format": format, "retention": retention, "name": alias}
        rid = self.one(cik, "create", "dataport", desc)
        self.one(cik, "map", rid, alias)
        return rid

    def tree(self, cik, rid=None):
        """Everything about a client and all below it."""
        mine = rid is None
        if mine:
            (rid,) = self.many(cik, ["lookup", "aliased", ""])
        (info,) = self.many(cik, ["info", rid, {}])
        below = {}
        if info["basic"]["type"] == "client":
            cik = cik if mine else info["key"]
            (below,) = self.many(cik, ["listing", list(TYPES), {}])
        info["children"] = [self.tree(cik, one) for kind in TYPES for one in below.get(kind, [])]
        return {"rid": rid, "info": info}

    def copy(self, cik, tree):
        """Make what a tree says below a client."""
        info = tree["info"]
        kind = info["basic"]["type"]
        rid = self.one(cik, "create", kind, info["description"])
        if info.get("comments"):
            self.many(cik, *(["comment", rid, *one] for one in info["comments"]))
        if kind != "client":
            return rid, None
        key = self.one(cik, "info", rid, {})["key"]
        maps = []
        for child in info["children"]:
            made, _ = self.copy(key, child)
            aliases = info["aliases"].get(child["rid"], []) if info["aliases"] else []
            maps += [["map", made, alias] for alias in aliases]
        if maps:
            self.many(key, *maps)
        return rid, key


TYPES = ("client", "dataport", "datarule", "dispatch")
RULE = {
    "format": "string",
    "name": "gps.lua",
    "preprocess": [],
    "rule": {"script": "debug('running')"},
    "visibility": "parent",
    "retention": {"count": "infinity", "duration": "infinity"},
}
# What `info` was asked for where not everything was wanted.
PARTS = ["aliases", "basic", "counts", "description", "key", "shares", "subscribers", "tags"]


@pytest.fixture
def cli(platform):
    commands = Commands(platform)
    yield commands
    commands.o.close()


def test_commands_for_series(cli, cik):
    """AMD-040 (text), AMD-003"""
    rid, words = cli.dataport(cik, "temp"), cli.dataport(cik, "words", "string")
    assert cli.one(cik, "write", rid, "21.5") == "ok"  # values of a command line are text
    assert cli.one(cik, "write", {"alias": "words"}, "a,b") == "ok"
    assert cli.one(cik, "record", rid, [[-20, "1"], [-10, "2"]], {}) == "ok"
    assert cli.one(cik, "record", rid, [[1_300_000_000, "3"]], {}) == "ok"
    options = {"limit": 10, "sort": "asc", "selection": "all", "starttime": 0}
    one, other = cli.many(cik, ["read", rid, options], ["read", {"alias": "words"}, options])
    assert [value for _, value in one] == [3.0, 1.0, 2.0, 21.5] and other[0][1] == "a,b"
    assert cli.one(cik, "read", rid, {"limit": 1, "sort": "desc", "selection": "all"}) == one[-1:]
    metrics = [*TYPES, "email", "http", "sms", "xmpp"]
    used = cli.many(cik, *(["usage", {"alias": ""}, one, 1_300_000_000, None] for one in metrics))
    assert len(used) == len(metrics) and all(isinstance(one, int) for one in used)
    cli.many(cik, ["flush", rid, {"newerthan": 1_300_000_000}], ["flush", words])
    assert cli.one(cik, "read", rid, options) == [[1_300_000_000, 3.0]]
    assert cli.o.seen == ["read"]


def test_commands_for_resources(cli, cik):
    rid = cli.dataport(cik, "temp")
    below, key = cli.client(cik, "below", "below")
    me = cli.one(cik, "lookup", "alias", "")
    assert cli.one(cik, "lookup", "alias", "temp") == rid
    assert cli.one(cik, "lookup", "owner", rid) == me
    listing = cli.one(cik, "listing", list(TYPES), {"owned": True})
    assert (listing["dataport"], listing["client"]) == ([rid], [below])
    assert cli.one(cik, "listing", ["dataport"], {"aliased": True, "public": True})
    keys = cli.many(cik, *(["info", one, {"key": True}] for one in listing["client"]))
    assert [one["key"] for one in keys] == [key]
    found, info = cli.many(
        cik, ["lookup", "alias", ""], ["info", {"alias": ""}, dict.fromkeys(PARTS, True)]
    )
    assert found == me and info["aliases"][rid] == ["temp"]
    info, values = cli.many(
        cik,
        ["info", {"alias": "temp"}, {"description": True, "basic": True}],
        ["read", {"alias": "temp"}, {"limit": 1}],
    )
    assert (info["basic"]["type"], values) == ("dataport", [])
    # A description that came goes back as it is, with one thing changed.
    unit = json.dumps({"datasource": {"description": "", "unit": "C"}})
    assert cli.one(cik, "update", {"alias": "temp"}, {**info["description"], "meta": unit}) == "ok"
    assert cli.one(cik, "info", rid, {"description": True})["description"]["meta"] == unit
    assert cli.one(cik, "unmap", "temp") == "ok"
    everything = cli.one(cik, "listing", types=list(TYPES), options={})
    cli.many(cik, *(["drop", one] for kind in everything for one in everything[kind]))
    assert not any(cli.one(cik, "listing", list(TYPES), {}).values())


def test_commands_for_scripts(cli, cik):
    rid = cli.one(cik, "create", "datarule", RULE)
    assert cli.one(cik, "map", rid, "gps.lua") == "ok"
    changed = {**RULE, "rule": {"script": "debug('changed')"}}
    assert cli.one(cik, "update", rid, changed) == "ok"
    info = cli.one(cik, "info", rid, {"description": True})
    assert info["description"]["rule"]["script"] == "debug('changed')"


def test_commands_for_shares_and_keys(cli, platform, cik):
    rid = cli.dataport(cik, "temp")
    other, _ = platform.device()
    code = cli.one(cik, "share", rid, {"meta": "first"})
    assert cli.one(cik, "lookup", "shared", code) == rid
    assert cli.one(other, "activate", "share", code) == "ok"
    assert cli.one(other, "listing", ["dataport"], {"activated": True})["dataport"] == [rid]
    assert cli.one(other, "deactivate", "share", code) == "ok"
    assert cli.one(cik, "revoke", "share", code) == "ok"
    below, key = cli.client(cik, "below")
    assert cli.one(cik, "deactivate", "client", key) == "ok"
    cli.one(cik, "revoke", "client", key)
    key = cli.one(cik, "info", below, {"key": True})["key"]
    assert cli.one(cik, "activate", "client", key) == "ok"
    assert cli.one(key, "info", {"alias": ""}, {"basic": True})


@pytest.mark.parametrize("by", ["rid", "code"])
def test_clone(cli, cik, by):
    below, key = cli.client(cik, "below")
    rid = cli.dataport(key, "temp")
    cli.one(key, "write", rid, "1.5")
    source = {"rid": below} if by == "rid" else {"code": cli.one(cik, "share", below, {})}
    given = {**source, "noaliases": False, "nohistorical": True}
    made = cli.one(cik, "create", "clone", given)
    info = cli.one(cik, "info", made, {"basic": True, "key": True})
    assert info["basic"]["type"] == "client"
    assert cli.one(cik, "activate", "client", info["key"]) == "ok"
    assert cli.one(info["key"], "read", {"alias": "temp"}, {}) == []


def test_copy_and_diff(cli, cik):
    """AMD-001, AMD-007"""
    _, key = cli.client(cik, "source")
    rid = cli.dataport(key, "temp")
    cli.dataport(key, "words", "string")
    assert cli.one(key, "comment", rid, "public", '{"unit": "C"}') == "ok"
    _, inner_key = cli.client(key, "inner", "inner")
    cli.dataport(inner_key, "level", "integer")
    cli.one(key, "map", cli.one(key, "create", "datarule", RULE), "gps.lua")
    mail = {"method": "email", "recipient": "a@example.org", "message": "m", "subject": "s"}
    cli.one(key, "create", "dispatch", {**mail, "name": "mail", "retention": RULE["retention"]})
    tree = cli.tree(key)
    limits = cli.one(cik, "info", {"alias": ""}, {"description": True, "counts": True})
    assert set(TYPES) <= limits["description"]["limits"].keys() & limits["counts"].keys()
    _, copied = cli.copy(cik, tree)

    def shape(tree):
        info = tree["info"]
        aliases = info.get("aliases") or []  # of what has children: {rid: [alias, ...], ...}
        if isinstance(aliases, dict):
            aliases = [alias for one in aliases.values() for alias in one]
        children = sorted(map(shape, info["children"]), key=str)
        comments = info.get("comments") or []
        return (
            info["basic"]["type"],
            info["description"]["name"],
            sorted(aliases),
            comments,
            children,
        )

    assert shape(cli.tree(copied)) == shape(tree)
    assert shape(tree)[2] == ["gps.lua", "inner", "temp", "words"]


def test_a_key_that_is_refused_and_the_log_of_requests(cli, cik):
    """AMD-043"""
    with pytest.raises(pyonep.exceptions.OnePlatformException) as caught:
        cli.o.listing("0" * 40, ["client"], {})
    assert ast.literal_eval(str(caught.value))["code"] == 401
    cli.many(cik, ["listing", ["client"], {}])
    calls = [call["procedure"] for one in cli.o.loggedrequests() for call in one["calls"]]
    assert calls == ["listing", "listing"]


def test_commands_for_provisioning(monkeypatch, platform, cli, tmp_path):
    """AMD-041"""
    monkeypatch.setenv("PYONEP_ENDPOINT", platform.endpoint)
    vendor = platform.vendor("commands")
    token, portal = vendor.token, vendor.portal_cik
    pop = pyonep.provision.Provision(
        manage_by_cik=False,
        port="443",
        verbose=True,
        https=True,
        raise_api_exceptions=True,
        curldebug=False,
    )
    template, _ = cli.client(portal, "template")
    portal_rid = cli.one(portal, "lookup", "alias", "")
    made = pop.model_create(token, "m", template, aliases=True, comments=False, historical=not True)
    assert made.isok and pop.model_list(token).body.splitlines() == ["m"]
    form = parse_qs(pop.model_info(token, "m").body)
    assert form == {"rid": [template], "options[]": ["nocomments", "nohistorical"]}
    here = "/provision/manage/model/m/"

    # serial numbers: by list, by file, by range
    assert pop.serialnumber_add_batch(token, "m", ["s1", "s2"]).isok
    csv = {"Content-Type": "text/csv; charset=utf-8"}
    assert pop._request(here, token, "s3,blue\ns4,red\n", "POST", False, csv).isok
    lines = pop.serialnumber_list(token, "m", "0", "1000").body.splitlines()
    assert [line.split(",")[0] for line in lines] == ["s1", "s2", "s3", "s4"]
    assert pop._request(here, token, "s4\n", "DELETE", False, csv).isok
    assert pop.serialnumber_remove_batch(token, "m", ["s2"]).isok
    assert pop.serialnumber_info(token, "m", "s1").status() == 204
    kind = {"Content-Type": "application/javascript; charset=utf-8"}
    text = json.dumps(
        {"ranges": [{"format": "base10", "length": None, "casing": None, "first": 10, "last": 20}]}
    )
    for method, left in (("POST", 1), ("DELETE", 0)):
        assert pop._request(here, token, text, method, False, kind).isok
        ranges = pop._request(here + "?show=ranges", token, "", "GET", False, {"Accept": "*"})
        shown = json.loads(ranges.body or "[]")
        assert len(shown["ranges"] if isinstance(shown, dict) else shown) == left

    # the life of a device
    rid = pop.serialnumber_enable(token, "m", "s1", portal_rid).body
    meta = json.dumps({"device": {"type": "vendor", "model": "m", "vendor": "commands"}})
    cli.one(portal, "update", rid, {"meta": meta})
    cik = pop.serialnumber_activate("m", "s1", "commands").body
    assert cli.one(cik, "info", {"alias": ""}, {"description": True})["description"]["meta"] == meta
    log = pop._request(here + "s1?show=log", token, "", "GET", False)
    assert log.isok and log.body
    assert pop.serialnumber_info(token, "m", "s1").body.split(",")[0] == "activated"
    assert pop.serialnumber_remap(token, "m", "s3", "s1").isok
    assert pop.serialnumber_disable(token, "m", "s3").isok
    assert pop.serialnumber_reenable(token, "m", "s3").isok
    with pytest.raises(ProvisionException) as caught:
        pop.serialnumber_info(token, "m", "nobody")
    assert caught.value.response.status() == 404

    # content
    with pytest.raises(ProvisionException) as caught:
        pop.content_info(token, "m", "fw")
    assert caught.value.response.status() == 404
    pop.content_create(token, "m", "fw", "")
    assert pop.content_upload(token, "m", "fw", "text of it", None).isok
    assert pop.content_upload(token, "m", "fw", "text of it", "text/plain").isok
    assert pop.content_list(token, "m").body.splitlines() == ["fw"]
    assert pop.content_info(token, "m", "fw").body.strip().split(",")[:2] == ["text/plain", "10"]
    path = provision.PROVISION_MANAGE_CONTENT + "m/fw?download=true"
    assert pop._request(path, token, "", "GET", False, {"Accept": "*"}).body == "text of it"
    assert pop.content_remove(token, "m", "fw").isok
    assert pop.model_remove(token, "m").isok
