"""Runs a platform on uvicorn."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from .core.turns import collector
from .fronts.app import App
from .fronts.connection import Connection
from .platform import Platform

log: logging.Logger = logging.getLogger(__name__)

_NOTHING_LEFT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# How long requests that are under way may take when the server stops.
_GRACE = 3  # seconds
# And how long after that until they are given up: those that wait for more of a body end before,
# as if their client had hung up.
_TO_END = 1  # seconds
# How many connections the loop accepts in one go: it tries as often when no descriptor is left,
# each time with a line in the log.
_ACCEPTED_AT_ONCE = 100
_BACKLOG = 2048
_SAY_EVERY = 60.0  # seconds
_ROUNDS = 5  # of the event loop, after which no accepted connection is left


class Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it, and lets open waits end.

    Args:
        platform: What it serves.
        owns_process: The process is there for it alone, and what holds for all of the
            process may be changed: Python's collector of cycles rests during long work.
    """

    should_exit: bool  # uvicorn's, which says no type

    def __init__(self, platform: Platform, owns_process: bool = False) -> None:
        self.platform = platform
        self._owns_process = owns_process
        config = uvicorn.Config(
            App(platform),
            log_config=None,
            access_log=False,
            proxy_headers=False,
            lifespan="on",
            log_level="error",  # a warning for each broken request would fill the log
            ws="none",
            http=Connection,
            loop="asyncio",
            backlog=_ACCEPTED_AT_ONCE,
            timeout_keep_alive=75,
        )
        super().__init__(config)
        self._said = -_SAY_EVERY
        self._is_serving: bool = False
        self._is_told_to_stop: bool = False

    def stop(self) -> None:
        """End serving, or, before it began, as soon as it has."""
        self._is_told_to_stop = True
        if self._is_serving:
            self.should_exit = True

    async def startup(self, sockets: Any = None) -> None:
        """Begin to listen."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_loop_error)
        if self._owns_process:
            collector.begin()
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_BACKLOG)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if self.should_exit and _is_a_late_accept(context):
            return
        if not isinstance(error, OSError) or error.errno not in _NOTHING_LEFT:
            loop.default_exception_handler(context)
        elif loop.time() - self._said >= _SAY_EVERY:
            self._said = loop.time()
            log.error(
                "no connection can be accepted, %d are open: %s; accepting goes on when some are "
                "closed. `ulimit -n` says how many there may be",
                len(self.server_state.connections),
                error.strerror,
            )

    async def main_loop(self) -> None:
        """Serve until told to stop; uvicorn would leave without a shutdown if told earlier."""
        self._is_serving = True
        self.should_exit = self.should_exit or self._is_told_to_stop
        await super().main_loop()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers alone."""
        yield

    async def shutdown(self, sockets: Any = None) -> None:
        """End open waits, shut down, and cut connections that came in meanwhile."""
        if self._owns_process:
            collector.end()
        self.platform.end_waits()
        loop = asyncio.get_running_loop()
        endings = loop.call_later(_GRACE, self._cut), loop.call_later(_GRACE + _TO_END, self._end)
        await super().shutdown(sockets)
        for ending in endings:
            ending.cancel()
        for _ in range(_ROUNDS):
            self._cut()
            await asyncio.sleep(0)  # lets what was accepted last show up, and aborts end

    def _cut(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection):
                connection.cut()

    def _end(self) -> None:
        """End requests that are at work still: uvicorn would show a traceback for each."""
        tasks = list(self.server_state.tasks)
        if tasks:
            log.warning("stopped amid requests, which are not answered: %d", len(tasks))
        for task in tasks:
            task.cancel()


def _is_a_late_accept(context: dict[str, Any]) -> bool:
    """Whether the loop tried to listen on a socket that was closed.

    Where no descriptor was left it goes on to accept a second later, once for each time that
    it failed, and does not look whether the server has ended since.
    """
    return isinstance(context.get("exception"), ValueError) and "_start_serving" in context.get(
        "message", ""
    )


def listen(host: str, port: int) -> socket.socket:
    """Open the socket to serve on.

    Raises:
        OSError: The port is in use, or the address is not ours.
        OverflowError: There is no such port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it, every
    # answer on a kept connection would wait 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError):
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def endpoint(host: str, port: int) -> str:
    """URL of a platform, as the environment variable PYONEP_ENDPOINT takes it."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
