"""What became of the calls of a script, and what would make work those that failed."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from . import calllog

_ALIAS = r"no (?:resource|dataport) has the alias (?:'|\")(.*)(?:'|\")$"
_MOST = 20  # lines

# What is said of a call that failed -> what helps. The first that fits counts.
_HELP = (
    (_ALIAS, "--dataport {0}, or --autocreate when the script writes to it"),
    (
        r"no such resource within reach|no such RID",
        "--dataport ALIAS@RID, with the RID that the script has in it",
    ),
    (r"^401 Invalid \(auth\)", "--cik KEY, with the key that the script has in it"),
    (r"^401", "--vendor-cik KEY or --vendor-token TOKEN, or --cik KEY: as the script has it"),
    (r"^403", "--vendor NAME and --vendor-cik KEY, as the script has them"),
    (
        r"integer|float|number|text",
        "--dataport {name}:FORMAT with another FORMAT (float, integer, string), as what the "
        "script writes",
    ),
    (r"^404.*model", "a model: the script, or another one before it, has to create it"),
    (r"^501|procedure", "no option does; docs/fidelity.md lists what there is"),
)


class _Kind(NamedTuple):
    what: str
    outcome: str


class Summary(logging.Handler):
    """Counts the lines of the log of calls. Attach it to `calllog.log`."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._worked = 0
        self._failed: Counter[_Kind] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Count one line."""
        line = getattr(record, calllog.LINE, None)
        if line is None:
            return
        if line.worked:
            self._worked += 1
        else:
            self._failed[_Kind(line.what, line.outcome)] += 1

    def lines(self) -> Iterator[str]:
        """The summary, line by line; every kind of failure with what would make it work."""
        failed = sum(self._failed.values())
        if not self._worked and not failed:
            yield "no call reached the platform: does the script name another host?"
            return
        yield f"{self._worked + failed} calls: {self._worked} ok, {failed} failed"
        for kind, count in self._failed.most_common(_MOST):
            yield f"  {count} x {kind.what}: {kind.outcome}"
            yield f"      needs {_help(kind)}"
        if len(self._failed) > _MOST:
            yield f"  and {len(self._failed) - _MOST} other kinds"


def _help(kind: _Kind) -> str:
    name = kind.what.partition(" ")[2] or "ALIAS"
    for pattern, help in _HELP:
        found = re.search(pattern, kind.outcome)
        if found:
            return help.format(*found.groups(), name=name)
    return "a change of the script, or of what it finds; --log shows each call"
