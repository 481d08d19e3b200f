"""Who may do what on a platform, as a generated table, and what is right, apart from the code.

A row is a way of being someone, a state that somebody on the way is in, and something to do.
The rows come from the procedures, the permissions and the routes that there are; what a row
ought to give is told by `may` and `allowed`, which know a drawing of the tree and nothing of
the platform.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from sqlalchemy import delete

from pyonep.server.core import access, devices, fleet, lifecycle
from pyonep.server.core import procedures as table
from pyonep.server.core.access import PERMISSIONS
from pyonep.server.core.errors import BadArguments, Refused, Unauthorized
from pyonep.server.core.turns import at_once
from pyonep.server.fronts import rpc
from pyonep.server.fronts.app import App
from pyonep.server.fronts.provisioning import routes as provisioning
from pyonep.server.store import ROOT, schema

NOBODY = "f" * 40

# The tree, as drawn: name -> (parent, kind). `device` is the one that acts.
TREE = {
    "vendor": ("", "client"),
    "portal": ("vendor", "client"),
    "device": ("portal", "client"),
    "inner": ("device", "client"),
    "innermost": ("inner", "client"),
    "fresh": ("device", "client"),
    "port": ("device", "series"),
    "rule": ("device", "series"),
    "deep": ("inner", "series"),
    "lost": ("device", "series"),
    "given": ("device", "series"),
    "beside": ("portal", "series"),
    "cousin": ("portal", "client"),
    "stranger": ("", "client"),
    "foreign": ("stranger", "series"),
    "shared": ("stranger", "series"),
    "public": ("stranger", "series"),
    "released": ("stranger", "series"),
    "hidden": ("stranger", "series"),
    "offered": ("stranger", "series"),
    "theirs": ("stranger", "series"),
    "sunken": ("stranger", "series"),
    "vanished": ("stranger", "series"),
    "box": ("stranger", "client"),
    "third": ("", "client"),
    "guest": ("", "client"),
    "guests": ("guest", "client"),
    "heir": ("", "client"),
}
READABLE = ("shared", "public")  # by the device, besides its own
PUBLIC = ("public", "hidden", "vanished")  # when they are made
CODES = ("port", "shared", "offered", "theirs", "box")  # what has a share code
CLIENTS = [name for name, (_, kind) in TREE.items() if kind == "client"]

# What can happen to a client, and what it makes of it.
STATES = ("fine", "locked", "expired", "revoked", "waiting", "dropped", "moved")


class Draft:
    """The oracle's idea of the world: the drawing, and what happened."""

    def __init__(self):
        self.parents = {name: parent for name, (parent, _) in TREE.items()}
        self.parents.update(lost=None, given="stranger", sunken=None, vanished=None)
        self.keys = dict.fromkeys(CLIENTS, "good")
        self.keys["fresh"] = "bad"
        self.locked = set()

    def happen(self, state, name):
        if state == "locked":
            self.locked.add(name)
        elif state in ("expired", "revoked", "waiting"):
            self.keys[name] = "bad"
        elif state == "dropped":
            self.parents[name] = None
        elif state == "moved":
            self.parents[name] = "heir"

    def line(self, name):
        """A resource and all above it; ends with None when it is not in the tree."""
        found = [name]
        while found[-1]:
            found.append(self.parents[found[-1]])
        return found

    def within(self, name, top):
        return top in self.line(name)

    def there(self, name):
        return self.line(name)[-1] is not None


def may(draft, way):
    """``ok``, ``locked`` or ``401``: whether somebody may call at all."""
    holder, client = way.holder, way.client
    for name in (holder, *([client] if way.is_token else [])):
        if draft.keys[name] == "bad":
            return "401"
    if not draft.there(holder) or not draft.within(client, holder):
        return "401"
    return "locked" if {holder, client} & draft.locked else "ok"


# --- the world -------------------------------------------------------------


