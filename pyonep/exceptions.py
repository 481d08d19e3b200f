"""Every error that pyonep raises, in one tree.

::

    OneException
    ├── JsonRPCRequestException      an RPC request did not go out
    ├── JsonRPCResponseException     it went out, and no complete answer came
    ├── JsonStringException          a value that JSON cannot carry; nothing was sent
    ├── OnePlatformException         the platform refused the request, or its answer makes no sense
    ├── SpoolError                   the file of a Datastore cannot be used
    ├── ProvisionException           a provisioning call was answered with 400 or more
    └── ProvisionTransportError      a provisioning request or its answer was lost
        ├── ProvisionConnectionError     also a requests ConnectionError
        └── ProvisionTimeout             also a requests Timeout

Catch `OneException` for everything. The transport errors of `Provision` are
also `http.client.HTTPException` and the matching `requests` exception, because
scripts were taught to catch the one or the other, depending on the release.

A status other than ``ok`` is not an error: a call then returns
``(False, status)``.

No text of these errors contains a credential.
"""

from __future__ import annotations

from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import requests.exceptions

if TYPE_CHECKING:
    from .provision import ProvisionResponse

__all__ = [
    "JsonRPCRequestException",
    "JsonRPCResponseException",
    "JsonStringException",
    "OneException",
    "OnePlatformException",
    "ProvisionConnectionError",
    "ProvisionException",
    "ProvisionTimeout",
    "ProvisionTransportError",
    "SpoolError",
]


class OneException(Exception):
    """Base of every error of this library. Can be pickled, and sent to another process."""

    def __reduce__(self) -> Any:
        # By default the constructor would get `args`, the text that it has made.
        return _again, (type(self), self.args), vars(self)


def _again(cls: type[OneException], args: tuple[Any, ...]) -> OneException:
    error = cls.__new__(cls)
    error.args = args
    return error


class JsonRPCRequestException(OneException):
    """The RPC request did not go out.

    The host was not found, refused the connection, failed the TLS handshake or
    did not accept in time; or there was nothing to send.
    """


class JsonRPCResponseException(OneException):
    """The RPC request went out, and no complete answer came back.

    The platform may have carried the calls out.
    """


class JsonStringException(OneException):
    """A value cannot be written as JSON: NaN, an infinity, an arbitrary object.

    Nothing was sent, and nothing that was deferred is lost.
    """


class OnePlatformException(OneException):
    """The platform refused the whole request, or its answer makes no sense.

    The text is the platform's error object as Python shows it, as it always was:
    ``{'code': 401, 'message': 'Invalid', 'context': 'auth'}``.

    Attributes:
        code (int | None): Code of the platform's error object, e.g. 401.
        message (str | None): Its message, e.g. ``"Invalid"``.
        context (str | None): What it is about, e.g. ``"auth"``.
        http_status (int | None): Status of the HTTP answer, e.g. 503 from a proxy in between.
        retry_after (float | None): Seconds after which the platform, or a proxy in front of it,
            wants to be asked again.
        answers (list): The answers that did come, as
            ``[(call, isok, response), ...]``; empty when there were none.
    """

    def __init__(self, *args: Any, code: int | None = None, answers: Any = ()) -> None:
        error = args[0] if args and isinstance(args[0], dict) else {}
        super().__init__(*(str(error), *args[1:]) if error else args)
        number = error.get("code") if code is None else code
        self.code: int | None = number if isinstance(number, int) else None
        self.message: str | None = _text_of(error.get("message"))
        self.context: str | None = _text_of(error.get("context"))
        self.http_status: int | None = None
        self.retry_after: float | None = None
        self.answers: list[tuple[dict[str, Any], bool, Any]] = list(answers)


def _text_of(value: Any) -> str | None:
    return None if value is None else str(value)


def in_words(error: Exception) -> str:
    """The text of an error for people to read: ``401 Invalid (auth)``."""
    if not isinstance(error, OnePlatformException) or error.message is None:
        return str(error)
    about = f" ({error.context})" if error.context else ""
    return " ".join(str(part) for part in (error.code, error.message) if part is not None) + about


class SpoolError(OneException):
    """The spool of a Datastore is in use by another process, or cannot be opened."""


class ProvisionException(OneException):
    """A provisioning call was answered with a status of 400 or more.

    Raised by a `Provision` made with ``raise_api_exceptions=True``. The text is
    status and reason, for example ``404 Not Found``.

    Attributes:
        response (ProvisionResponse): The answer.
    """

    def __init__(self, provision_response: ProvisionResponse) -> None:
        text = f"{int(provision_response.status)} {provision_response.reason}"
        super().__init__(provision_response.redacted(text))
        self.response = provision_response


class ProvisionTransportError(OneException, HTTPException, requests.exceptions.RequestException):
    """A provisioning request could not be sent, or its answer was not complete."""


class ProvisionConnectionError(ProvisionTransportError, requests.exceptions.ConnectionError):
    """No connection to the provisioning host, or it was cut."""


class ProvisionTimeout(ProvisionTransportError, requests.exceptions.Timeout):
    """The provisioning host did not accept or did not answer in time."""
