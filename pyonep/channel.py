"""The way to one host: a session of `requests`, its headers and a pool of connections.

All of it stays the same from request to request. TLS contexts are shared by the whole
process, because loading the CA list costs more than a call.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import requests
import requests.adapters
import requests.exceptions
import requests.utils
import urllib3
import urllib3.connectionpool
import urllib3.exceptions
import urllib3.util.ssl_

from . import connections, forks
from .failures import NotConnected
from .redaction import redact
from .version import __version__

__all__ = ["Channel", "tls_context"]

# As many connections as threads are likely to share one object.
_POOL_SIZE = 64
_NO_RETRIES = urllib3.Retry(False, redirect=False)


class Channel(NamedTuple):
    """What stays the same from request to request; made by `opened`."""

    session: requests.Session
    pool: Any
    prefix: str  # in front of the path; the whole URL when a plain proxy is in between
    headers: dict[str, str]
    process: int  # the generation of the process it belongs to

    def is_ours(self) -> bool:
        """Whether this process opened it, not one that it was forked from."""
        return self.process == forks.generation()

    def send(
        self,
        method: str,
        path: str,
        body: Any,
        headers: Mapping[str, str],
        timeout: float | None,
    ) -> Any:
        """Send one request and read the head of the answer, whatever its status.

        Raises:
            urllib3.exceptions.ClosedPoolError: It was closed; nothing was sent.
            urllib3.exceptions.HTTPError, OSError, ValueError: It failed.
        """
        return self.pool.urlopen(
            method,
            self.prefix + path,
            body=body,
            headers=headers,
            timeout=timeout,
            retries=_NO_RETRIES,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=True,
        )

    def close(self) -> None:
        """Close its connections, if they are of this process."""
        if self.is_ours():
            self.session.close()
            self.pool.close()


def opened(base: str, own_headers: Mapping[str, str], reuse: bool, verify: bool) -> Channel:
    """Make the way to a host; no connection is made yet.

    Args:
        base: Scheme and host, ``https://m2.exosite.com:443``.
        own_headers: What every request has, next to what `requests` sends.
        reuse: Whether to keep connections.
        verify: Whether to check the server's certificate.

    Raises:
        requests.exceptions.RequestException: Host, headers, proxy or CA list make no sense.
    """
    session = requests.Session()
    adapter = _Adapter(reuse)
    session.mount(base, adapter)
    session.headers["Accept-Encoding"] = "gzip, deflate"  # what `reading` unpacks
    session.headers["User-Agent"] = f"pyonep/{__version__}"
    if not reuse:
        session.headers["Connection"] = "close"
    session.headers.update(own_headers)
    try:
        prepared = session.prepare_request(requests.Request("GET", base + "/"))
    except (ValueError, UnicodeError) as error:
        raise requests.exceptions.InvalidURL(str(error)) from error
    settings: dict[str, Any] = dict(
        session.merge_environment_settings(base, {}, False, verify, None)
    )
    try:
        pool = adapter.pool_for(prepared, settings)
    except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
        raise NotConnected(redact(error)) from error
    target = adapter.request_url(prepared, settings["proxies"])
    prefix = "" if target.startswith("/") else base
    headers = {name: _text(value) for name, value in prepared.headers.items()}
    return Channel(session, pool, prefix, headers, forks.generation())


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


# --- pools of connections ---------------------------------------------------


class _KeptHTTP(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls: Any = connections.PacedHTTPConnection


class _KeptHTTPS(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls: Any = connections.PacedHTTPSConnection


class _OneShotHTTP(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls: Any = connections.OneShotHTTPConnection


class _OneShotHTTPS(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls: Any = connections.OneShotHTTPSConnection


_KEPT = {"http": _KeptHTTP, "https": _KeptHTTPS}
_ONE_SHOT = {"http": _OneShotHTTP, "https": _OneShotHTTPS}


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
            conn.conn_kw["ssl_context"] = tls_context(_ca_bundle(verify))

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        host: Any
        settings: Any
        host, settings = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https" and verify:
            settings.pop("ca_certs", None)
            settings.pop("ca_cert_dir", None)
            settings["ssl_context"] = tls_context(_ca_bundle(verify))
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


@lru_cache(maxsize=8)
def tls_context(ca_bundle: str) -> ssl.SSLContext:
    """One context per CA bundle for the whole process."""
    where = {"capath": ca_bundle} if os.path.isdir(ca_bundle) else {"cafile": ca_bundle}
    context = urllib3.util.ssl_.create_urllib3_context()
    context.load_verify_locations(**where)
    return context
