"""HTTP underneath every API of this library; the only file that sends with `requests`.

`OneP_Request` holds what does not change between calls: one `requests` session,
one prepared request, the proxies of the environment and one connection pool.
TLS contexts are shared by the whole process, because loading the CA list
costs more than a call.
"""

from __future__ import annotations

import contextlib
import decimal
import logging
import math
import numbers
import os
import re
import shlex
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import IO, Any, Callable, NamedTuple, Optional, Union
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
import requests.adapters
import requests.exceptions
import requests.structures
import requests.utils
import urllib3
import urllib3.connectionpool
import urllib3.exceptions
import urllib3.util.ssl_

from . import forks, reading
from .deadline import Deadline, PacedHTTPConnection, PacedHTTPSConnection
from .reading import ANSWER_LIMIT
from .redaction import MASK, redact, scrubbed
from .version import __version__

__all__ = ["Endpoint", "OnePHTTP", "OneP_Request", "endpoint", "request_went_out"]

HOSTED = "m2.exosite.com"
ENDPOINT_VARIABLE = "PYONEP_ENDPOINT"

# As many connections as threads are likely to share one object.
_POOL_SIZE = 64
_NO_RETRIES = urllib3.Retry(False, redirect=False)
# A call may take so many times its timeout, from the first step to the last byte.
TOTAL = 6
_BY_TIMEOUT: float = -1.0  # a total that follows from the timeout
_REDIRECTS = 30
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
_OF_BODIES = frozenset({"content-length", "content-type", "transfer-encoding"})
_PORTS = {"http": 80, "https": 443}
SAY_HTTP = "say so with https=False, or http:// in front of the host"
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
# What would end a header, or has no byte in one.
_UNFIT = re.compile(r"[\r\n\0]|[^\x00-\xff]")
_CREDENTIAL_HEADERS = frozenset({"x-exosite-cik", "x-exosite-token", "authorization"})

Body = Union[str, bytes, IO[bytes], None]
Timeout = Optional[float]


class Endpoint(NamedTuple):
    """Where requests go: ``host`` with its port, and whether over TLS."""

    host: str
    https: bool

    @property
    def url(self) -> str:
        """Both as one: ``http://127.0.0.1:8080``."""
        return f"{'https' if self.https else 'http'}://{self.host}"


def endpoint(host: str, port: Any, https: bool | None, *, port_means_http: bool) -> Endpoint:
    """Decide where requests go, from what a constructor of any era was given.

    Args:
        host: A host name or address; a leading ``http://`` or ``https://`` decides
            the scheme when `https` is None, and a trailing ``:port`` the port when
            `port` is None.
        port: A number or its text; None means 443 over TLS and 80 without.
        https: None when the caller did not say.
        port_means_http: What a port without `https` means. True: plain HTTP unless
            it is 443 (`Provision`). False: TLS unless it is 80 (`OnepV1`).

    Returns:
        The endpoint; the one in the environment variable ``PYONEP_ENDPOINT``
        when `host` names the hosted service.

    Raises:
        ValueError: The host, the port or the variable makes no sense.
    """
    scheme, name, inner_port = _split_host(host)
    override = os.environ.get(ENDPOINT_VARIABLE)
    asked = name.rstrip(".")  # a dot ends a name that is complete
    if override and (asked == HOSTED or asked.endswith("." + HOSTED)):
        scheme, name, port = _of_environment(override)
        https = None
    elif port is None:
        port = inner_port
    number = _port_number(port)
    if https is None and scheme is not None:
        https = scheme == "https"
    elif https is None:
        https = number in (None, 443) if port_means_http else number != 80
    if ":" in name:
        name = f"[{name}]"
    return Endpoint(f"{name}:{number or (443 if https else 80)}", bool(https))


def _of_environment(url: str) -> tuple[str, str, int | None]:
    """Split what the environment variable has, which must be a whole URL."""
    try:
        scheme, name, port = _split_host(url)
    except ValueError as error:
        raise ValueError(f"{ENDPOINT_VARIABLE}: {error}") from scrubbed(error)
    if scheme is None:
        raise ValueError(f"{ENDPOINT_VARIABLE} must look like http://127.0.0.1:8080")
    return scheme, name, port


def _split_host(host: str) -> tuple[str | None, str, int | None]:
    """Split ``[scheme://]host[:port][/]``."""
    text = str(host)
    if text.count(":") > 1 and "[" not in text and "://" not in text:
        text = f"[{text}]"  # a bare IPv6 address
    try:
        parts = urlsplit(text if "://" in text else "//" + text)
        port = parts.port
    except ValueError:  # of brackets and ports
        raise ValueError(
            f"host must be a name or http(s)://name, a port a number from 1 to 65535, "
            f"not {_without_user(text)!r}"
        ) from None
    if parts.scheme not in ("", "http", "https") or not parts.hostname:
        raise ValueError(f"host must be a name or http(s)://name, not {_without_user(text)!r}")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ValueError(f"host must have neither path nor user, not {_without_user(text)!r}")
    return parts.scheme or None, parts.hostname, _port_number(port)


