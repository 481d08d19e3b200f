"""The JSON-RPC API of the One Platform.

::

    from pyonep import onep

    o = onep.OnepV1()
    isok, response = o.write(cik, {"alias": "temperature"}, 21.5)
    isok, points = o.read(cik, {"alias": "temperature"}, {"limit": 10})

Every procedure has a method of its name. A call returns ``(isok, response)``;
with ``defer=True`` it is kept, and `OnepV1.send_deferred` sends all that was
kept in one request.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Callable, Optional, Union, overload

import requests.exceptions

from . import credentials, failures, forks, jsonrpc, onephttp
from .callforms import accepts_old_forms, flag_was_third, listing_forms, without_options
from .endpoint import HOSTED, endpoint
from .exceptions import (
    JsonRPCRequestException,
    JsonRPCResponseException,
    JsonStringException,
    OneException,
    OnePlatformException,
)
from .jsonrpc import Answer, Call, Triple
from .redaction import Secrets, redact, scrubbed, secrets_of

__all__ = [
    "FORMATS",
    "DeferredRequests",
    "JsonRPCRequestException",
    "JsonRPCResponseException",
    "JsonStringException",
    "OneException",
    "OnePlatformException",
    "OnepV1",
]

log: logging.Logger = logging.getLogger(__name__)

Auth = Union[str, dict[str, Any]]
Resource = Union[str, dict[str, Any]]
Options = Optional[Mapping[str, Any]]

HEADERS = {"Content-Type": "application/json; charset=utf-8"}


class FORMATS:
    """Formats of a dataport."""

    STRING = "string"
    FLOAT = "float"
    INTEGER = "integer"


class DeferredRequests:
    """Calls that wait to be sent, in order, for each auth. Safe to share."""

    def __init__(self) -> None:
        self._queues: dict[Any, list[tuple[str, list[Any], bool]]] = {}
        self._lock = forks.lock()

    @accepts_old_forms()
    def add(self, auth: Auth, method: str, args: list[Any], notimeout: bool = False) -> None:
        """Keep a call.

        Args:
            auth: CIK string or auth object.
            method: Name of the procedure.
            args: Its arguments.
            notimeout: Whether its answer may take longer than the HTTP timeout.
        """
        with self._lock:
            self._queues.setdefault(_queue(auth), []).append((method, args, notimeout))

    @accepts_old_forms()
    def has_requests(self, auth: Auth) -> bool:
        """Whether any call waits for this auth."""
        return _queue(auth) in self._queues

    @accepts_old_forms()
    def get_method_args_pairs(self, auth: Auth) -> list[tuple[str, list[Any]]]:
        """The calls that wait, as ``[(procedure, arguments), ...]``."""
        with self._lock:
            return [(method, args) for method, args, _ in self._queues.get(_queue(auth), ())]

    @accepts_old_forms()
    def get_notimeout(self, auth: Auth) -> bool:
        """Whether any of the calls that wait may outlast the HTTP timeout."""
        with self._lock:
            return any(notimeout for _, _, notimeout in self._queues.get(_queue(auth), ()))

    @accepts_old_forms()
    def reset(self, auth: Auth) -> None:
        """Forget the calls of this auth."""
        self.take(auth)

    def take(self, auth: Auth) -> tuple[list[tuple[str, list[Any]]], bool]:
        """Remove and return what waits: ``([(procedure, arguments), ...], notimeout)``."""
        with self._lock:
            waiting = self._queues.pop(_queue(auth), [])
        return [(method, args) for method, args, _ in waiting], any(n for _, _, n in waiting)


def _queue(auth: Auth) -> Any:
    """Equal auth objects share a queue, and so does a CIK string with its object."""
    if isinstance(auth, dict):
        return tuple(sorted((name, _stripped(str(value))) for name, value in auth.items()))
    return (("cik", _stripped(auth)),)


def _stripped(value: Any) -> Any:
    return str.strip(value) if isinstance(value, str) else value


class OnepV1:
    """The RPC API. Safe to share between threads.

    Wherever a method takes `auth`, that is a CIK string or an auth object:
    ``{"cik": …}``, ``{"cik": …, "client_id": rid}``, ``{"cik": …, "resource_id": rid}``
    or ``{"token": …}``. A `resource` is a RID string or ``{"alias": name}``;
    ``{"alias": ""}`` is the calling client itself.

    Every method returns ``(True, result)``, where the result is the string ``ok``
    when the procedure returns nothing, or ``(False, status)`` when the
    platform answered with another status. With ``defer=True`` it returns ``True``
    and nothing is sent before `send_deferred`.

    Every method that sends raises:

    - `JsonRPCRequestException`: the request did not go out.
    - `JsonRPCResponseException`: it did, and no complete answer came.
    - `OnePlatformException`: the platform refused the request as a whole (a wrong CIK
      among others), or its answer makes no sense.
    - `JsonStringException`: an argument is not JSON; nothing was sent.

    Args:
        host (str): Host name or URL. The environment variable ``PYONEP_ENDPOINT``
            replaces the hosted service by another server.
        port (int | str | None): None means 443 over TLS and 80 without.
        url (str): Path of the RPC endpoint.
        https (bool | None): None means TLS, unless `host` or port 80 says otherwise.
        httptimeout (float | str | None): Seconds to wait for a connection and for each part of the
            answer. A whole call may take six times as long, and a `wait` its own
            timeout on top; see `within` for another total.
        agent (str | None): Sent as ``User-Agent``.
        reuseconnection (bool): Keep the connection open between calls. Much faster
            for more than one call; `close` closes it.
        logrequests (bool): Remember what is sent, for `loggedrequests`.
        curldebug (bool): Log each request at DEBUG as a curl command that can be pasted.
            The one place where a credential is shown.
        startid (int): Id of the first call.

    Attributes:
        onephttp (OneP_Request): What sends the requests.
        deferred (DeferredRequests): The calls that wait.
        startid (int): Id of the next call.
        url (str): Path of the RPC endpoint.
        on_answer (Callable | None): Called with the headers of each answer.

    Raises:
        ValueError: Host, port or timeout make no sense.
    """

    def __init__(
        self,
        host: str = HOSTED,
        port: int | str | None = None,
        url: str = "/onep:v1/rpc/process",
        https: bool | None = None,
        httptimeout: float | str | None = 10,
        agent: str | None = None,
        reuseconnection: bool = False,
        logrequests: bool = False,
        curldebug: bool = False,
        startid: int = 0,
    ) -> None:
        target = endpoint(host, port, https, port_means_http=False)
        self.url = url
        self.startid: int = startid
        self.deferred: DeferredRequests = DeferredRequests()
        self.onephttp: onephttp.OneP_Request = onephttp.OneP_Request(
            target.host,
            https=target.https,
            httptimeout=httptimeout,
            headers={"User-Agent": agent, **HEADERS} if agent else HEADERS,
            reuseconnection=reuseconnection,
            log=log,
            curldebug=curldebug,
            answer_limit=jsonrpc.ANSWER_LIMIT,
        )
        self.on_answer: Optional[Callable[[Mapping[str, str]], object]] = None
        self._acting_as: dict[str, str] = {}
        self._id_lock = forks.lock()
        self._logged: Optional[list[Any]] = [] if logrequests else None

    # --- how a call is made: subclasses override and call these ---

    def _getAuth(self, auth: Auth) -> dict[str, Any]:
        """The auth object of a request."""
        if isinstance(auth, str):
            return {"cik": auth, **self._acting_as}
        if isinstance(auth, dict):
            return auth
        raise JsonRPCRequestException(
            f"auth must be a CIK string or a dict such as {{'cik': ...}}, not {type(auth).__name__}"
        )

    def _composeCalls(self, method_args_pairs: Sequence[tuple[str, list[Any]]]) -> list[Call]:
        """Turn ``[(procedure, arguments), ...]`` into request objects with ids of their own."""
        with self._id_lock:
            first = self.startid
            self.startid += len(method_args_pairs)
        return [
            {"id": number, "procedure": method, "arguments": args}
            for number, (method, args) in enumerate(method_args_pairs, first)
        ]

    @accepts_old_forms()
    def _call(
        self, method: str, auth: Auth, arg: list[Any], defer: bool, notimeout: bool = False
    ) -> Any:
        """Call a procedure, or keep the call when `defer` is true."""
        if defer:
            credentials.usable_auth(auth, JsonRPCRequestException)
            jsonrpc.check(method, arg)
            self.deferred.add(auth, method, arg, notimeout)
            return True
        calls = self._composeCalls([(method, arg)])
        # Subclasses written for releases before 0.11 know no such argument.
        options = {"notimeout": True} if notimeout else {}
        return self._callJsonRPC(auth, calls, **options)

    @accepts_old_forms()
    def _callJsonRPC(
        self,
        auth: Auth,
        callrequests: list[Call],
        returnreq: bool = False,
        notimeout: bool = False,
    ) -> Any:
        """Send request objects and sort out the answer.

        Args:
            auth: CIK string or auth object.
            callrequests: The request objects.
            returnreq: Return ``[(call, isok, response), ...]`` instead of
                ``(isok, response)`` of the first call.
            notimeout: Whether an answer may outlast the HTTP timeout.
        """
        sent = credentials.usable_auth(self._getAuth(auth), JsonRPCRequestException)
        request = {"auth": sent, "calls": callrequests}
        body = jsonrpc.encode(request)
        if self._logged is not None:
            self._logged.append(copy.deepcopy(request))
        # A subclass may send another auth than it was given.
        secrets = Secrets(auth, sent)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("calls: %s", redact(repr(callrequests), *secrets))
        raw, content = self._exchange(body, self._timeout(callrequests, notimeout), secrets)
        if self.on_answer is not None:
            self.on_answer(raw.headers)
        status = f"HTTP {raw.status} {raw.reason or ''}".strip()
        try:
            limit = self.onephttp.answer_limit
            answer = jsonrpc.decode(status, content, secrets, len(callrequests), limit)
            triples = jsonrpc.sort_out(callrequests, answer, secrets)
        except OnePlatformException as error:
            error.http_status = raw.status
            error.retry_after = jsonrpc.retry_after(raw.headers)
            raise
        if returnreq:
            return triples
        return triples[0][1:] if triples else (True, "ok")

    def _timeout(self, calls: list[Call], notimeout: bool) -> float | None:
        """Seconds: the HTTP timeout, and what the longest `wait` may take on top."""
        waits = [
            jsonrpc.wait_milliseconds(call) for call in calls if call.get("procedure") == "wait"
        ]
        limit = self.onephttp.httptimeout
        if limit is None or (notimeout and not waits):
            return None
        return limit + max(waits, default=0.0) / 1000

    def _exchange(
        self, body: str, timeout: float | None, secrets: Iterable[str]
    ) -> tuple[Any, bytes]:
        try:
            return self.onephttp.exchange("POST", self.url, body, None, timeout)
        except failures.Redirected as error:
            raise OnePlatformException(redact(error, *secrets)) from None
        except requests.exceptions.RequestException as error:
            text = redact(error, *secrets)
            went_out = failures.request_went_out(error)
            cause = scrubbed(error, *secrets)
            if went_out:
                raise JsonRPCResponseException(f"no complete answer: {text}") from cause
            raise JsonRPCRequestException(f"request not sent: {text}") from cause

    # --- the connection ---

    def connect_as(self, clientid: str) -> None:
        """Act as a client below the one whose CIK is given as a string from now on.

        Args:
            clientid: RID of that client. Replaces an earlier `connect_owner`.
        """
        self._acting_as = {"client_id": clientid}

    def connect_owner(self, resourceid: str) -> None:
        """Act as the owner of a resource from now on.

        Args:
            resourceid: RID of that resource. Replaces an earlier `connect_as`.
        """
        self._acting_as = {"resource_id": resourceid}

    def close(self) -> None:
        """Close the kept connection; the next call opens a new one."""
        self.onephttp.close()

    def loggedrequests(self) -> list[Any]:
        """The requests this object sent, when made with ``logrequests=True``.

        Returns:
            ``[{"auth": …, "calls": […]}, ...]``, credentials included.
        """
        return list(self._logged or ())

    def within(self, total: float | None) -> AbstractContextManager[None]:
        """Give the calls that this thread makes inside a block one time together.

        ::

            with o.within(2.5):
                isok, points = o.read(cik, {"alias": "temperature"}, {"limit": 1000})

        It takes the place of six times `httptimeout`, for this thread and this block, and may
        be shorter or longer; `httptimeout` still limits each step, and a `wait` ends with the
        block. Of blocks inside each other the one that ends first counts. A call that is
        begun when nothing is left raises `JsonRPCRequestException`; nothing is sent then.

        Args:
            total: Seconds from now; None for no limit.
        """
        return self.onephttp.within(total)

    # --- deferred calls ---

    @accepts_old_forms()
    def has_deferred(self, auth: Auth) -> bool:
        """Whether calls were deferred for this auth."""
        return self.deferred.has_requests(auth)

    @accepts_old_forms()
    def send_deferred(self, auth: Auth) -> list[Triple]:
        """Send all calls deferred for this auth in one request, in order.

        They are forgotten afterwards, whether the request succeeds or not.

        Returns:
            ``[(call, isok, response), ...]``, where `call` is the request object
            ``{"id", "procedure", "arguments"}``.

        Raises:
            JsonRPCRequestException: Nothing was deferred.
        """
        pairs, notimeout = self.deferred.take(auth)
        if not pairs:
            raise JsonRPCRequestException("No deferred requests to send.")
        options = {"notimeout": True} if notimeout else {}
        triples: list[Triple] = self._callJsonRPC(
            auth, self._composeCalls(pairs), returnreq=True, **options
        )
        return triples

    # --- procedures ---

    @overload
    def activate(self, auth: Auth, codetype: str, code: str) -> Answer: ...

    @overload
    def activate(self, auth: Auth, codetype: str, code: str, defer: bool = ...) -> Any: ...

    @accepts_old_forms()
    def activate(self, auth: Auth, codetype: str, code: str, defer: bool = False) -> Any:
        """Activate a client or a share. Procedure ``activate``.

        Args:
            auth: Calling client.
            codetype: ``"client"`` or ``"share"``.
            code: CIK of the client, or share code.
            defer: Keep the call for `send_deferred`.
        """
        return self._call("activate", auth, [codetype, code], defer)

    @overload
    def create(self, auth: Auth, type: str, desc: Mapping[str, Any]) -> Answer: ...

    @overload
    def create(self, auth: Auth, type: str, desc: Mapping[str, Any], defer: bool = ...) -> Any: ...

    @accepts_old_forms()
    def create(self, auth: Auth, type: str, desc: Mapping[str, Any], defer: bool = False) -> Any:
        """Create a resource below the calling client. Procedure ``create``.

        Args:
            auth: Calling client.
            type: ``"client"``, ``"dataport"``, ``"datarule"``, ``"dispatch"`` or ``"clone"``.
            desc: Description of the resource.
            defer: Keep the call for `send_deferred`.

        Returns:
            ``(True, rid)``.
        """
        return self._call("create", auth, [type, desc], defer)

    @overload
    def createDataport(self, auth: Auth, desc: Mapping[str, Any]) -> Answer: ...

    @overload
    def createDataport(self, auth: Auth, desc: Mapping[str, Any], defer: bool = ...) -> Any: ...

    @accepts_old_forms()
    def createDataport(self, auth: Auth, desc: Mapping[str, Any], defer: bool = False) -> Any:
        """Create a dataport below the calling client. Procedure ``create``.

        Args:
            auth: Calling client.
            desc: Description; ``format`` is required, one of `FORMATS`.
            defer: Keep the call for `send_deferred`.

        Returns:
            ``(True, rid)``.
        """
        return self._call("create", auth, ["dataport", desc], defer)

    @overload
    def deactivate(self, auth: Auth, codetype: str, code: str) -> Answer: ...

    @overload
    def deactivate(self, auth: Auth, codetype: str, code: str, defer: bool = ...) -> Any: ...

    @accepts_old_forms()
    def deactivate(self, auth: Auth, codetype: str, code: str, defer: bool = False) -> Any:
        """Let a client's key expire, or give up a share. Procedure ``deactivate``.

        Args:
            auth: Calling client.
            codetype: ``"client"`` or ``"share"``.
            code: CIK of the client; share code, or RID of the shared resource.
            defer: Keep the call for `send_deferred`.
        """
        return self._call("deactivate", auth, [codetype, code], defer)

    @overload
    def drop(self, auth: Auth, resource: Resource) -> Answer: ...

    @overload
    def drop(self, auth: Auth, resource: Resource, defer: bool = ...) -> Any: ...

    @accepts_old_forms()
    def drop(self, auth: Auth, resource: Resource, defer: bool = False) -> Any:
        """Remove a resource and all below it. Procedure ``drop``."""
        return self._call("drop", auth, [resource], defer)

    @overload
    def flush(self, auth: Auth, resource: Resource, options: Options = ...) -> Answer: ...

    @overload
    def flush(
        self, auth: Auth, resource: Resource, options: Options = ..., defer: bool = ...
    ) -> Any: ...

    @accepts_old_forms(flag_was_third)
    def flush(
        self,
        auth: Auth,
        resource: Resource,
        options: Options = None,
        defer: bool = False,
    ) -> Any:
        """Remove points of a series. Procedure ``flush``.

        Args:
            auth: Calling client.
            resource: The series.
            options: ``newerthan`` and ``olderthan``, Unix seconds, both exclusive; all
                points when there is neither.
            defer: Keep the call for `send_deferred`.
        """
        args = [resource] if options is None else [resource, options]
        return self._call("flush", auth, args, defer)

    @overload
    def grant(
        self, auth: Auth, resource: Resource, permissions: Mapping[str, Any], ttl: int | None = ...
    ) -> Answer: ...

    @overload
    def grant(
        self,
        auth: Auth,
        resource: Resource,
        permissions: Mapping[str, Any],
        ttl: int | None = ...,
        defer: bool = ...,
    ) -> Any: ...

    @accepts_old_forms()
    def grant(
        self,
        auth: Auth,
        resource: Resource,
        permissions: Mapping[str, Any],
        ttl: int | None = None,
        defer: bool = False,
    ) -> Any:
        """Make a token that stands for some permissions. Procedure ``grant``.

        Args:
            auth: Calling client.
            resource: Client that the token acts as.
            permissions: ``{rid: [permission, ...], ...}``.
            ttl: Seconds the token lives; None leaves it to the platform.
            defer: Keep the call for `send_deferred`.

        Returns:
            ``(True, token)``.
        """
        args: list[Any] = [resource, permissions]
        if ttl is not None:
            args.append({"ttl": ttl})
        return self._call("grant", auth, args, defer)

    @overload
    def info(self, auth: Auth, resource: Resource, options: Options = ...) -> Answer: ...

    @overload
    def info(
        self, auth: Auth, resource: Resource, options: Options = ..., defer: bool = ...
    ) -> Any: ...

    @accepts_old_forms()
    def info(
        self,
        auth: Auth,
        resource: Resource,
        options: Options = None,
        defer: bool = False,
    ) -> Any:
        """Describe a resource. Procedure ``info``.

        Args:
            auth: Calling client.
            resource: The resource.
            options: What to tell, ``{"basic": True, ...}``; empty for everything.
            defer: Keep the call for `send_deferred`.

        Returns:
            ``(True, {"basic": …, "description": …, ...})``.
        """
        return self._call("info", auth, [resource, {} if options is None else options], defer)

    @overload
    def listing(
        self,
        auth: Auth,
        types: Sequence[str],
        options: Options = ...,
        resource: Resource | None = ...,
    ) -> Answer: ...

    @overload
    def listing(
        self,
        auth: Auth,
        types: Sequence[str],
        options: Options = ...,
        resource: Resource | None = ...,
        defer: bool = ...,
    ) -> Any: ...

    @accepts_old_forms(listing_forms)
    def listing(
        self,
        auth: Auth,
        types: Sequence[str],
        options: Options = None,
        resource: Resource | None = None,
        defer: bool = False,
    ) -> Any:
        """List the resources of a client. Procedure ``listing``.

        Args:
            auth: Calling client.
            types: Of ``"client"``, ``"dataport"``, ``"datarule"``, ``"dispatch"``.
            options: ``owned``, ``activated``, ``aliased``, ``public`` (booleans) and
                ``tagged`` (list of tags).
            resource: The client whose resources to list; the caller by default. Needs
                `options`, an empty dict at least: without them it is ignored, as ever.
            defer: Keep the call for `send_deferred`.

        Returns:
            ``(True, {type: [rid, ...], ...})``; without options the older
            ``(True, [[rid, ...], ...])`` in the order of `types`.
        """
        args: list[Any] = [types] if options is None else [types, options]
        if resource is not None and options is not None:
            args.insert(0, resource)
        return self._call("listing", auth, args, defer)

    @overload
    def lookup(self, auth: Auth, type: str, mapping: str) -> Answer: ...

    @overload
    def lookup(self, auth: Auth, type: str, mapping: str, defer: bool = ...) -> Any: ...

    @accepts_old_forms()
    def lookup(self, auth: Auth, type: str, mapping: str, defer: bool = False) -> Any:
        """Find a RID. Procedure ``lookup``.

        Args:
            auth: Calling client.
            type: ``"alias"``, ``"owner"`` or ``"shared"``.
            mapping: An alias (``""`` is the caller itself), a RID, or a share code.
            defer: Keep the call for `send_deferred`.

        Returns:
            ``(True, rid)``.
        """
        return self._call("lookup", auth, [type, mapping], defer)

    @overload
    def map(self, auth: Auth, resource: Resource, alias: str) -> Answer: ...

    @overload
    def map(self, auth: Auth, resource: Resource, alias: str, defer: bool = ...) -> Any: ...

    @accepts_old_forms()
    def map(self, auth: Auth, resource: Resource, alias: str, defer: bool = False) -> Any:
        """Give a resource an alias of the calling client. Procedure ``map``."""
        return self._call("map", auth, ["alias", resource, alias], defer)

    @overload
    def move(
        self, auth: Auth, resource: Resource, destinationresource: Resource, options: Options = ...
    ) -> Answer: ...

    @overload
    def move(
        self,
        auth: Auth,
        resource: Resource,
        destinationresource: Resource,
        options: Options = ...,
        defer: bool = ...,
    ) -> Any: ...

    @accepts_old_forms()
    def move(
        self,
        auth: Auth,
        resource: Resource,
        destinationresource: Resource,
        options: Options = None,
        defer: bool = False,
    ) -> Any:
        """Move a resource below another client. Procedure ``move``.

        Args:
            auth: Calling client.
            resource: What to move.
            destinationresource: The client to move it below.
            options: ``{"aliases": True}`` (the default) makes its aliases again there.
            defer: Keep the call for `send_deferred`.
        """
        chosen = {"aliases": True} if options is None else options
        return self._call("move", auth, [resource, destinationresource, chosen], defer)

    @overload
    def read(self, auth: Auth, resource: Resource, options: Options = ...) -> Answer: ...

    @overload
    def read(
        self, auth: Auth, resource: Resource, options: Options = ..., defer: bool = ...
    ) -> Any: ...

    @accepts_old_forms()
    def read(
        self,
        auth: Auth,
        resource: Resource,
        options: Options = None,
        defer: bool = False,
    ) -> Any:
        """Read points of a series. Procedure ``read``.

        Args:
            auth: Calling client.
            resource: The series.
            options: ``starttime`` and ``endtime`` (Unix seconds, inclusive), ``sort``
                (``"asc"`` or ``"desc"``), ``limit`` (1 by default), ``selection``
                (``"all"``, ``"givenwindow"`` or ``"autowindow"``).
            defer: Keep the call for `send_deferred`.

        Returns:
            ``(True, [[timestamp, value], ...])``, timestamps in Unix seconds.
        """
        return self._call("read", auth, [resource, {} if options is None else options], defer)

    def points(
        self,
        auth: Auth,
        resource: Resource,
        starttime: int | None = None,
        endtime: int | None = None,
        sort: str = "asc",
        page: int = 10_000,
    ) -> Iterator[list[Any]]:
        """Go through a series of any length, a page at a time, without holding it.

        Procedure ``read``, as often as it takes. Points that arrive meanwhile are met
        when they are still ahead.

        Args:
            auth: Calling client.
            resource: The series.
            starttime: Unix seconds, inclusive; None for the first point.
            endtime: Unix seconds, inclusive; None for the last point.
            sort: ``"asc"``, oldest first, or ``"desc"``.
            page: Points to fetch at once.

        Yields:
            ``[timestamp, value]``, timestamps in Unix seconds.

        Raises:
            OnePlatformException: A page was answered with a status other than ok, is no list
                of points, or does not go on where the last one ended.
            ValueError: `page` is less than 1.
        """
        if page < 1:
            raise ValueError(f"page must be at least 1 point, not {page!r}")
        return self._pages(auth, resource, {"starttime": starttime, "endtime": endtime}, sort, page)

    def _pages(
        self, auth: Auth, resource: Resource, window: dict[str, Any], sort: str, page: int
    ) -> Iterator[list[Any]]:
        # There is one point per second, so the next page begins a second further on.
        ahead, step = ("endtime", -1) if sort == "desc" else ("starttime", 1)
        reached: float | None = None
        while True:
            given = {name: value for name, value in window.items() if value is not None}
            isok, points = self.read(auth, resource, {"sort": sort, "limit": page, **given})
            secrets = secrets_of(auth)
            if not isok:
                reason = getattr(points, "reason", "")
                text = f"{points}: {reason}" if reason else str(points)
                text = f"{_named(resource)} cannot be read: {text}"
                raise OnePlatformException(redact(text, *secrets))
            if not points and isinstance(points, list):
                return
            last = _last_time(points)
            if last is None or (reached is not None and (last - reached) * step <= 0):
                said = "is no list of points" if last is None else "does not go on in time"
                text = f"{_named(resource)} cannot be read: the answer {said}"
                raise OnePlatformException(redact(text, *secrets))
            yield from points
            reached, window[ahead] = last, last + step

    @overload
    def record(
        self,
        auth: Auth,
        resource: Resource,
        entries: Sequence[Sequence[Any]],
        options: Options = ...,
    ) -> Answer: ...

    @overload
    def record(
        self,
        auth: Auth,
        resource: Resource,
        entries: Sequence[Sequence[Any]],
        options: Options = ...,
        defer: bool = ...,
    ) -> Any: ...

    @accepts_old_forms()
    def record(
        self,
        auth: Auth,
        resource: Resource,
        entries: Sequence[Sequence[Any]],
        options: Options = None,
        defer: bool = False,
    ) -> Any:
        """Write points at given times. Procedure ``record``; prefer `recordbatch`.

        Args:
            auth: Calling client.
            resource: The series.
            entries: ``[[timestamp, value], ...]``; Unix seconds, or negative for an
                offset from now.
            options: Ignored by the platform.
            defer: Keep the call for `send_deferred`.
        """
        args = [resource, entries, {} if options is None else options]
        return self._call("record", auth, args, defer)

    @overload
    def recordbatch(
        self, auth: Auth, resource: Resource, entries: Sequence[Sequence[Any]]
    ) -> Answer: ...

    @overload
    def recordbatch(
        self, auth: Auth, resource: Resource, entries: Sequence[Sequence[Any]], defer: bool = ...
    ) -> Any: ...

    @accepts_old_forms()
    def recordbatch(
        self, auth: Auth, resource: Resource, entries: Sequence[Sequence[Any]], defer: bool = False
    ) -> Any:
        """Write points at given times. Procedure ``recordbatch``.

        Args:
            auth: Calling client.
            resource: The series.
            entries: ``[[timestamp, value], ...]``; Unix seconds, or negative for an
                offset from now.
            defer: Keep the call for `send_deferred`.

        Returns:
            ``(True, "ok")``, or ``(False, [[timestamp, "invalid"], ...])`` naming the
            points that were not written, because their value does not fit or their second
            has a point already; the others were.
        """
        return self._call("recordbatch", auth, [resource, entries], defer)

    @overload
    def revoke(self, auth: Auth, codetype: str, code: str) -> Answer: ...

    @overload
    def revoke(self, auth: Auth, codetype: str, code: str, defer: bool = ...) -> Any: ...

    @accepts_old_forms()
    def revoke(self, auth: Auth, codetype: str, code: str, defer: bool = False) -> Any:
        """Replace the key of a client, or end a share. Procedure ``revoke``.

        Args:
            auth: Calling client.
            codetype: ``"client"`` or ``"share"``.
            code: CIK of the client, or share code.
            defer: Keep the call for `send_deferred`.
        """
        return self._call("revoke", auth, [codetype, code], defer)

    @overload
    def share(self, auth: Auth, resource: Resource, options: Options = ...) -> Answer: ...

    @overload
    def share(
        self, auth: Auth, resource: Resource, options: Options = ..., defer: bool = ...
    ) -> Any: ...

    @accepts_old_forms()
    def share(
        self,
        auth: Auth,
        resource: Resource,
        options: Options = None,
        defer: bool = False,
    ) -> Any:
        """Make a code by which another client may read a resource. Procedure ``share``.

        Args:
            auth: Calling client.
            resource: What to share.
            options: ``meta`` (text), and ``code`` to change the meta of that share.
            defer: Keep the call for `send_deferred`.

        Returns:
            ``(True, code)``.
        """
        return self._call("share", auth, [resource, {} if options is None else options], defer)

    @overload
    def tag(self, auth: Auth, resource: Resource, action: str, tag: str) -> Answer: ...

    @overload
    def tag(
        self, auth: Auth, resource: Resource, action: str, tag: str, defer: bool = ...
    ) -> Any: ...

    @accepts_old_forms()
    def tag(
        self, auth: Auth, resource: Resource, action: str, tag: str, defer: bool = False
    ) -> Any:
        """Add or remove a tag. Procedure ``tag``.

        Args:
            auth: Calling client.
            resource: What to tag.
            action: ``"add"`` or ``"remove"``.
            tag: The tag.
            defer: Keep the call for `send_deferred`.
        """
        return self._call("tag", auth, [resource, action, tag], defer)

    @overload
    def unmap(self, auth: Auth, alias: str) -> Answer: ...

    @overload
    def unmap(self, auth: Auth, alias: str, defer: bool = ...) -> Any: ...

    @accepts_old_forms()
    def unmap(self, auth: Auth, alias: str, defer: bool = False) -> Any:
        """Take an alias of the calling client away. Procedure ``unmap``."""
        return self._call("unmap", auth, ["alias", alias], defer)

    @overload
    def update(self, auth: Auth, resource: Resource, desc: Options = ...) -> Answer: ...

    @overload
    def update(
        self, auth: Auth, resource: Resource, desc: Options = ..., defer: bool = ...
    ) -> Any: ...

    @accepts_old_forms()
    def update(
        self,
        auth: Auth,
        resource: Resource,
        desc: Options = None,
        defer: bool = False,
    ) -> Any:
        """Change the description of a resource. Procedure ``update``.

        Args:
            auth: Calling client.
            resource: What to change.
            desc: The keys to change.
            defer: Keep the call for `send_deferred`.
        """
        return self._call("update", auth, [resource, {} if desc is None else desc], defer)

    @overload
    def usage(
        self, auth: Auth, resource: Resource, metric: str, starttime: int, endtime: int
    ) -> Answer: ...

    @overload
    def usage(
        self,
        auth: Auth,
        resource: Resource,
        metric: str,
        starttime: int,
        endtime: int,
        defer: bool = ...,
    ) -> Any: ...

    @accepts_old_forms()
    def usage(
        self,
        auth: Auth,
        resource: Resource,
        metric: str,
        starttime: int,
        endtime: int,
        defer: bool = False,
    ) -> Any:
        """Tell what was used in a window. Procedure ``usage``.

        Args:
            auth: Calling client.
            resource: The client.
            metric: ``client``, ``dataport``, ``datarule``, ``dispatch``, ``share``,
                ``email``, ``http``, ``sms`` or ``xmpp``.
            starttime: Unix seconds.
            endtime: Unix seconds.
            defer: Keep the call for `send_deferred`.
        """
        return self._call("usage", auth, [resource, metric, starttime, endtime], defer)

    @overload
    def wait(self, auth: Auth, resource: Resource, options: Options = ...) -> Answer: ...

    @overload
    def wait(
        self, auth: Auth, resource: Resource, options: Options = ..., defer: bool = ...
    ) -> Any: ...

    @accepts_old_forms()
    def wait(
        self,
        auth: Auth,
        resource: Resource,
        options: Options = None,
        defer: bool = False,
    ) -> Any:
        """Wait for the next point of a series. Procedure ``wait``.

        Args:
            auth: Calling client.
            resource: The series.
            options: ``timeout`` in milliseconds (30000 by default, at most 300000);
                ``since``, Unix seconds: the first point after it, at once when
                there is one already.
            defer: Keep the call for `send_deferred`.

        Returns:
            ``(True, [timestamp, value])``, or ``(False, "expire")``.
        """
        args = [resource, {} if options is None else options]
        return self._call("wait", auth, args, defer, notimeout=True)

    @overload
    def write(
        self, auth: Auth, resource: Resource, value: Any, options: Options = ...
    ) -> Answer: ...

    @overload
    def write(
        self, auth: Auth, resource: Resource, value: Any, options: Options = ..., defer: bool = ...
    ) -> Any: ...

    @accepts_old_forms()
    def write(
        self,
        auth: Auth,
        resource: Resource,
        value: Any,
        options: Options = None,
        defer: bool = False,
    ) -> Any:
        """Write a value now. Procedure ``write``.

        Args:
            auth: Calling client.
            resource: The series.
            value: A number or text, as the format of the series wants it.
            options: Ignored by the platform.
            defer: Keep the call for `send_deferred`.
        """
        args = [resource, value, {} if options is None else options]
        return self._call("write", auth, args, defer)

    @overload
    def writegroup(self, auth: Auth, entries: Sequence[Sequence[Any]]) -> Answer: ...

    @overload
    def writegroup(
        self, auth: Auth, entries: Sequence[Sequence[Any]], defer: bool = ...
    ) -> Any: ...

    @accepts_old_forms(without_options)
    def writegroup(self, auth: Auth, entries: Sequence[Sequence[Any]], defer: bool = False) -> Any:
        """Write values to several series under one timestamp. Procedure ``writegroup``.

        Args:
            auth: Calling client.
            entries: ``[[resource, value], ...]``. All are written, or none.
            defer: Keep the call for `send_deferred`.
        """
        return self._call("writegroup", auth, [entries], defer)


def _named(resource: Any) -> str:
    """A resource as an error names it."""
    alias = resource.get("alias") if isinstance(resource, dict) else None
    return str(resource) if alias is None else repr(alias)


def _last_time(points: Any) -> float | None:
    """The time of the last of ``[[timestamp, value], ...]``; None if it is something else."""
    if not isinstance(points, list) or set(map(type, points)) != {list}:
        return None
    if set(map(len, points)) != {2} or not {type(point[0]) for point in points} <= {int, float}:
        return None
    last: float = points[-1][0]
    return last if math.isfinite(last) else None