class World:
    """The drawing as resources of a platform, with vendors, models, shares and tokens."""

    number = 0

    def __init__(self, platform):
        World.number += 1
        self.platform = platform
        self.names = {name: f"{name}{World.number}" for name in ("vendor", "guest", "third")}
        self.rids, self.ids, self.codes = {}, {}, {}
        for name, (parent, kind) in TREE.items():
            owner = platform.unit.resources.by_id(self.ids[parent] if parent else ROOT)
            if kind == "client":
                node = devices.add_client(platform.unit, owner, name)
            else:
                given = {"format": "integer", "public": name in PUBLIC}
                if name == "rule":
                    given["rule"] = {"timeout": {"timeout": 0, "repeat": True}}
                node = lifecycle.create(
                    platform.unit, owner, "datarule" if name == "rule" else "dataport", given
                )
                platform.unit.series.put(node.id, 100, "7")
            self.ids[name], self.rids[name] = node.id, node.rid
        self._share()
        self._enrol()

    def node(self, name):
        return self.platform.unit.resources.by_id(self.ids[name])

    def key(self, name):
        """The key that a client had at first."""
        return self.keys[name]

    def _share(self):
        resources, rights = self.platform.unit.resources, self.platform.unit.rights
        access.renew_key(self.platform.unit, self.node("fresh"))
        self.keys = {name: self.node(name).cik for name in CLIENTS}
        for name in (*READABLE, "released", "hidden", "port", "given", "deep"):
            resources.map(self.ids["device"], name, self.ids[name])
        for name in (*CODES, "released", "sunken"):
            self.codes[name] = self.do({"cik": self.key_of_owner(name)}, "share", name)
        for name in ("shared", "released", "sunken"):
            self.do({"cik": self.key("device")}, "activate", "share", self.codes[name], raw=True)
        self.do({"cik": self.key("third")}, "activate", "share", self.codes["theirs"], raw=True)
        rights.remove_share(self.codes["released"])
        lifecycle.update(self.platform.unit, self.node("hidden"), {"public": False})
        for name in ("lost", "sunken", "vanished"):  # that somebody read until now, too
            lifecycle.drop(self.platform.unit, self.node(name))
        lifecycle.move(self.platform.unit, self.node("given"), self.node("stranger"), False)
        resources.unmap(self.ids["device"], "given")
        resources.map(self.ids["device"], "given", self.ids["given"])

    def key_of_owner(self, name):
        return self.key(TREE[name][0])

    def _enrol(self):
        """A model with serial numbers, content and groups, shared with the guest."""
        platform, devices = self.platform, self.platform.unit.devices
        self.tokens = {}
        for name in ("vendor", "guest", "third"):
            fleet.register(platform.unit, self.node(name), self.names[name])
            vendor = devices.vendor_of(self.ids[name])
            self.tokens[name] = fleet.add_token(platform.unit, vendor, "t")
        vendor, guest = (devices.vendor_of(self.ids[name]) for name in ("vendor", "guest"))
        devices.add_model(vendor.id, "m", "rid", self.rids["cousin"], "")
        model = devices.model(vendor.id, "m")
        devices.share_model(model.id, guest.id)
        devices.add_serials(model.id, [("sn", ""), ("free", ""), ("mine", "")])
        devices.set_client(devices.serial(model.id, "sn"), self.ids["device"], vendor.id)
        devices.set_client(devices.serial(model.id, "mine"), self.ids["guests"], guest.id)
        platform.unit.groups.add_group(model.id, "g", "")
        platform.unit.content.add(model.id, "c", "", False, platform.unit.now())
        platform.unit.content.add(model.id, "p", "", True, platform.unit.now())

    def happen(self, state, name):
        """Let something happen to a client."""
        node, platform = self.node(name), self.platform
        if state == "locked":
            lifecycle.update(platform.unit, node, {"locked": True})
        elif state == "expired":
            platform.unit.resources.set_key(node, node.cik, access.EXPIRED, None)
        elif state == "waiting":
            later = platform.unit.clock() + 1000
            platform.unit.resources.set_key(node, node.cik, access.NOT_ACTIVATED, later)
        elif state == "revoked":
            access.renew_key(platform.unit, node)
        elif state == "dropped":
            lifecycle.drop(platform.unit, node)
        elif state == "moved":
            lifecycle.move(platform.unit, node, self.node("heir"), False)

    def do(self, auth, procedure, *arguments, raw=False):
        """Call a procedure; names of the drawing stand for RIDs unless `raw`."""
        given = list(arguments) if raw else [self.rids.get(one, one) for one in arguments]
        caller = self.platform.authenticate(auth)
        return ran(self.platform.call(caller, procedure, given))

    def outcome(self, auth, procedure, arguments):
        """How a call ends, after which all it did is undone."""
        ended = []

        def attempt(_):
            try:
                result = self.do(auth, procedure, *arguments, raw=True)
                ended.append("ok")
                raise _Undo(result)
            except Unauthorized:
                ended.append("401")
            except BadArguments as error:
                raise AssertionError(f"{procedure}{arguments}: {error}") from error
            except Refused as refused:
                ended.append(rpc.status_of(refused))

        before = self.platform.database._driver.total_changes
        try:
            self.platform.work(attempt)
        except _Undo:
            pass
        else:
            assert self.platform.database._driver.total_changes == before, "refused, yet changed"
        return ended[0]


