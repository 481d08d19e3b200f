"""What the fronts for provisioning and data share: requests, bodies, answers."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Callable, Optional, TypeVar, Union
from urllib.parse import parse_qsl, unquote

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope

from ..core import errors, jsontext
from ..core.access import Grounds, Watch
from ..core.budget import Budget
from ..core.lists import EVERYTHING, Listing
from ..core.pieces import decoded
from ..core.turns import Pace, Steps, at_once
from ..core.unit import Unit
from ..platform import Hangup, Platform

TEXT = "text/plain; charset=utf-8"
CSV = "text/csv; charset=utf-8"
FORM = "application/x-www-form-urlencoded; charset=utf-8"
JSON = "application/javascript; charset=utf-8"
FORM_TYPE, CSV_TYPE = "application/x-www-form-urlencoded", "text/csv"
JSON_TYPES = ("application/javascript", "application/json")

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    412: "Precondition Failed",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    416: "Range Not Satisfiable",
    500: "Internal Server Error",
}
# How provisioning, data and admin say a refusal, see `errors.said_in`.
STATUS: dict[type[errors.Refused], int] = {
    errors.Refused: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unusable: 412,
    errors.TooLarge: 413,
    errors.Unsupported: 415,
}
DETAIL = "X-Error-Detail"
_LONGEST_DETAIL = 300
# A form that is read at once, and one field or row of those that are read in steps.
_LONG_FORM, _MANY_FIELDS = 256 * 1024, 1000
_PIECE = 8 * 1024  # characters of a form, and rows of CSV, that one step reads
_ROWS = 500
_ROWS_AT_ONCE = 20  # that are read at once, each of which may be long
_HOP = 5000  # that are passed over in one step

T = TypeVar("T")
BEYOND = 10**18  # fits in 64 bits, also where something is added to it


def status_of(refused: errors.Refused) -> int:
    """The status of HTTP that says a refusal."""
    return errors.said_in(STATUS, refused)


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


def whole(text: str) -> int | None:
    """The number that ASCII digits spell, or None: the one way to read one from a request.

    What is beyond every count, size and time there is counts as `BEYOND`, so that nothing
    that uses the number has to think of it. `int` alone refuses thousands of digits.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) < len(str(BEYOND)) else BEYOND


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


def hung_up(receive: Receive) -> Hangup:
    """What returns when the client has hung up; the body has to be read before."""

    async def hangup() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    return hangup


Read = Callable[[int], Awaitable[bytes]]  # reads a body of at most so many bytes


def most_bytes(request: Request, check: Callable[[Unit], object], most: int) -> int:
    """How long a body may be: `most` when `check` finds no fault with the caller."""
    try:
        request.platform.work(check)
    except errors.Refused:
        return min(most, request.platform.settings.max_keyless_bytes)
    return most


