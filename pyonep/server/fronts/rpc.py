"""Front 1: the JSON-RPC envelope.

It reads a request, lets the platform carry out the calls one after the other, waits
until their effects are durable, and writes the answers.
"""

from __future__ import annotations

import re
from typing import Any, Callable, NamedTuple, Optional

from ..core import errors, jsontext, pieces
from ..core.access import Caller
from ..core.budget import Budget
from ..core.errors import HungUp, NotKept, Refused, Unauthorized
from ..core.results import Result
from ..core.turns import Steps, Turn, in_turns
from ..platform import Batch, Hangup, Platform, Waiter, ended_by
from . import calllog

PATHS = frozenset({"/onep:v1/rpc/process", "/api:v1/rpc/process"})
_LONGEST_ID = 40
_AUTH_FIRST = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"auth"[ \t\r\n]*:[ \t\r\n]*')
_ANSWERS_AT_ONCE = 200  # that are written in one go
# A result of more items is written when it is there, and not kept as objects until the end.
_KEPT_ITEMS = 100
_FREE_ITEMS = 8  # that do not count against the budget: numbers or short texts

NOT_JSON, BAD_REQUEST, UNAUTHORIZED, FAULT, NOT_SUPPORTED = -1, 400, 401, 500, 501
MISDIRECTED = 421  # as the status of HTTP


class _WholeError(Exception):
    """The request as a whole gets an error."""

    def __init__(
        self,
        code: int,
        message: str,
        context: str | None = None,
        refused: Optional[Refused] = None,
    ) -> None:
        super().__init__(message)
        self.error = _error(code, message, context)
        self.refused = refused