class _Undo(Exception):
    pass


def ran(result):
    """The result of a call, carried to its end."""
    if result.steps is not None:
        result = at_once(result.steps)
    assert result.wait is None, "a wait in the table is answered at once"
    return result.value


# --- ways of being someone -------------------------------------------------


class Way(NamedTuple):
    """How somebody becomes a client: by whose right, and what a token permits of it."""

    name: str
    holder: str
    client: str
    is_token: bool = False
    permits: tuple[tuple[str, tuple[str, ...]], ...] = ()


EVERYTHING = (("device", PERMISSIONS),)
WAYS = [
    Way("own key", "device", "device"),
    Way("client_id of the portal", "portal", "device"),
    Way("client_id of the vendor", "vendor", "device"),
    Way("resource_id", "vendor", "device"),
    Way("token of its own", "device", "device", True, EVERYTHING),
    Way("token of the portal", "portal", "device", True, EVERYTHING),
    Way("token made through client_id", "vendor", "device", True, EVERYTHING),
]


def tokens():
    """Ways by tokens with one permission, with reading here or there, and with all."""
    for word in PERMISSIONS:
        for top in ("device", "port", "inner"):
            yield Way("token", "device", "device", True, ((top, (word,)),))
        yield Way("token", "device", "device", True, (("device", (word, "read")),))
        for more in ("port", "inner"):
            both = (("device", (word,)), (more, ("read", word)))
            yield Way("token", "device", "device", True, both)


def auth_of(world, way):
    """The auth object of a request."""
    holder = {"cik": world.key(way.holder)}
    permits = {world.rids[top]: list(words) for top, words in way.permits}
    if way.name == "token made through client_id":
        auth = {**holder, "client_id": world.rids["device"]}
        return {"token": world.do(auth, "grant", {"alias": ""}, permits, raw=True)}
    if way.is_token:
        return {"token": world.do(holder, "grant", world.rids["device"], permits, raw=True)}
    if way.name == "resource_id":
        return {**holder, "resource_id": world.rids["port"]}
    if way.holder != way.client:
        return {**holder, "client_id": world.rids["device"]}
    return holder


# --- things to do ----------------------------------------------------------


class Deed(NamedTuple):
    """Something to do over the RPC API, and what is right about it.

    Attributes:
        procedure: What is called.
        arguments: ``(world, target)`` -> its arguments.
        right: The targets on which the device itself may do it.
        needs: ``target`` -> what a token needs to permit, as ``(resource, permission)``; None
            when no token will do.
        targets: What it is tried on.
    """

    procedure: str
    arguments: object
    right: frozenset[str]
    needs: object
    targets: tuple[str, ...] = tuple(TREE)


SELF, BELOW, FROM = "device", ("inner", "innermost", "fresh"), ("inner", "fresh")
SERIES = ("port", "rule", "deep")
OWN = frozenset((*BELOW, *SERIES))
ALL = OWN | {SELF}
MEETS = frozenset((SELF, *BELOW))
READS = frozenset((*SERIES, *READABLE))
LOOKS = ALL | set(READABLE)
FREE = {"format": "integer"}
HERE = {"alias": ""}