class Request:
    """One HTTP request, read as the fronts need it."""

    def __init__(self, platform: Platform, scope: Scope, receive: Receive) -> None:
        self.platform = platform
        self.scope = scope
        self.receive = receive
        # What HEAD is answered is what GET is; the server leaves the body out.
        self.method: str = "GET" if scope["method"] == "HEAD" else scope["method"]
        self.body = b""
        self.budget: Budget = Budget(platform.settings)
        # For the log of calls: who called, and what the body names.
        self.caller = "-"
        self.check_caller: Callable[[Unit], object] = lambda unit: (
            None
        )  # raises when it may not act
        self.grounds: Grounds = {}
        self._watch = Watch(platform.unit, lambda: self.check_caller(platform.unit), self.grounds)
        self.names: list[str] = []
        self.unknown: list[str] = []  # names of these that lead nowhere, which no answer says
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
        self.headers = headers
        client = scope.get("client")
        self.peer: str = client[0] if client else ""

    def check(self) -> None:
        """See whether work may go on after others have run; raises when it may not."""
        self._watch.check()

    @cached_property
    def segments(self) -> list[str] | None:
        """The path, split first and decoded then; None when there is none, or no UTF-8."""
        raw = self.scope.get("raw_path") or self.scope["path"].encode("utf-8")
        try:
            parts = raw.decode("ascii").split("?", 1)[0].split("/")
            decoded = [unquote(part, errors="strict") for part in parts]
        except UnicodeError:
            return None
        # `OPTIONS *` asks about the server itself, which is none of our resources.
        return decoded[1:] if decoded[0] == "" and decoded[1:] else None

    @property
    def target(self) -> str:
        """Path and query, as they were sent."""
        path = self.scope.get("raw_path") or self.scope["path"].encode("utf-8")
        query = self.scope["query_string"]
        return str((path + b"?" * bool(query) + query).decode("latin-1"))

    @property
    def query_text(self) -> str:
        """The query as it was sent."""
        return str(self.scope["query_string"].decode("latin-1"))

    @property
    def query(self) -> Form:
        """The fields of the query."""
        return parse_form(self.query_text)

    @property
    def media_type(self) -> str:
        """The type of the body, without parameters; a form when none is given."""
        given = self.headers.get("content-type", "").split(";", 1)[0].strip().lower()
        return given or FORM_TYPE

    def text(self) -> str:
        """The body as text."""
        try:
            return self.body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise errors.Invalid("the body is not UTF-8") from error

    def form(self) -> Form:
        """The fields of the body, which must be a form."""
        self.need_type(FORM_TYPE)
        return parse_form(self.text())

    def need_type(self, *types: str) -> None:
        """See that the body is of one of some types.

        Raises:
            Unsupported: It is of another.
        """
        if self.media_type not in types:
            raise errors.Unsupported(f"the body must be {' or '.join(types)}")

    def form_steps(self) -> Steps[Form]:
        """The fields of the body, in steps."""
        return form_steps(self.text())

    def rows(self, work: Callable[[int, list[str]], T]) -> Steps[list[T]]:
        """What `work` makes of each row of a CSV body and its line number, in steps.

        Blank lines are skipped.
        """
        lines = _Lines(self.text())
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

    def json_steps(self) -> Steps[Any]:
        """The JSON of the body, in steps."""
        deepest = self.platform.settings.max_nesting
        try:
            return (yield from decoded(self.body, deepest))
        except jsontext.NestedTooDeep:
            raise errors.Invalid(f"the body is nested more than {deepest} deep") from None
        except jsontext.NotJson as error:
            raise errors.Invalid(str(error)) from None

    def json(self) -> Any:
        """The JSON of the body, which is short."""
        return at_once(self.json_steps())

    def page(self) -> tuple[int, int]:
        """Offset and limit; the limit is kept between 5 and 1000."""
        query = self.query
        offset, limit = whole(query.get("offset", "0")), whole(query.get("limit", "5"))
        if offset is None or limit is None:
            raise errors.Invalid("offset and limit must be integers that are not negative")
        return offset, min(max(limit, 5), 1000)


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


Later = Callable[[], Awaitable[Response]]
# What a handler gives: the answer, or the steps to it, or what makes it when all that was done
# is durable and no unit is open: it may wait.
Answer = Union[Response, Steps[Response], Steps[Union[Response, Later]], Later]
Handler = Callable[..., Answer]


async def answered(request: Request, handler: Handler, *arguments: Any) -> Response:
    """The answer that a handler gives: at once, in steps, or after waiting; it is durable then.

    Args:
        request: What it answers.
        handler: Gets the unit, the request, and the arguments.
        *arguments: For `handler`.
    """
    answer: Any = await request.platform.run(handler, request, *arguments, check=request.check)
    response: Response = answer if isinstance(answer, Response) else await answer()
    return response


# --- answers ---------------------------------------------------------------


def plain(body: str | bytes, type: str = TEXT) -> Response:
    """200 with a body."""
    return Response(body, headers={"Content-Type": type})


def nothing(status: int) -> Response:
    """204 or 205: done, and nothing to show."""
    return Response(status_code=status, headers={"Content-Length": "0"})


def done() -> Response:
    """205: created, changed or removed."""
    return nothing(205)


def listed(rows: Sequence[Sequence[object]]) -> Response:
    """200 with CSV, or 204 when there is nothing."""
    if not rows:
        return nothing(204)
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return plain(text.getvalue(), CSV)


def _as_it_is(*row: object) -> Sequence[object]:
    return row