def _error(code: int, message: str, context: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if context is not None:
        error["context"] = context
    return error


class _Request(NamedTuple):
    auth: Any
    calls: list[dict[str, Any]]


async def process(
    platform: Platform, body: bytes, hangup: Optional[Hangup] = None
) -> Optional[bytes]:
    """Answer a request.

    Args:
        platform: Where.
        body: What was sent.
        hangup: Returns when the client has hung up; waits end then.

    Returns:
        The JSON of the answer; None when no call asks for one.

    Raises:
        HungUp: The client did.
    """
    try:
        request = _checked(platform, await _read(platform, body))
        answer = await _answers(platform, request, hangup)
    except _WholeError as error:
        if calllog.is_on():
            calllog.rpc_error(error.error, error.refused)
        return jsontext.encode({"error": error.error})
    return answer


def too_large(platform: Platform) -> bytes:
    """The answer to a body that is longer than the limit."""
    limit = platform.settings.max_request_bytes
    message = f"a request has at most {limit} bytes"
    return jsontext.encode({"error": _error(BAD_REQUEST, message, "calls")})


def unauthorized() -> bytes:
    """The answer to a request whose key is not good."""
    return jsontext.encode({"error": _error(UNAUTHORIZED, "Invalid", "auth")})


def check_start(platform: Platform, start: bytes) -> None:
    """See who sends a long request, as far as its beginning tells.

    Raises:
        Unauthorized: Nobody who may.
    """
    found = _AUTH_FIRST.match(start)
    if found is None:
        return
    try:
        auth, _ = jsontext.decoder.raw_decode(start[found.end() :].decode("utf-8", "ignore"))
    except (ValueError, RecursionError):
        return  # whoever reads all of it says what is wrong
    platform.authenticate(auth)


def misdirected(reason: str) -> bytes:
    """The answer to a request that came to a name that the platform does not go by."""
    error = _error(MISDIRECTED, reason, "host")
    if calllog.is_on():
        calllog.rpc_error(error)
    return jsontext.encode({"error": error})


# --- the envelope ----------------------------------------------------------


async def _read(platform: Platform, body: bytes) -> Any:
    deepest = platform.settings.max_nesting
    try:
        if len(body) <= pieces.SMALL:
            return jsontext.decode(body, deepest)
        return await in_turns(pieces.decoded(body, deepest))
    except jsontext.NestedTooDeep:
        message = f"lists and objects are nested more than {deepest} deep"
        raise _WholeError(BAD_REQUEST, message, "calls") from None
    except jsontext.NotJson as error:
        raise _WholeError(NOT_JSON, str(error)) from None


def _checked(platform: Platform, request: Any) -> _Request:
    if not isinstance(request, dict):
        raise _WholeError(BAD_REQUEST, "a request is an object with auth and calls", "calls")
    calls = request.get("calls")
    most = platform.settings.max_calls
    if isinstance(calls, list) and len(calls) > most:
        raise _WholeError(BAD_REQUEST, f"at most {most} calls in a request", "calls")
    if not isinstance(calls, list) or set(map(type, calls)) - {dict}:
        raise _WholeError(BAD_REQUEST, "calls must be a list of objects", "calls")
    for call in calls:
        _check_id(call.get("id"))
    return _Request(request.get("auth"), calls)


async def _written(answers: list[dict[str, Any]], are_long: bool) -> bytes:
    if len(answers) < _ANSWERS_AT_ONCE and not are_long:
        return jsontext.encode(answers)
    written = await in_turns(pieces.encoded(answers))
    return "".join(written.parts).encode("ascii")


def _check_id(number: Any) -> None:
    if number is None or type(number) is int or type(number) is float:
        return
    if not isinstance(number, str) or len(number) > _LONGEST_ID:
        raise _WholeError(
            BAD_REQUEST, f"an id is a number or text of at most {_LONGEST_ID} characters", "calls"
        )


# --- the calls -------------------------------------------------------------


class _Ran(NamedTuple):
    """A call that was carried out.

    Attributes:
        outcome: Its answer but for the id.
        refused: What was said no with, for the log of calls.
        is_long: Whether the answer takes long to write.
        waiter: What it waits for; the outcome is still to come.
    """

    outcome: dict[str, Any]
    refused: Optional[Refused] = None
    is_long: bool = False
    waiter: Optional[Waiter] = None


async def _answers(
    platform: Platform, request: _Request, hangup: Optional[Hangup]
) -> Optional[bytes]:
    waiters: list[Waiter] = []
    try:
        caller = platform.authenticate(request.auth)
        ran = await _carried_out(platform, caller, request.calls, waiters, hangup)
    except Unauthorized as refused:
        raise _WholeError(UNAUTHORIZED, "Invalid", "auth", refused) from None
    except HungUp:
        raise
    except Exception as error:
        if not isinstance(error, NotKept):  # which is logged where it happens
            platform.report(error, "answering a request")
        raise _WholeError(
            FAULT, "fault of the platform; calls may have been carried out"
        ) from error
    finally:
        for waiter in waiters:
            platform.close_wait(waiter)
    if calllog.is_on():
        await in_turns(_logged(platform, caller, request.calls, ran))
    answers = [
        {"id": call["id"], **one.outcome}
        for call, one in zip(request.calls, ran)
        if call.get("id") is not None
    ]
    return await _written(answers, any(one.is_long for one in ran)) if answers else None


async def _carried_out(
    platform: Platform,
    caller: Caller,
    calls: list[dict[str, Any]],
    waiters: list[Waiter],
    hangup: Optional[Hangup],
) -> list[_Ran]:
    """Carry out the calls of a request, until all of it is durable and none waits any more.

    Those that wait are noted in `waiters`.
    """
    batch, budget, turn = Batch(platform), Budget(platform.settings), Turn()
    ran: list[_Ran] = []
    for call in calls:
        one = await _run(platform, batch, caller, call, budget, not ran)
        ran.append(one)
        if one.waiter is not None:
            waiters.append(one.waiter)
        if turn.is_over:
            await turn.pass_on()
    await batch.until_durable()
    if not waiters:
        return ran
    with ended_by(hangup, waiters):
        return await _settled(platform, ran)


def _logged(
    platform: Platform, caller: Caller, calls: list[dict[str, Any]], ran: list[_Ran]
) -> Steps[None]:
    for call, one in zip(calls, ran):
        calllog.rpc_call(platform, caller.client, call, one.outcome, one.refused)
        yield


async def _run(
    platform: Platform,
    batch: Batch,
    caller: Caller,
    call: dict[str, Any],
    budget: Budget,
    is_first: bool,
) -> _Ran:
    """Carry out one call."""
    procedure, arguments = call.get("procedure"), call.get("arguments", [])
    if not isinstance(procedure, str):
        return _Ran(_failed(BAD_REQUEST, "a call needs the name of a procedure", "procedure"))
    if not isinstance(arguments, list):
        return _Ran(_failed(NOT_SUPPORTED, "arguments must be a list", "arguments"))
    try:
        result = platform.call(caller, procedure, arguments, budget, is_first)
        if result.steps is not None:
            result = await batch.carry_out(result.steps, result.check)
        if result.wait is not None:
            return _Ran({}, waiter=platform.open_wait(result.wait))
        weight = 0 if result.is_written else pieces.weight(result.value)
        if weight > _KEPT_ITEMS:
            result = await _written_out(result, budget)
        elif weight > _FREE_ITEMS:
            budget.tell(0, weight * pieces.ITEM)
        return _told(result)
    except Refused as refused:
        return _refused(refused)
    except NotKept:
        raise
    except Exception as error:
        sentence = platform.report(error, f"carrying out {procedure}")
        if sentence is not None:  # the disk, and no call will fare better
            raise NotKept(sentence) from error
        return _Ran(_failed(FAULT, "fault of the platform; the call is undone", "procedure"))


async def _written_out(result: Result, budget: Budget) -> Result:
    """A long result, written in steps before the next call is carried out."""
    written = await in_turns(pieces.encoded(result.value))
    budget.tell(0, sum(map(len, written.parts)))
    return Result(written, is_written=True)


def _told(result: Result) -> _Ran:
    """A result as it goes into the answer."""
    if result.refused is not None:
        return _Ran({"status": result.refused}, is_long=True)
    if result.value is None:
        return _Ran({"status": "ok"})
    return _Ran({"status": "ok", "result": result.value}, is_long=result.is_written)


def _failed(code: int, message: str, context: str) -> dict[str, Any]:
    return {"status": "fail", "error": _error(code, message, context)}


def _refused(refused: Refused) -> _Ran:
    status, tell = errors.said_in(_SAID, refused)
    return _Ran({"status": status, **tell(refused.reason)}, refused)


def status_of(refused: Refused) -> str:
    """The word that says a refusal."""
    return errors.said_in(_SAID, refused)[0]


def _nothing(reason: str) -> dict[str, Any]:
    return {}


def _why(reason: str) -> dict[str, Any]:
    return {"error": _error(BAD_REQUEST, reason, "arguments")} if reason else {}


def _as_result(reason: str) -> dict[str, Any]:
    return {"result": reason}


def _not_supported(context: str) -> Callable[[str], dict[str, Any]]:
    return lambda reason: {"error": _error(NOT_SUPPORTED, "Error", context)}


def _which_words(reason: str) -> dict[str, Any]:
    return {"error": _error(NOT_SUPPORTED, reason, "arguments")}


# How the RPC says a refusal, see `errors.said_in`: the status, and what the answer has besides.
_SAID: dict[type[Refused], tuple[str, Callable[[str], dict[str, Any]]]] = {
    Refused: ("invalid", _why),
    errors.Forbidden: ("restricted", _nothing),
    errors.Locked: ("locked", _nothing),
    errors.NotOwner: ("noauth", _nothing),
    errors.Mistaken: ("error", _nothing),
    errors.NoSuchType: ("error", _as_result),
    errors.Expired: ("expire", _nothing),
    errors.BadArguments: ("fail", _not_supported("arguments")),
    errors.BadWord: ("fail", _which_words),
    errors.NoProcedure: ("fail", _not_supported("procedure")),
}


async def _settled(platform: Platform, ran: list[_Ran]) -> list[_Ran]:
    """The same when those calls that wait have ended; the time of all runs from now on."""
    for one in ran:
        if one.waiter is not None:
            one.waiter.begin()
    settled, turn = [], Turn()
    for one in ran:
        if one.waiter is None:
            settled.append(one)
            continue
        has_ended = one.waiter.future.done()
        settled.append(await _point(platform, one.waiter))
        if not has_ended:
            turn.begin()  # others ran while it waited
        elif turn.is_over:
            await turn.pass_on()
    return settled


async def _point(platform: Platform, waiter: Waiter) -> _Ran:
    try:
        return _Ran({"status": "ok", "result": await platform.point(waiter)})
    except Refused as refused:
        return _Ran({"status": status_of(refused)})