def _rid(world, target):
    return world.rids[target]


def _on(procedure, right, more=lambda world: [], word=None):
    """A procedure whose first argument is the target."""
    return Deed(
        procedure,
        lambda world, target: [_rid(world, target), *more(world)],
        frozenset(right),
        lambda target: [(target, word or procedure)],
    )


def _always(procedure, *arguments):
    return Deed(
        procedure,
        lambda world, target: list(arguments),
        ALL,
        lambda target: [(SELF, procedure)],
        (SELF,),
    )


def _keyed(procedure, right):
    def arguments(world, target):
        return ["client", world.keys.get(target, NOBODY)]

    def needs(target):
        return [(target, "revoke")] if procedure == "revoke" else None

    return Deed(procedure, arguments, frozenset(right), needs)


def _coded(procedure, right, needs=None):
    def arguments(world, target):
        return ["share", world.codes[target]]

    needed = needs or (lambda target: None)
    return Deed(procedure, arguments, frozenset(right), needed, CODES)


def _made(given):
    """Create something that names the target."""
    return lambda world, target: ["dataport", {**FREE, **given(_rid(world, target))}]


def _changed(given):
    return lambda world, target: [world.rids["port"], given(_rid(world, target))]


def _moves(target):
    """What a move of the target to the device needs."""
    needs = [(target, "move"), (SELF, "move")]
    if TREE[target][0] != SELF:
        needs += [(target, "read"), (SELF, "read"), ("no more at", SELF, target)]
    return needs


def _moves_to(target):
    needs = [("port", "move"), (target, "move")]
    if target != SELF:
        needs += [("port", "read"), (target, "read"), ("no more at", target, "port")]
    return needs


DEEDS = [
    _on("read", READS),
    _on("wait", READS, lambda _: [{"since": 1}]),
    _on("info", LOOKS),
    _on("write", SERIES, lambda _: [3]),
    _on("record", SERIES, lambda _: [[[50, 1]]]),
    _on("recordbatch", SERIES, lambda _: [[[50, 1]]], "record"),
    _on("flush", SERIES),
    Deed(
        "writegroup",
        lambda world, target: [[[world.rids["port"], 1], [_rid(world, target), 2]]],
        frozenset(SERIES),
        lambda target: [("port", "writegroup"), (target, "writegroup")],
    ),
    _on("update", OWN, lambda _: [{"name": "x"}]),
    Deed(
        "update",
        lambda world, target: [_rid(world, target), {"public": True}],
        OWN,
        lambda target: [(target, "update"), (target, "read")],
    ),
    Deed(
        "update",
        _changed(lambda rid: {"subscribe": rid}),
        LOOKS,
        lambda target: [("port", "update"), (target, "read")],
    ),
    Deed(
        "update",
        _changed(lambda rid: {"preprocess": [["add", rid]]}),
        frozenset(TREE),
        lambda target: [("port", "update"), (target, "read")],
    ),
    _on("drop", OWN),
    Deed("move", lambda world, target: [_rid(world, target), HERE], OWN, _moves),
    Deed(
        "move",
        lambda world, target: [world.rids["port"], _rid(world, target)],
        MEETS,
        _moves_to,
    ),
    _on("create", MEETS, lambda _: ["dataport", FREE]),
    Deed(
        "create",
        _made(lambda rid: {"subscribe": rid}),
        LOOKS,
        lambda target: [(SELF, "create"), (target, "read")],
    ),
    Deed(
        "create",
        _made(lambda rid: {"preprocess": [["gt", 1], ["add", rid]]}),
        frozenset(TREE),
        lambda target: [(SELF, "create"), (target, "read")],
    ),
    Deed(
        "create",
        lambda world, target: ["clone", {"rid": _rid(world, target)}],
        MEETS,
        lambda target: [(SELF, "create"), (target, "create"), (target, "read")],
    ),
    Deed(
        "create",
        lambda world, target: ["clone", {"code": world.codes[target]}],
        frozenset({"box"}),
        lambda target: [(SELF, "create"), (target, "read")],
        CODES,
    ),
    _on("listing", MEETS, lambda _: [["dataport"], {}]),
    _always("listing", ["dataport"]),
    _on("tag", ALL, lambda _: ["add", "x"])._replace(needs=lambda target: None),
    _on("comment", ALL, lambda _: ["public", "x"])._replace(needs=lambda target: None),
    _on("usage", MEETS, lambda _: ["dataport", 1, 2]),
    Deed(
        "map",
        lambda world, target: ["alias", _rid(world, target), "new"],
        LOOKS,
        lambda target: [(target, "map")],
    ),
    Deed(
        "map",
        lambda world, target: [_rid(world, target), "alias", HERE, "new"],
        MEETS,
        lambda target: [(target, "map")],
    ),
    _always("unmap", "alias", "port"),
    _on("unmap", MEETS, lambda _: ["alias", "port"]),
    _always("lookup", "alias", "port"),
    _on("lookup", MEETS, lambda _: ["alias", ""]),
    Deed(
        "lookup",
        lambda world, target: ["owner", _rid(world, target)],
        OWN,
        lambda target: [(target, "lookup"), (SELF, "lookup")],
    ),
    Deed(
        "lookup",
        lambda world, target: ["shared", world.codes[target]],
        frozenset(CODES),
        lambda target: [(SELF, "lookup")],
        CODES,
    ),
    _on("share", OWN),
    _keyed("activate", {"fresh"}),
    _keyed("deactivate", FROM),
    _keyed("revoke", FROM),
    _coded("activate", {"port", "offered", "box"}),
    _coded("deactivate", {"shared"}),
    _coded("revoke", {"port"}, lambda target: [(target, "revoke")]),
    _on("grant", MEETS, lambda world: [{world.rids[SELF]: []}])._replace(needs=lambda _: None),
    Deed(
        "grant",
        lambda world, target: [HERE, {_rid(world, target): ["read"]}],
        ALL,
        lambda target: None,
    ),
]


