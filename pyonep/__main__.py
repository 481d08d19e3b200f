"""The command line of the client: ``python -m pyonep``."""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from itertools import chain, islice
from typing import Any

from .endpoint import ENDPOINT_VARIABLE, HOSTED, SAY_HTTP
from .exceptions import OneException, OnePlatformException, in_words
from .onep import OnepV1, Resource
from .redaction import redact

CIK_VARIABLE = "PYONEP_CIK"

_EPILOG = f"""\
the key:
  Put the CIK of the client into the environment variable {CIK_VARIABLE}; on the command
  line others on this machine can see it.

examples:
  python -m pyonep read temperature > all.csv
  python -m pyonep read temperature --start 2026-11-01 --end 2026-11-02T12:00
  {ENDPOINT_VARIABLE}=http://127.0.0.1:8080 python -m pyonep read temperature
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pyonep",
        description="Use a One Platform from the command line.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    read = commands.add_parser(
        "read",
        help="print the points of a series as CSV",
        description="Print the points of a series as CSV: timestamp (Unix seconds) and value, "
        "oldest first. The series is read page by page, however long it is.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    read.add_argument("series", metavar="ALIAS", help="alias or RID of the series")
    read.add_argument("--cik", default=os.environ.get(CIK_VARIABLE), help="key of the client")
    read.add_argument("--host", default=HOSTED, help="host name or URL (%(default)s)")
    read.add_argument("--port", help="port (443 over TLS, 80 without)")
    read.add_argument("--start", metavar="TIME", type=_seconds, help="first moment, inclusive")
    read.add_argument(
        "--end",
        metavar="TIME",
        type=_seconds,
        help="last moment, inclusive; TIME is Unix seconds, or a date like 2026-11-01 or "
        "2026-11-01T12:00 in local time",
    )
    read.add_argument(
        "--page", type=int, default=10_000, help="points to fetch at once (%(default)s)"
    )
    read.set_defaults(run=_read, parser=read)
    return parser


def _seconds(text: str) -> int:
    """Unix seconds of a time on the command line."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"not a time: {text!r}; write Unix seconds, or a date like 2026-11-01T12:00"
        ) from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status."""
    options = _parser().parse_args(arguments)
    if not options.cik:
        options.parser.error(f"no key: set {CIK_VARIABLE}, or give --cik")
    try:
        options.run(options)
    except (OneException, ValueError) as error:
        print(f"pyonep: {redact(_sentence(error), options.cik)}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read has enough
        _drop_output()
        return 1
    except OSError as error:  # a full disk; what the network does is an error of ours
        _drop_output()
        print(f"pyonep: the output cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _drop_output() -> None:
    """Let what is unwritten go nowhere: Python would try to write it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _sentence(error: Exception) -> str:
    """What went wrong, for those who have a command line and no program."""
    text = in_words(error).replace(SAY_HTTP, "say so with --host http://NAME:PORT")
    if isinstance(error, OnePlatformException) and error.code == 401:
        return f"no client has this key, or it may not be used: {text}"
    return text


# --- read ------------------------------------------------------------------


def _read(options: argparse.Namespace) -> None:
    series = _resource(options.series)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Whatever the terminal is set to: half a file would be the alternative.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    table = csv.writer(sys.stdout, lineterminator="\n")
    with closing(OnepV1(options.host, options.port, reuseconnection=True)) as o:
        points = o.points(options.cik, series, options.start, options.end, page=options.page)
        first = list(islice(points, 1))  # nothing is written before something could be read
        table.writerow(("timestamp", "value"))
        table.writerows(_with_progress(chain(first, points), options.start, options.end))
        sys.stdout.flush()


def _resource(name: str) -> Resource:
    is_rid = len(name) == 40 and set(name) <= set("0123456789abcdef")
    return name if is_rid else {"alias": name}


def _with_progress(
    points: Iterable[Any], start: int | None, end: int | None
) -> Iterator[Sequence[Any]]:
    """The points; also a bar of how much of the time is through.

    On a terminal, and not between points that are shown there.
    """
    try:
        from tqdm import tqdm
    except ImportError:  # the extra "cli" is not installed
        yield from points
        return
    count, first, last = 0, 0, int(time.time()) if end is None else end
    # None: only on a terminal. {postfix} would have a comma in front.
    hidden = True if sys.stdout.isatty() else None
    layout = "{percentage:3.0f}%|{bar}| {desc} [{elapsed}<{remaining}]"
    with tqdm(disable=hidden, bar_format=layout, leave=True) as bar:
        for point in points:
            if not count:
                first = point[0] if start is None else start
                bar.reset(max(last - first, 1))
            count += 1
            yield point
            # Looking at the clock for each point would take longer than reading it.
            if not count % 1000:
                bar.set_description_str(f"{count:,} points", refresh=False)
                bar.update(point[0] - first - bar.n)
        bar.set_description_str(f"{count:,} points", refresh=False)
        if bar.total is not None:
            bar.update(bar.total - bar.n)


if __name__ == "__main__":
    sys.exit(main())