def _without_user(url: str) -> str:
    """A URL as an error may show it: a user mostly comes with a password."""
    return redact(re.sub(r"[^/]*@", f"{MASK}@", url))


def _port_number(port: Any) -> int | None:
    if port is None or port == "":
        return None
    try:
        number = int(port)
    except (TypeError, ValueError):
        number = 0
    if not 0 < number < 65536:
        raise ValueError(f"port must be a number from 1 to 65535, not {port!r}")
    return number


def seconds(value: Any, name: str = "httptimeout") -> float | None:
    """A time limit as programs of any era give it.

    Args:
        value: A number, text that is one (``"60"``), or None for no limit.
        name: What the error calls it.

    Raises:
        ValueError: It is something else, or not more than 0 and finite: NaN, an infinity, a
            truth value, bytes.
    """
    if value is None:
        return None
    number: Any = None
    if isinstance(value, (str, numbers.Real, decimal.Decimal)) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            number = float(value)
    if number is None or not 0 < number < math.inf:
        raise ValueError(
            f"{name} must be a number of seconds above 0, text that is one, or None, not {value!r}"
        )
    return value if isinstance(value, (int, float)) else float(number)


# --- what went wrong -------------------------------------------------------


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


def _translated(
    error: Exception, deadline: Deadline | None = None
) -> requests.exceptions.RequestException:
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


# --- connections -----------------------------------------------------------


@lru_cache(maxsize=8)
def _tls_context(ca_bundle: str) -> ssl.SSLContext:
    """One context per CA bundle for the whole process."""
    where = {"capath": ca_bundle} if os.path.isdir(ca_bundle) else {"cafile": ca_bundle}
    context = urllib3.util.ssl_.create_urllib3_context()
    context.load_verify_locations(**where)
    return context


class KeptHTTP(urllib3.connectionpool.HTTPConnectionPool):
    """A pool whose connections keep to the deadline of each request."""

    ConnectionCls: Any = PacedHTTPConnection


class KeptHTTPS(urllib3.connectionpool.HTTPSConnectionPool):
    """The same over TLS; tells a handshake that takes too long from an answer that does."""

    ConnectionCls: Any = PacedHTTPSConnection

    def _validate_conn(self, conn: Any) -> None:
        try:
            super()._validate_conn(conn)
        except socket.timeout as error:
            raise urllib3.exceptions.ConnectTimeoutError(
                conn, "the TLS handshake took too long"
            ) from error


class _OneShot(urllib3.connectionpool.HTTPConnectionPool):
    """A pool whose connections serve one request each."""

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.close()
        super()._put_conn(conn)


class OneShotHTTP(_OneShot, KeptHTTP):
    """One request for each connection."""

    ConnectionCls: Any = PacedHTTPConnection


class OneShotHTTPS(_OneShot, KeptHTTPS):
    """The same over TLS."""

    ConnectionCls: Any = PacedHTTPSConnection


_KEPT = {"http": KeptHTTP, "https": KeptHTTPS}
_ONE_SHOT = {"http": OneShotHTTP, "https": OneShotHTTPS}


class _Adapter(requests.adapters.HTTPAdapter):
    """An adapter on a shared TLS context, with pools as `reuse` says."""

    def __init__(self, reuse: bool) -> None:
        self._reuse = reuse
        super().__init__(pool_connections=1, pool_maxsize=_POOL_SIZE)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)  # type: ignore[no-untyped-call,unused-ignore]
        self._choose_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        self._choose_pools(manager)
        return manager

    def _choose_pools(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = _KEPT if self._reuse else _ONE_SHOT

    # requests names the CA list in two places, depending on its release; both
    # would make urllib3 load it again for every connection.
    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)
        if _is_https(url) and verify:
            conn.ca_certs = conn.ca_cert_dir = None
            conn.conn_kw["ssl_context"] = _tls_context(_ca_bundle(verify))

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        host: Any
        settings: Any
        host, settings = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https" and verify:
            settings.pop("ca_certs", None)
            settings.pop("ca_cert_dir", None)
            settings["ssl_context"] = _tls_context(_ca_bundle(verify))
        return host, settings

    def pool_for(self, prepared: requests.PreparedRequest, settings: Mapping[str, Any]) -> Any:
        """The connection pool that a request with these settings goes through."""
        verify, cert, proxies = settings["verify"], settings["cert"], settings["proxies"]
        if hasattr(self, "get_connection_with_tls_context"):
            pool = self.get_connection_with_tls_context(
                prepared, verify, proxies=proxies, cert=cert
            )
        else:  # requests before 2.32.2
            pool = self.get_connection(str(prepared.url), proxies)
        self.cert_verify(pool, str(prepared.url), verify, cert)
        return pool


