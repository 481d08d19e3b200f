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
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.responses import Response

from ..redaction import redact
from .http import DETAIL, Request

if TYPE_CHECKING:
    from .platform import Platform

log: logging.Logger = logging.getLogger("pyonep.server.calls")

NOBODY = "-"
LINE = "line"  # attribute of a log record: the `Line`, for who counts them
_WORKED = ("ok", "expire")  # a wait that ends without a point did what it was asked
_LONGEST = 60  # characters of a name
_MOST = 5  # names in a line

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


def rpc_error(error: dict[str, Any]) -> None:
    """An RPC request that was refused as a whole."""
    _line("rpc", NOBODY, "request", _error_text(error), False)


def rpc_call(
    platform: Platform, client: int, call: dict[str, Any], outcome: dict[str, Any], detail: str
) -> None:
    """One RPC call and how it ended; `detail` is what the answer does not say."""
    node = platform.resources.by_id(client)
    status = outcome["status"]
    if isinstance(status, list):
        status = f"invalid: {len(status)} points"
    if status == "invalid" and "error" in outcome:
        detail = outcome["error"]["message"]
    elif "error" in outcome:
        status = f"{status}: {_error_text(outcome['error'])}"
    if detail:
        status = f"{status}: {detail}"
    worked = outcome["status"] in _WORKED
    _line("rpc", NOBODY if node is None else node.rid, _what(call), str(status), worked)


def http_call(request: Request, response: Response) -> None:
    """One request to another front."""
    first = (request.segments or [""])[0]
    front = first if first in ("provision", "admin") else "data"
    what = f"{request.method} {request.target} {_names(request.names)}"
    reason = response.headers.get(DETAIL)
    if reason is None and request.unknown:
        reason = f"no dataport has the alias {_names([repr(one) for one in request.unknown])}"
    outcome = f"{response.status_code}: {reason}" if reason else str(response.status_code)
    worked = response.status_code < 400 and not request.unknown
    _line(front, request.caller, what, outcome, worked)


class Line(NamedTuple):
    """One line: what was called, and how it ended."""

    what: str
    outcome: str
    worked: bool


def _line(front: str, caller: str, what: str, outcome: str, worked: bool) -> None:
    caller, what, outcome = (redact(_one_line(text)) for text in (caller, what, outcome))
    line = Line(what, outcome, worked)
    log.info("%-9s  %-5s  %-40s  %s", front, caller, what, outcome, extra={LINE: line})


def _error_text(error: dict[str, Any]) -> str:
    context = f" ({error['context']})" if "context" in error else ""
    return f"{error['code']} {error['message']}{context}"


def _what(call: dict[str, Any]) -> str:
    """Procedure and names."""
    procedure, arguments = call.get("procedure"), call.get("arguments")
    if not isinstance(procedure, str) or not isinstance(arguments, list):
        return str(procedure)[:_LONGEST]
    if procedure == "writegroup" and arguments and isinstance(arguments[0], list):
        named = [entry[0] for entry in arguments[0] if isinstance(entry, list) and entry]
        return f"writegroup {_names([_name(one) for one in named])}"
    places = _TELLING.get(procedure, (0,))
    return " ".join(
        [procedure[:_LONGEST], *(_name(arguments[at]) for at in places if at < len(arguments))]
    )


def _name(argument: Any) -> str:
    """An argument as a name: an alias, a RID, a word."""
    if isinstance(argument, dict):
        alias = argument.get("alias")
        return (str(alias) or "(self)") if "alias" in argument else ""
    if isinstance(argument, list):
        return _names([one for one in argument if isinstance(one, str)])
    return str(argument)[:_LONGEST] or "(self)"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(name[:_LONGEST] for name in names[:_MOST]) + more


def _one_line(text: str) -> str:
    """A text that cannot end the line or move the cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
