"""The provisioning API of the One Platform: vendors, models, serial numbers, content.

::

    from pyonep import Provision

    provision = Provision(raise_api_exceptions=True)
    provision.serialnumber_add(vendor_cik, "thermo-x2", "TX2-000417")
    rid = provision.serialnumber_enable(vendor_cik, "thermo-x2", "TX2-000417", owner_rid).body
    cik = provision.serialnumber_activate("thermo-x2", "TX2-000417", "acmecorp").body

Every call returns a `ProvisionResponse`.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import IO, Any, Optional, Union
from urllib.parse import quote, urlencode

import requests.exceptions

from . import credentials, onephttp, reading
from .answers import ProvisionResponse
from .callforms import accepts_old_forms, without_port
from .endpoint import HOSTED, endpoint
from .exceptions import (
    OnePlatformException,
    ProvisionConnectionError,
    ProvisionException,
    ProvisionTimeout,
    ProvisionTransportError,
)
from .redaction import redact, scrubbed

__all__ = [
    "PROVISION_ACTIVATE",
    "PROVISION_BASE",
    "PROVISION_DOWNLOAD",
    "PROVISION_MANAGE",
    "PROVISION_MANAGE_CONTENT",
    "PROVISION_MANAGE_MODEL",
    "PROVISION_REGISTER",
    "Provision",
    "ProvisionResponse",
]

log: logging.Logger = logging.getLogger(__name__)

PROVISION_BASE = "/provision"
# Programs that have paths of their own begin them with these.
PROVISION_ACTIVATE = PROVISION_BASE + "/activate"
PROVISION_DOWNLOAD = PROVISION_BASE + "/download"
PROVISION_MANAGE = PROVISION_BASE + "/manage"
PROVISION_MANAGE_CONTENT = PROVISION_MANAGE + "/content/"
PROVISION_MANAGE_MODEL = PROVISION_MANAGE + "/model/"
PROVISION_REGISTER = PROVISION_BASE + "/register"

_FORM = "application/x-www-form-urlencoded; charset=utf-8"
_CSV = "text/csv; charset=utf-8"
_JSON = "application/javascript; charset=utf-8"
_ACCEPT = "text/plain, text/csv, application/x-www-form-urlencoded"
_PIECE = 64 * 1024
_ATTEMPTS = 5

Data = Union[str, bytes, IO[bytes]]


class Provision:
    """The provisioning API. Safe to share between threads.

    Wherever a method takes `key`, that is the vendor's CIK, or, with
    ``manage_by_cik=False``, a vendor token.

    Every method raises, next to what it says itself:

    - `ProvisionException`: with ``raise_api_exceptions=True``, a status of 400 or more.
    - `ProvisionConnectionError`, `ProvisionTimeout`, `ProvisionTransportError`: the
      request or its answer was lost.

    Args:
        host (str): Host name or URL. The environment variable ``PYONEP_ENDPOINT``
            replaces the hosted service by another server.
        port (int | str | None): A port without `https` means plain HTTP, as ever;
            neither means TLS on 443.
        manage_by_cik (bool): Whether `key` is a CIK; else a vendor token.
        verbose (bool): Log each answer at DEBUG.
        httptimeout (float | str | None): Seconds to wait for a connection and for each
            part of the answer. A whole call may take six times as long; content that goes
            into or out of a file takes as long as bytes move.
        https (bool | None): See `port`.
        reuseconnection (bool): Keep the connection open between calls.
        raise_api_exceptions (bool): Raise `ProvisionException` for a status of 400 or more.
        curldebug (bool): Log each request at DEBUG as a curl command that can be pasted.
            The one place where a credential is shown.
        manage_by_sharecode (bool): Name the template of a model by share code, not by RID.
        shared_by (str | None): Vendor whose models are meant: they are shared with the
            caller, who may enable, disable and see serial numbers of them.

    Raises:
        ValueError: Host, port or timeout make no sense.
    """

    @accepts_old_forms(without_port, renamed={})
    def __init__(
        self,
        host: str = HOSTED,
        port: int | str | None = None,
        manage_by_cik: bool = True,
        verbose: bool = False,
        httptimeout: float | str | None = 5,
        https: bool | None = None,
        reuseconnection: bool = False,
        raise_api_exceptions: bool = False,
        curldebug: bool = False,
        manage_by_sharecode: bool = False,
        shared_by: str | None = None,
    ) -> None:
        target = endpoint(host, port, https, port_means_http=True)
        self._manage_by_cik = manage_by_cik
        self._manage_by_sharecode = manage_by_sharecode
        self._verbose = verbose
        self._raise_api_exceptions = raise_api_exceptions
        self._shared_by = shared_by
        self.onephttp: onephttp.OneP_Request = onephttp.OneP_Request(
            target.host,
            https=target.https,
            httptimeout=httptimeout,
            reuseconnection=reuseconnection,
            log=log,
            curldebug=curldebug,
        )

    def close(self) -> None:
        """Close the kept connection; the next call opens a new one."""
        self.onephttp.close()

    # --- requests ---

    @property
    def _onephttp(self) -> onephttp.OneP_Request:
        """The name of `onephttp` to 0.13, which other programs use."""
        return self.onephttp

    def _filter_options(
        self, aliases: bool = True, comments: bool = True, historical: bool = True
    ) -> list[str]:
        """The options of a model, which other programs ask for by this name."""
        words = {"noaliases": aliases, "nocomments": comments, "nohistorical": historical}
        return [word for word, wanted in words.items() if not wanted]

    def _request(
        self,
        path: str,
        key: str,
        data: Any,
        method: str,
        key_is_cik: bool = True,
        extra_headers: Mapping[str, str] = MappingProxyType({}),
    ) -> ProvisionResponse:
        """Send what has no method here: the form in which other programs call it, to 0.13."""
        if not path.startswith("/"):  # it would become a part of the host
            raise ProvisionTransportError("not sent: a path begins with a slash")
        if method == "GET":
            path, data = (f"{path}?{data}" if data else path), None
        return self._send(method, path, key, data, by_cik=key_is_cik, headers=extra_headers)

    def _send(
        self,
        method: str,
        path: str,
        key: str,
        data: Any = None,
        type: str | None = None,
        by_cik: bool | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ProvisionResponse:
        body, length = _body(data)
        all_headers = self._headers(key, by_cik)
        if type is not None or (data is not None and method == "POST"):
            # The platform takes a form in PUT and DELETE without being told.
            all_headers["Content-Type"] = type or _FORM
        if length is not None:
            all_headers["Content-Length"] = str(length)
        all_headers = _overridden(all_headers, headers or {})
        try:
            raw, content = self.onephttp.exchange(
                method, path, body, all_headers, self.onephttp.httptimeout
            )
        except requests.exceptions.RequestException as error:
            raise transport_error(error, key) from scrubbed(error, key)
        return self._answer(method, path, raw, content, key)

    def _headers(self, key: str, by_cik: bool | None) -> dict[str, str]:
        by_cik = self._manage_by_cik if by_cik is None else by_cik
        name = "X-Exosite-CIK" if by_cik else "X-Exosite-Token"
        headers = {name: credentials.usable(key, ProvisionTransportError), "Accept": _ACCEPT}
        if self._shared_by is not None:
            headers["X-Exosite-Vendor"] = self._shared_by
        return headers

    def _answer(
        self, method: str, path: str, raw: Any, content: bytes, key: str
    ) -> ProvisionResponse:
        whole = self.onephttp.response(method, path, raw, content)
        response = ProvisionResponse(reading.text_or_bytes(content), whole, (key,))
        if self._verbose:
            line = f"{method} {path}: {int(response.status)} {response.reason}"
            log.debug("%s", response.redacted(line))
        if self._raise_api_exceptions and not response.isok:
            raise ProvisionException(response)
        return response

    def _form(
        self, path: str, key: str, *fields: tuple[str, str], **more: Any
    ) -> ProvisionResponse:
        return self._send("POST", path, key, form(fields), **more)

    # --- vendors ---

    def vendor_register(self, key: str, vendor: str) -> ProvisionResponse:
        """Register a vendor name to the client with this key. ``POST /provision/register``."""
        return self._form(_path("register"), key, ("vendor", vendor))

    def vendor_show(self, key: str) -> ProvisionResponse:
        """Show the vendor name of a token; body: the name. ``GET /provision/register``."""
        return self._send("GET", _path("register"), key, by_cik=False)

    def vendor_unregister(self, key: str, vendor: str) -> ProvisionResponse:
        """Give the vendor name of a token up. ``POST /provision/register``."""
        fields = (("delete", "true"), ("vendor", vendor))
        return self._form(_path("register"), key, *fields, by_cik=False)

    def token_create(self, cik: str, label: str) -> ProvisionResponse:
        """Make a vendor token; body: the token. ``POST /provision/admin/auth/``.

        Args:
            cik: The vendor's CIK; a token cannot make tokens.
            label: Its name.
        """
        return self._form(_path("admin", "auth", None), cik, ("id", label), by_cik=True)

    def token_list(self, cik: str) -> ProvisionResponse:
        """List the labels of the vendor's tokens. ``GET /provision/admin/auth/``."""
        return self._send("GET", _path("admin", "auth", None), cik, by_cik=True)

    def token_show(self, cik: str, label: str) -> ProvisionResponse:
        """Show a token; body: the token. ``GET /provision/admin/auth/<label>``."""
        return self._send("GET", _path("admin", "auth", label), cik, by_cik=True)

    def token_remove(self, cik: str, label: str) -> ProvisionResponse:
        """Remove a token; it is refused from then on. ``DELETE /provision/admin/auth/<label>``."""
        return self._send("DELETE", _path("admin", "auth", label), cik, by_cik=True)

    # --- models ---

    @accepts_old_forms(renamed={"clonerid": "sharecode"})
    def model_create(
        self,
        key: str,
        model: str,
        sharecode: str,
        aliases: bool = True,
        comments: bool = True,
        historical: bool = True,
    ) -> ProvisionResponse:
        """Create a model. ``POST /provision/manage/model/``.

        Args:
            key: Vendor's CIK or token.
            model: Its name.
            sharecode: RID of the client to clone, or its share code when this object
                was made with ``manage_by_sharecode=True``.
            aliases: Whether clones get the aliases of that client.
            comments: Whether they get its comments.
            historical: Whether they get its points.
        """
        fields = [("model", model), *self._template(sharecode, aliases, comments, historical)]
        return self._form(_path("manage", "model", None), key, *fields)

    def _template(
        self, source: str, aliases: bool, comments: bool, historical: bool
    ) -> list[tuple[str, str]]:
        kind = "code" if self._manage_by_sharecode else "rid"
        words = self._filter_options(aliases, comments, historical)
        return [(kind, source), *(("options[]", word) for word in words)]

    def model_info(self, key: str, model: str) -> ProvisionResponse:
        """Show template and options, as a form. ``GET /provision/manage/model/<model>``."""
        return self._send("GET", _path("manage", "model", model), key)

    def model_list(self, key: str) -> ProvisionResponse:
        """List the vendor's models; rows: ``[name]``. ``GET /provision/manage/model/``."""
        return self._send("GET", _path("manage", "model", None), key)

    def model_list_shared(self, key: str) -> ProvisionResponse:
        """List models shared with the vendor; rows: ``[vendor, model]``.

        ``GET /provision/manage/model/?show=shared``.
        """
        return self._send("GET", _path("manage", "model", None, show="shared"), key)

    def model_remove(self, key: str, model: str) -> ProvisionResponse:
        """Remove a model and all under it. ``DELETE /provision/manage/model/<model>``."""
        fields = [("delete", "true"), ("model", model), ("confirm", "true")]
        return self._send("DELETE", _path("manage", "model", model), key, form(fields))

    def model_update(
        self,
        key: str,
        model: str,
        clonerid: str,
        aliases: bool = True,
        comments: bool = True,
        historical: bool = True,
    ) -> ProvisionResponse:
        """Replace template and options. ``PUT /provision/manage/model/<model>``.

        Args:
            key: Vendor's CIK or token.
            model: Its name.
            clonerid: As `sharecode` of `model_create`.
            aliases: Whether clones get the aliases of that client.
            comments: Whether they get its comments.
            historical: Whether they get its points.
        """
        fields = self._template(clonerid, aliases, comments, historical)
        return self._send("PUT", _path("manage", "model", model), key, form(fields))

    def model_share(self, key: str, model: str, vendor: str) -> ProvisionResponse:
        """Share a model with a vendor. ``POST /provision/manage/share/<model>/``."""
        return self._form(_path("manage", "share", model, None), key, ("vendor", vendor))

    def model_unshare(self, key: str, model: str, vendor: str) -> ProvisionResponse:
        """End a share. ``DELETE /provision/manage/share/<model>/<vendor>``."""
        return self._send("DELETE", _path("manage", "share", model, vendor), key)

    def model_share_list(self, key: str, model: str) -> ProvisionResponse:
        """List vendors a model is shared with. ``GET /provision/manage/share/<model>/``."""
        return self._send("GET", _path("manage", "share", model, None), key)

    def model_share_show(self, key: str, model: str, vendor: str) -> ProvisionResponse:
        """204 when shared, 404 when not. ``GET /provision/manage/share/<model>/<vendor>``."""
        return self._send("GET", _path("manage", "share", model, vendor), key)

    # --- serial numbers ---

    def serialnumber_activate(
        self, model: str, serialnumber: str, vendor: str
    ) -> ProvisionResponse:
        """Fetch the CIK of a device; body: the CIK. ``POST /provision/activate``.

        What the device itself does: it needs no key. 409: not open for activation.
        """
        fields = (("vendor", vendor), ("model", model), ("sn", serialnumber))
        return self._form(_path("activate"), "", *fields)

    def serialnumber_add(
        self, key: str, model: str, sn: str, extra: str | None = None
    ) -> ProvisionResponse:
        """Add a serial number. ``POST /provision/manage/model/<model>/``.

        Args:
            key: Vendor's CIK or token.
            model: Its model.
            sn: The serial number.
            extra: Text that goes with it.
        """
        fields = [("add", "true"), ("sn", sn)]
        if extra is not None:
            fields.append(("extra", extra))
        return self._form(_path("manage", "model", model, None), key, *fields)

    def serialnumber_add_batch(
        self, key: str, model: str, sns: Sequence[str] = ()
    ) -> ProvisionResponse:
        """Add serial numbers, all or none. ``POST /provision/manage/model/<model>/``."""
        fields = [("add", "true"), *(("sn[]", sn) for sn in sns)]
        return self._form(_path("manage", "model", model, None), key, *fields)

    def serialnumber_add_batch_csv(
        self, key: str, model: str, csv_string: str
    ) -> ProvisionResponse:
        """Add serial numbers with extras, all or none. ``POST /provision/manage/model/<model>/``.

        Args:
            key: Vendor's CIK or token.
            model: Their model.
            csv_string: A line for each: serial number, extra.
        """
        return self._send("POST", _path("manage", "model", model, None), key, csv_string, type=_CSV)

    def serialnumber_disable(self, key: str, model: str, serialnumber: str) -> ProvisionResponse:
        """Let the key of a device expire. ``POST /provision/manage/model/<model>/<sn>``."""
        return self._form(_path("manage", "model", model, serialnumber), key, ("disable", "true"))

    def serialnumber_enable(
        self, key: str, model: str, serialnumber: str, owner: str
    ) -> ProvisionResponse:
        """Make the client of a device; body: its RID.

        ``POST /provision/manage/model/<model>/<sn>``. The device may activate within 24
        hours.

        Args:
            key: Vendor's CIK or token.
            model: Its model.
            serialnumber: The serial number.
            owner: RID of the client it is made below.
        """
        fields = (("enable", "true"), ("owner", owner))
        return self._form(_path("manage", "model", model, serialnumber), key, *fields)

    def serialnumber_info(
        self, key: str, model: str, serialnumber: str, actvtn_log: bool = False
    ) -> ProvisionResponse:
        """Show a serial number. ``GET /provision/manage/model/<model>/<sn>``.

        Args:
            key: Vendor's CIK or token.
            model: Its model.
            serialnumber: The serial number.
            actvtn_log: Show its activations instead.

        Returns:
            Rows ``[status, rid, extra]``, or with `actvtn_log`
            ``[Unix timestamp, peer, entry]``.
        """
        query = {"show": "log"} if actvtn_log else {}
        return self._send("GET", _path("manage", "model", model, serialnumber, **query), key)

    def serialnumber_groups(
        self, key: str, model: str, serialnumber: str, offset: int = 0, limit: int = 1000
    ) -> ProvisionResponse:
        """List the groups a serial number is in. ``GET …/<model>/<sn>?show=groups``."""
        query = {"show": "groups", "offset": offset, "limit": limit}
        return self._send("GET", _path("manage", "model", model, serialnumber, **query), key)

    def serialnumber_list(
        self, key: str, model: str, offset: int = 0, limit: int = 1000, status: bool = False
    ) -> ProvisionResponse:
        """List serial numbers. ``GET /provision/manage/model/<model>/``.

        Args:
            key: Vendor's CIK or token.
            model: Their model.
            offset: How many to leave out.
            limit: At most so many, from 5 to 1000.
            status: Add a column with the status.

        Returns:
            Rows ``[sn, rid, extra]``, or ``[sn, status, rid, extra]``.
        """
        query: dict[str, Any] = {"offset": offset, "limit": limit}
        if status:
            query["status"] = "true"
        return self._send("GET", _path("manage", "model", model, None, **query), key)

    def serialnumbers(
        self, key: str, model: str, status: bool = False, page: int = 1000
    ) -> Iterator[list[str]]:
        """Go through all serial numbers, a page at a time, without holding them.

        Args:
            key: Vendor's CIK or token.
            model: Their model.
            status: Add a column with the status.
            page: How many to fetch at once, from 5 to 1000.

        Yields:
            ``[sn, rid, extra]``, or ``[sn, status, rid, extra]``.

        Raises:
            ProvisionException: A page was answered with 400 or more, whatever
                `raise_api_exceptions` says.
            OnePlatformException: A page is no list, or the same one came again.
        """
        offset = 0
        rows: list[list[str]] = []
        while True:
            response = self.serialnumber_list(key, model, offset, page, status)
            if not response.isok:
                raise ProvisionException(response)
            before, rows = rows, response.rows()
            if rows and rows == before:
                raise OnePlatformException("the list does not go on: the same page came again")
            yield from rows
            if not rows:
                return
            offset += len(rows)

    def serialnumber_reenable(self, key: str, model: str, serialnumber: str) -> ProvisionResponse:
        """Give a device a new key to activate. ``POST /provision/manage/model/<model>/<sn>``."""
        return self._form(_path("manage", "model", model, serialnumber), key, ("enable", "true"))

    def serialnumber_remap(
        self, key: str, model: str, serialnumber: str, oldsn: str
    ) -> ProvisionResponse:
        """Let another serial number lead to a client.

        ``POST /provision/manage/model/<model>/<sn>``.

        Args:
            key: Vendor's CIK or token.
            model: Their model.
            serialnumber: The new serial number, which must be unused.
            oldsn: The one that leads to the client now.
        """
        fields = (("enable", "true"), ("oldsn", oldsn))
        return self._form(_path("manage", "model", model, serialnumber), key, *fields)

    def serialnumber_remove(self, key: str, model: str, serialnumber: str) -> ProvisionResponse:
        """Remove a serial number. ``DELETE /provision/manage/model/<model>/<sn>``."""
        return self._send("DELETE", _path("manage", "model", model, serialnumber), key)

    def serialnumber_remove_batch(
        self, key: str, model: str, sns: Sequence[str]
    ) -> ProvisionResponse:
        """Remove serial numbers. ``POST /provision/manage/model/<model>/``."""
        fields = [("remove", "true"), *(("sn[]", sn) for sn in sns)]
        return self._form(_path("manage", "model", model, None), key, *fields)

    def serialnumber_ranges(self, key: str, model: str) -> list[dict[str, Any]]:
        """List the ranges of a model. ``GET /provision/manage/model/<model>/?show=ranges``.

        Returns:
            ``[{"format", "length", "casing", "first", "last"}, ...]``.

        Raises:
            ProvisionException: A status of 400 or more, whatever `raise_api_exceptions` says.
            OnePlatformException: The answer is no list of ranges.
        """
        response = self._send("GET", _path("manage", "model", model, None, show="ranges"), key)
        if not response.isok:
            raise ProvisionException(response)
        found: Any = response.understood(
            "list of ranges", lambda: json.loads(response.content or b"[]")
        )
        ranges: Any = found.get("ranges") if isinstance(found, dict) else found
        return response.understood("list of ranges", lambda: [dict(one) for one in ranges])

    def serialnumber_add_ranges(
        self, key: str, model: str, ranges: Sequence[dict[str, Any]]
    ) -> ProvisionResponse:
        """Allow serial numbers by rule. ``POST /provision/manage/model/<model>/``.

        Args:
            key: Vendor's CIK or token.
            model: Their model.
            ranges: ``[{"format", "length", "casing", "first", "last"}, ...]``; format
                ``base10``, ``base16``, ``mac:48``, ``mac-48`` or ``mac.48``.
        """
        return self._ranges("POST", key, model, ranges)

    def serialnumber_remove_ranges(
        self, key: str, model: str, ranges: Sequence[dict[str, Any]]
    ) -> ProvisionResponse:
        """Take ranges back. ``DELETE /provision/manage/model/<model>/``."""
        return self._ranges("DELETE", key, model, ranges)

    def _ranges(
        self, method: str, key: str, model: str, ranges: Sequence[dict[str, Any]]
    ) -> ProvisionResponse:
        data = json.dumps({"ranges": list(ranges)})
        return self._send(method, _path("manage", "model", model, None), key, data, type=_JSON)

    # --- content ---

    def content_create(
        self, key: str, model: str, contentid: str, meta: str, protected: bool = False
    ) -> ProvisionResponse:
        """Make an entry for content. ``POST /provision/manage/content/<model>/``.

        Args:
            key: Vendor's CIK or token.
            model: Its model.
            contentid: Its id.
            meta: Text that goes with it.
            protected: Only for serial numbers that share a group with it.
        """
        fields = [("id", contentid), ("meta", meta)]
        if protected:
            fields.append(("protected", "true"))
        return self._form(_path("manage", "content", model, None), key, *fields)

    def content_download(
        self,
        cik: str,
        vendor: str,
        model: str,
        contentid: str,
        file: IO[bytes] | None = None,
        byterange: tuple[Optional[int], Optional[int]] | None = None,
    ) -> ProvisionResponse:
        """Download content as a device. ``GET /provision/download``.

        With `file`, the content is streamed into it: it never is in memory whole, a
        connection that breaks is resumed where it broke, and what the file
        holds already (up to its end) is not fetched again.

        Args:
            cik: The device's CIK.
            vendor: Its vendor.
            model: Its model.
            contentid: What to download.
            file: Binary file, readable or not, to append to. ``body`` is then empty.
            byterange: ``(first, last)``, both inclusive; None for open ends:
                ``(None, 100)`` means the last 100 bytes. Not together with `file`.

        Raises:
            ValueError: Both `file` and `byterange` are given.
        """
        path = _path("download", vendor=vendor, model=model, id=contentid)
        if file is not None:
            if byterange is not None:
                raise ValueError("a byterange cannot be downloaded into a file")
            return self._download(path, cik, file)
        headers = {"Accept": "*"}
        if byterange is not None:
            first, last = ("" if edge is None else str(edge) for edge in byterange)
            headers["Range"] = f"bytes={first}-{last}"
        return self._send("GET", path, cik, by_cik=True, headers=headers)

    def _download(self, path: str, cik: str, file: IO[bytes]) -> ProvisionResponse:
        """Fetch what a file lacks, and again where the connection breaks."""
        failures = 0
        while True:
            have = file.seek(0, os.SEEK_END)
            try:
                return self._fetch(path, cik, file, have)
            except requests.exceptions.RequestException as error:
                failures = failures + 1 if file.tell() == have else 1
                if failures >= _ATTEMPTS:
                    raise transport_error(error, cik) from scrubbed(error, cik)

    def _fetch(self, path: str, cik: str, file: IO[bytes], have: int) -> ProvisionResponse:
        """Append what comes after the bytes there are."""
        raw, total = self._begin_download(path, cik, have)
        if raw.status == 416 and total == have:
            return self._downloaded(path, raw)
        if raw.status >= 400:
            return self._answer("GET", path, raw, self.onephttp.rest(raw), cik)
        if raw.status != 206:  # the whole of it, whatever we have
            file.seek(0)
            file.truncate()
        for piece in onephttp.pieces(raw, _PIECE):
            file.write(piece)
        if total is None and "Transfer-Encoding" not in raw.headers:
            raise ProvisionConnectionError("the answer was cut off within its headers")
        if total is not None and file.tell() < total:
            raise ProvisionConnectionError(f"{file.tell()} of {total} bytes arrived")
        return self._downloaded(path, raw)

    def _begin_download(self, path: str, cik: str, have: int) -> tuple[Any, int | None]:
        """Ask for what comes after the bytes there are; return answer and total length."""
        headers = {**self._headers(cik, True), "Accept": "*"}
        if have:
            headers["Range"] = f"bytes={have}-"
        raw = self.onephttp.begin("GET", path, None, headers, self.onephttp.httptimeout)
        name = "Content-Length" if raw.status == 200 else "Content-Range"
        length = raw.headers.get(name, "").rpartition("/")[2]
        return raw, reading.number(length)

    def _downloaded(self, path: str, raw: Any) -> ProvisionResponse:
        response = self.onephttp.response("GET", path, raw, b"")
        if response.status_code == 416:  # all of it was there already
            self.onephttp.rest(raw)
            response.status_code, response.reason = 200, "OK"
        return ProvisionResponse("", response)

    def content_info(
        self, key: str, model: str, contentid: str, vendor: str | None = None
    ) -> ProvisionResponse:
        """Show content. ``GET /provision/manage/content/<model>/<id>``, or as a device.

        Args:
            key: Vendor's CIK or token; with `vendor`, the device's CIK.
            model: Its model.
            contentid: Its id.
            vendor: Ask as a device: ``GET /provision/download?…&info=true``.

        Returns:
            A row ``[media type, bytes, updated (Unix timestamp), meta, protected]``; a device
            does not see the last column.
        """
        if vendor is None:
            return self._send("GET", _path("manage", "content", model, contentid), key)
        query = {"vendor": vendor, "model": model, "id": contentid, "info": "true"}
        return self._send("GET", _path("download", **query), key)

    def content_list(
        self, key: str, model: str, serialnumber: str | None = None
    ) -> ProvisionResponse:
        """List content. ``GET /provision/manage/content/<model>/``.

        Args:
            key: Vendor's CIK or token.
            model: Its model.
            serialnumber: Only what this one may use.
        """
        query = {} if serialnumber is None else {"sn": serialnumber}
        return self._send("GET", _path("manage", "content", model, None, **query), key)

    def content_for_device(self, cik: str, vendor: str, model: str) -> ProvisionResponse:
        """List content as a device; rows: ``[id]``. ``GET /provision/download``."""
        return self._send("GET", _path("download", vendor=vendor, model=model), cik, by_cik=True)

    def content_groups(
        self, key: str, model: str, contentid: str, offset: int = 0, limit: int = 1000
    ) -> ProvisionResponse:
        """List the groups content is in. ``GET …/content/<model>/<id>?show=groups``."""
        query = {"show": "groups", "offset": offset, "limit": limit}
        return self._send("GET", _path("manage", "content", model, contentid, **query), key)

    def content_remove(self, key: str, model: str, contentid: str) -> ProvisionResponse:
        """Remove content. ``DELETE /provision/manage/content/<model>/<id>``."""
        return self._send("DELETE", _path("manage", "content", model, contentid), key)

    def content_upload(
        self, key: str, model: str, contentid: str, data: Data, mimetype: str
    ) -> ProvisionResponse:
        """Upload content. ``POST /provision/manage/content/<model>/<id>``.

        Args:
            key: Vendor's CIK or token.
            model: Its model.
            contentid: Its id; `content_create` makes the entry.
            data: Text (sent as UTF-8), bytes, or a binary file that can be seeked; a file is
                streamed.
            mimetype: Media type, given back with each download.
        """
        path = _path("manage", "content", model, contentid)
        return self._send("POST", path, key, data, type=mimetype)

    # --- groups ---

    def group_create(self, key: str, model: str, group: str, meta: str = "") -> ProvisionResponse:
        """Create a group. ``POST /provision/manage/group/<model>/``."""
        return self._form(_path("manage", "group", model, None), key, ("id", group), ("meta", meta))

    def group_list(
        self, key: str, model: str, offset: int = 0, limit: int = 1000
    ) -> ProvisionResponse:
        """List groups; rows: ``[id, meta]``. ``GET /provision/manage/group/<model>/``."""
        query = {"offset": offset, "limit": limit}
        return self._send("GET", _path("manage", "group", model, None, **query), key)

    def group_info(self, key: str, model: str, group: str) -> ProvisionResponse:
        """Show a group; row: ``[meta, members]``. ``GET /provision/manage/group/<model>/<id>``."""
        return self._send("GET", _path("manage", "group", model, group), key)

    def group_groups(
        self, key: str, model: str, group: str, offset: int = 0, limit: int = 1000
    ) -> ProvisionResponse:
        """List the groups a group is in. ``GET …/group/<model>/<id>?show=groups``."""
        query = {"show": "groups", "offset": offset, "limit": limit}
        return self._send("GET", _path("manage", "group", model, group, **query), key)

    def group_remove(self, key: str, model: str, group: str) -> ProvisionResponse:
        """Remove a group. ``DELETE /provision/manage/group/<model>/<id>``."""
        return self._send("DELETE", _path("manage", "group", model, group), key)

    def group_members(
        self,
        key: str,
        model: str,
        group: str,
        type: str | None = None,
        member: str | None = None,
        offset: int = 0,
        limit: int = 1000,
    ) -> ProvisionResponse:
        """List members; rows: ``[type, id, expire, meta]``.

        ``GET /provision/manage/group/<model>/<id>/``.

        Args:
            key: Vendor's CIK or token.
            model: Its model.
            group: The group.
            type: Only ``sn``, ``content`` or ``group``.
            member: Only members with this id.
            offset: How many to leave out.
            limit: At most so many, from 5 to 1000.
        """
        query: dict[str, Any] = {"offset": offset, "limit": limit}
        query.update({"type": type} if type else {}, **({"id": member} if member else {}))
        return self._send("GET", _path("manage", "group", model, group, None, **query), key)

    def group_add(
        self, key: str, model: str, group: str, members: Sequence[Sequence[Any]]
    ) -> ProvisionResponse:
        """Add or change members. ``POST /provision/manage/group/<model>/<id>/``.

        Args:
            key: Vendor's CIK or token.
            model: Its model.
            group: The group.
            members: ``[[type, id], ...]`` or ``[[type, id, expire, meta], ...]``; `expire` is a
                Unix timestamp, 0 for never.
        """
        return self._members("POST", key, model, group, members)

    def group_discard(
        self, key: str, model: str, group: str, members: Sequence[Sequence[Any]]
    ) -> ProvisionResponse:
        """Remove members, ``[[type, id], ...]``.

        ``DELETE /provision/manage/group/<model>/<id>/``.
        """
        return self._members("DELETE", key, model, group, members)

    def _members(
        self, method: str, key: str, model: str, group: str, members: Sequence[Sequence[Any]]
    ) -> ProvisionResponse:
        text = io.StringIO()
        csv.writer(text).writerows(members)
        path = _path("manage", "group", model, group, None)
        return self._send(method, path, key, text.getvalue(), type=_CSV)