class Rows:
    """A list that is made row by row; it counts as part of the answer, which has an end."""

    def __init__(self, request: Request) -> None:
        self._budget = request.budget
        self._text = io.StringIO()
        self._writer = csv.writer(self._text, lineterminator="\r\n")

    def add(self, row: Sequence[object]) -> None:
        """Add a row.

        Raises:
            Refused: The answer would be too long.
        """
        before = self._text.tell()
        self._writer.writerow(row)
        self._budget.tell(1, self._text.tell() - before)

    def response(self) -> Response:
        """200 with CSV, or 204 when there is nothing."""
        text = self._text.getvalue()
        return plain(text, CSV) if text else nothing(204)


def paged(
    request: Request,
    listing: Listing,
    offset: int = 0,
    limit: int = EVERYTHING,
    shown: Callable[..., Sequence[object]] = _as_it_is,
) -> Steps[Response]:
    """A part of a list, in steps; what is before it is passed over.

    Args:
        request: What it answers.
        listing: The list.
        offset: How many are passed over.
        limit: How many are shown.
        shown: Makes a row of the answer from what one in the list has.
    """
    after = yield from _passed_over(listing, offset)
    if after is None:
        return nothing(204)
    rows, pace = Rows(request), Pace(_ROWS)
    while limit > 0:
        some = listing.read(after, min(limit, _ROWS_AT_ONCE))
        for place, *row in some:
            after = place
            rows.add(shown(*row))
            if pace.is_full():
                yield
        if len(some) < min(limit, _ROWS_AT_ONCE):
            break
        limit -= len(some)
    return rows.response()


def _passed_over(listing: Listing, offset: int) -> Steps[Optional[int]]:
    """After which number a part of a list begins; None when the list is shorter."""
    start = listing.begin(offset)
    if start is None:
        return None
    after, offset = start
    while offset > 0:
        place = listing.skip(after, min(offset, _HOP))
        if place is None:
            return None
        after, offset = place, offset - _HOP
        yield
    return after


def problem(status: int, detail: str = "", headers: dict[str, str] | None = None) -> Response:
    """An error as the platform words it: the status line as text.

    The body says nothing else; what was wrong stands in a header of its own.
    """
    all_headers = {"Content-Type": TEXT, **(headers or {})}
    if detail:
        # What is not printable may not stand in a header.
        shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(detail.split()))
        shown = shown.encode("ascii", "backslashreplace").decode("ascii")
        all_headers[DETAIL] = shown[:_LONGEST_DETAIL]
    return Response(f"HTTP/1.1 {status} {REASONS[status]}\r\n", status, all_headers)


def not_allowed(methods: Iterable[str]) -> Response:
    """405, naming the methods that are taken here."""
    return problem(405, "", {"Allow": ", ".join(methods)})


def ranged(header: str | None, total: int, type: str, pieces: Any) -> Response:
    """A blob, whole or in part; ``pieces(first, last)`` gives its bytes.

    Args:
        header: The ``Range`` header.
        total: Bytes of the blob.
        type: Its media type.
        pieces: Makes an asynchronous iterator over the bytes of a part.
    """
    headers = {"Content-Type": type, "Accept-Ranges": "bytes"}
    part = _part(header, total)
    if part is not None and part[0] >= total:
        return problem(416, "", {"Content-Range": f"bytes */{total}"})
    first, last = part or (0, total - 1)
    headers["Content-Length"] = str(last - first + 1)
    status = 200
    if part is not None:
        headers["Content-Range"] = f"bytes {first}-{last}/{total}"
        status = 206
    stream: AsyncIterator[bytes] = pieces(first, last)
    return StreamingResponse(stream, status, headers)


def _part(header: str | None, total: int) -> tuple[int, int] | None:
    """First and last byte asked for; None for the whole."""
    if header is None or not header.startswith("bytes="):
        return None
    first, dash, last = header[len("bytes=") :].strip().partition("-")
    start, end = whole(first), whole(last)
    is_odd = (first and start is None) or (last and end is None)
    if not dash or is_odd or start is end is None:
        return None
    if start is None:
        wanted = min(end or 0, total)
        return (total - wanted, total - 1) if wanted else (total, total)
    if end is None:
        return start, total - 1
    return (start, min(end, total - 1)) if end >= start else None