def allowed(draft, way, deed, target):
    """Whether a caller who may call may do this."""
    if target not in deed.right:
        return False
    if not way.is_token:
        return True
    needs = deed.needs(target)
    return needs is not None and all(_permits(draft, way, need) for need in needs)


def _words(draft, way, name):
    return {word for top, words in way.permits if draft.within(name, top) for word in words}


def _permits(draft, way, need):
    if need[0] == "no more at":
        return _words(draft, way, need[1]) <= _words(draft, way, need[2])
    name, word = need
    return word in _words(draft, way, name)


def rows():
    """All deeds on all that they are tried on."""
    known = set(table.names())
    return [(deed, target) for deed in DEEDS if deed.procedure in known for target in deed.targets]


def expected(draft, way, deed, target):
    """What a row gives: ``ok``, ``no``, ``locked`` or ``401``."""
    gate = may(draft, way)
    if gate != "ok":
        return gate
    return "ok" if allowed(draft, way, deed, target) else "no"


def told(status):
    """An outcome as `expected` words it."""
    return "no" if status in ("restricted", "noauth", "invalid") else status


# --- HTTP ------------------------------------------------------------------


def scope_of(method, path, headers):
    """What an application is told of a request."""
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }


def exchange(platform, method, path, headers=(), body=b"", meanwhile=None):
    """One HTTP request to the application itself; the status of its answer.

    `meanwhile` is called when half of the body has come.
    """
    sent = []
    half = len(body) // 2
    left = [body] if meanwhile is None else [body[half:], body[:half]]

    async def receive():
        if not left:
            await asyncio.Event().wait()  # the client stays
        if meanwhile is not None and len(left) == 1:
            platform.work(lambda _: meanwhile())
        piece = left.pop()
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    asyncio.run(App(platform)(scope_of(method, path, headers), receive, send))
    return sent[0]["status"]


DATA_ROUTES = [
    ("GET", "/onep:v1/stack/alias?port", b""),
    ("POST", "/onep:v1/stack/alias", b"port=1"),
    ("POST", "/onep:v1/stack/alias?port", b"port=1"),
    ("POST", "/onep:v1/stack/record", b"alias=port&50=1"),
    ("POST", "/onep:v1/stack/waitalias?port", b"timeout=1"),
    ("POST", "/onep:v1/stack/alias/port", b"50=1"),
]

