"""The ASGI application: URL -> front."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from . import rpc
from .platform import Platform

_JSON = "application/json; charset=utf-8"
_PLAIN = "text/plain; charset=utf-8"
_REASONS = {404: "Not Found", 405: "Method Not Allowed"}
_MOST_CONNECTIONS = 10_000


class TooLarge(Exception):
    """A request body is longer than the limit."""


class App:
    """The three fronts of a platform as one ASGI application."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._served: OrderedDict[Any, int] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            response = await self._respond(scope, receive)
            if self.platform.settings.requests_per_connection is not None:
                self._count(scope, response)
            await response(scope, receive, send)

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
        if scope["path"] in rpc.PATHS:
            return await self._rpc(scope, receive)
        return error_response(404)

    async def _rpc(self, scope: Scope, receive: Receive) -> Response:
        if scope["method"] != "POST":
            return error_response(405, {"Allow": "POST"})
        try:
            body = await read_body(scope, receive, self.platform.settings.max_request_bytes)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except TooLarge:
            # The rest of the body is not read: the connection cannot go on.
            answer: bytes | None = rpc.too_large(self.platform)
            return Response(answer, media_type=_JSON, headers={"Connection": "close"})
        answer = await rpc.process(self.platform, body)
        if answer is None:
            return Response(status_code=204, headers={"Content-Length": "0"})
        return Response(answer, headers={"Content-Type": _JSON})

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


def error_response(status: int, headers: dict[str, str] | None = None) -> Response:
    """An error as the platform words it: the status line as text."""
    text = f"HTTP/1.1 {status} {_REASONS[status]}\r\n"
    return Response(text, status, {"Content-Type": _PLAIN, **(headers or {})})


async def read_body(scope: Scope, receive: Receive, most: int) -> bytes:
    """The whole body of a request.

    Raises:
        TooLarge: It has more than `most` bytes.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or int(value) > most):
            raise TooLarge
    pieces: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        piece: bytes = message.get("body", b"")
        length += len(piece)
        if length > most:
            raise TooLarge
        pieces.append(piece)
        if not message.get("more_body"):
            return b"".join(pieces)
