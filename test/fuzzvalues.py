"""What nobody thought of, as hypothesis draws it: templates for `fuzzing`."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from pyonep.server.core import descriptions, procedures
from pyonep.server.fronts import data
from pyonep.server.fronts.provisioning import routes as provisioning

# --- values, as JSON -------------------------------------------------------

NUMBERS = [
    *("0", "1", "-1", "3", "0.5", "-0.0", "1e-400", "5e-324", "1.5e3", "86400"),
    *("2147483648", "9007199254740993", "253402300800", "2305843009213693953"),
    *("4611686018427387904", "9223372036854775807", "9223372036854775808"),
    *("-9223372036854775809", "-62135596801", "-4611686018427387905", "4611686018427387905"),
    *("1e18", "1e19", "1e308", "-1e308", "1e999", "-1E+400", "1e22"),
    *("<<9*300>>", "-<<9*300>>", "<<9*999>>", "<<9*5000>>", "<<9*400>>.5", "0.<<9*5000>>"),
]
HOLES = [
    *("<<rid>>", "<<plain>>", "<<int>>", "<<text>>", "<<sum>>", "<<simple>>", "<<count>>"),
    *("<<mail>>", "<<child>>", "<<share>>", "<<key>>", "<<cik>>", "<<portal>>", "<<made>>"),
]
TEXTS = [
    *("", "x", "\\u0000", "a\\u0000b", "\\ud800", "\\udc00\\ud800", "\\ud83d\\ude00", "\\u2028"),
    *("\\u007f", "\\r\\n", "%00", "%s", "{}", "'\\\"", "<<x*2000>>", "<<x*21000>>", "<<0*40>>"),
    *("<<9*300>>", "<<9*399>>", "<<9*5000>>", "1e999", "-1", "0x10", "nan", "inf", "1_0"),
    *("true", "\\u0661", "<<\\ud83d\\ude00*1024>>"),
]
KEYS = [
    *("alias", "limit", "sort", "selection", "starttime", "endtime", "since", "newerthan"),
    *("olderthan", "rid", "code", "meta", "ttl", "noaliases", "nohistorical", "key", "basic"),
    *("description", "storage", "tags", "comments", "shares", "usage", "counts", "subscribers"),
]
WORDS = [
    *("alias", "aliased", "owner", "shared", "client", "share", "clone", "add", "remove"),
    *("asc", "desc", "all", "givenwindow", "autowindow", "private", "public", "infinity"),
    *("inherit", "dataport", "datarule", "dispatch", "plain", "read", "write", "info"),
]


def words_of(text, *more):
    """One of the words of a text, or of what has spaces in it."""
    return st.sampled_from([*text.split(), *more])


def quoted(texts):
    return [f'"{text}"' for text in texts]


numbers = st.sampled_from(NUMBERS) | st.integers().map(str) | st.floats().map(json.dumps)
texts = st.sampled_from(quoted(TEXTS)) | st.text(max_size=20).map(json.dumps)
words = st.sampled_from(quoted(WORDS))
holes = st.sampled_from(quoted(HOLES))
aliases = st.sampled_from(["plain", "int", "text", "simple", "child", "none", "\\ud800", "", "new"])
resources = st.one_of(holes, aliases.map('{{"alias": "{}"}}'.format))
scalars = st.sampled_from(["null", "true", "false"]) | numbers | texts | words | holes


def as_object(pairs):
    return "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"


def as_list(values):
    return "[" + ", ".join(values) + "]"


def objects(keys, inner, most=4):
    key = st.sampled_from(quoted(keys)) | texts.filter(lambda text: len(text) < 30)
    return st.lists(st.tuples(key, inner), max_size=most).map(as_object)


def lists(inner, most=4):
    return st.lists(inner, max_size=most).map(as_list)


values = st.recursive(
    scalars, lambda inner: lists(inner) | objects(KEYS, inner) | resources, max_leaves=8
)
anything = resources | values | lists(lists(numbers | values, 2)) | objects(KEYS, scalars)


# --- calls -----------------------------------------------------------------


def call(procedure, arguments, number="1"):
    """A call as JSON; an argument is JSON too."""
    return f'{{"id": {number}, "procedure": "{procedure}", "arguments": [{arguments}]}}'


_procedures = st.sampled_from(procedures.names())


@st.composite
def calls(draw, procedure=_procedures, resource=resources):
    """One call with whatever arguments."""
    name = draw(procedure)
    arguments = draw(st.lists(resource, max_size=1)) + draw(st.lists(anything, max_size=3))
    if name == "wait":  # for a moment only, however long it is asked to
        since = draw(st.none() | numbers)
        timeout = draw(st.sampled_from(["0", "1", "0.5", "-1", "5e-324", '"x"', "1e999"]))
        options = {'"timeout"': timeout, **({} if since is None else {'"since"': since})}
        arguments[1:] = [as_object(options.items())]
    number = draw(st.just("1") | numbers | texts | st.sampled_from(["null", "[]", "true"]))
    return call(name, ", ".join(arguments), number)


# --- descriptions ----------------------------------------------------------

_FITTING = {
    "format": st.sampled_from(quoted(descriptions.FORMATS)),
    "retention": objects(["count", "duration"], numbers | st.just('"infinity"'), 2),
    "preprocess": lists(
        st.tuples(
            st.sampled_from(quoted((*descriptions.ARITHMETIC, *descriptions.COMPARISONS, "value"))),
            numbers | texts | holes,
        ).map(as_list),
    ),
    "subscribe": holes,
    "limits": objects(descriptions.LIMITS, numbers | st.just('"inherit"')),
    "method": st.sampled_from(quoted(descriptions.METHODS)),
    "recipient": st.just('"a@example.com"') | texts,
    "visibility": values,
    "name": texts,
    "meta": texts,
    "public": st.sampled_from(["true", "false"]),
    "locked": st.sampled_from(["false", "true"]),
    "message": texts,
}
_PARAMETERS = {
    "comparison": st.sampled_from(quoted(descriptions.COMPARISONS)),
    "constant": numbers | texts,
    "timeout": numbers,
    "count": numbers,
    "repeat": st.sampled_from(["true", "false"]),
}
_OF_KIND = {
    "client": ("limits", "name", "meta", "public", "locked", "visibility"),
    "dataport": ("format", "retention", "preprocess", "subscribe", "name", "meta", "visibility"),
    "datarule": ("format", "retention", "preprocess", "subscribe", "rule", "meta"),
    "dispatch": ("method", "recipient", "message", "retention", "preprocess", "subscribe"),
}
_NEEDED = ("format", "rule", "method", "recipient")


@st.composite
def rules(draw):
    kind = draw(st.sampled_from(list(descriptions.RULES)))
    given = [(f'"{name}"', draw(_PARAMETERS[name])) for name in descriptions.RULES[kind]]
    return f'{{"{kind}": {as_object(given)}}}'


@st.composite
def resources_to_make(draw):
    """A kind and a description, nearly every one of which fits."""
    kind = draw(st.sampled_from([*descriptions.KINDS, "dataport", "datarule"]))
    pairs = []
    for name in _OF_KIND[kind]:
        if name in _NEEDED or draw(st.booleans()):
            value = rules() if name == "rule" else _FITTING[name]
            pairs.append((f'"{name}"', draw(value)))
    if draw(st.sampled_from([False, False, False, True])):
        pairs.append(draw(st.tuples(texts, values)))
    return f'"{kind}", {as_object(pairs)}'


# --- requests --------------------------------------------------------------

_NAMES = {
    "auth": ("first",),
    "model": ("<<model>>", "<<sn>>"),
    "content": ("<<model>>", "blob"),
    "group": ("<<model>>", "group"),
    "share": ("<<model>>", "<<vendor>>"),
}


def _targets():
    """Every route there is, with its methods: read from the tables of the fronts."""
    for path, methods in data._STACK.items():
        yield f"/onep:v1/stack/{path}", set(methods)
    yield "/onep:v1/stack/alias/plain", {"POST"}
    for path, methods in data._UTILITIES.items():
        yield f"/{path}", set(methods)
    for family, shapes in provisioning._ROUTES.items():
        names = iter(_NAMES.get(family[-1], ()))
        for shape, route in shapes.items():
            names = iter(_NAMES.get(family[-1], ()))
            path = "/".join(
                next(names) if part == "*" else part for part in (shape or "").split("/")
            )
            rest = "" if shape is None else f"/{path}"
            yield f"/provision/{'/'.join(family)}{rest}", set(route.methods)
    for path in ("/health", "/admin/devices", "/admin/vendors", "/api:v1/rpc/process", "/", "*"):
        yield path, {"GET" if path == "/health" else "POST"}


ROUTES = dict(_targets())
METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"]

# Characters stand for bytes here.
_digits = words_of(
    "0 1 5 -1 +1 1_0 1.5 1e3 \u00b2 <<9*18>> <<9*19>> 9223372036854775807 "
    "9223372036854775808 <<9*400>> <<9*5000>> <<0*5000>>1 x",
    " 1",
)
_moments = st.sampled_from(["0", "1", "<<0*5000>>1", "-1", "1.5", "x", "", "\u00b2"])
_latin = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=20)
_line = _latin.map(lambda text: text.replace("\x7f", "")) | st.sampled_from(["", "<<x*30000>>"])
_coded = words_of(
    "%00 %ED%A0%80 %FF % %2 %zz %F0%9F%98%80 %E2%80%A8 %C2%B2 a%2Fb .. a+b %25 "
    "<<x*2000>> <<9*5000>> true x <<sn>> <<model>> []",
    "",
)
_field = words_of(
    "offset limit show sn id type download info vendor model meta delete enable "
    "disable owner oldsn extra expire rid code options alias plain int text sum mail "
    "sn[] options[] protected status"
)
_said = st.sampled_from(
    ["true", "groups", "log", "ranges", "shared", "blob", "<<portal>>", "<<rid>>"]
)
_dates = words_of(
    "0 1 x , ::",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 94 08:49:37 -0000",
    "1 2 3 4 5",
)
pairs = st.lists(st.tuples(_field | _coded | _digits, _digits | _coded | _said), max_size=4).map(
    lambda found: "&".join(f"{name}={value}" for name, value in found)
)
_timeouts = _moments.map("timeout={}".format)
_rows = st.lists(
    st.lists(
        _digits
        | st.sampled_from(
            ["SN-1", "sn", "x", '"', '""', '"a', "\x00", "\xff", "\r", "<<x*200000>>"]
        ),
        max_size=4,
    ).map(",".join),
    max_size=4,
).map("\r\n".join)
_range = st.tuples(
    st.sampled_from(['"base10"', '"base16"', '"mac:48"', '"\\ud800"', "[]", "1e999"]),
    *(numbers for _ in range(3)),
).map(
    lambda it: '{"ranges": [{"format": %s, "first": %s, "last": %s, "length": %s}]}' % it  # noqa: UP031
)
_json = _range | objects(["ranges", "name", "cik", "token", "platform"], values)

CREDENTIALS = {
    "X-Exosite-CIK": st.sampled_from(["<<cik>>", "<<vcik>>", "<<made>>", "<<key>>", "\xff", ""]),
    "X-Exosite-Token": st.sampled_from(["<<token>>", "\xff", "<<0*40>>"]),
    "X-Admin-Key": st.sampled_from(["<<admin>>", "\xff"]),
    "X-Exosite-Vendor": st.sampled_from(["<<vendor>>", "\xff", "x"]),
}
_HEADERS = {
    "Request-Timeout": _moments,
    "If-Modified-Since": _dates | _digits | _line,
    "If-Not-Modified-Since": _dates,
    "Range": st.tuples(_digits | st.just(""), _digits | st.just("")).map(
        "bytes={0[0]}-{0[1]}".format
    )
    | _line,
    "Expect": st.sampled_from(["100-continue", "x"]),
    "Upgrade": st.sampled_from(["h2c", "websocket", "x"]),
    "Connection": st.sampled_from(["close", "keep-alive", "Upgrade", "x, Upgrade", "\xff"]),
    "Content-Type": _line,
    "Accept-Encoding": _line,
    "Host": st.sampled_from(["localhost", "\xff", "[::1]:99999999999", "<<x*70000>>", "x"]),
    "Cookie": _line,
    "X-Forwarded-For": _line,
}
_BODIES = {
    "application/x-www-form-urlencoded; charset=utf-8": pairs,
    "text/csv; charset=utf-8": _rows,
    "application/json": _json,
    "": _line,
}


@st.composite
def requests(draw, targets, odd_headers=tuple(_HEADERS)):
    """A request that is complete, to one of these routes."""
    target = draw(targets)
    usual = sorted(ROUTES.get(target, ["GET"]))
    method = draw(st.sampled_from([*usual * 3, *METHODS]))
    if draw(st.integers(0, 5)) == 0:
        target += "/" + draw(_coded)
    query = draw(st.just("") | pairs | _line.map(lambda text: text.replace(" ", "+")))
    headers = []
    for name in draw(
        st.sampled_from([*CREDENTIALS, "X-Exosite-CIK", "X-Exosite-CIK"]).map(lambda name: [name])
    ) + draw(st.lists(st.sampled_from([*CREDENTIALS]), max_size=1)):
        headers.append((name, draw(CREDENTIALS[name])))
    for name in draw(st.lists(st.sampled_from(odd_headers), max_size=3)):
        headers.append((name, draw(_HEADERS[name])))
    body = ""
    if method not in ("GET", "HEAD"):
        type = draw(st.sampled_from(list(_BODIES)))
        body = draw(_timeouts if target.endswith("waitalias") else _BODIES[type])
        headers.append(("Content-Type", type))
    return f"{method} {target}{'?' + query if query else ''}", headers, body


# --- bytes -----------------------------------------------------------------

_splinters = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b":",
        b"\xff",
        b"%",
        b"Content-Length: 5\r\n",
        b"?",
        b"#",
        b"Transfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"GET / ",
        b"[",
        b"{",
        b"Content-Length: -1\r\n",
        b"Expect: 100-continue\r\n",
        b"9" * 5000,
        b"e999",
        b'"',
        b"\\ud800",
        b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
        b"*",
        b"//",
        b"http://",
        b"\x16\x03\x01",
        b"PRI * ",
    ]
) | st.binary(max_size=4)


@st.composite
def broken(draw, whole):
    """Bytes with some of them changed, cut out, doubled or put in."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(whole)))
        end = draw(st.integers(start, min(len(whole), start + 20)))
        put_in = draw(_splinters | st.just(whole[start:end] * 2) | st.just(b""))
        whole = whole[:start] + put_in + whole[end:]
    return whole
