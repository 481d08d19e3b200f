"""A platform inside this Python process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any, Callable, TypeVar

from .core import devices, fleet
from .core.dataports import Dataport
from .core.devices import Device
from .core.fleet import VendorAccount
from .core.settings import Settings
from .platform import Clock, Platform, StoreError
from .runner import Server, endpoint, listen

T = TypeVar("T")

_NOT_STARTED = "the platform does not run: use `with`, or call start() first"


class LocalPlatform:
    """A complete One Platform in a thread of this process.

    ::

        with LocalPlatform() as platform:
            device = platform.device()
            o = OnepV1(**platform.connection)
            o.info(device.cik, {"alias": ""})

    Args:
        path: SQLite file to keep everything in; None keeps it in memory.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        settings: Limits, and how the platform behaves where there is a choice.
        clock: Unix time in seconds; tests put their own in.
    """

    def __init__(
        self,
        path: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        settings: Settings | None = None,
        clock: Clock = time.time,
    ) -> None:
        self.host = host
        self.port: int = port
        self.path = path
        self._settings = settings or Settings()
        self._clock = clock
        self._platform: Platform | None = None
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        state = self.endpoint if self._thread else "stopped"
        return f"<LocalPlatform {state} on {self.path or 'memory'}>"

    def __enter__(self) -> LocalPlatform:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> LocalPlatform:
        """Start serving; returns when requests are answered.

        Raises:
            StoreError: The file cannot be used.
            OSError: The port is in use.
        """
        if self._thread is not None:
            return self
        with ExitStack() as undo:
            listener = undo.enter_context(listen(self.host, self.port))
            settings = self._settings.called(self.host)
            self._platform = Platform.open(self.path, settings, self._clock)
            undo.pop_all()
        self.port = listener.getsockname()[1]
        self._server = Server(self._platform)
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._serve, args=(listener, ready), name="pyonep-platform", daemon=True
        )
        self._thread.start()
        ready.wait()
        return self

    def _serve(self, listener: Any, ready: threading.Event) -> None:
        assert self._server is not None and self._platform is not None
        server = self._server

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            serving = asyncio.ensure_future(server.serve(sockets=[listener]))
            while not server.started and not serving.done():
                await asyncio.sleep(0.001)
            ready.set()
            await serving

        try:
            asyncio.run(serve())
        finally:
            ready.set()
            listener.close()
            try:
                self._platform.close()
            except StoreError as error:  # nobody is there to catch it
                self._platform.report(error, "closing the file")

    def stop(self) -> None:
        """Stop serving. What is kept in a file is there at the next start."""
        thread, server = self._thread, self._server
        if thread is None or server is None:
            return
        server.stop()
        thread.join()
        self._thread = self._server = self._platform = self._loop = None

    # --- what callers need ---

    @property
    def endpoint(self) -> str:
        """URL of the platform, as the environment variable PYONEP_ENDPOINT takes it."""
        return endpoint(self.host, self.port)

    @property
    def connection(self) -> dict[str, Any]:
        """Keyword arguments by which `OnepV1` and `Provision` reach this platform."""
        return {"host": self.host, "port": self.port, "https": False}

    def device(self, name: str = "device", cik: str | None = None) -> Device:
        """Make a client that may own as much as it likes.

        Args:
            name: Its name.
            cik: Its key, for scripts that have one written into them; a new one by default.

        Returns:
            Its ``cik`` and ``rid``.

        Raises:
            Refused: The key has not the form of one, or another client has it.
            RuntimeError: The platform does not run.
        """
        return self._add(devices.add, name, cik)

    def dataport(
        self,
        cik: str,
        alias: str,
        format: str = "float",
        name: str | None = None,
        rid: str | None = None,
    ) -> Dataport:
        """Make a dataport of a device and give it an alias.

        Args:
            cik: Key of the device.
            alias: Its alias.
            format: ``float``, ``integer`` or ``string``.
            name: Its name; the alias by default.
            rid: Its RID, for scripts that have one written into them; a new one by default.

        Returns:
            Its ``alias``, ``rid`` and ``format``.

        Raises:
            Refused: There is no such device, something has not the form of what it is, or
                alias or RID is taken.
            RuntimeError: The platform does not run.
        """
        return self._add(devices.add_dataport, cik, alias, format, name, rid)

    def vendor(
        self, name: str = "acme", cik: str | None = None, token: str | None = None
    ) -> VendorAccount:
        """Make a vendor with a client, a token, and a portal client for its devices.

        Args:
            name: Its name.
            cik: The key of its client; a new one by default.
            token: Its token; a new one by default.

        Returns:
            Its ``name``, ``cik``, ``rid``, ``token``, ``portal_cik`` and ``portal_rid``.

        Raises:
            Refused: Name, key or token has not the form of one, or is taken.
            RuntimeError: The platform does not run.
        """
        return self._add(fleet.add_account, name, cik, token)

    def run(self, work: Callable[[Platform], T]) -> T:
        """Run a function on the platform, in its thread, and make the effect durable.

        Raises:
            RuntimeError: The platform does not run.
        """
        platform = self._running()

        async def do() -> T:
            result = work(platform)
            await platform.until_durable()
            return result

        return self._in_loop(do())

    def _add(self, work: Callable[..., T], *arguments: Any) -> T:
        return self._in_loop(self._running().run(work, *arguments))

    def _running(self) -> Platform:
        if self._platform is None:
            raise RuntimeError(_NOT_STARTED)
        return self._platform

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None  # as there is a platform
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
