"""What requests say, as text: fields of forms and queries, rows of CSV, whole numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Callable, TypeVar
from urllib.parse import parse_qsl

from ..core import errors
from ..core.turns import Pace, Steps, at_once

BEYOND = 10**18  # fits in 64 bits, also where something is added to it
# A form that is read at once, and one field or row of those that are read in steps.
_LONG_FORM, _MANY_FIELDS = 256 * 1024, 1000
_PIECE = 8 * 1024  # characters of a form that one step reads
_ROWS = 500  # of CSV that one step reads

T = TypeVar("T")


def whole(text: str) -> int | None:
    """The number that ASCII digits spell, or None: the one way to read one from a request.

    What is beyond every count, size and time there is counts as `BEYOND`, so that nothing
    that uses the number has to think of it. `int` alone refuses thousands of digits.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) < len(str(BEYOND)) else BEYOND


# --- forms and queries -----------------------------------------------------


class Form:
    """The fields of a body or a query, in order; ``x[]`` counts as ``x``."""

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}

    def add(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Add fields that follow."""
        for name, value in pairs:
            name = name[:-2] if name.endswith("[]") else name
            self._values.setdefault(name, []).append(value)

    def all(self, name: str) -> list[str]:
        """All values of a field, in order."""
        return self._values.get(name, [])

    def get(self, name: str, default: str = "") -> str:
        """The first value of a field."""
        return self._values.get(name, (default,))[0]

    def is_true(self, name: str) -> bool:
        """Whether a field is exactly ``true``."""
        return self.get(name) == "true"

    def need(self, name: str) -> str:
        """The first value of a field that must be there."""
        value = self.get(name)
        if not value:
            raise errors.Invalid(f"the field {name} is missing")
        return value


def parse_form(text: str) -> Form:
    """Read fields as a form or a query writes them, of which there are not many.

    Raises:
        TooLarge: There are many.
    """
    if len(text) > _LONG_FORM or text.count("&") > _MANY_FIELDS:
        raise errors.TooLarge(f"at most {_MANY_FIELDS} fields and {_LONG_FORM} bytes here")
    return at_once(form_steps(text))


def form_steps(text: str) -> Steps[Form]:
    """Read fields as a form or a query writes them, in steps."""
    form, start = Form(), 0
    while start < len(text):
        end = len(text)
        if end - start > _PIECE:
            end = text.rfind("&", start, start + _PIECE)
            end = text.find("&", start) if end < 0 else end
            end = len(text) if end < 0 else end
        if end - start > _LONG_FORM:
            raise errors.TooLarge(f"a field has at most {_LONG_FORM} bytes")
        try:
            form.add(parse_qsl(text[start:end], keep_blank_values=True, errors="strict"))
        except (UnicodeError, ValueError) as error:
            raise errors.Invalid("the fields are not UTF-8") from error
        start = end + 1
        yield
    return form


# --- CSV -------------------------------------------------------------------


def rows(text: str, work: Callable[[int, list[str]], T]) -> Steps[list[T]]:
    """What `work` makes of each row of CSV and its line number, in steps.

    Blank lines are skipped.
    """
    lines = _Lines(text)
    reader = csv.reader(lines, strict=True)
    found: list[T] = []
    pace = Pace(_ROWS)
    while True:
        line, lines.since = reader.line_num + 1, 0
        try:
            row = next(reader)
        except StopIteration:
            return found
        except csv.Error as error:
            raise errors.Invalid(f"line {line}: {error}") from error
        if row:
            found.append(work(line, row))
        if pace.is_full():
            yield


@contextmanager
def at_line(line: int) -> Iterator[None]:
    """Say of what makes no sense in which line of the body it stands."""
    try:
        yield
    except errors.Invalid as error:
        raise errors.Invalid(f"line {line}: {error.reason}") from error


class _Lines:
    """The lines of a text for the reader of CSV, which takes a row in one go."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.since = 0  # characters since the last row

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.since += len(line)
        if self.since > _LONG_FORM:
            raise errors.TooLarge(f"a row has at most {_LONG_FORM} bytes")
        return line
