"""The envelope of the JSON-RPC API: requests into JSON, answers matched to calls."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any

try:
    import simplejson as json
except ImportError:  # a copied folder: the standard library does, but for Decimal
    import json  # type: ignore[no-redef]

from . import reading
from .exceptions import JsonStringException, OnePlatformException
from .redaction import redact, redacted, scrubbed

Call = dict[str, Any]
Answer = tuple[bool, Any]
Triple = tuple[Call, bool, Any]

_DEFAULT_WAIT = 30_000.0  # milliseconds, the platform's own default
_LONGEST_WAIT = 300_000.0
_IDS = frozenset({int, str, float})
_SCALARS = frozenset({str, int, bool, type(None)})
_SHOWN = 120  # characters of an answer that an error shows
# Bytes of it that are masked before the rest is cut off: half a key is not recognised as one.
_LOOKED_AT = 4096
_SHORT = 16  # longer lists are encoded to see whether they are JSON: that runs in C


# --- JSON ------------------------------------------------------------------


def dumps(value: Any) -> str:
    """Write a value as JSON.

    Raises:
        ValueError, TypeError, OverflowError, RecursionError: It is none.
    """
    text: str = json.dumps(value, allow_nan=False, **_DUMP_OPTIONS)
    return text


def loads(text: str) -> Any:
    """Read JSON."""
    return json.loads(text)


def encode(request: Any) -> str:
    """Write a request as JSON.

    Raises:
        JsonStringException: It holds what JSON cannot carry; says in which call.
    """
    try:
        return dumps(request)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise JsonStringException(_not_json(request.get("calls"), error)) from scrubbed(error)


def _plain(value: Any) -> Any:
    """What the standard library's encoder does not know: Decimal, bytes."""
    if type(value).__name__ == "Decimal":
        return float(value)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


_DUMP_OPTIONS: dict[str, Any] = {} if json.__name__ == "simplejson" else {"default": _plain}


def _not_json(calls: Any, error: Exception) -> str:
    """Say which call holds what JSON cannot carry."""
    for position, call in enumerate(calls or ()):
        try:
            check(call["procedure"], call["arguments"])
        except JsonStringException as found:
            return f"call {position}: {found}"
    return f"not JSON: {type(error).__name__}"


def check(method: str, arguments: Any) -> None:
    """Refuse a call whose arguments are no JSON before it can spoil a batch."""
    if _is_plain(arguments):
        return
    try:
        dumps(arguments)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise JsonStringException(
            f"{method}: an argument is not JSON (numbers must be finite, everything else "
            f"text, booleans, None, lists or dicts): {redact(error)}"
        ) from scrubbed(error)


def _is_plain(value: Any) -> bool:
    """Whether a value certainly is JSON; much cheaper than encoding it."""
    stack = [value]
    while stack:
        item = stack.pop()
        kind = type(item)
        if kind in _SCALARS:
            continue
        if kind is float:
            if not math.isfinite(item):
                return False
        elif kind is list and len(item) < _SHORT:
            stack.extend(item)
        elif kind is dict:
            for name, inner in item.items():
                if type(name) is not str:
                    return False
                stack.append(inner)
        else:
            return False
    return True


def decode(status: str, content: bytes, secrets: Sequence[str] = ()) -> Any:
    """Read the body of an answer; an empty one is None.

    Args:
        status: Status line, for the error text.
        content: The body.
        secrets: Credentials that the error must not show.

    Raises:
        OnePlatformException: It is not JSON.
    """
    if not content and not status.startswith("HTTP 2"):
        raise OnePlatformException(f"no answer but {redact(status, *secrets)}")
    try:
        return json.loads(content.decode("utf-8")) if content else None
    except (ValueError, RecursionError) as error:
        raise OnePlatformException(
            f"the answer is not JSON ({redact(status, *secrets)}): "
            + redact(repr(content[:_LOOKED_AT]), *secrets)[:_SHOWN]
        ) from scrubbed(error, *secrets)


