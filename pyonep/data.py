"""The HTTP Data Interface: what a small device needs.

::

    from pyonep.data import DataInterface

    device = DataInterface.activated("acmecorp", "thermo-x2", "TX2-000417", "thermo.cik")
    device.write({"temperature": 21.5})
    setpoint = device.read("setpoint").get("setpoint")
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import unquote

import requests.exceptions

from . import credentials, onephttp, reading, secretfile
from .answers import ProvisionResponse
from .endpoint import HOSTED, endpoint
from .exceptions import OnePlatformException, ProvisionException, ProvisionTransportError
from .provision import Provision, form, quoted, transport_error
from .redaction import redact, scrubbed

__all__ = ["DataInterface", "NewPoint", "RecordConflict"]

_STACK = "/onep:v1/stack"
_FORM = "application/x-www-form-urlencoded; charset=utf-8"


class NewPoint(NamedTuple):
    """A point that a long poll waited for.

    Attributes:
        value: As text.
        modified: Its time as the platform sent it; give it back as `since` to miss nothing.
    """

    value: str
    modified: str


class RecordConflict(OnePlatformException):
    """Some points were not recorded: less than a second from others.

    Attributes:
        conflicts (dict): ``{alias: [timestamp, ...]}`` of the points not recorded.
    """

    def __init__(self, conflicts: dict[str, list[float]], secrets: Sequence[str] = ()) -> None:
        text = redact(f"points less than a second apart: {conflicts}", *secrets)
        super().__init__(text, code=409)
        self.conflicts = conflicts


class DataInterface:
    """The HTTP Data Interface, for one client. Safe to share between threads.

    Values are text on the wire and come back as text.

    Every method raises:

    - `ProvisionConnectionError`, `ProvisionTimeout`, `ProvisionTransportError`: the request
      or its answer was lost.
    - `OnePlatformException`: the platform refused; `code` is the HTTP status (400: a value
      does not fit, 401: the CIK is not accepted, 413: a value is too long). Or its answer
      makes no sense.

    Args:
        cik (str): The client's key.
        host (str): Host name or URL. The environment variable ``PYONEP_ENDPOINT`` replaces
            the hosted service by another server.
        port (int | str | None): None means 443 over TLS and 80 without.
        https (bool | None): None means TLS, unless `host` or port 80 says otherwise.
        httptimeout (float | str | None): Seconds to wait for a connection and for each part
            of the answer. A whole call may take six times as long.
        reuseconnection (bool): Keep the connection open between calls.

    Raises:
        ValueError: Host, port or timeout make no sense.
        ProvisionTransportError: The key is no text, or has a character inside that cannot be
            sent.
    """

    def __init__(
        self,
        cik: str,
        host: str = HOSTED,
        port: int | str | None = None,
        https: bool | None = None,
        httptimeout: float | str | None = 10,
        reuseconnection: bool = False,
    ) -> None:
        target = endpoint(host, port, https, port_means_http=False)
        self._cik = credentials.usable(cik, ProvisionTransportError)
        self.onephttp: onephttp.OneP_Request = onephttp.OneP_Request(
            target.host, target.https, httptimeout, reuseconnection=reuseconnection
        )

    @classmethod
    def activated(
        cls, vendor: str, model: str, serialnumber: str, path: str, **connection: Any
    ) -> DataInterface:
        """A device that is ready to write: activates itself if it can, keeps its key.

        ``POST /provision/activate``. The CIK is kept in a file that only its owner can
        read. When the platform says that the serial number is not open for
        activation, the key in the file is the one.

        Args:
            vendor: The device's vendor.
            model: Its model.
            serialnumber: Its serial number.
            path: File for the CIK.
            **connection: ``host``, ``port``, ``https``, ``httptimeout``, ``reuseconnection``.

        Raises:
            ProvisionException: Not activated, and no key is kept: 404 for an unknown device,
                409 for one that is not open for activation.
            OnePlatformException: What answered is no platform (the page of a hotel's network,
                for example): nothing is kept.
            OSError: The file cannot be written; nothing was asked for.
        """
        where = (connection.pop(name, None) for name in ("host", "port", "https"))
        host, port, https = where
        target = endpoint(host or HOSTED, port, https, port_means_http=False)
        patience = {name: connection[name] for name in ("httptimeout",) if name in connection}
        kept = _kept_key(path)
        secretfile.check(path)
        with closing(Provision(target.url, **patience)) as provision:
            response = provision.serialnumber_activate(model, serialnumber, vendor)
        if response.isok:
            kept = _given_key(response)
            secretfile.write(path, kept)
        elif kept is None or response.status != 409:
            raise ProvisionException(response)
        return cls(kept, target.url, **connection)

    def close(self) -> None:
        """Close the kept connection; the next call opens a new one."""
        self.onephttp.close()

    # --- values ---

    def write(self, values: Mapping[str, Any]) -> None:
        """Write values now, under one timestamp. ``POST /onep:v1/stack/alias``.

        All of them are written, or none. The platform skips aliases it does not know.

        Args:
            values: ``{alias: value, ...}``.
        """
        self._call("POST", "/alias", form(dict(values)))

    def read(self, *aliases: str) -> dict[str, str]:
        """Read the newest values. ``GET /onep:v1/stack/alias``.

        Returns:
            ``{alias: value, ...}`` of those that exist and have a value.
        """
        return _values(self._call("GET", f"/alias?{_names(aliases)}"))

    def write_read(self, values: Mapping[str, Any], aliases: Sequence[str]) -> dict[str, str]:
        """Write, then read, in one request. ``POST /onep:v1/stack/alias?…``.

        Args:
            values: As `write`.
            aliases: As `read`.
        """
        return _values(self._call("POST", f"/alias?{_names(aliases)}", form(dict(values))))

    def record(self, points: Mapping[str, Sequence[Sequence[Any]]]) -> None:
        """Write points at given times. ``POST /onep:v1/stack/record``.

        Args:
            points: ``{alias: [[timestamp, value], ...], ...}``, Unix seconds.

        Raises:
            RecordConflict: Some are less than a second from others, or from what is there; the
                rest is recorded.
        """
        fields: list[tuple[str, Any]] = []
        for alias, entries in dict(points).items():
            fields.append(("alias", alias))
            fields.extend((str(timestamp), value) for timestamp, value in entries)
        response = self._call("POST", "/record", form(fields), accept=(409,))
        if response.status == 409:
            conflicts = response.understood("list of conflicts", lambda: _times(response))
            raise RecordConflict(conflicts, (self._cik,))

    def wait(
        self, alias: str, timeout: int = 30_000, since: str | int | None = None
    ) -> NewPoint | None:
        """Wait for a new value: a long poll. ``GET /onep:v1/stack/alias``.

        Args:
            alias: What to wait for.
            timeout: Milliseconds, at most 300000.
            since: Unix seconds, or `NewPoint.modified` of the last point: the first point
                after it, at once when there is one. None: from now on.

        Returns:
            The point; None when there is nothing new, or no such alias.

        Raises:
            ValueError: `timeout` is no such number.
        """
        if not isinstance(timeout, (int, float)) or not 0 <= timeout < math.inf:
            raise ValueError(f"timeout must be a number of milliseconds, not {timeout!r}")
        headers = {"Request-Timeout": str(timeout)}
        if since is not None:
            headers["If-Modified-Since"] = str(since)
        limit = self.onephttp.httptimeout
        patience = None if limit is None else limit + min(timeout, 300_000) / 1000
        path = f"/alias?{_names([alias])}"
        response = self._call("GET", path, headers=headers, timeout=patience)
        value = _values(response).get(alias) if response.status == 200 else None
        if value is None:
            return None
        return NewPoint(value, response.response.headers.get("Last-Modified", ""))

    # --- utilities ---

    def timestamp(self) -> int:
        """The platform's Unix time in seconds. ``GET /timestamp``."""
        response = self._call("GET", "/timestamp", base="")
        return response.understood("time", lambda: int(response.body))

    def ip(self) -> tuple[str, int]:
        """The platform's address and port. ``GET /ip``."""
        response = self._call("GET", "/ip", base="")
        return response.understood("address", lambda: _address(str(response.body)))

    # --- requests ---

    def _call(
        self,
        method: str,
        path: str,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = -1,
        accept: Sequence[int] = (),
        base: str = _STACK,
    ) -> ProvisionResponse:
        all_headers = {"X-Exosite-CIK": self._cik, "Accept": _FORM, **(headers or {})}
        if body is not None:
            all_headers["Content-Type"] = _FORM
        if timeout == -1:
            timeout = self.onephttp.httptimeout
        try:
            raw, content = self.onephttp.exchange(method, base + path, body, all_headers, timeout)
        except requests.exceptions.RequestException as error:
            raise transport_error(error, self._cik) from scrubbed(error, self._cik)
        whole = self.onephttp.response(method, base + path, raw, content)
        response = ProvisionResponse(reading.text_or_bytes(content), whole, (self._cik,))
        if not response.isok and response.status not in accept:
            reason = f": {response.detail}" if response.detail else ""
            text = f"{int(response.status)} {response.reason}{reason}"
            raise OnePlatformException(response.redacted(text), code=int(response.status))
        return response


