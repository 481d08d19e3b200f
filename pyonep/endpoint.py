"""Where requests go: the host, its port, and whether over TLS."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .redaction import MASK, redact, scrubbed

__all__ = ["ENDPOINT_VARIABLE", "HOSTED", "SAY_HTTP", "Endpoint", "endpoint"]

HOSTED = "m2.exosite.com"
ENDPOINT_VARIABLE = "PYONEP_ENDPOINT"
SAY_HTTP = "say so with https=False, or http:// in front of the host"


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
