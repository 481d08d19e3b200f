"""JSON of any length, read and written in short steps.

The decoder and encoder in C cannot be interrupted: 30 MiB hold the interpreter for a
second. Here they get pieces that take them a millisecond at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import JSONDecodeError
from typing import Any

from . import jsontext
from .jsontext import NestedTooDeep, check_nesting
from .jsontext import to_text as encode
from .turns import Steps

SMALL = 64 * 1024  # characters that are read at once
_WINDOW = 8 * 1024  # characters that are tried at once
ITEMS = 2000  # that are written at once
ITEM = 16  # bytes of one of them, roughly

_space = re.compile(r"[ \t\n\r]*").match
_scan = jsontext.decoder.raw_decode
_CLOSING = {"[": "]", "{": "}"}


class Encoded:
    """JSON that is written already, in parts."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def __repr__(self) -> str:
        return f"<Encoded in {len(self.parts)} parts>"


# --- reading ---------------------------------------------------------------


def decoded(body: bytes, deepest: int) -> Steps[Any]:
    """Read the JSON of a request in steps; otherwise as `jsontext.decode`."""
    try:
        text = body.decode("utf-8")
        reader = _Reader(text)
        value = yield from reader.value(reader.skip(0), deepest)
        if reader.at != len(text):
            raise JSONDecodeError("Extra data", text, reader.at)
    except ValueError as error:
        raise jsontext.not_json(error) from None
    return value


