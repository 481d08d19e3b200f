"""The command line: ``python -m pyonep.server``."""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import logging
import os
import re
import signal
import site
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests.exceptions

from ..endpoint import ENDPOINT_VARIABLE
from ..exceptions import OneException, in_words
from ..onephttp import OneP_Request
from . import folder
from .core import dataports, devices, fleet
from .core.devices import Device
from .core.errors import Refused
from .core.fleet import VendorAccount
from .core.settings import Settings
from .fronts import admin, calllog
from .fronts.answers import DETAIL
from .local import LocalPlatform
from .platform import Platform, StoreError, StoreInUse
from .runner import Server, endpoint, listen
from .summary import Summary

PROG = "python -m pyonep.server"
DEFAULT_PORT = 8080
FIRST_VENDOR = "acme"

_ABOUT = f"""\
Run a complete One Platform on this machine.

  {PROG}                      start it, and keep its data
  {PROG} --memory             start one that forgets everything
  {PROG} add device NAME      add a device; prints its CIK
  {PROG} add dataport CIK ALIAS
  {PROG} add vendor NAME      add a vendor, for the provisioning API
  {PROG} run SCRIPT …         run a script on a platform of its own

Without a command it starts. The first start makes a device and a vendor and prints
their keys. Old scripts need no change: an environment variable sends there what they
send to m2.exosite.com.

  {ENDPOINT_VARIABLE}=http://127.0.0.1:{DEFAULT_PORT} python my_script.py

A line is printed for each call, without credentials. http://127.0.0.1:{DEFAULT_PORT}/health tells
whether the platform is well.
"""


class _Failure(Exception):
    """The command cannot be carried out; the text is one sentence for the user."""


# --- what can be said on the command line ----------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = _command(None, PROG, _ABOUT)
    _serve_options(parser)
    parser.set_defaults(run=_serve)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    add = _command(
        commands,
        "add",
        "Add something to the platform in the data folder, whether it is running or not.",
    )
    kinds = add.add_subparsers(title="what", metavar="WHAT", required=True)
    _add_options(kinds)

    run = _command(
        commands,
        "run",
        "Start a platform in memory, run a Python script on it, and end it.\n\n"
        "What the script sends to m2.exosite.com through pyonep goes to the platform; what it\n"
        f"sends by other means does when it takes the address from {ENDPOINT_VARIABLE}.\n"
        "A device and a vendor are ready. Their keys are in the environment: PYONEP_CIK,\n"
        "PYONEP_RID, PYONEP_VENDOR, PYONEP_VENDOR_CIK, PYONEP_VENDOR_TOKEN,\n"
        "PYONEP_PORTAL_CIK, PYONEP_PORTAL_RID. The exit status is that of the script. At its\n"
        "end it is said which calls failed, and what would make them work.\n\n"
        f"  {PROG} run --cik KEY --autocreate old_script.py\n"
        f"  {PROG} run --cik KEY --dataport temperature --dataport log:string old_script.py",
    )
    run.add_argument(
        "--cik",
        action="append",
        help="key that the device gets, when the script has one in it; each further one makes a "
        "device more",
    )
    run.add_argument("--vendor", default=FIRST_VENDOR, help="name of the vendor (%(default)s)")
    run.add_argument("--vendor-cik", metavar="CIK", help="key that the vendor gets")
    run.add_argument("--vendor-token", metavar="TOKEN", help="token that the vendor gets")
    run.add_argument(
        "--dataport",
        metavar="ALIAS[:FORMAT][@RID]",
        type=_dataport,
        action="append",
        default=[],
        help="a dataport that the script expects to find on its (first) device; FORMAT is float "
        "(the default), integer or string; may be given several times",
    )
    run.add_argument(
        "--autocreate",
        action="store_true",
        help="make the dataports that the script writes to: float for a number, string for text",
    )
    run.add_argument("--log", action="store_true", help="print a line for each call")
    run.add_argument("script", metavar="SCRIPT", type=Path)
    run.add_argument(
        "arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER, help="go to the script"
    )
    run.set_defaults(run=_run)
    return parser


def _command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    keywords: dict[str, Any] = {
        "description": text,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }
    if commands is None:
        return argparse.ArgumentParser(prog=name, **keywords)
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text.partition("\n")[0].rstrip("."), **keywords
    )
    return parser


def _serve_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port; 0 takes a free one (%(default)s)"
    )
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="name by which the platform may be called, besides addresses, localhost and\n"
        "m2.exosite.com; may be repeated",
    )
    where = parser.add_mutually_exclusive_group()
    _data_option(where, folder.default())
    where.add_argument("--memory", action="store_true", help="keep everything in memory only")
    parser.add_argument("--quiet", action="store_true", help="do not print a line for each call")
    parser.set_defaults(run=_serve)