def _path(*segments: str | None, **query: Any) -> str:
    """A path below ``/provision``; no name in it can reach another endpoint.

    None stands for nothing behind the last slash: a collection.
    """
    path = "/".join([PROVISION_BASE, *map(_segment, segments)])
    return f"{path}?{form(query)}" if query else path


def _segment(name: str | None) -> str:
    if name is None:
        return ""
    if name == "":
        raise ProvisionTransportError("not sent: a name is empty, and so would name something else")
    if name in (".", ".."):
        return "%2E" * len(name)  # would be resolved on the way
    return quoted(name, safe=":")


def form(fields: Any) -> str:
    """A form as it is sent, from ``{name: value}`` or ``[(name, value), ...]``.

    Raises:
        ProvisionTransportError: It holds text that has no bytes.
    """
    try:
        return urlencode(fields)
    except UnicodeError:
        raise _no_text() from None


def quoted(text: str, safe: str) -> str:
    """Text as a part of a URL.

    Raises:
        ProvisionTransportError: It has no bytes.
    """
    try:
        return quote(text, safe=safe)
    except UnicodeError:
        raise _no_text() from None


def _no_text() -> ProvisionTransportError:
    return ProvisionTransportError("not sent: half a character (a surrogate) cannot be sent")


def _overridden(headers: dict[str, str], others: Mapping[str, str]) -> dict[str, str]:
    """Headers with others in their place, however their names are written."""
    names = {name.lower() for name in others}
    return {**{name: headers[name] for name in headers if name.lower() not in names}, **others}


def _body(data: Any) -> tuple[Any, int | None]:
    """A body that can be sent, and its length when it is a file."""
    if not hasattr(data, "read"):
        return data, None
    start = data.tell()
    length = data.seek(0, os.SEEK_END) - start
    data.seek(start)
    return data, length


def transport_error(error: Exception, key: str) -> ProvisionTransportError:
    """The error of ours for a `requests` exception, without the key."""
    if isinstance(error, ProvisionTransportError):
        return error
    text = redact(error, key)
    if isinstance(error, requests.exceptions.Timeout):
        return ProvisionTimeout(text)
    if isinstance(error, requests.exceptions.ConnectionError):
        return ProvisionConnectionError(text)
    return ProvisionTransportError(text)
