"""What requests are answered: texts, lists, blobs, and errors as the platform words them."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Callable, Optional

from starlette.responses import Response, StreamingResponse

from ..core.budget import Budget
from ..core.lists import EVERYTHING, Listing
from ..core.turns import Pace, Steps
from .bodies import whole

TEXT = "text/plain; charset=utf-8"
CSV = "text/csv; charset=utf-8"
FORM = "application/x-www-form-urlencoded; charset=utf-8"
JSON = "application/javascript; charset=utf-8"

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
DETAIL = "X-Error-Detail"
_LONGEST_DETAIL = 300
_ROWS = 500  # that one step writes
_ROWS_AT_ONCE = 20  # that are read at once, each of which may be long
_HOP = 5000  # that are passed over in one step


def plain(body: str | bytes, type: str = TEXT) -> Response:
    """200 with a body."""
    return Response(body, headers={"Content-Type": type})


def nothing(status: int) -> Response:
    """204 or 205: done, and nothing to show."""
    return Response(status_code=status, headers={"Content-Length": "0"})


def done() -> Response:
    """205: created, changed or removed."""
    return nothing(205)


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


# --- lists -----------------------------------------------------------------


def listed(rows: Sequence[Sequence[object]]) -> Response:
    """200 with CSV, or 204 when there is nothing."""
    if not rows:
        return nothing(204)
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return plain(text.getvalue(), CSV)


class Rows:
    """A list that is made row by row; it counts as part of the answer, which has an end."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
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


def _as_it_is(*row: object) -> Sequence[object]:
    return row


def paged(
    budget: Budget,
    listing: Listing,
    offset: int = 0,
    limit: int = EVERYTHING,
    shown: Callable[..., Sequence[object]] = _as_it_is,
) -> Steps[Response]:
    """A part of a list, in steps; what is before it is passed over.

    Args:
        budget: What is left to the request.
        listing: The list.
        offset: How many are passed over.
        limit: How many are shown.
        shown: Makes a row of the answer from what one in the list has.
    """
    after = yield from _passed_over(listing, offset)
    if after is None:
        return nothing(204)
    rows, pace = Rows(budget), Pace(_ROWS)
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


# --- blobs -----------------------------------------------------------------


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