def _names(aliases: Sequence[str]) -> str:
    return "&".join(quoted(alias, safe="") for alias in aliases)


def _values(response: ProvisionResponse) -> dict[str, str]:
    """``{name: value}`` of a form, wherever they stand in it.

    Raises:
        OnePlatformException: It is no form.
    """
    text = response.understood("form", lambda: response.content.decode("utf-8"))
    pairs = (part.partition("=") for part in text.split("&") if part)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def _times(response: ProvisionResponse) -> dict[str, list[float]]:
    """``{alias: [timestamp, ...]}`` of a form."""
    return {
        alias: [float(one) for one in times.split(",")]
        for alias, times in _values(response).items()
    }


def _address(text: str) -> tuple[str, int]:
    """Address and port from the six numbers of a passive mode of FTP."""
    *address, high, low = text.split(",")
    return ".".join(address), int(high) * 256 + int(low)


def _given_key(response: ProvisionResponse) -> str:
    """The key that an activation brought; an activation is spent once it has."""
    key = str(response.body).strip()
    if response.status != 200 or not credentials.is_cik(key):
        # Not what it says: half a key is still most of one.
        kind = response.response.headers.get("Content-Type", "no media type")
        raise OnePlatformException(
            f"the answer to the activation is no key: HTTP {int(response.status)}, "
            f"{kind}, {len(response.content)} bytes",
            code=int(response.status),
        )
    return key


def _kept_key(path: str) -> str | None:
    """The key in a file; None when there is none, or something else in it."""
    try:
        with open(path, encoding="latin-1") as file:
            key = file.read(1000).strip()
    except FileNotFoundError:
        return None
    return key if credentials.is_cik(key) else None
