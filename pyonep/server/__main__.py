"""The command line: ``python -m pyonep.server``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Any

from . import fleet
from .platform import Platform
from .runner import Server, listen
from .settings import Settings
from .store import Store, StoreError

DEFAULT_FILE = "one_platform.sqlite"
DEFAULT_PORT = 8080
FIRST_VENDOR = "acme"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pyonep.server",
        description="Run a complete One Platform on this machine.",
        epilog="Point old scripts at it with the environment variable "
        f"PYONEP_ENDPOINT=http://127.0.0.1:{DEFAULT_PORT}.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port; 0 takes a free one (%(default)s)"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--file", default=DEFAULT_FILE, help="SQLite file to keep everything in (%(default)s)"
    )
    where.add_argument("--memory", action="store_true", help="keep everything in memory only")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the platform until it is told to stop; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        return _fail(f"cannot listen on {options.host} port {options.port}: {error.strerror}")
    settings = Settings()
    try:
        store = Store(None if options.memory else options.file, settings.synchronous)
    except StoreError as error:
        listener.close()
        return _fail(str(error))
    platform = Platform(store, settings)
    try:
        _announce(options, listener, platform)
        _serve(platform, listener)
    finally:
        listener.close()
        store.close()
    return 0


def _fail(sentence: str) -> int:
    print(f"pyonep.server: {sentence}", file=sys.stderr)
    return 1


def _announce(options: argparse.Namespace, listener: Any, platform: Platform) -> None:
    host = f"[{options.host}]" if ":" in options.host else options.host
    print(f"One Platform on http://{host}:{listener.getsockname()[1]}", flush=True)
    if platform.is_new:
        device = platform.add_device("first device")
        vendor = fleet.add_account(platform, FIRST_VENDOR)
        platform.commit()
        print(f"first device: CIK {device.cik}")
        print(f"first vendor: {vendor.name}, CIK {vendor.cik}, token {vendor.token}")
        print(f"its portal client: CIK {vendor.portal_cik}, RID {vendor.portal_rid}", flush=True)


def _serve(platform: Platform, listener: Any) -> None:
    server = Server(platform)

    def stop(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    asyncio.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    sys.exit(main())