def _is_https(url: str) -> bool:
    return url.lower().startswith("https")


def _ca_bundle(verify: bool | str) -> str:
    return verify if isinstance(verify, str) else requests.utils.DEFAULT_CA_BUNDLE_PATH


class _Channel(NamedTuple):
    """What stays the same from request to request."""

    session: requests.Session
    pool: Any
    prefix: str  # in front of the path; the whole URL when a plain proxy is in between
    headers: dict[str, str]
    process: int  # the generation of the process it belongs to


# --- the object everything sends through -----------------------------------


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
        self._channel: _Channel | None = None
        self._own = threading.local()  # of each thread: its last answer, its time

    @property
    def httptimeout(self) -> float | None:
        """Seconds for each step of a call, None for no limit; set it to what `seconds` takes."""
        return self._httptimeout

    @httptimeout.setter
    def httptimeout(self, value: Any) -> None:
        self._httptimeout = seconds(value)

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
        self._own.answer = (text_or_bytes(content), response)
        return self._own.answer

    def getresponse(self, exception_fn: Callable[[Exception], Any] | None = None) -> Any:
        """Return again what this thread's last `request` returned (releases to 0.12)."""
        return self._own.answer

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
        before: float | None = getattr(self._own, "end", _BY_TIMEOUT)
        ends = [one for one in (before, _end(total)) if one is not None]
        self._own.end = min((one for one in ends if one >= 0), default=None)
        try:
            yield
        finally:
            self._own.end = before

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
                `request_went_out` tells which.
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
            raise _lost_answer(error, deadline) from error

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
        _check_headers(headers or {})
        if self.curldebug or self._log.isEnabledFor(logging.DEBUG):
            self._log_request(method, path, payload, headers, deadline.step)
        channel = self._channel
        if channel is None or channel.process != forks.generation():
            channel = self._open()
        if not verify:
            channel = self._prepare(verify=False)
        all_headers = {**channel.headers, **headers} if headers else channel.headers
        if deadline.is_over():
            raise requests.exceptions.ConnectTimeout("no time was left to send it")
        with deadline:
            try:
                raw = self._send(channel, method, path, payload, all_headers, deadline.step)
                if raw.status in _REDIRECTING:
                    raw = self._follow(
                        channel, method, path, payload, all_headers, raw, deadline.step
                    )
            except requests.exceptions.RequestException:
                raise  # is an OSError, too
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                raise _translated(error, deadline) from error
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
        """Close the kept connection; the next request opens a new one."""
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None and channel.process == forks.generation():
            channel.session.close()
            channel.pool.close()

    # --- inside ---

    def _given_end(self) -> float | None:
        """When what this thread sends has to be done, if `within` says so."""
        return getattr(self._own, "end", _BY_TIMEOUT)

    def _deadline(self, body: Body, timeout: Timeout, total: float | None) -> Deadline:
        end = self._given_end()
        if total == _BY_TIMEOUT and end == _BY_TIMEOUT:
            return Deadline(timeout, self._total(timeout), once_sent=hasattr(body, "read"))
        left = None if end in (None, _BY_TIMEOUT) else max(0.0, end - time.monotonic())
        given = [one for one in (left, total) if one not in (None, _BY_TIMEOUT)]
        return Deadline(timeout, min(given, default=None))

    def _total(self, timeout: Timeout) -> float | None:
        """Seconds for a whole call of which each step may take `timeout`."""
        if timeout is None:
            return None
        own = timeout if self.httptimeout is None else min(timeout, self.httptimeout)
        return timeout + (TOTAL - 1) * own

    def _open(self) -> _Channel:
        with self._lock:
            channel = self._channel
            if channel is None or channel.process != forks.generation():
                channel = self._channel = self._prepare(verify=True)
            return channel

    def _prepare(self, verify: bool) -> _Channel:
        session = requests.Session()
        adapter = _Adapter(self.reuseconnection)
        session.mount(self.base, adapter)
        session.headers["Accept-Encoding"] = "gzip, deflate"  # what `reading` unpacks
        session.headers["User-Agent"] = f"pyonep/{__version__}"
        if not self.reuseconnection:
            session.headers["Connection"] = "close"
        session.headers.update(self._headers)
        try:
            prepared = session.prepare_request(requests.Request("GET", self.base + "/"))
        except (ValueError, UnicodeError) as error:
            raise requests.exceptions.InvalidURL(str(error)) from error
        settings: dict[str, Any] = dict(
            session.merge_environment_settings(self.base, {}, False, verify, None)
        )
        try:
            pool = adapter.pool_for(prepared, settings)
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            raise NotConnected(redact(error)) from error
        target = adapter.request_url(prepared, settings["proxies"])
        prefix = "" if target.startswith("/") else self.base
        headers = {name: _text(value) for name, value in prepared.headers.items()}
        return _Channel(session, pool, prefix, headers, forks.generation())

    def _send(
        self,
        channel: _Channel,
        method: str,
        path: str,
        body: Any,
        headers: Mapping[str, str],
        timeout: Timeout,
    ) -> Any:
        while True:
            try:
                return channel.pool.urlopen(
                    method,
                    channel.prefix + path,
                    body=body,
                    headers=headers,
                    timeout=timeout,
                    retries=_NO_RETRIES,
                    redirect=False,
                    assert_same_host=False,
                    preload_content=False,
                    decode_content=True,
                )
            except urllib3.exceptions.ClosedPoolError:
                # Another thread called close() between our fetching the pool and
                # using it; nothing was sent.
                channel = self._open()

    def _follow(
        self,
        channel: _Channel,
        method: str,
        path: str,
        body: Any,
        headers: Mapping[str, str],
        raw: Any,
        timeout: Timeout,
    ) -> Any:
        """Follow redirects as `requests` does, but never to another server.

        Bodies and headers carry credentials. Another port of the host may belong to
        somebody else, and plain HTTP can be read by everybody.
        """
        for _ in range(_REDIRECTS):
            target = raw.headers.get("Location")
            if raw.status not in _REDIRECTING or not target:
                return raw
            reading.dispose(raw)
            path = self._path_of(raw.status, path, target)
            if raw.status == 303 or (raw.status in (301, 302) and method == "POST"):
                method, body = "GET", None
                headers = {n: v for n, v in headers.items() if n.lower() not in _OF_BODIES}
            elif hasattr(body, "seek"):
                body.seek(0)
            raw = self._send(channel, method, path, body, headers, timeout)
        reading.dispose(raw)
        raise Redirected(f"HTTP {raw.status}: more than {_REDIRECTS} redirects")

    def _path_of(self, status: int, path: str, target: str) -> str:
        """Path and query that a redirect leads to.

        Raises:
            Redirected: It leads to another server, or nowhere.
        """
        try:
            url = requests.utils.requote_uri(urljoin(self.base + path, _as_utf8(target)))
            parts, own = urlsplit(url), urlsplit(self.base)
            server = (parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme))
        except (ValueError, requests.exceptions.RequestException):
            raise Redirected(f"HTTP {status}: redirects to what is no URL") from None
        if server != (own.scheme, own.hostname, own.port):
            where = redact(f"{server[0]}://{server[1]}:{server[2]}")
            raise Redirected(
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
            self._log.debug("%s", _as_curl(method, self.base + path, body, merged, timeout))
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
        raise NotSendable("half a character (a surrogate) cannot be sent") from None


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if _UNFIT.search(name) or (isinstance(value, str) and _UNFIT.search(value)):
            raise NotSendable(f"{name!r} has a character that no header can have")


def _end(total: float | None) -> float | None:
    return None if total is None else time.monotonic() + max(0.0, total)


def _as_utf8(header: str) -> str:
    """A header value, which comes as Latin-1, as the UTF-8 it may be."""
    return header.encode("latin-1", "replace").decode("utf-8", "replace")


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


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
        raise _lost_answer(error) from error
    finally:
        reading.dispose(raw)


def _lost_answer(
    error: Exception, deadline: Deadline | None = None
) -> requests.exceptions.RequestException:
    """Translate an error met while reading: the request did go out."""
    translated = _translated(error, deadline)
    if request_went_out(translated):
        return translated
    return requests.exceptions.ConnectionError(str(translated))


def text_or_bytes(content: bytes) -> str | bytes:
    """The text when the bytes are UTF-8, else the bytes."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content


def _as_curl(method: str, url: str, body: Any, headers: Mapping[str, str], timeout: Timeout) -> str:
    """A command line that sends this request from a POSIX shell."""
    words = ["curl", "-X", method]
    if timeout is not None:
        words += ["-m", f"{timeout:g}"]
    for name, value in headers.items():
        words += ["-H", f"{name}: {value}" if value else f"{name};"]
    feed = ""
    if hasattr(body, "read"):
        words += ["--data-binary", f"@{getattr(body, 'name', 'FILE')}"]
    elif body is not None:
        if not any(name.lower() == "content-type" for name in headers):
            words += ["-H", "Content-Type:"]
        text = text_or_bytes(body)
        if isinstance(text, str) and "\0" not in text:
            words += ["--data-raw", text]
        else:
            octal = "".join(f"\\{byte:03o}" for byte in body)
            feed = f"printf '{octal}' | "
            words += ["--data-binary", "@-"]
    return feed + " ".join(shlex.quote(word) for word in [*words, url])