class _Reader:
    """Walks through what is long, and leaves what is short to the decoder in C.

    `at` is where the next thing begins, after white space.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._no_batch_before = 0

    def skip(self, position: int) -> int:
        found = _space(self.text, position)
        assert found is not None
        return found.end()

    def value(self, position: int, most: int) -> Steps[Any]:
        first = self.text[position : position + 1]
        if first not in _CLOSING:
            return self._scalar(position)
        short = self._short(position, most)
        if short is not None:
            return short
        if most <= 0:
            raise NestedTooDeep
        yield
        if first == "[":
            return (yield from self._list(position, most))
        return (yield from self._object(position, most))

    def _scalar(self, position: int) -> Any:
        value, end = _scan(self.text, position)
        self.at = self.skip(end)
        return value

    def _short(self, position: int, most: int) -> Any:
        """A list or an object that ends within the window; else None."""
        piece = self.text[position : position + _WINDOW]
        try:
            value, end = _scan(piece, 0)
        except RecursionError:
            raise NestedTooDeep from None
        except ValueError:
            return None  # longer, or wrong: whoever walks through it finds out
        check_nesting(piece[:end].encode(), value, most)
        self.at = self.skip(position + end)
        return value

    def _list(self, position: int, most: int) -> Steps[list[Any]]:
        text = self.text
        found: list[Any] = []
        position = self.skip(position + 1)
        if text[position : position + 1] == "]":
            self.at = self.skip(position + 1)
            return found
        while True:
            batch = self._batch(position, most - 1)
            if batch is not None:
                found += batch
                yield
            else:
                found.append((yield from self.value(position, most - 1)))
                if not len(found) % 100:
                    yield
            if not self._goes_on("]"):
                return found
            position = self.at

    def _goes_on(self, closing: str) -> bool:
        """Whether a comma follows, and not the end."""
        sign = self.text[self.at : self.at + 1]
        if sign not in (",", closing) or not sign:
            raise JSONDecodeError("Expecting ',' delimiter", self.text, self.at)
        self.at = self.skip(self.at + 1)
        return sign == ","

    def _batch(self, position: int, most: int) -> list[Any] | None:
        """As many items as surely end within the window; None when that cannot be told."""
        if position < self._no_batch_before:
            return None
        text = self.text
        closing = _CLOSING.get(text[position : position + 1])
        if closing:
            end = text.rfind(closing, position, position + _WINDOW) + 1
        else:
            end = text.rfind(",", position, position + _WINDOW)
        try:
            if end > position:
                # What reads as a row of whole items is one: none of them can go on.
                row = f"[{text[position:end]}]".encode()
                items: list[Any] = jsontext.read(row)
                check_nesting(row, items, most + 1)
                self.at = self.skip(end)
                return items
        except RecursionError:
            raise NestedTooDeep from None
        except ValueError:
            pass
        self._no_batch_before = position + _WINDOW  # so that no text is tried often
        return None

    def _object(self, position: int, most: int) -> Steps[dict[str, Any]]:
        text = self.text
        found: dict[str, Any] = {}
        position = self.skip(position + 1)
        if text[position : position + 1] == "}":
            self.at = self.skip(position + 1)
            return found
        for count in _numbers():
            if text[position : position + 1] != '"':
                problem = "Expecting property name enclosed in double quotes"
                raise JSONDecodeError(problem, text, position)
            name, end = _scan(text, position)
            end = self.skip(end)
            if text[end : end + 1] != ":":
                raise JSONDecodeError("Expecting ':' delimiter", text, end)
            found[name] = yield from self.value(self.skip(end + 1), most - 1)
            if not self._goes_on("}"):
                return found
            position = self.at
            if not count % 100:
                yield
        return found


def _numbers() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


# --- writing ---------------------------------------------------------------


def encoded(value: Any) -> Steps[Encoded]:
    """Write JSON in steps; what is `Encoded` already is taken as it is."""
    written = Encoded()
    yield from _write(value, written.parts)
    return written


def _write(value: Any, parts: list[str]) -> Iterator[None]:
    if type(value) is Encoded:
        parts += value.parts
    elif type(value) is list:
        yield from _write_list(value, parts)
    elif type(value) is dict:
        yield from _write_object(value, parts)
    else:
        parts.append(encode(value))
        yield


def _write_list(items: list[Any], parts: list[str]) -> Iterator[None]:
    parts.append("[")
    comma = ""
    for first, last in _short_runs(items):
        parts.append(comma)
        if last - first == 1:
            yield from _write(items[first], parts)
        else:
            parts.append(encode(items[first:last])[1:-1])
            yield
        comma = ", "
    parts.append("]")


def _write_object(value: dict[Any, Any], parts: list[str]) -> Iterator[None]:
    parts.append("{")
    comma = ""
    names = list(value)
    for first, last in _short_runs(list(value.values())):
        if last - first == 1:
            parts.append(f"{comma}{encode(names[first])}: ")
            yield from _write(value[names[first]], parts)
        else:
            some = {name: value[name] for name in names[first:last]}
            parts.append(comma + encode(some)[1:-1])
            yield
        comma = ", "
    parts.append("}")


def _short_runs(items: list[Any]) -> Iterator[tuple[int, int]]:
    """Runs of items to write at once; what may be long stands alone."""
    first = total = 0
    for place, item in enumerate(items):
        own = weight(item)
        if own > ITEMS:
            if first < place:
                yield first, place
            yield place, place + 1
            first, total = place + 1, 0
            continue
        total += own
        if total > ITEMS:
            yield first, place + 1
            first, total = place + 1, 0
    if first < len(items):
        yield first, len(items)


_HEAVY = frozenset((str, list, dict, Encoded))  # what may weigh more than one


def weight(item: Any, depth: int = 4) -> int:
    """How much there is to write, in items of `ITEM` bytes; above `ITEMS` just that it is more."""
    kind = type(item)
    if kind is str:
        return 1 + len(item) // ITEM
    if kind is Encoded:
        return ITEMS + 1
    if kind is not list and kind is not dict:
        return 1
    if len(item) > ITEMS or not depth:
        return ITEMS + 1
    total = 1 + len(item)
    for inner in item.values() if kind is dict else item:
        if type(inner) in _HEAVY:
            total += weight(inner, depth - 1)
            if total > ITEMS:
                break
    return total