# --- answers ---------------------------------------------------------------


def retry_after(headers: Any) -> float | None:
    """Seconds from a ``Retry-After`` header, which is a number or a date."""
    text = headers.get("Retry-After")
    if text is None:
        return None
    seconds = reading.number(text)
    if seconds is not None:
        return float(seconds)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def wait_milliseconds(call: Call) -> float:
    """How long a `wait` may take."""
    options = call["arguments"][1] if len(call["arguments"]) > 1 else None
    value = options.get("timeout") if isinstance(options, dict) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        return min(float(value), _LONGEST_WAIT)
    return _DEFAULT_WAIT


def sort_out(calls: list[Call], answer: Any, secrets: Sequence[str]) -> list[Triple]:
    """Match the answers to the calls, in the order of the calls."""
    expected = {call["id"]: call for call in calls if "id" in call}
    if isinstance(answer, dict) and "error" in answer:
        raise _platform_error(answer["error"], [], secrets)
    if answer is None and not expected:
        return []
    if not isinstance(answer, list):
        shown = redact(_text_of(answer), *secrets)[:_SHOWN]
        raise OnePlatformException(f"the answer is not a list: {shown}")
    found, errors, strange = _match(expected, answer)
    triples = [(call, *found[number]) for number, call in expected.items() if number in found]
    if errors:
        raise _platform_error(errors[0], triples, secrets)
    if strange:
        raise OnePlatformException(
            f"an answer came that no call asked for: {redact(strange[0], *secrets)[:_SHOWN]}",
            answers=triples,
        )
    missing = [number for number in expected if number not in found]
    if missing:
        raise OnePlatformException(f"no answer to the call with id {missing[0]!r}", answers=triples)
    return triples


class Status(str):
    """A status other than ok: its text, as ever, and what the platform says about it.

    Attributes:
        reason: What was wrong and what is expected; empty when the platform does not say.
    """

    reason: str = ""


def _status(answer: dict[str, Any]) -> Any:
    status, error = answer["status"], answer.get("error")
    if isinstance(status, str):
        status = Status(status)
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            status.reason = error["message"]
    return status


def _match(
    expected: dict[Any, Call], answers: list[Any]
) -> tuple[dict[Any, Answer], list[Any], list[str]]:
    """Sort answers into those that fit a call, errors, and those nobody asked for."""
    found: dict[Any, Answer] = {}
    errors: list[Any] = []
    strange: list[str] = []
    for answer in answers:
        number = answer.get("id") if type(answer) is dict else None
        fits = type(number) in _IDS and number in expected and number not in found
        if fits and "status" in answer:
            status = answer["status"]
            isok = status == "ok"
            found[number] = (isok, answer.get("result", "ok") if isok else _status(answer))
        elif type(answer) is not dict:
            strange.append(f"{_text_of(answer)} instead of an object")
        elif "error" in answer and "status" not in answer:
            errors.append(answer["error"])
        elif fits:
            strange.append(f"id {_text_of(number)}, without a status")
        else:
            strange.append(f"id {_text_of(number)}" if "id" in answer else "without an id")
    return found, errors, strange


def _text_of(value: Any) -> str:
    """What a value of an answer looks like, however deep it is."""
    try:
        return repr(value)
    except RecursionError:
        return f"a {type(value).__name__} of many levels"


def _platform_error(
    error: Any, answers: list[Triple], secrets: Sequence[str]
) -> OnePlatformException:
    if not _is_shallow(error, 8):
        error = _text_of(error)[:_LOOKED_AT]
        return OnePlatformException(redact(error, *secrets)[:_SHOWN], answers=answers)
    return OnePlatformException(redacted(error, *secrets), answers=answers)


def _is_shallow(value: Any, levels: int) -> bool:
    """Whether a value has no more than so many levels."""
    if not isinstance(value, (list, dict)):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(one, levels - 1) for one in inner)
