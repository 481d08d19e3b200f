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
from typing import TYPE_CHECKING

import requests.exceptions

from .errorbase import OneException, OnePlatformException

if TYPE_CHECKING:
    from .answers import ProvisionResponse

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
