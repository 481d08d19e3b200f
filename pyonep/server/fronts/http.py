"""A request and its handler: what the fronts for provisioning, data and administration share."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import cached_property
from typing import Any, Callable, TypeVar, Union
from urllib.parse import unquote

from starlette.responses import Response
from starlette.types import Receive, Scope

from ..core import errors, jsontext
from ..core.access import Grounds
from ..core.budget import Budget
from ..core.pieces import decoded
from ..core.turns import Steps, at_once
from ..core.unit import Unit
from ..platform import Hangup, Platform
from .bodies import Form, form_steps, parse_form, rows, whole

FORM_TYPE, CSV_TYPE = "application/x-www-form-urlencoded", "text/csv"
JSON_TYPES = ("application/javascript", "application/json")

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

T = TypeVar("T")


def status_of(refused: errors.Refused) -> int:
    """The status of HTTP that says a refusal."""
    return errors.said_in(STATUS, refused)


# --- a request -------------------------------------------------------------


def _no_objection(_: Unit) -> None:
    """Find no fault with whoever calls."""


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
        # For the log of calls: who called, what the body names, and what was said no with.
        self.caller = "-"
        # Raises when the caller may not act.
        self.check_caller: Callable[[Unit], object] = _no_objection
        self.grounds: Grounds = {}
        self._watch = platform.watch(lambda unit: self.check_caller(unit), self.grounds)
        self.names: list[str] = []
        self.refused: errors.Refused | None = None
        self.unknown: list[str] = []  # names of these that lead nowhere, which no answer says
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
        self.headers = headers
        client = scope.get("client")
        self.peer: str = client[0] if client else ""

    def check(self) -> None:
        """See whether work may go on after others have run; raises when it may not."""
        self.platform.work(lambda _: self._watch.check())

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
        """What `work` makes of each row of a CSV body and its line number, in steps."""
        return rows(self.text(), work)

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


def hung_up(receive: Receive) -> Hangup:
    """What returns when the client has hung up; the body has to be read before."""

    async def hangup() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    return hangup


# --- its handler -----------------------------------------------------------


Read = Callable[[int], Awaitable[bytes]]  # reads a body of at most so many bytes
Later = Callable[[], Awaitable[Response]]
# What a handler gives: the answer, or the steps to it, or what makes it when all that was done
# is durable and no unit is open: it may wait.
Answer = Union[Response, Steps[Response], Steps[Union[Response, Later]], Later]
Handler = Callable[..., Answer]


def most_bytes(request: Request, check: Callable[[Unit], object], most: int) -> int:
    """How long a body may be: `most` when `check` finds no fault with the caller."""
    try:
        request.platform.work(check)
    except errors.Refused:
        return min(most, request.platform.settings.max_keyless_bytes)
    return most


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
