"""One readable line for each call, in the logger ``pyonep.server.calls``.

::

    rpc        9f3c…  write temperature                        ok
    rpc        9f3c…  read pressure                            invalid: no resource has the alias …
    provision  acme   POST /provision/manage/model/thermo/     205
    data       9f3c…  POST /onep:v1/stack/alias temperature    204

Front, caller, what was called, how it ended. No credential: a RID or a key is cut to its
first four characters.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from starlette.responses import Response

from ...redaction import redact
from ..core import access
from ..core.errors import NoSuchAlias, Refused
from .answers import DETAIL
from .http import Request

if TYPE_CHECKING:
    from ..platform import Platform

log: logging.Logger = logging.getLogger("pyonep.server.calls")

NOBODY = "-"
LINE = "line"  # attribute of a log record: the `Line`, for who counts them
_WORKED = ("ok", "expire")  # a wait that ends without a point did what it was asked
_LONGEST = 60  # characters of a name
_LONGEST_PART = 1000  # of what was called, and of how it ended
_MOST = 5  # names in a line
_MOST_KEPT = 100  # names in the record of it

# Which arguments tell what a procedure was called on; the first one where nothing is said.
# Never a value, a key or a share code.
_TELLING = {
    "grant": (0,),
    "lookup": (0, 1),
    "map": (1, 2),
    "move": (0, 1),
    "tag": (0, 1, 2),
    "unmap": (1,),
    "usage": (0, 1),
}


def is_on() -> bool:
    """Whether anybody reads the lines."""
    return log.isEnabledFor(logging.INFO)


def rpc_error(error: dict[str, Any], refused: Refused | None = None) -> None:
    """An RPC request that was refused as a whole."""
    line = Line("rpc", "request", _error_text(error), False, refused=_kind(refused))
    _log(NOBODY, line)


def rpc_call(
    platform: Platform,
    client: int,
    call: dict[str, Any],
    outcome: dict[str, Any],
    refused: Refused | None = None,
) -> None:
    """One RPC call and how it ended.

    Args:
        platform: Where.
        client: The number of the client that called.
        call: What it called.
        outcome: The answer but for the id.
        refused: What was said no with; None where the answer says all.
    """
    status, points = outcome["status"], 0
    if isinstance(status, list):
        points, status = len(status), f"invalid: {len(status)} points"
    line = Line(
        "rpc",
        _what(call),
        _said(status, outcome.get("error"), refused.reason if refused else ""),
        outcome["status"] in _WORKED,
        _names(call),
        _kind(refused),
        (refused.alias,) if isinstance(refused, NoSuchAlias) else (),
        points,
    )
    _log(platform.work(access.rid_of, client) or NOBODY, line)


def _said(status: str, error: dict[str, Any] | None, reason: str) -> str:
    """How a call ended, with what the answer says and the reason that it may not say."""
    if error is not None and status != "invalid":  # of which the error is the reason
        status = f"{status}: {_error_text(error)}"
    return f"{status}: {reason}" if reason and reason not in status else status


def http_call(request: Request, response: Response) -> None:
    """One request to another front."""
    first = (request.segments or [""])[0]
    front = first if first in ("provision", "admin") else "data"
    what = f"{request.method} {request.target} {_some(request.names, _word)}"
    reason = response.headers.get(DETAIL)
    if reason is None and request.unknown:
        names = _some(request.unknown, lambda name: repr(_word(name)))
        reason = f"no dataport has the alias {names}"
    outcome = f"{response.status_code}: {reason}" if reason else str(response.status_code)
    worked = response.status_code < 400 and not request.unknown
    line = Line(
        front,
        what,
        outcome,
        worked,
        tuple(request.names[:_MOST_KEPT]),
        _kind(request.refused),
        tuple(request.unknown[:_MOST_KEPT]),
    )
    _log(request.caller, line)


class Line(NamedTuple):
    """One line: what was called, and how it ended; besides, what a program makes of it.

    Attributes:
        front: ``rpc``, ``provision``, ``data`` or ``admin``.
        what: What was called, and on what.
        outcome: How it ended.
        worked: Whether it did what it was asked.
        names: Aliases and words that it named, as far as they can be shown whole.
        refused: The kind of refusal; None when it was none.
        missing: Aliases that lead nowhere; one that cannot be shown whole is empty.
        points: How many points were refused, while others may have been stored.
    """

    front: str
    what: str
    outcome: str
    worked: bool
    names: tuple[str, ...] = ()
    refused: type[Refused] | None = None
    missing: tuple[str, ...] = ()
    points: int = 0


def _log(caller: str, line: Line) -> None:
    line = line._replace(
        what=_shown(line.what[:_LONGEST_PART]),
        outcome=_shown(line.outcome[:_LONGEST_PART]),
        names=tuple(filter(None, map(_whole, line.names))),
        missing=tuple(map(_whole, line.missing)),
    )
    texts = (line.front, _shown(caller), line.what, line.outcome)
    log.info("%-9s  %-5s  %-40s  %s", *texts, extra={LINE: line})


def _kind(refused: Refused | None) -> type[Refused] | None:
    return None if refused is None else type(refused)


def _shown(text: str) -> str:
    return redact(_one_line(text))


def _whole(name: str) -> str:
    """A name, when all of it can be shown; else an empty text."""
    return name if len(name) <= _LONGEST_PART and _shown(name) == name else ""


def _error_text(error: dict[str, Any]) -> str:
    context = f" ({error['context']})" if "context" in error else ""
    return f"{error['code']} {error['message']}{context}"


def _what(call: dict[str, Any]) -> str:
    """Procedure and names."""
    procedure, arguments = call.get("procedure"), call.get("arguments")
    if not isinstance(procedure, str) or not isinstance(arguments, list):
        return str(procedure)[:_LONGEST]
    if procedure == "writegroup" and arguments and isinstance(arguments[0], list):
        return f"writegroup {_some(arguments[0], _name_of_entry)}"
    places = _TELLING.get(procedure, (0,))
    return " ".join(
        [procedure[:_LONGEST], *(_name(arguments[at]) for at in places if at < len(arguments))]
    )


def _names(call: dict[str, Any]) -> tuple[str, ...]:
    """What a call names: aliases, RIDs, words."""
    procedure, arguments = call.get("procedure"), call.get("arguments")
    if not isinstance(procedure, str) or not isinstance(arguments, list):
        return ()
    if procedure == "writegroup" and arguments and isinstance(arguments[0], list):
        pairs = [entry for entry in arguments[0][:_MOST_KEPT] if isinstance(entry, list) and entry]
        named = [entry[0] for entry in pairs]
    else:
        places = _TELLING.get(procedure, (0,))
        named = [arguments[at] for at in places if at < len(arguments)]
    named = [one.get("alias") if isinstance(one, dict) else one for one in named]
    return tuple(one for one in named if isinstance(one, str))


def _name(argument: Any) -> str:
    """An argument as a name: an alias, a RID, a word."""
    if isinstance(argument, dict):
        return (_word(argument["alias"]) or "(self)") if "alias" in argument else ""
    if isinstance(argument, list):
        return _some(argument, _word)
    return _word(argument) or "(self)"


def _word(argument: Any) -> str:
    """A text or a number, cut where it is long; nothing of what is neither."""
    if isinstance(argument, (list, dict)):
        return "…"
    return argument[:_LONGEST] if isinstance(argument, str) else str(argument)[:_LONGEST]


def _name_of_entry(entry: Any) -> str:
    return _name(entry[0]) if isinstance(entry, list) and entry else "…"


def _some(given: Sequence[Any], name: Callable[[Any], str]) -> str:
    """The names of the first, and how many follow."""
    more = f" and {len(given) - _MOST} more" if len(given) > _MOST else ""
    return ", ".join(name(one) for one in given[:_MOST]) + more


def _one_line(text: str) -> str:
    """A text that cannot end the line or move the cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
