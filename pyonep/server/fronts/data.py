"""Front 3: the HTTP Data Interface, and the small utility calls."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timezone
from email.utils import formatdate, parsedate_to_datetime
from functools import partial
from typing import Any, Optional
from urllib.parse import quote, unquote_plus

from starlette.responses import Response

from ..core import access, aliased
from ..core.aliased import Writer
from ..core.errors import Invalid, Refused, TooLarge
from ..core.procedures.series import LONGEST_TIMEOUT
from ..core.turns import Pace, Steps, each, in_turns
from ..core.unit import Node, Unit
from .answers import FORM, not_allowed, nothing, plain
from .bodies import whole
from .http import Answer, Handler, Later, Read, Request, answered, hung_up, most_bytes

_STACKS = ("onep:v1", "api:v1")
_SAFE = "-._~"
# Points may be older and newer than an HTTP date can say: years 1 to 9999.
_FIRST_DATE, _LAST_DATE = -62_135_596_800, 253_402_300_799
_AT_ONCE = 200  # values that one step takes
_MANY = 5000  # pairs that one step puts in order
_LONGEST_NAME = 1024
_PIECE = 8 * 1024  # characters that are quoted at once


async def respond(request: Request, read: Read) -> Optional[Response]:
    """Answer a request of this interface; None when the path is not one of its."""
    methods = _find(request.segments)
    if methods is None:
        return None
    handler = methods.get(request.method)
    if handler is None:
        return not_allowed(methods)
    most = request.platform.settings.max_data_bytes
    request.body = await read(most_bytes(request, partial(_caller, request=request), most))
    is_open = len(request.segments or ()) == 1
    return await answered(request, handler if is_open else partial(_by_client, handler))


def _find(segments: list[str] | None) -> dict[str, Handler] | None:
    if segments is None:
        return None
    if len(segments) == 1:
        return _UTILITIES.get(segments[0])
    if segments[0] not in _STACKS or segments[1:2] != ["stack"]:
        return None
    if len(segments) == 4 and segments[2] == "alias" and segments[3]:
        return {"POST": _record_one}
    return _STACK.get("/".join(segments[2:]))


# --- who calls, what is named ----------------------------------------------


def _by_client(handler: Handler, unit: Unit, request: Request) -> Answer:
    """What a handler gives to the client that calls."""
    caller = _caller(unit, request)
    request.check_caller = partial(_caller, request=request)
    return handler(unit, request, caller)


def _caller(unit: Unit, request: Request) -> Node:
    node = access.by_key(unit, request.headers.get("x-exosite-cik"))
    request.caller = node.rid
    return node


def _pairs(request: Request) -> Steps[list[tuple[str, str]]]:
    """``a=b&c=d`` in order, in steps; only the first ``=`` of a pair separates."""
    pairs: list[tuple[str, str]] = []
    text, most = request.text(), request.platform.settings.max_data_text
    longest = 3 * (most + _LONGEST_NAME)  # each byte may be written as %41
    pace = Pace(_AT_ONCE)
    for part in _parts(text.strip("&")):
        if pace.is_full():
            yield
        name, equals, value = part.partition("=")
        if not equals:
            raise Invalid(f"a pair needs an equals sign: {part[:40]!r}")
        if len(part) > longest:
            raise TooLarge(f"a value has at most {most} bytes")
        pairs.append((_decoded(name), _decoded(value)))
    return pairs


def _parts(text: str) -> Iterator[str]:
    """What stands between the signs ``&``, without splitting a long text at once."""
    start = 0
    while start < len(text):
        end = text.find("&", start)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end + 1


def _decoded(text: str) -> str:
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeError as error:
        raise Invalid("not UTF-8") from error


def _asked(request: Request) -> Steps[list[str]]:
    """The aliases in the query, each once; in steps."""
    aliases, pace = {}, Pace(_MANY)
    for part in _parts(request.query_text):
        name = part.partition("=")[0]
        if name:
            aliases[_decoded(name)] = True
        if pace.is_full():
            yield
    return list(aliases)


# --- write, read, both -----------------------------------------------------


def _write(unit: Unit, request: Request, client: Node) -> Steps[Response]:
    yield from _store(unit, request, client)
    return (yield from _values(unit, request, client))


def _store(unit: Unit, request: Request, client: Node) -> Steps[None]:
    """Write the pairs of the body."""
    pairs: dict[str, str] = {}
    pace = Pace(_MANY)
    for alias, value in (yield from _pairs(request)):
        pairs[alias] = value
        if pace.is_full():
            yield
    request.names = list(pairs)
    yield from aliased.write(unit, _writer(request, client), pairs)


def _writer(request: Request, client: Node) -> Writer:
    return Writer(client, request.grounds, request.budget, request.unknown)


def _values(unit: Unit, request: Request, client: Node) -> Steps[Response]:
    """The newest values of the aliases asked for, in reverse order; in steps."""
    found, pace = [], Pace(_AT_ONCE)
    for alias in reversed((yield from _asked(request))):
        newest = aliased.newest(unit, client, alias)
        if newest is not None:
            found.append((yield from _told(request, alias, newest)))
        if pace.is_full():
            yield
    return plain("&".join(found), FORM) if found else nothing(204)


def _told(request: Request, alias: str, value: str) -> Steps[str]:
    """``alias=value`` as part of the answer, which has an end; in steps."""
    request.budget.tell(1, len(alias) + len(value))
    pair = yield from _pair(alias, value)
    request.budget.tell(0, len(pair) - len(alias) - len(value))
    return pair


def _pair(alias: str, value: object) -> Steps[str]:
    name = yield from _quoted(alias)
    return f"{name}={(yield from _quoted(str(value)))}"


def _quoted(text: str) -> Steps[str]:
    parts = []
    for first in range(0, len(text), _PIECE):
        if first:
            yield
        parts.append(quote(text[first : first + _PIECE], safe=_SAFE))
    return "".join(parts)


def _read(unit: Unit, request: Request, client: Node) -> Answer:
    if "request-timeout" in request.headers:
        return _long_poll(unit, request, client)
    return _values(unit, request, client)


# --- long poll -------------------------------------------------------------


def _long_poll(unit: Unit, request: Request, client: Node) -> Steps[Later]:
    alias = yield from _one_alias(request)
    timeout, since = _timeout(request.headers["request-timeout"]), _since(request)
    return partial(_polled, request, client, alias, timeout, since)


async def _polled(
    request: Request, client: Node, alias: str, timeout: float, since: int | None
) -> Response:
    found = await _next_point(request, client, alias, timeout, since)
    if found is None:
        return nothing(204)
    if not found:
        return nothing(304)
    time, value = found
    response = plain(await in_turns(_pair(alias, value)), FORM)
    if _FIRST_DATE <= time <= _LAST_DATE:
        response.headers["Last-Modified"] = formatdate(time, usegmt=True)
    return response


async def _next_point(
    request: Request, client: Node, alias: str, timeout: float, since: int | None
) -> list[Any] | None:
    """``[time, text]``; an empty list when none came; None for an unknown alias."""
    platform = request.platform
    node = platform.work(aliased.named, client, alias)
    if node is None:
        return None
    # Told when it is durable: another's commit of it may fail yet.
    point = None if since is None else await platform.run(aliased.first_after, node, since)
    if point is not None:
        return [point.time, point.value]
    caller = partial(_caller, request=request)
    wait = platform.work(aliased.wait, node, alias, timeout, since, caller)
    try:
        time, value = await platform.wait(wait, hung_up(request.receive))
    except Refused:
        time = value = None
    platform.work(_caller, request)  # the key may have become invalid meanwhile
    return [] if time is None else [time, platform.work(aliased.text_of, node, value)]


def _one_alias(request: Request) -> Steps[str]:
    aliases = yield from _asked(request)
    if len(aliases) != 1:
        raise Invalid("a long poll asks for exactly one alias")
    return aliases[0]


def _timeout(text: str) -> float:
    """Seconds, from the milliseconds of a header."""
    milliseconds = whole(text)
    if milliseconds is None:
        raise Invalid("Request-Timeout must be a number of milliseconds")
    return min(milliseconds, LONGEST_TIMEOUT) / 1000


def _since(request: Request) -> int | None:
    headers = request.headers
    text = headers.get("if-modified-since") or headers.get("if-not-modified-since")
    if text is None:
        return None
    seconds = whole(text)
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())
    except (ValueError, TypeError, OverflowError, IndexError) as error:
        raise Invalid("If-Modified-Since must be Unix seconds or an HTTP date") from error


def _wait_alias(unit: Unit, request: Request, client: Node) -> Steps[Later]:
    """The earlier form of the long poll."""
    alias = yield from _one_alias(request)
    pairs = yield from _pairs(request)
    return partial(_alias_waited, request, client, alias, _timeout(dict(pairs).get("timeout", "")))


async def _alias_waited(request: Request, client: Node, alias: str, timeout: float) -> Response:
    found = await _next_point(request, client, alias, timeout, None)
    if found:
        return plain(await in_turns(_pair(alias, found[1])), FORM)
    now = request.platform.work(Unit.now)
    return plain(f"{await in_turns(_quoted(alias))}=expire:{now}", FORM)


# --- record ----------------------------------------------------------------


def _record(unit: Unit, request: Request, client: Node) -> Steps[Response]:
    blocks: dict[str, list[tuple[float, str]]] = {}
    current: list[tuple[float, str]] | None = None
    pace = Pace(_AT_ONCE)
    for name, value in (yield from _pairs(request)):
        if pace.is_full():
            yield
        if name == "alias":
            current = blocks.setdefault(value, [])
        elif current is None:
            raise Invalid("a timestamp before the first alias")
        else:
            current.append((aliased.timestamp(name), value))
    return (yield from _stored(unit, request, client, blocks))


def _record_one(unit: Unit, request: Request, client: Node) -> Steps[Response]:
    segments = request.segments
    assert segments is not None
    pace = Pace(_AT_ONCE)
    points = []
    for name, value in (yield from _pairs(request)):
        points.append((aliased.timestamp(name), value))
        if pace.is_full():
            yield
    return (yield from _stored(unit, request, client, {segments[3]: points}))


def _stored(
    unit: Unit, request: Request, client: Node, blocks: dict[str, list[tuple[float, str]]]
) -> Steps[Response]:
    """Store points, and tell the times of those that were not stored."""
    request.names = list(blocks)
    refused = yield from aliased.record(unit, _writer(request, client), blocks)
    conflicts = []
    for alias, times in refused.items():
        conflicts.append((yield from _conflict(request, alias, times)))
    if not conflicts:
        return nothing(204)
    return Response("&".join(conflicts), 409, {"Content-Type": FORM})


def _conflict(request: Request, alias: str, times: list[float]) -> Steps[str]:
    texts = yield from each(times, _spelled, _MANY)
    return (yield from _told(request, alias, ",".join(texts)))


def _spelled(time: float) -> str:
    """A time as it was sent, so that who sent it knows which is meant."""
    return str(int(time)) if time == int(time) else repr(time)


# --- utilities -------------------------------------------------------------


def _time(unit: Unit, request: Request) -> Response:
    return plain(str(unit.now()))


def _ip(unit: Unit, request: Request) -> Response:
    """Our own address and port as six numbers, for devices without name service."""
    address, port = request.scope["server"]
    try:
        packed = socket.inet_aton(address)
    except OSError:
        packed = socket.inet_aton(request.platform.settings.public_ipv4)
    return plain(",".join(str(byte) for byte in [*packed, *divmod(port, 256)]))


_STACK: dict[str, dict[str, Handler]] = {
    "alias": {"GET": _read, "POST": _write},
    "record": {"POST": _record},
    "waitalias": {"POST": _wait_alias},
}
_UTILITIES: dict[str, dict[str, Handler]] = {
    "timestamp": {"GET": _time},
    "ip": {"GET": _ip},
}
