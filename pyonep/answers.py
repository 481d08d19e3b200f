"""What provisioning and data calls return.

Every call of `Provision` returns a `ProvisionResponse`; `pyonep.exceptions.ProvisionException`
carries one.
"""

from __future__ import annotations

import csv
import io
from typing import Any, Callable, TypeVar

import requests

from .errorbase import OnePlatformException
from .redaction import redact, scrubbed

__all__ = ["ProvisionResponse"]

_DETAIL = "X-Error-Detail"
_SHOWN = 120  # characters of an answer that an error shows

Parsed = TypeVar("Parsed")


class _Status(int):
    """An HTTP status: a number that may be called, as examples of 0.8 do."""

    def __call__(self) -> int:
        return int(self)


class _Reason(str):
    """A reason phrase: text that may be called, as examples of 0.8 do."""

    def __call__(self) -> str:
        return str(self)


class ProvisionResponse(str):
    """The answer to a provisioning call.

    It can be used as the text of its body, as in releases before 0.8, whose calls returned
    nothing else: ``cik = provision.serialnumber_activate(…)``. It is always true. Its
    ``repr`` is the body with keys and tokens masked; ``str`` shows them.

    Attributes:
        body (str | bytes): Text when the bytes are UTF-8, else the bytes.
        response (requests.Response): The whole answer.
    """

    body: str | bytes
    response: requests.Response
    _secrets: tuple[str, ...]  # that the request carried: an answer may repeat them

    def __new__(
        cls, body: str | bytes, response: requests.Response, secrets: tuple[str, ...] = ()
    ) -> ProvisionResponse:
        """Make one from its body and the whole answer."""
        self = super().__new__(cls, body if isinstance(body, str) else "")
        self.body = body
        self.response = response
        self._secrets = secrets
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:  # for pickle and copy
        return self.body, self.response, self._secrets

    def __bool__(self) -> bool:
        return True

    @property
    def status(self) -> _Status:
        """The HTTP status. ``status()`` works as well."""
        return _Status(self.response.status_code)

    @property
    def reason(self) -> _Reason:
        """The reason phrase. ``reason()`` works as well."""
        return _Reason(self.response.reason)

    @property
    def isok(self) -> bool:
        """Whether the status is below 400."""
        return self.response.status_code < 400

    @property
    def content(self) -> bytes:
        """The body as bytes, whatever they are."""
        return self.response.content

    @property
    def detail(self) -> str:
        """What was wrong, in words; empty when the platform does not say."""
        return str(self.response.headers.get(_DETAIL, ""))

    def rows(self) -> list[list[str]]:
        """The body of a list, parsed: ``[[column, ...], ...]``.

        Raises:
            OnePlatformException: It is no list.
        """

        def parse() -> list[list[str]]:
            text = self.content.decode("utf-8")
            return [row for row in csv.reader(io.StringIO(text, newline="")) if row]

        return self.understood("list", parse)

    def __str__(self) -> str:
        return f"Status: {int(self.status)}, Reason: {self.reason}, Body: {self._shown()}"

    def __repr__(self) -> str:
        return self.redacted(self._shown())

    def redacted(self, text: object) -> str:
        """A text for logs and errors, without the credentials of this call."""
        return redact(text, *self._secrets)

    def understood(self, what: str, read: Callable[[], Parsed]) -> Parsed:
        """What `read` makes of the answer.

        Raises:
            OnePlatformException: It cannot: the answer is not `what` it should be.
        """
        try:
            return read()
        except (ValueError, LookupError, TypeError, RecursionError, csv.Error) as error:
            shown = self.redacted(repr(self.content[:1000]))[:_SHOWN]
            cause = scrubbed(error, *self._secrets)
            raise OnePlatformException(f"the answer is no {what}: {shown}") from cause

    def _shown(self) -> str:
        return self.body if isinstance(self.body, str) else repr(self.body)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)
