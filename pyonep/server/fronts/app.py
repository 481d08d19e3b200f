"""The ASGI application: URL -> front."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, Callable

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from ..core.errors import HungUp, NotKept, Refused, TooLarge, Unauthorized
from ..platform import Platform
from . import admin, calllog, data, provisioning, rpc
from .answers import DETAIL, TEXT, not_allowed, problem
from .bodies import whole
from .connection import ANSWER
from .hosts import Hosts
from .http import Request, hung_up, status_of

_JSON = "application/json; charset=utf-8"
_JSON_TYPE = (b"content-type", _JSON.encode("ascii"))
_MOST_CONNECTIONS = 10_000


class _Answer(Response):
    """An answer of the RPC: what all of them have in their heads need not be encoded each time."""

    background = None
    status_code = 200

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.raw_headers = [_JSON_TYPE, (b"content-length", b"%d" % len(body))]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it: with one write where the server can, and nothing joined the headers."""
        answer = scope.get("extensions", {}).get(ANSWER)
        if answer is not None and len(self.raw_headers) == 2:
            headers = b"content-type: %s\r\ncontent-length: %d\r\n" % (
                _JSON_TYPE[1],
                len(self.body),
            )
            if answer(scope, headers, self.body):
                return
        await super().__call__(scope, receive, send)


class App:
    """The fronts of a platform as one ASGI application."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._hosts = Hosts(platform.settings.allowed_hosts)
        self._served: OrderedDict[Any, int] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            try:
                response = await self._respond(scope, receive)
                if self.platform.settings.requests_per_connection is not None:
                    self._count(scope, response)
                await response(scope, receive, send)
            except (ClientDisconnect, HungUp):
                return
            except asyncio.CancelledError:
                # The platform stops, and has cut the connection: nobody else cancels requests.
                return

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message: Message = await receive()
            if message["type"] == "lifespan.startup":
                self.platform.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                self.platform.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        reason = self._hosts.refused(scope["headers"])
        if reason is not None:
            return self._misdirected(scope, receive, reason)
        if scope["path"] in rpc.PATHS:
            return await self._rpc(scope, receive)
        request = Request(self.platform, scope, receive)
        response = await self._answer(request)
        if calllog.is_on() and scope["path"] != admin.HEALTH:
            calllog.http_call(request, response)
        return response

    def _misdirected(self, scope: Scope, receive: Receive, reason: str) -> Response:
        """The answer to one who calls the platform by a name that it does not go by."""
        headers = {"Connection": "close", DETAIL: reason}  # the body is not read
        if scope["path"] in rpc.PATHS:
            body = rpc.misdirected(reason)
            return Response(body, 421, {**headers, "Content-Type": _JSON})
        response = Response(f"{reason}\n", 421, {**headers, "Content-Type": TEXT})
        if calllog.is_on():
            calllog.http_call(Request(self.platform, scope, receive), response)
        return response

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._front(request)
        except Refused as error:
            request.refused = error
            status = status_of(error)
            # The rest of a body that is too large is not read: the connection ends.
            headers = {"Connection": "close"} if status == 413 else None
            return problem(status, str(error), headers)
        except (ClientDisconnect, HungUp):
            raise
        except NotKept:  # which is logged where it happens
            return problem(500)
        except Exception as error:
            # What the request had changed is undone already; nobody else notices.
            self.platform.report(error, f"answering {request.method}")
            return problem(500)

    async def _front(self, request: Request) -> Response:
        async def read(most: int) -> bytes:
            return await read_body(request.scope, request.receive, most)

        self.platform.ring_timers()
        for front in (data.respond, admin.respond):
            response = await front(request, read)
            if response is not None:
                return response
        return await provisioning.respond(request, read)

    async def _rpc(self, scope: Scope, receive: Receive) -> Response:
        if scope["method"] != "POST":
            return not_allowed(["POST"])
        settings = self.platform.settings
        try:
            body = await read_body(scope, receive, settings.max_request_bytes, self._check_start)
        except (TooLarge, Unauthorized) as error:
            # The rest of the body is not read: the connection cannot go on.
            is_long = isinstance(error, TooLarge)
            answer: bytes | None = rpc.too_large(self.platform) if is_long else rpc.unauthorized()
            return Response(answer, media_type=_JSON, headers={"Connection": "close"})
        answer = await rpc.process(self.platform, body, hung_up(receive))
        if answer is None:
            return Response(status_code=204, headers={"Content-Length": "0"})
        return _Answer(answer)

    def _check_start(self, start: bytearray) -> bool:
        """See who sends a long request before it is read; whether enough of it has come."""
        if len(start) <= self.platform.settings.max_keyless_bytes:
            return False
        rpc.check_start(self.platform, bytes(start))
        return True

    def _count(self, scope: Scope, response: Response) -> None:
        """Close a connection after so many requests."""
        connection = scope["client"]
        served = self._served.pop(connection, 0) + 1
        if served >= (self.platform.settings.requests_per_connection or 0):
            response.headers["Connection"] = "close"
            return
        self._served[connection] = served
        if len(self._served) > _MOST_CONNECTIONS:
            self._served.popitem(last=False)


async def read_body(
    scope: Scope, receive: Receive, most: int, check: Callable[[bytearray], bool] | None = None
) -> bytes:
    """The whole body of a request.

    Args:
        scope: The request.
        receive: Where its body comes from.
        most: How long it may be, in bytes.
        check: Looks at what has come so far, until it has seen enough.

    Raises:
        TooLarge: It has more than `most` bytes.
    """
    for name, value in scope["headers"]:
        if name == b"content-length":
            announced = whole(value.decode("latin-1"))
            if announced is None or announced > most:
                raise TooLarge(f"a request has at most {most} bytes")
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > most:
            raise TooLarge(f"a request has at most {most} bytes")
        if check is not None and check(body):
            check = None
        if not message.get("more_body"):
            return bytes(body)
