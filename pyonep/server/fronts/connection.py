"""HTTP on one connection: uvicorn's, with limits on what a client can make it keep."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Callable, Optional

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from . import hosts

LONGEST_HEAD = 64 * 1024  # bytes; so much, too, of what follows the last chunk of a body
HEAD_WITHIN = 60.0  # seconds from the first byte, or from the start of the connection
# How long, and for how many bytes, the rest of a request that was refused is read and thrown
# away: a connection that is closed before reaches the client as broken, and without the answer.
LINGER_WITHIN = 10.0  # seconds
LINGER_FOR = 64 * 1024 * 1024
# So much is parsed at once: the requests in it are queued, of which the shortest has 16 bytes.
_PIECE = 4 * 1024
# So much may wait to be parsed while a request is answered before reading is paused. As long
# as there is less, it is noticed when the client hangs up.
_MOST_HELD = 64 * 1024


# Among the extensions of ASGI: sends a short answer as a whole, see `Connection._answer`.
ANSWER = "pyonep.answer"
_SHORT = 64 * 1024  # bytes


class Connection(HttpToolsProtocol):
    """One connection, on which nothing is without end.

    A head ends within so many bytes and so much time, and trailers within as many bytes. One
    request is answered after the other: those that follow wait as bytes, not yet parsed, and
    no more are read than have room; while the client does not take its answers, none is begun.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._is_in_head = True
        self._is_in_message = False
        self._unused = 0  # bytes since the last that became a head, or part of a body
        self._deadline: Optional[asyncio.TimerHandle] = None
        self._held = bytearray()  # what came, and waits to be parsed
        self._running: Any = None  # the cycle that is being answered
        self._is_next_due = False  # as soon as the client takes its answers
        self._last_words: Optional[Callable[[], None]] = None  # once all before is answered
        self._extensions = {ANSWER: self._answer}
        self._default_headers: Any = None  # uvicorn's, and how they are written
        self._default_lines = b""

    # --- it begins and ends ---

    def connection_made(self, transport: Any) -> None:
        """Give it time to send a head."""
        lingering = _Lingering(transport, self)
        super().connection_made(lingering)  # type: ignore[arg-type]
        self.flow: Any = _Flow(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """It is over."""
        self.abandon()
        self._extensions.clear()  # they lead back here
        self.transport.forget()  # type: ignore[attr-defined]
        super().connection_lost(exc)

    def abandon(self) -> None:
        """Nothing more will be answered: forget what waits, and tell whoever is at work."""
        self._forget_deadline()
        self._held.clear()
        self.pipeline.clear()
        for cycle in (self._running, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def shutdown(self) -> None:
        """The server stops."""
        self._held.clear()
        super().shutdown()
        self.transport.hurry()  # type: ignore[attr-defined]

    def cut(self) -> None:
        """End it at once, whatever it is doing."""
        self.abandon()
        self.transport.abort()

    # --- what comes ---

    def data_received(self, data: bytes) -> None:
        """Take what came: parse it, or keep it until the requests before are answered."""
        if self.transport.is_closing():
            self.transport.discard(data)  # type: ignore[attr-defined]
        elif len(data) <= _PIECE and not self._held and not self._is_busy:
            self._parse(data)
        else:
            self._held += data
            self._go_on()

    @property
    def _is_busy(self) -> bool:
        """Whether a whole request is there that is not answered yet."""
        cycle: Any = self.cycle
        if self.pipeline or self._is_next_due or self._last_words:
            return True
        return cycle is not None and not (cycle.response_complete or cycle.more_body)

    def _go_on(self) -> None:
        """Parse what is held, up to the end of the next request."""
        while self._held and not self._is_busy and not self.transport.is_closing():
            piece = bytes(self._held[:_PIECE])
            del self._held[:_PIECE]
            self._parse(piece)
        self.flow.set_full(len(self._held) > _MOST_HELD)

    def _parse(self, data: bytes) -> None:
        self._unused += len(data)
        super().data_received(data)
        if self._unused > LONGEST_HEAD:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._is_in_head and self._deadline is None:
            self._wait_for_head()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._is_in_head = self._is_in_message = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of a head; one that comes as a trailer, when the request is read, is not kept.

        White space around a value is no part of it; the parser leaves what follows it.
        """
        if self._is_in_head:
            super().on_header(name, value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._is_in_head, self._unused = False, 0
        self._forget_deadline()
        # ASGI tells only the path of a target: its host joins the headers.
        named = hosts.of_target(self.url)
        if named is not None:
            self.headers.append(named)
        super().on_headers_complete()
        scope: Any = self.scope
        scope["extensions"] = self._extensions
        if not self.pipeline:
            self._running = self.cycle

    def on_body(self, body: bytes) -> None:
        """Part of a body."""
        self._unused = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._is_in_message, self._unused = False, 0
        super().on_message_complete()

    # --- what goes ---

    def _answer(self, scope: Any, headers: bytes, body: bytes) -> bool:
        """Send a short answer with the status 200 at once.

        ASGI knows head and body as two messages, which uvicorn writes one after the other, each
        with a call of the system that wakes the client.

        Args:
            scope: The request, which is no HEAD.
            headers: What goes into the head, as it is written.
            body: The body; the headers tell its length.

        Returns:
            Whether it was sent; else it has to go the long way.
        """
        cycle = self._running
        if cycle is None or cycle.scope is not scope:
            return False
        is_in_order = cycle.keep_alive and not (cycle.disconnected or cycle.response_started)
        if not is_in_order or cycle.access_log or self.flow.write_paused or len(body) > _SHORT:
            return False
        if self._default_headers is not cycle.default_headers:
            self._default_headers = cycle.default_headers
            lines = [b"%s: %s\r\n" % header for header in cycle.default_headers]
            self._default_lines = b"HTTP/1.1 200 OK\r\n" + b"".join(lines)
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        self.transport.write(b"%s%s\r\n%s" % (self._default_lines, headers, body))
        cycle.message_event.set()
        cycle.on_response()
        return True

    def on_response_complete(self) -> None:
        """A request is answered: begin with the next, unless the client takes no answers."""
        self._is_next_due = self.flow.write_paused
        if self._is_next_due and not self.transport.is_closing():
            return
        if self._last_words and not self.pipeline:
            self._last_words()
            return
        self._running = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        if self._held:
            self.loop.call_soon(self._go_on)  # others may be ready, too

    def resume_writing(self) -> None:
        """The client takes its answers again."""
        super().resume_writing()
        if self._is_next_due:
            self.on_response_complete()

    # --- what is refused ---

    def _wait_for_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_WITHIN, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP, or the end of it is unknown."""
        self._is_in_message = True
        self._end(lambda: super(Connection, self).send_400_response(msg))

    def _refuse(self, status: HTTPStatus) -> None:
        self._deadline = None
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        rest = "Content-Length: 0\r\nConnection: close\r\n\r\n"

        def refuse() -> None:
            self.transport.write(f"{head}{rest}".encode("ascii"))
            self.transport.close()

        self._end(refuse)

    def _end(self, say: Callable[[], None]) -> None:
        """End the connection with an answer, when those to the requests before are given."""
        if self.transport.is_closing() or self._last_words:
            return
        if self._may_answer:
            say()
        elif self.cycle.more_body:
            self.transport.close()  # amid a request whose answer has begun
        else:
            self._last_words = say

    @property
    def _may_answer(self) -> bool:
        """Whether it is the turn of the request that is being read."""
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            return True
        return cycle.more_body and not (cycle.response_started or self.pipeline)

    @property
    def is_all_read(self) -> bool:
        """Whether nothing is known of that the client still has to send."""
        return not (self._is_in_message or self._held)


class _Flow(FlowControl):
    """Reading that stays paused while there is no room, whatever a request wants."""

    def __init__(self, transport: Any) -> None:
        super().__init__(transport)
        self._is_full = False

    def set_full(self, is_full: bool) -> None:
        """Say whether there is room for more."""
        was_full, self._is_full = self._is_full, is_full
        if is_full:
            self.pause_reading()
        elif was_full:
            self.resume_reading()

    def resume_reading(self) -> None:
        """Read on, if there is room."""
        if not self._is_full:
            super().resume_reading()


class _Lingering:
    """A transport that, when it is closed amid a request, first lets the client hear why."""

    def __init__(self, transport: Any, connection: Connection) -> None:
        self._transport = transport
        self._connection = connection
        self._is_closing = False
        self._rest = LINGER_FOR
        self._end: Optional[asyncio.TimerHandle] = None
        self.write = transport.write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether nothing more is to be sent."""
        return self._is_closing or bool(self._transport.is_closing())

    def close(self) -> None:
        """Send what waits, say that this is all, and read on for a while."""
        if self.is_closing():
            return
        self._is_closing, self.write = True, _lost
        is_all_read = self._connection.is_all_read
        self._connection.abandon()
        if is_all_read or not self._transport.can_write_eof():
            self._transport.close()
            return
        try:
            self._transport.write_eof()
        except OSError:  # the client is gone, and nobody has told us yet
            self._transport.close()
            return
        self._transport.resume_reading()
        self._end = self._connection.loop.call_later(LINGER_WITHIN, self._transport.close)

    def discard(self, data: bytes) -> None:
        """Throw away what the client still sends."""
        self._rest -= len(data)
        if self._rest < 0:
            self._transport.close()

    def hurry(self) -> None:
        """Do not read on any more."""
        if self._end is not None:
            self._transport.close()

    def forget(self) -> None:
        """The connection is lost."""
        if self._end is not None:
            self._end.cancel()


def _lost(data: bytes) -> None:
    """What is written to a connection that is closed."""