def _data_option(parser: Any, default: Any) -> None:
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        type=Path,
        default=default,
        help=f"folder to keep everything in ({folder.default()})",
    )


def _add_options(kinds: Any) -> None:
    device = _command(kinds, "device", "Add a device: a client with a key.")
    device.add_argument("name", metavar="NAME")
    device.add_argument("--cik", help="its key, when a script has one in it; a new one by default")
    device.set_defaults(run=_add_device)

    dataport = _command(kinds, "dataport", "Add a dataport to a device, and give it an alias.")
    dataport.add_argument("cik", metavar="CIK", help="key of the device")
    dataport.add_argument("alias", metavar="ALIAS")
    dataport.add_argument(
        "--format", choices=dataports.FORMATS, default="float", help="(%(default)s)"
    )
    dataport.add_argument("--name", help="the alias by default")
    dataport.add_argument(
        "--rid", help="its RID, when a script has one in it; a new one by default"
    )
    dataport.set_defaults(run=_add_dataport)

    vendor = _command(kinds, "vendor", "Add a vendor, with a token and a portal for its devices.")
    vendor.add_argument("name", metavar="NAME")
    vendor.add_argument("--cik", help="key of its client; a new one by default")
    vendor.add_argument("--token", help="its token; a new one by default")
    vendor.set_defaults(run=_add_vendor)
    for parser in (device, dataport, vendor):
        # Said in front of the command, it holds too.
        _data_option(parser, argparse.SUPPRESS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except (_Failure, StoreError, Refused, OneException) as error:
        print(f"pyonep.server: {in_words(error)}", file=sys.stderr)
        return 1


def _log(calls: bool) -> None:
    """Print what goes wrong, and if wanted a line for each call.

    The command line is an application: it may.
    """
    handler = logging.StreamHandler()
    handler.setLevel(logging.INFO if calls else logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    log = logging.getLogger("pyonep.server")
    log.addHandler(handler)
    log.setLevel(handler.level)


# --- serve -----------------------------------------------------------------

_MATTERS_OF_THE_PORT = (errno.EADDRINUSE, errno.EACCES)  # the rest is a matter of the host


def _serve(options: argparse.Namespace) -> None:
    try:
        listener = listen(options.host, options.port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        is_port = isinstance(error, OverflowError) or error.errno in _MATTERS_OF_THE_PORT
        advice = "; choose another one with --port" if is_port else ""
        raise _Failure(
            f"cannot listen on {options.host} port {options.port}: {reason}{advice}"
        ) from error
    with listener:
        settings = Settings(allowed_hosts=options.allow_host).called(options.host)
        path = None if options.memory else folder.database(options.data)
        platform = Platform.open(path, settings)
        try:
            url = endpoint(options.host, listener.getsockname()[1])
            where = folder.Running(url, platform.admin_key)
            with nullcontext() if path is None else folder.announced(options.data, where):
                server = _stoppable(Server(platform, owns_process=True))
                _greet(url, path, platform)
                _log(calls=not options.quiet)
                asyncio.run(server.serve(sockets=[listener]))
        finally:
            platform.close()


def _greet(url: str, path: str | None, platform: Platform) -> None:
    print(f"One Platform on {url}")
    print(f"data in {path or 'memory'}")
    if platform.is_new:
        device = platform.work(devices.add, "first device")
        vendor = platform.work(fleet.add_account, FIRST_VENDOR)
        platform.commit()
        print("first device:")
        _show(device._asdict())
        print("first vendor:")
        _show(vendor._asdict())
    more = "" if path is None else f"; to add more, see {PROG} add --help"
    print(f"Ctrl-C ends it{more}", flush=True)


def _stoppable(server: Server) -> Server:
    """A server that ends by Ctrl-C or SIGTERM, from before it says so."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop())
    return server


# --- add -------------------------------------------------------------------


@contextmanager
def _platform_in(data: Path) -> Iterator[folder.Running]:
    """The platform of a data folder: the one that is running, or one for the moment."""
    path = folder.database(data)
    try:
        platform = LocalPlatform(path).start()
    except StoreInUse:
        found = folder.running(data)
        if found is None:
            raise
        yield found
        return
    with platform:
        yield folder.Running(platform.endpoint, platform.run(lambda inner: inner.admin_key))


def _ask(running: folder.Running, kind: str, fields: dict[str, str | None]) -> dict[str, str]:
    """Let a running platform add something."""
    given = {name: value for name, value in fields.items() if value is not None}
    headers = {admin.KEY_HEADER: running.admin_key, "Content-Type": "application/json"}
    platform = OneP_Request(urlsplit(running.endpoint).netloc, https=False, httptimeout=10)
    try:
        _, response = platform.request("POST", f"/admin/{kind}", json.dumps(given), headers)
    except requests.exceptions.RequestException as error:
        raise _Failure(f"the platform on {running.endpoint} does not answer") from error
    if response.status_code >= 400:
        raise _Failure(f"not added: {response.headers.get(DETAIL, response.reason)}")
    added: dict[str, str] = response.json()
    return added


def _added(options: argparse.Namespace, kind: str, *names: str) -> None:
    """Add something, show it, and say where it is."""
    with _platform_in(options.data) as running:
        _show(_ask(running, kind, {name: getattr(options, name) for name in names}))
    print(f"pyonep.server: added to the platform in {options.data}", file=sys.stderr)


def _show(added: dict[str, str]) -> None:
    for name, value in added.items():
        print(f"  {name:<10} {value}")


def _add_device(options: argparse.Namespace) -> None:
    _added(options, "devices", "name", "cik")


def _add_vendor(options: argparse.Namespace) -> None:
    _added(options, "vendors", "name", "cik", "token")


def _add_dataport(options: argparse.Namespace) -> None:
    _added(options, "dataports", "cik", "alias", "format", "name", "rid")


# --- run -------------------------------------------------------------------


def _keys(device: Device, vendor: VendorAccount) -> dict[str, str]:
    """What a script finds in its environment."""
    return {
        "PYONEP_CIK": device.cik,
        "PYONEP_RID": device.rid,
        "PYONEP_VENDOR": vendor.name,
        "PYONEP_VENDOR_CIK": vendor.cik,
        "PYONEP_VENDOR_TOKEN": vendor.token,
        "PYONEP_PORTAL_CIK": vendor.portal_cik,
        "PYONEP_PORTAL_RID": vendor.portal_rid,
    }


_RID = re.compile("[0-9a-f]{40}")


def _dataport(text: str) -> dict[str, str]:
    """A dataport as it is given on the command line."""
    named, at, rid = text.rpartition("@") if "@" in text else (text, "", "")
    alias, colon, format = named.rpartition(":") if ":" in named else (named, "", "")
    right = alias and (not colon or format in dataports.FORMATS)
    if not right or (at and not _RID.fullmatch(rid)):
        raise argparse.ArgumentTypeError(
            "write ALIAS[:FORMAT][@RID]; FORMAT is float, integer or string, and a RID has 40 "
            "characters of 0-9 and a-f"
        )
    given = {"alias": alias, "format": format, "rid": rid}
    return {name: value for name, value in given.items() if value}


def _run(options: argparse.Namespace) -> int:
    if not options.script.is_file():
        raise _Failure(f"there is no script {options.script}")
    _refuse_old_package(options.script.resolve().parent)
    _log(calls=options.log)
    with LocalPlatform(settings=Settings(autocreate=options.autocreate)) as platform:
        device, *_ = [platform.device("device", cik) for cik in options.cik or [None]]
        for wanted in options.dataport:
            platform.dataport(device.cik, **wanted)
        vendor = platform.vendor(options.vendor, options.vendor_cik, options.vendor_token)
        environment = {
            **os.environ,
            ENDPOINT_VARIABLE: platform.endpoint,
            **_keys(device, vendor),
            **_search_path(),
        }
        with _summarised() as summary:
            summary.status = _script([str(options.script), *options.arguments], environment)
        return summary.status


def _refuse_old_package(folder_of_script: Path) -> None:
    """A script imports what lies next to it: an old release would speak to the hosted service."""
    beside = folder_of_script / "pyonep"
    ours = Path(__file__).resolve().parent.parent
    if not (beside / "__init__.py").is_file() or beside.resolve() == ours:
        return
    texts = (path.read_text("utf-8", "replace") for path in beside.glob("*.py"))
    if not any(ENDPOINT_VARIABLE in text for text in texts):
        raise _Failure(
            f"the script would import the old pyonep in {beside}, which knows no platform but the "
            "hosted one: remove or rename that folder"
        )


@contextmanager
def _summarised() -> Iterator[Summary]:
    """Say at the end of the block what became of the calls in it."""
    summary = Summary()
    calllog.log.addHandler(summary)
    calllog.log.setLevel(logging.INFO)
    try:
        yield summary
    finally:
        calllog.log.removeHandler(summary)
        for line in summary.lines():
            print(f"pyonep.server: {line}", file=sys.stderr)


def _search_path() -> dict[str, str]:
    """What lets the script find this very package when it is not installed, but a copied folder."""
    home = str(Path(__file__).resolve().parent.parent.parent)
    if home in (*site.getsitepackages(), site.getusersitepackages()):
        return {}
    path = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([home, path] if path else [home])}


def _script(words: list[str], environment: dict[str, str]) -> int:
    """Run a script to its end; its exit status as a shell tells it."""
    script = subprocess.Popen([sys.executable, *words], env=environment)
    # Ctrl-C reaches the script as well; how it ends decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: script.terminate())
    status = script.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
