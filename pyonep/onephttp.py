"""HTTP underneath every API of this library; the only module that sends requests.

`OneP_Request` sends requests to one host, and reads their answers, within the time that
they have. `endpoint` says where to, `channel` holds the connections, `failures` knows what
can go wrong, and `curl` shows a request as a command.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Callable, NamedTuple, Optional, Union
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
import requests.exceptions
import requests.structures
import requests.utils
import urllib3.exceptions

from . import curl, failures, forks, reading
from .channel import Channel, opened
from .deadline import Deadline, time_limit
from .reading import ANSWER_LIMIT, text_or_bytes
from .redaction import MASK, redact

__all__ = ["ANSWER_LIMIT", "TOTAL", "OnePHTTP", "OneP_Request", "pieces"]

# A call may take so many times its timeout, from the first step to the last byte.
TOTAL = 6
_BY_TIMEOUT: float = -1.0  # a total that follows from the timeout
_REDIRECTS = 30
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
_BODY_HEADERS = frozenset({"content-length", "content-type", "transfer-encoding"})
_PORTS = {"http": 80, "https": 443}
# What would end a header, or has no byte in one.
_UNFIT = re.compile(r"[\r\n\0]|[^\x00-\xff]")
_CREDENTIAL_HEADERS = frozenset({"x-exosite-cik", "x-exosite-token", "authorization"})

Body = Union[str, bytes, IO[bytes], None]
Timeout = Optional[float]


class _Request(NamedTuple):
    """One request, as it is sent."""

    method: str
    path: str
    body: Any
    headers: Mapping[str, str]

    def redirected(self, status: int, path: str) -> _Request:
        """The request to send instead, when it was answered with this status."""
        if status == 303 or (status in (301, 302) and self.method == "POST"):
            kept = {n: v for n, v in self.headers.items() if n.lower() not in _BODY_HEADERS}
            return _Request("GET", path, None, kept)
        if hasattr(self.body, "seek"):
            self.body.seek(0)
        return self._replace(path=path)


class OneP_Request:
    """Sends requests to one host, over a kept connection or one per request.

    Safe to share between threads.

    Args:
        host (str): Host with its port, ``m2.exosite.com:443``.
        https (bool): Whether to speak TLS.
        httptimeout (float | str | None): Seconds to wait for a connection, and again for each
            part of the answer. The whole of a call may take six times as long; see
            `within` for another total.
        headers (dict): Headers sent with every request. Copied, never changed.
        reuseconnection (bool): Keep the TCP connection instead of opening one per
            request.
        log (logging.Logger): Where requests are logged at DEBUG, credentials
            masked; a logger of this module by default.
        curldebug (bool): Log each request at DEBUG as a curl command that can be
            pasted. It contains credentials.
        answer_limit (int): Bytes that an answer may have after decoding, `ANSWER_LIMIT`
            (256 MiB) by default, 64 MiB in `OnepV1`; None for no limit. A download into a
            file has none.

    Raises:
        ValueError: `httptimeout` is no time.
    """

    def __init__(
        self,
        host: str,
        https: bool = True,
        httptimeout: float | str | None = 15,
        headers: Mapping[str, str] | None = None,
        reuseconnection: bool = False,
        log: logging.Logger | None = None,
        curldebug: bool = False,
        answer_limit: int | None = ANSWER_LIMIT,
    ) -> None:
        self.answer_limit = answer_limit
        self.host = host
        self.https = https
        self.httptimeout = httptimeout
        self.reuseconnection = reuseconnection
        self.curldebug = curldebug
        self._headers = dict(headers or {})
        self._log = log or logging.getLogger(__name__)
        self._lock = forks.lock()
        self._channels: dict[bool, Channel] = {}  # by whether certificates are checked
        self._thread = threading.local()  # of each thread: its last answer, its time

    @property
    def httptimeout(self) -> float | None:
        """Seconds for each step of a call, None for no limit; may be set to text that is one."""
        return self._httptimeout

    @httptimeout.setter
    def httptimeout(self, value: Any) -> None:
        self._httptimeout = time_limit(value)

    @property
    def base(self) -> str:
        """Scheme and host, ``https://m2.exosite.com:443``."""
        return f"{'https' if self.https else 'http'}://{self.host}"

    def request(
        self,
        method: str,
        path: str,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
        exception_fn: Callable[[Exception], Any] | None = None,
        notimeout: bool = False,
        verify: bool = True,
    ) -> Any:
        """Send one request.

        Args:
            method: HTTP method.
            path: Path and query, already percent-encoded.
            body: Text goes out as UTF-8.
            headers: Added to those of the constructor for this request only.
            exception_fn: Called with a transport error instead of raising it.
            notimeout: Wait for the answer for ever.
            verify: Whether to check the server's certificate.

        Returns:
            ``(body, response)``: the text, or the bytes if they are not UTF-8, and the
            `requests.Response`.

        Raises:
            requests.exceptions.RequestException: The request or its answer was lost.
        """
        timeout = None if notimeout else self.httptimeout
        try:
            raw, content = self.exchange(method, path, body, headers, timeout, verify)
        except requests.exceptions.RequestException as error:
            if exception_fn is None:
                raise
            return exception_fn(error)
        response = self.response(method, path, raw, content)
        self._thread.answer = (text_or_bytes(content), response)
        return self._thread.answer

    def getresponse(self, exception_fn: Callable[[Exception], Any] | None = None) -> Any:
        """Return again what this thread's last `request` returned (releases to 0.12)."""
        return self._thread.answer

    @contextmanager
    def within(self, total: float | None) -> Iterator[None]:
        """Give what this thread sends inside the block one time together.

        ::

            with o.onephttp.within(2.5):
                o.read(cik, rid)  # these two together take no longer than 2.5 s
                o.write(cik, rid, 1)

        It takes the place of six times `httptimeout`, and may be shorter or longer; what
        other threads send is not affected. `httptimeout` still limits each step. Of
        blocks inside each other the one that ends first counts.

        Args:
            total: Seconds from now; None for no limit.
        """
        before: float | None = getattr(self._thread, "end", _BY_TIMEOUT)
        ends = [one for one in (before, _end(total)) if one is not None]
        self._thread.end = min((one for one in ends if one >= 0), default=None)
        try:
            yield
        finally:
            self._thread.end = before

    def exchange(
        self,
        method: str,
        path: str,
        body: Body,
        headers: Mapping[str, str] | None,
        timeout: Timeout,
        verify: bool = True,
        total: float | None = _BY_TIMEOUT,
    ) -> tuple[Any, bytes]:
        """Send one request and read the whole answer.

        Args:
            method: HTTP method.
            path: Path and query, already percent-encoded.
            body: Text goes out as UTF-8.
            headers: Added to those of the constructor for this request only.
            timeout: Seconds, for the connection and for each read; None for none.
            verify: Whether to check the server's certificate.
            total: Seconds for everything, from looking up the name to the last byte of the
                answer; None for no limit. By default what is left of `within`, else
                `timeout` and five times `httptimeout`, and no limit where `timeout` is
                None. While a file is sent only each step is limited.

        Returns:
            The urllib3 answer and its body.

        Raises:
            requests.exceptions.RequestException: The request or its answer was lost;
                `failures.request_went_out` tells which.
        """
        deadline = self._deadline(body, timeout, total)
        raw = self._begin(method, path, body, headers, deadline, verify)
        return raw, self.rest(raw, deadline)

    def rest(self, raw: Any, deadline: Deadline | None = None) -> bytes:
        """Read what `begin` left unread: the body, whole, and no longer than `answer_limit`.

        Raises:
            requests.exceptions.RequestException: It did not come, or is too long.
        """
        try:
            return reading.whole(raw, self.answer_limit, deadline)
        except reading.AnswerTooLong:
            raise
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise failures.lost_answer(error, deadline) from error

    def begin(
        self,
        method: str,
        path: str,
        body: Body,
        headers: Mapping[str, str] | None,
        timeout: Timeout,
        verify: bool = True,
    ) -> Any:
        """Send one request and read the head of the answer; as `exchange` otherwise.

        Returns:
            The urllib3 answer, whose body is still to be read. That may take as long as
            bytes come, but no longer than `within` says.
        """
        deadline = self._deadline(body, timeout, _BY_TIMEOUT)
        raw = self._begin(method, path, body, headers, deadline, verify)
        if self._given_end() == _BY_TIMEOUT:
            deadline.lift()
        return raw

    def _begin(
        self,
        method: str,
        path: str,
        body: Body,
        headers: Mapping[str, str] | None,
        deadline: Deadline,
        verify: bool,
    ) -> Any:
        payload = _payload(body)
        if headers:
            _check_headers(headers)
        if self.curldebug or self._log.isEnabledFor(logging.DEBUG):
            self._log_request(method, path, payload, headers, deadline.step)
        channel = self._channel(verify)
        usual = channel.headers
        request = _Request(method, path, payload, {**usual, **headers} if headers else usual)
        with deadline:
            try:
                raw = self._send(channel, request, deadline.step, verify)
                if raw.status in _REDIRECTING:
                    raw = self._follow(request, raw, deadline.step, verify)
            except requests.exceptions.RequestException:
                raise  # is an OSError, too
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                raise failures.translated(error, deadline) from error
        return raw

    def response(self, method: str, path: str, raw: Any, content: bytes) -> requests.Response:
        """Present an answer as `requests` would."""
        response = requests.Response()
        response.status_code = raw.status
        response.headers = requests.structures.CaseInsensitiveDict(raw.headers)
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        response.raw = raw
        response.reason = raw.reason
        response.url = self.base + path
        response.request = requests.Request(method, response.url).prepare()
        response._content = content
        return response

    def close(self) -> None:
        """Close the kept connections; the next request opens a new one."""
        with self._lock:
            channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.close()

    # --- inside ---

    def _given_end(self) -> float | None:
        """When what this thread sends has to be done, if `within` says so."""
        return getattr(self._thread, "end", _BY_TIMEOUT)

    def _deadline(self, body: Body, timeout: Timeout, total: float | None) -> Deadline:
        """The time that a request has.

        Raises:
            requests.exceptions.ConnectTimeout: There is none left.
        """
        end = self._given_end()
        if total == end == _BY_TIMEOUT:
            return Deadline(timeout, self._total(timeout), hasattr(body, "read"))
        left = None if end in (None, _BY_TIMEOUT) else end - time.monotonic()
        total = min((one for one in (left, total) if one not in (None, _BY_TIMEOUT)), default=None)
        if total is not None and total <= 0:
            raise requests.exceptions.ConnectTimeout("no time was left to send it")
        return Deadline(timeout, total)

    def _total(self, timeout: Timeout) -> float | None:
        """Seconds for a whole call of which each step may take `timeout`."""
        if timeout is None:
            return None
        usual = self._httptimeout
        own = timeout if usual is None or usual > timeout else usual
        return timeout + (TOTAL - 1) * own

    def _channel(self, verify: bool) -> Channel:
        channel = self._channels.get(verify)
        if channel is None or not channel.is_ours():
            with self._lock:
                channel = self._channels.get(verify)
                if channel is None or not channel.is_ours():
                    channel = opened(self.base, self._headers, self.reuseconnection, verify)
                    self._channels[verify] = channel
        return channel

    def _send(self, channel: Channel, request: _Request, timeout: Timeout, verify: bool) -> Any:
        while True:
            try:
                return channel.send(*request, timeout)
            except urllib3.exceptions.ClosedPoolError:
                # Another thread called close() between our fetching the pool and
                # using it; nothing was sent.
                channel = self._channel(verify)

    def _follow(self, request: _Request, raw: Any, timeout: Timeout, verify: bool) -> Any:
        """Follow redirects as `requests` does, but never to another server.

        Bodies and headers carry credentials. Another port of the host may belong to
        somebody else, and plain HTTP can be read by everybody.
        """
        for _ in range(_REDIRECTS):
            target = raw.headers.get("Location")
            if raw.status not in _REDIRECTING or not target:
                return raw
            reading.dispose(raw)
            path = self._path_of(raw.status, request.path, target)
            request = request.redirected(raw.status, path)
            raw = self._send(self._channel(verify), request, timeout, verify)
        reading.dispose(raw)
        raise failures.Redirected(f"HTTP {raw.status}: more than {_REDIRECTS} redirects")

    def _path_of(self, status: int, path: str, target: str) -> str:
        """Path and query that a redirect leads to.

        Raises:
            failures.Redirected: It leads to another server, or nowhere.
        """
        try:
            url = requests.utils.requote_uri(urljoin(self.base + path, _as_utf8(target)))
            parts, own = urlsplit(url), urlsplit(self.base)
            server = (parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme))
        except (ValueError, requests.exceptions.RequestException):
            raise failures.Redirected(f"HTTP {status}: redirects to what is no URL") from None
        if server != (own.scheme, own.hostname, own.port):
            where = redact(f"{server[0]}://{server[1]}:{server[2]}")
            raise failures.Redirected(
                f"HTTP {status}: {self.base} redirects to {where}. That is another server, "
                "and gets neither request nor key; if it is the right one, name it as the host"
            )
        return urlunsplit(("", "", parts.path or "/", parts.query, ""))

    def _log_request(
        self,
        method: str,
        path: str,
        body: Any,
        headers: Mapping[str, str] | None,
        timeout: Timeout,
    ) -> None:
        merged = {**self._headers, **(headers or {})}
        if self.curldebug:
            self._log.debug("%s", curl.command(method, self.base + path, body, merged, timeout))
            return
        shown = {
            name: MASK if name.lower() in _CREDENTIAL_HEADERS else value
            for name, value in merged.items()
        }
        # A path may name a key as well: that of a device that is looked up, for example.
        secrets = [one for name, one in merged.items() if name.lower() in _CREDENTIAL_HEADERS]
        where, what = redact(path, *secrets), redact(shown, *secrets)
        self._log.debug("%s %s%s headers: %s", method, self.base, where, what)


