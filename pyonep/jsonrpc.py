"""The envelope of the JSON-RPC API: requests into JSON, answers matched to calls."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator
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
# Bytes of an RPC answer after decoding. A point takes some 25, and the most that a platform
# sends at once are some 100,000s of them.
ANSWER_LIMIT = 64 * 1024 * 1024
# A value that takes 3 bytes as JSON takes 70 in memory: so many bytes there are for each.
_BYTES_FOR_A_VALUE = 10
_BIG = 64 * 1024  # bytes of an answer that is read entry by entry
_LEVELS = 8  # of an answer that an error shows
_GAP = re.compile(r"[ \t\r\n]*")
_NOTHING = re.compile(r"\[[ \t\r\n]*\]")
_LAST = re.compile(r"\][ \t\r\n]*")
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


def decode(
    status: str,
    content: bytes,
    secrets: Iterable[str] = (),
    calls: int | None = None,
    limit: int | None = ANSWER_LIMIT,
) -> Any:
    """Read the body of an answer; an empty one is None.

    Args:
        status: Status line, for the error text.
        content: The body.
        secrets: Credentials that the error must not show.
        calls: How many calls it answers; of a long list not many more entries are read.
        limit: Bytes that an answer may have. It may hold a tenth as many values.

    Raises:
        OnePlatformException: It is not JSON, or takes more memory than there should be or is.
    """
    if not content and not status.startswith("HTTP 2"):
        raise OnePlatformException(f"no answer but {redact(status, *secrets)}")
    if limit is not None:
        _check_values(content, limit // _BYTES_FOR_A_VALUE)
    try:
        return _decoded(content.decode("utf-8"), calls) if content else None
    except MemoryError:
        raise OnePlatformException("there is no memory for the answer") from None
    except (ValueError, RecursionError) as error:
        raise OnePlatformException(
            f"the answer is not JSON ({redact(status, *secrets)}): "
            + redact(repr(content[:_LOOKED_AT]), *secrets)[:_SHOWN]
        ) from scrubbed(error, *secrets)


def _check_values(content: bytes, most: int) -> None:
    """Refuse an answer of many small values: 45 MB of ``[],`` are more than 1 GB in memory."""
    # There is one of these in front of each value but the first, if not in the text of one.
    if len(content) > most and sum(map(content.count, (b",", b"[", b"{"))) > most:
        raise OnePlatformException(f"the answer has more than {most:,} values")


def _decoded(text: str, calls: int | None) -> Any:
    if calls is None or len(text) < _BIG or not text.startswith("[") or _NOTHING.match(text):
        return json.loads(text)
    return list(_entries(text, calls))


def _entries(text: str, calls: int) -> Iterator[Any]:
    """The entries of a list, no more than one that no call asked for.

    Raises:
        ValueError: It is not JSON, as far as it was read.
    """
    read, gap = json.JSONDecoder().raw_decode, _GAP.match
    where = gap(text, 1).end()  # type: ignore[union-attr]  # it always matches
    for _ in range(calls + 1):
        entry, where = read(text, where)
        yield entry
        where = gap(text, where).end()  # type: ignore[union-attr]
        if not text.startswith(",", where):
            if not _LAST.fullmatch(text, where):
                raise ValueError("the list does not end")
            return
        where = gap(text, where + 1).end()  # type: ignore[union-attr]


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
        until = parsedate_to_datetime(text).timestamp()
        return max(0.0, until - _time_of(headers))
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _time_of(headers: Any) -> float:
    """When an answer was sent, on the clock of who sent it; the machine's may be wrong."""
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        return time.time()


def wait_milliseconds(call: Call) -> float:
    """How long a `wait` may take."""
    options = call["arguments"][1] if len(call["arguments"]) > 1 else None
    value = options.get("timeout") if isinstance(options, dict) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        return min(float(value), _LONGEST_WAIT)
    return _DEFAULT_WAIT


def sort_out(calls: list[Call], answer: Any, secrets: Iterable[str]) -> list[Triple]:
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
            f"an answer came that no call asked for: {redact(strange, *secrets)[:_SHOWN]}",
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
) -> tuple[dict[Any, Answer], list[Any], str | None]:
    """Sort answers into those that fit a call, errors, and the first that nobody asked for."""
    found: dict[Any, Answer] = {}
    errors: list[Any] = []
    strange: str | None = None
    for answer in answers:
        number = answer.get("id") if type(answer) is dict else None
        fits = type(number) in _IDS and number in expected and number not in found
        if fits and "status" in answer:
            status = answer["status"]
            isok = status == "ok"
            found[number] = (isok, answer.get("result", "ok") if isok else _status(answer))
        elif type(answer) is dict and "error" in answer and "status" not in answer:
            errors.append(answer["error"])
        elif strange is None:
            strange = _strange(answer, fits)
    return found, errors, strange


def _strange(answer: Any, fits: bool) -> str:
    """What an error says of an answer that nobody asked for."""
    if type(answer) is not dict:
        return f"{_text_of(answer)} instead of an object"
    if "id" not in answer:
        return "without an id"
    return f"id {_text_of(answer['id'])}" + (", without a status" if fits else "")


def _text_of(value: Any) -> str:
    """What a value of an answer looks like, or its beginning, however long and deep it is."""
    pieces: list[str] = []
    size = 0
    for piece in _pieces_of(value, _LEVELS):
        pieces.append(piece)
        size += len(piece)
        if size > _LOOKED_AT:
            break
    return "".join(pieces)


def _pieces_of(value: Any, levels: int) -> Iterator[str]:
    """The repr of a value in pieces."""
    if not isinstance(value, (list, dict)):
        yield repr(value[:_LOOKED_AT] if isinstance(value, str) else value)
    elif not levels:
        yield "…"
    else:
        begin, end = "[]" if isinstance(value, list) else "{}"
        yield begin
        for number, one in enumerate(value):
            if number:
                yield ", "
            yield from _pieces_of(one, levels - 1)
            if isinstance(value, dict):
                yield ": "
                yield from _pieces_of(value[one], levels - 1)
        yield end


def _platform_error(
    error: Any, answers: list[Triple], secrets: Iterable[str]
) -> OnePlatformException:
    text = _text_of(error)
    if len(text) > _LOOKED_AT or not _is_shallow(error, _LEVELS):
        return OnePlatformException(redact(text, *secrets)[:_SHOWN], answers=answers)
    return OnePlatformException(redacted(error, *secrets), answers=answers)


def _is_shallow(value: Any, levels: int) -> bool:
    """Whether a value has no more than so many levels."""
    if not isinstance(value, (list, dict)):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(one, levels - 1) for one in inner)
