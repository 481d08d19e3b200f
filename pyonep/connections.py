"""Connections each step of which keeps to the deadline of its request.

Three methods here are private to what they override: `_new_conn`, `_tunnel` and
`_read_next_chunk_size`. None is there for speed; a name that is looked up for ever, a proxy and
a chunk of less than nothing can be met nowhere else.
"""

from __future__ import annotations

import http.client
import io
import queue
import re
import socket
import threading
from typing import Any, Optional

import urllib3.connection
import urllib3.exceptions
import urllib3.util.connection

from .deadline import Deadline, current

__all__ = [
    "OneShotHTTPConnection",
    "OneShotHTTPSConnection",
    "PacedHTTPConnection",
    "PacedHTTPSConnection",
]

# One TLS record; over TLS a timeout counts for each of them.
_PIECE = 16 * 1024
_LOOPBACK = re.compile(r"localhost\.?|127\.[0-9.]+|\[?::1\]?", re.IGNORECASE)


class _Reader(io.RawIOBase):
    """What is read from a socket, each piece within what is left of a deadline."""

    def __init__(self, sock: Any, deadline: Deadline) -> None:
        self._sock = sock
        self._open = sock.makefile("rb", buffering=0)  # keeps the socket open as long as it is
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        """What `http.client` asks a socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        self._deadline.limit(self._sock)
        return self._sock.recv_into(buffer)

    def close(self) -> None:
        self._open.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """The answer to one request."""

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:  # would read on to the end, however far that is
            raise ValueError("a chunk of less than nothing")
        return size


class _LastAnswer(_Answer):
    """One after which the connection is closed, whatever the server wants."""

    def begin(self) -> None:
        super().begin()
        self.will_close = True


class _Paced(urllib3.connection.HTTPConnection):
    """A connection on which each step keeps to the deadline of its request."""

    _answer_class: type[_Answer] = _Answer
    _answer: Optional[_Answer] = None
    _held: Optional[list[bytes]] = None  # what was given to `send` and is not sent yet

    def response_class(  # type: ignore[override]
        self, sock: Any, *args: Any, **kwargs: Any
    ) -> _Answer:
        deadline = current()
        deadline.sent()
        source: Any = _Reader(sock, deadline)
        self._answer = answer = self._answer_class(source, *args, **kwargs)
        return answer

    def getresponse(self) -> Any:
        try:
            return super().getresponse()
        except BaseException:
            if self._answer is not None:
                self._answer.close()  # keeps the socket open otherwise, if its head is refused
            raise
        finally:
            self._answer = None

    def request(self, method: str, url: str, body: Any = None, *args: Any, **kwargs: Any) -> None:
        if body is not None and not (isinstance(body, bytes) and len(body) < _PIECE):
            super().request(method, url, body, *args, **kwargs)
            return
        # Head and body leave together: one call of the system and one packet, not two. On a kept
        # connection to the same machine a call takes 8 % less of the processor for it.
        held: list[bytes] = []
        self._held = held
        try:
            super().request(method, url, body, *args, **kwargs)
        finally:
            self._held = None
        self.send(b"".join(held))

    def _new_conn(self) -> Any:
        try:
            return self._connected(current())
        except socket.timeout as error:
            text = f"no connection to {self.host} in time"
            raise urllib3.exceptions.ConnectTimeoutError(self, text) from error
        except OSError as error:  # a name that is not known as well
            text = f"no connection to {self.host}:{self.port}: {error}{self._hint(error)}"
            raise urllib3.exceptions.NewConnectionError(self, text) from error

    def _hint(self, error: OSError) -> str:
        if isinstance(error, ConnectionRefusedError) and _LOOPBACK.fullmatch(self.host):
            return ". Is a local platform running there (python -m pyonep.server)?"
        return ""

    def _connected(self, deadline: Deadline) -> socket.socket:
        failure: OSError = OSError("the name has no address")
        for family, kind, protocol, _, address in _addresses(self._dns_host, self.port, deadline):
            sock = None
            try:
                sock = socket.socket(family, kind, protocol)
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                deadline.limit(sock)
                if self.source_address:
                    sock.bind(self.source_address)
                sock.connect(address)
                deadline.limit(sock)  # for the handshake that may follow
                return sock
            except OSError as error:
                failure = error
                if sock is not None:
                    sock.close()
        raise failure

    def _tunnel(self) -> None:
        super()._tunnel()
        current().limit(self.sock)

    def send(self, data: Any) -> None:
        if self._held is not None:
            self._held.append(data)
            return
        if self.sock is None:
            self.connect()
        if not isinstance(data, bytes):
            super().send(data)
            return
        deadline = current()
        try:
            for start in range(0, len(data), _PIECE):
                sock: Any = self.sock
                deadline.limit(sock)
                sock.sendall(data[start : start + _PIECE])
        except socket.timeout as error:
            where: Any = self
            text = "the request was not taken in time"
            raise urllib3.exceptions.ReadTimeoutError(where, "", text) from error


class PacedHTTPConnection(_Paced):
    """Plain HTTP, for any number of requests."""


class PacedHTTPSConnection(  # pyright: ignore[reportIncompatibleVariableOverride]
    _Paced, urllib3.connection.HTTPSConnection
):
    """The same over TLS; tells a handshake that takes too long from an answer that does."""

    def connect(self) -> None:
        """Connect, and shake hands."""
        try:
            super().connect()
        except socket.timeout as error:
            text = "the TLS handshake took too long"
            raise urllib3.exceptions.ConnectTimeoutError(self, text) from error


class OneShotHTTPConnection(PacedHTTPConnection):
    """Plain HTTP, one request for each connection."""

    _answer_class = _LastAnswer


class OneShotHTTPSConnection(PacedHTTPSConnection):
    """The same over TLS."""

    _answer_class = _LastAnswer


def _addresses(host: str, port: int, deadline: Deadline) -> list[Any]:
    """Look a name up; a thread is left behind with it when that takes too long."""
    host = host.strip("[]")
    family = urllib3.util.connection.allowed_gai_family()
    kind = socket.SOCK_STREAM
    try:
        return socket.getaddrinfo(host, port, family, kind, 0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name
    seconds = deadline.next()
    found: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found.put(socket.getaddrinfo(host, port, family, kind))
        except Exception as error:
            found.put(error)

    try:
        threading.Thread(target=ask, name="pyonep-name", daemon=True).start()
    except RuntimeError:  # the interpreter is ending
        ask()
    try:
        answer = found.get(timeout=seconds)
    except queue.Empty:
        raise socket.timeout(f"{host} was not looked up in time") from None
    if isinstance(answer, Exception):
        raise answer
    result: list[Any] = answer
    return result
