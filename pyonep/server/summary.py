"""What became of the calls of a script, and what would make work those that failed."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from . import calllog

_MOST = 20  # lines
_ALIAS = r"no (?:resource|dataport) has the alias (?:'|\")(.*)(?:'|\")$"
_WRITES = r"(?:write|writegroup|record|recordbatch) "
_KEYS = "--vendor NAME, --vendor-cik KEY or --vendor-token TOKEN, as the script has them"

# What was called, what was said of it, what helps; the first that fits counts.
_HELP = tuple(
    (re.compile(what), re.compile(outcome), help)
    for what, outcome, help in (
        ("", _ALIAS, "--dataport {0}, or --autocreate when the script writes to it"),
        (
            "",
            r"^restricted: no such resource",
            "--dataport ALIAS@RID, with the RID that the script has in it",
        ),
        ("", r"^401 Invalid \(auth\)", "--cik KEY, with the key that the script has in it"),
        (".*/provision/", r"^40[13]", _KEYS),
        ("", r"^40[13]", "--cik KEY, with the key that the script has in it"),
        (
            _WRITES,
            r"^invalid: the value must be|^invalid: \d+ points",
            "--dataport {name}:FORMAT with another FORMAT (float, integer, string), as what the "
            "script writes; or seconds that have no point yet",
        ),
        (
            ".*/provision/",
            r"^404: no such vendor or model|^404: no such model",
            "--vendor NAME, as the script has it, and a model, which a script has to create",
        ),
        (".*/provision/", r"^404", "what it names, which a script has to create before"),
        ("", r"^fail: 501", "no option: the platform has no such procedure, or not so called"),
    )
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
    for what, outcome, help in _HELP:
        found = outcome.search(kind.outcome)
        if found and what.match(kind.what):
            return help.format(*found.groups(), name=name)
    return "a change of the script, or of what it finds; --log shows each call"
