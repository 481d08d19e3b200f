"""How long a request may take: for each step, and altogether.

A socket knows one limit, for one read or write. A server that sends a byte now and
then keeps each of them and never ends. So every step asks a `Deadline` how long it may
take: looking up the name, connecting, the TLS handshake, each piece that is sent and
each that is read, whether it belongs to a header, a chunk or the body.
"""

from __future__ import annotations

import http.client
import io
import queue
import re
import socket
import threading
import time
from typing import Any, Optional

import urllib3.connection
import urllib3.exceptions
import urllib3.util.connection

__all__ = ["Deadline", "PacedHTTPConnection", "PacedHTTPSConnection"]

# One TLS record; over TLS a timeout counts for each of them.
_PIECE = 16 * 1024
_LOOPBACK = re.compile(r"localhost\.?|127\.[0-9.]+|\[?::1\]?", re.IGNORECASE)
# A socket takes no more (24 days in milliseconds).
_LONGEST = 2_000_000.0


class Deadline:
    """The time a request has.

    Args:
        step: Seconds for each step; None for no limit.
        total: Seconds for all of them; None for no limit.
        once_sent: Whether the total begins when the request is sent: a body of any
            length may be on its way as long as it moves.
    """

    __slots__ = ("_before", "_begins", "_end", "step", "total")

    def __init__(self, step: float | None, total: float | None, once_sent: bool = False) -> None:
        self.step: Optional[float] = None if step is None else min(step, _LONGEST)
        self.total: Optional[float] = total
        self._begins = once_sent
        self._end: Optional[float] = None
        if total is not None and not once_sent:
            self._end = time.monotonic() + total

    def is_over(self) -> bool:
        """Whether the total has passed."""
        return self._end is not None and time.monotonic() >= self._end

    def next(self) -> float | None:
        """Seconds that the next step may take; None for no limit.

        Raises:
            socket.timeout: The total has passed.
        """
        if self._end is None:
            return self.step
        left = self._end - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        if self.step is not None and self.step < left:
            return self.step
        return min(left, _LONGEST)

    def sent(self) -> None:
        """The request is out, and the answer is waited for."""
        if self._begins and self.total is not None:
            self._begins = False
            self._end = time.monotonic() + self.total

    def lift(self) -> None:
        """From now on each step has its limit, and the whole has none."""
        self._end = None
        self._begins = False

    def __enter__(self) -> None:
        """Connections that this thread uses inside the block keep to this deadline."""
        self._before = _current()
        _under_way.deadline = self

    def __exit__(self, *_: object) -> None:
        _under_way.deadline = self._before


_NONE = Deadline(None, None)
_under_way = threading.local()


def _current() -> Deadline:
    return getattr(_under_way, "deadline", _NONE)


# --- connections that keep to it --------------------------------------------


class _PacedReader(io.RawIOBase):
    """What is read from a socket, each piece within what is left of a deadline."""

    def __init__(self, sock: Any, deadline: Deadline) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        """What `http.client` asks a socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        self._sock.settimeout(self._deadline.next())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _PacedResponse(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        deadline = _current()
        deadline.sent()
        source: Any = _PacedReader(sock, deadline)
        super().__init__(source, *args, **kwargs)

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:  # would read on to the end, however far that is
            raise ValueError("a chunk of less than nothing")
        return size


class _Paced(urllib3.connection.HTTPConnection):
    """A connection on which each step keeps to the deadline of its request."""

    _answer: Optional[_PacedResponse] = None
    _held: Optional[list[bytes]] = None

    def response_class(self, *args: Any, **kwargs: Any) -> _PacedResponse:  # type: ignore[override]
        self._answer = _PacedResponse(*args, **kwargs)
        return self._answer

    def getresponse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().getresponse(*args, **kwargs)
        except BaseException:
            if self._answer is not None:
                self._answer.close()  # keeps the socket open otherwise, if its head is refused
            raise
        finally:
            self._answer = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        # Head and body leave together: one call of the system and one packet, not two.
        self._held = []
        try:
            super().request(*args, **kwargs)
        except BaseException:
            self._held = None
            raise
        self._let_go()

    def _new_conn(self) -> Any:
        try:
            return self._connected(_current())
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
                sock.settimeout(deadline.next())
                if self.source_address:
                    sock.bind(self.source_address)
                sock.connect(address)
                sock.settimeout(deadline.next())  # for the handshake that may follow
                return sock
            except OSError as error:
                failure = error
                if sock is not None:
                    sock.close()
        raise failure

    def _tunnel(self) -> None:
        super()._tunnel()
        self.sock.settimeout(_current().next())

    def send(self, data: Any) -> None:
        if self._held is not None and isinstance(data, bytes) and len(data) < _PIECE:
            self._held.append(data)
            return
        self._let_go()
        self._send_now(data)

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held:
            self._send_now(b"".join(held))

    def _send_now(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if not isinstance(data, bytes):
            super().send(data)
            return
        deadline = _current()
        try:
            for start in range(0, len(data), _PIECE):
                sock: Any = self.sock
                sock.settimeout(deadline.next())
                super().send(data[start : start + _PIECE])
        except socket.timeout as error:
            where: Any = self
            text = "the request was not taken in time"
            raise urllib3.exceptions.ReadTimeoutError(where, "", text) from error


class PacedHTTPConnection(_Paced):
    """Plain HTTP."""


class PacedHTTPSConnection(  # pyright: ignore[reportIncompatibleVariableOverride]
    _Paced, urllib3.connection.HTTPSConnection
):
    """The same over TLS."""


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
