"""HTTP on one connection: uvicorn's, with limits on the head of a request."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Optional

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from . import hosts

LONGEST_HEAD = 64 * 1024  # bytes
HEAD_WITHIN = 60.0  # seconds from the first byte, or from the start of the connection
_READ = 256 * 1024  # the event loop reads so much at once: a body may follow a head


class Connection(HttpToolsProtocol):
    """One connection, whose heads end: within so many bytes, and within so much time."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._is_in_head = True
        self._head = 0  # bytes of the head that is not complete
        self._deadline: Optional[asyncio.TimerHandle] = None

    def connection_made(self, transport: Any) -> None:
        """Give it time to send a head."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """It is over."""
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless the head has become too long."""
        if self._is_in_head:
            self._head += len(data)
            if self._head > LONGEST_HEAD + _READ:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                return
        super().data_received(data)
        if self._is_in_head:
            if self._head > LONGEST_HEAD:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            elif self._deadline is None:
                self._wait_for_head()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._is_in_head, self._head = False, 0
        self._forget_deadline()
        # ASGI tells only the path of a target: its host joins the headers.
        named = hosts.of_target(self.url)
        if named is not None:
            self.headers.append(named)
        super().on_headers_complete()

    def _wait_for_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_WITHIN, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: HTTPStatus) -> None:
        self._is_in_head, self._deadline = False, None
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            self.transport.write(
                f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode("ascii")
            )
        self.transport.close()