FORM = b"id=c&type=sn&vendor=third&model=m&sn=sn&enable=true&rid=" + NOBODY.encode()


class Route(NamedTuple):
    """A provisioning route: how it is called, and who may."""

    method: str
    path: str
    family: str
    body: bytes
    type: str


def provisioning_routes():
    """Every route and method there is, from the routes' own table."""
    seconds = {"model": "sn", "content": "c", "group": "g", "share": "third"}
    for family, shapes in provisioning._ROUTES.items():
        for shape, route in shapes.items():
            parts = iter(("m", seconds.get(family[-1], "")))
            if family[-1] == "auth":
                parts = iter("t")
            names = [next(parts) if part else "" for part in (shape or "").split("/")]
            path = "/".join(["/provision", *family, *(names if shape is not None else ())])
            for method in route.methods:
                is_csv = method == "DELETE" or path.endswith("content/m/c")
                kind = "text/csv" if is_csv else "application/x-www-form-urlencoded"
                body = b"sn,x" if is_csv else FORM if method != "GET" else b""
                yield Route(method, path, "/".join(family), body, kind)
    for query in (
        "show=ranges",
        "show=groups",
        "show=log",
        "show=shared",
        "download=true",
        "sn=sn",
    ):
        for path in (
            "model/",
            "model/m/",
            "model/m/sn",
            "model/m/mine",
            "content/m/c",
            "group/m/g",
        ):
            family = "manage/" + path.partition("/")[0]
            yield Route("GET", f"/provision/manage/{path}?{query}", family, b"", "text/csv")


# Ways to call it: who, by key or token, and whether in the name of the vendor.
PROVISIONERS = [
    (who, by, named)
    for who in ("vendor", "guest", "third", "device", "nobody")
    for by in ("key", "token")
    for named in (False, True)
    if by == "key" or who in ("vendor", "guest", "third")
]


def provisioning_headers(world, who, by, named):
    headers = []
    if by == "token":
        headers.append(("X-Exosite-Token", world.tokens[who]))
    else:
        headers.append(("X-Exosite-CIK", world.keys.get(who, NOBODY)))
    if named:
        headers.append(("X-Exosite-Vendor", world.names["vendor"]))
    return headers


def provisioned(draft, route, who, by, named):
    """What a route gives: ``through``, or the set of codes that refuse it."""
    plain, _, query = route.path.partition("?")
    if route.family == "activate":
        return "through"
    if who == "nobody" or not draft.there(who) or draft.keys[who] == "bad":
        return {401}
    if by == "token" and (route.family in ("download", "admin/auth")):
        return {401}
    if by == "token" and route.family == "register" and route.method == "POST":
        return {403} if who in draft.locked else {401}
    if who in draft.locked:
        return {403}
    if route.family == "register":
        return "through"
    if route.family == "download":
        return {400}  # no query here; the downloads are tried apart
    if who == "device":
        return {403}
    if named and who != "vendor":
        if who == "third" or "vendor" in draft.locked or draft.keys["vendor"] == "bad":
            return {403}
        if not draft.there("vendor"):
            return {403}
        return _for_guests(route, plain, query)
    if who != "vendor" and "/m" in plain.partition("manage/")[2].replace("model", "", 1):
        return {400, 403, 404}  # a model of that name it has not
    return "through"


def _for_guests(route, plain, query):
    """What a vendor may do with a model that is shared with it."""
    if route.family != "manage/model":
        return {403}
    if plain.endswith("/m/"):
        return "through" if route.method == "GET" and not query.startswith("show") else {403}
    if plain.endswith("/m/mine"):
        return "through" if query in ("show=log", "download=true", "sn=sn") else {403}
    if plain.endswith("/m/sn"):  # the vendor's own
        if route.method == "DELETE" or query.startswith(
            ("show=groups", "show=ranges", "show=shared")
        ):
            return {403}
        return {404}
    return {403}


def delete_makers():
    """A statement that forgets who made the tokens, as files of earlier releases do not know."""
    return delete(schema.grant_makers)
