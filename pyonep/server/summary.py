"""What became of the calls of a script, and what would make work those that failed."""

from __future__ import annotations

import logging
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .fronts import calllog

_MOST = 20  # kinds of failure
_REMEMBERED = 10_000
_NO_CALL = (
    "a script that names another host, or that speaks HTTP itself and not through pyonep, has to "
    "take the address from PYONEP_ENDPOINT"
)
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
            "--dataport ALIAS@RID, with the RID that the script has in it, or --autocreate when "
            "it writes to it",
        ),
        ("", r"^401 Invalid \(auth\)", "--cik KEY, once for each key that the script has in it"),
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
        self._worked_on: set[str] = set()
        self._failed: Counter[_Kind] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Count one line."""
        line = getattr(record, calllog.LINE, None)
        if line is None:
            return
        if line.worked:
            self._worked += 1
            if len(self._worked_on) < _REMEMBERED:
                names = line.what.partition(" ")[2]
                self._worked_on.update((names, names.partition(" ")[2]))  # map: RID and alias
        else:
            self._failed[_Kind(line.what, line.outcome)] += 1

    def lines(self) -> Iterator[str]:
        """The summary, line by line; every kind of failure with what would make it work."""
        failed = sum(self._failed.values())
        if not self._worked and not failed:
            yield f"no call reached the platform: {_NO_CALL}"
            return
        total = self._worked + failed
        later = sum(count for kind, count in self._failed.items() if self._came_later(kind))
        ends = f", {later} of them on dataports that the script made later" if later else ""
        calls = "call" if total == 1 else "calls"
        yield f"{total} {calls}: {self._worked} ok, {failed} failed{ends}"
        kinds = [(k, n) for k, n in self._failed.most_common() if not self._came_later(k)]
        for kind, count in kinds[:_MOST]:
            yield f"  {count} x {kind.what}: {kind.outcome}"
            yield f"      needs {_help(kind)}"
        if len(kinds) > _MOST:
            yield f"  and {len(kinds) - _MOST} other kinds"
        yield from _together(kind for kind, _ in kinds)

    def _came_later(self, kind: _Kind) -> bool:
        """Whether a call failed for want of a dataport that was there in the end."""
        alias = _missing(kind)
        return alias is not None and alias in self._worked_on


def _missing(kind: _Kind) -> str | None:
    """The alias for want of which a call failed."""
    found = re.search(_ALIAS, kind.outcome)
    return found[1] if found else None


def _together(kinds: Iterable[_Kind]) -> Iterator[str]:
    """All dataports that were missing, as they can be pasted."""
    missing = dict.fromkeys(alias for kind in kinds if (alias := _missing(kind)) is not None)
    if len(missing) > 1:
        options = " ".join(f"--dataport {shlex.quote(alias)}" for alias in missing)
        yield f"  all of them: {options}"


def _help(kind: _Kind) -> str:
    name = kind.what.partition(" ")[2] or "ALIAS"
    for what, outcome, help in _HELP:
        found = outcome.search(kind.outcome)
        if found and what.match(kind.what):
            return help.format(*map(shlex.quote, found.groups()), name=shlex.quote(name))
    return "a change of the script, or of what it finds; --log shows each call"