OnePHTTP = OneP_Request


def _payload(body: Body) -> bytes | IO[bytes] | None:
    try:
        return body.encode("utf-8") if isinstance(body, str) else body
    except UnicodeError:
        raise failures.NotSendable("half a character (a surrogate) cannot be sent") from None


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if _UNFIT.search(name) or (isinstance(value, str) and _UNFIT.search(value)):
            raise failures.NotSendable(f"{name!r} has a character that no header can have")


def _end(total: float | None) -> float | None:
    return None if total is None else time.monotonic() + max(0.0, total)


def _as_utf8(header: str) -> str:
    """A header value, which comes as Latin-1, as the UTF-8 it may be."""
    return header.encode("latin-1", "replace").decode("utf-8", "replace")


def pieces(raw: Any, size: int) -> Iterator[bytes]:
    """The body of an answer in pieces.

    Raises:
        requests.exceptions.RequestException: The connection broke.
    """
    return _pieces(raw, size, forks.generation())


def _pieces(raw: Any, size: int, process: int) -> Iterator[bytes]:
    some = reading.decoded(raw, size)
    try:
        while forks.generation() == process:
            piece = next(some, None)
            if piece is None:
                return
            yield piece
        raise requests.exceptions.ConnectionError("the process that began it reads it")
    except requests.exceptions.RequestException:
        raise
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise failures.lost_answer(error) from error
    finally:
        reading.dispose(raw)
