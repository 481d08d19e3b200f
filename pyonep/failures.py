"""What can go wrong between a request and its answer, as errors of `requests`."""

from __future__ import annotations

import re
import socket

import requests.exceptions
import urllib3.exceptions

from .deadline import Deadline
from .endpoint import SAY_HTTP
from .redaction import redact

__all__ = [
    "NotConnected",
    "NotSendable",
    "Redirected",
    "lost_answer",
    "request_went_out",
    "translated",
]

# What OpenSSL says to an answer that is no TLS.
_NO_TLS = (
    "WRONG_VERSION_NUMBER",
    "UNKNOWN_PROTOCOL",
    "RECORD_LAYER_FAILURE",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
)
# How urllib3 begins its texts: ``HTTPConnectionPool(host='…', port=80): ``
_OBJECT = re.compile(r"<[^>]*>: |\w+\(host=[^)]*\): ")


class NotConnected(requests.exceptions.ConnectionError):
    """The name was not resolved or the connection was refused."""


class NotSendable(requests.exceptions.RequestException):
    """A request that HTTP cannot carry."""


class Redirected(requests.exceptions.RequestException):
    """The server said to ask somewhere else, where the request must not go."""


_NOT_SENT = (
    NotConnected,
    NotSendable,
    requests.exceptions.ConnectTimeout,
    requests.exceptions.SSLError,
    requests.exceptions.ProxyError,
    requests.exceptions.InvalidURL,
)


def request_went_out(error: Exception) -> bool:
    """Whether the request may have reached the server before it failed."""
    return not isinstance(error, _NOT_SENT)


# In order: the first class that fits decides.
_TRANSLATION: tuple[tuple[type[Exception], type[requests.exceptions.RequestException]], ...] = (
    (urllib3.exceptions.NewConnectionError, NotConnected),
    (urllib3.exceptions.ConnectTimeoutError, requests.exceptions.ConnectTimeout),
    (urllib3.exceptions.ProxyError, requests.exceptions.ProxyError),
    (urllib3.exceptions.SSLError, requests.exceptions.SSLError),
    (urllib3.exceptions.ReadTimeoutError, requests.exceptions.ReadTimeout),
    (urllib3.exceptions.DecodeError, requests.exceptions.ContentDecodingError),
    (urllib3.exceptions.LocationParseError, requests.exceptions.InvalidURL),
    (urllib3.exceptions.HTTPError, requests.exceptions.ConnectionError),
    (UnicodeError, requests.exceptions.InvalidURL),
    (ValueError, requests.exceptions.ConnectionError),  # of what makes no sense as HTTP
    (OSError, requests.exceptions.ConnectionError),
)


def translated(
    error: Exception, deadline: Deadline | None = None
) -> requests.exceptions.RequestException:
    """The `requests` error for what urllib3 or the system raised, in words for people.

    Args:
        error: What was raised. If it is no failure on the way, it is raised again.
        deadline: That of the request: whoever runs out of all its time hears that.
    """
    if deadline is not None and deadline.is_over() and _is_late(error):
        return requests.exceptions.ReadTimeout(
            f"not done after {round(deadline.total or 0, 1):g} s altogether"
        )
    if any(word in str(error) for word in _NO_TLS):
        return requests.exceptions.SSLError(
            f"the server does not answer in TLS: it speaks http. If that is meant, {SAY_HTTP}"
        )
    for source, target in _TRANSLATION:
        if isinstance(error, source):
            return target(redact(_in_words(error)))
    raise error


def _in_words(error: BaseException) -> str:
    """The text of an error, without the objects of ours and of urllib3 that stand in it."""
    if not isinstance(error, urllib3.exceptions.HTTPError):
        return str(error)
    parts = [
        _in_words(one) if isinstance(one, BaseException) else one.rstrip(".")
        for one in error.args
        if one and isinstance(one, (str, BaseException))
    ]
    return _OBJECT.sub("", ": ".join(parts)) or str(error)


def _is_late(error: BaseException | None) -> bool:
    """Whether a socket ran out of time after the connection stood, which hides below."""
    if isinstance(error, urllib3.exceptions.ConnectTimeoutError):
        return False
    late = (socket.timeout, urllib3.exceptions.ReadTimeoutError)
    return error is not None and (isinstance(error, late) or _is_late(error.__cause__))


def lost_answer(
    error: Exception, deadline: Deadline | None = None
) -> requests.exceptions.RequestException:
    """Translate an error met while reading: the request did go out."""
    failure = translated(error, deadline)
    if request_went_out(failure):
        return failure
    return requests.exceptions.ConnectionError(str(failure))
