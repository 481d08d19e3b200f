"""What became of the calls of a script, and what would make work those that failed."""

from __future__ import annotations

import logging
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator

from .core import dataports, errors
from .fronts import calllog
from .fronts.calllog import Line

_MOST = 20  # kinds of failure
_MOST_NAMES = 5  # calls in a line
_REMEMBERED = 10_000
_NO_CALL = (
    "a script that names another host, or that speaks HTTP itself and not through pyonep, has to "
    "take the address from PYONEP_ENDPOINT"
)
_KEYS = "--vendor NAME, --vendor-cik KEY or --vendor-token TOKEN, as the script has them"
_POINTS = (
    "seconds that have no point yet, of which 0 is none, and values of the format that the "
    "dataport has"
)
_UNKNOWN = "a change of the script, or of what it finds; --log shows each call"

# What helps against a kind of refusal; the first line that fits counts. An empty front is any.
_HELP: tuple[tuple[str, type[errors.Refused], str], ...] = (
    (
        "",
        errors.OutOfReach,
        "--dataport ALIAS@RID, with the RID that the script has in it, or --autocreate when "
        "it writes to it",
    ),
    (
        "",
        errors.BadValue,
        f"--dataport {{alias}}:FORMAT with another FORMAT ({', '.join(dataports.FORMATS)}), as "
        "what the script writes",
    ),
    (
        "provision",
        errors.NoSuchModel,
        "--vendor NAME, as the script has it, and a model, which a script has to create",
    ),
    ("provision", errors.NotFound, "what it names, which a script has to create before"),
    ("provision", errors.Unauthorized, _KEYS),
    ("provision", errors.Forbidden, _KEYS),
    ("rpc", errors.Unauthorized, "--cik KEY, once for each key that the script has in it"),
    ("data", errors.Unauthorized, "--cik KEY, with the key that the script has in it"),
    ("data", errors.Forbidden, "--cik KEY, with the key that the script has in it"),
    ("", errors.NoProcedure, "no option: the platform has no such procedure, or not so called"),
)


class Summary(logging.Handler):
    """Counts the lines of the log of calls. Attach it to `calllog.log`.

    Attributes:
        status: With what the script ended.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.status: int = 0
        self._worked = 0
        self._worked_on: set[str] = set()
        self._failed: Counter[Line] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Count one line."""
        line = getattr(record, calllog.LINE, None)
        if line is None:
            return
        if line.worked:
            self._worked += 1
            if len(self._worked_on) < _REMEMBERED:
                self._worked_on.update(line.names)
        else:
            self._failed[line] += 1

    def lines(self) -> Iterator[str]:
        """The summary, line by line; every kind of failure with what would make it work."""
        failed = sum(self._failed.values())
        if not self._worked and not failed:
            yield f"no call reached the platform: {_no_call(self.status)}"
            return
        total = self._worked + failed
        later = sum(count for line, count in self._failed.items() if self._came_later(line))
        ends = f", {later} of them on dataports that the script made later" if later else ""
        calls = "call" if total == 1 else "calls"
        yield f"{total} {calls}: {self._worked} ok, {failed} failed{ends}"
        lines = [one for one in self._failed.most_common() if not self._came_later(one[0])]
        remedies = _by_remedy(lines)
        for remedy, outcomes in list(remedies.items())[:_MOST]:
            yield from _shown(outcomes)
            yield f"      needs {remedy[0]}"
        if len(remedies) > _MOST:
            yield f"  and {len(remedies) - _MOST} other kinds"
        yield from _together(line for line, _ in lines)

    def _came_later(self, line: Line) -> bool:
        """Whether a call failed for want of dataports that were there in the end."""
        return bool(line.missing) and self._worked_on.issuperset(line.missing)


def _no_call(status: int) -> str:
    """Why no call arrived, as far as the end of the script tells."""
    if not status:
        return _NO_CALL
    return f"the script ended with status {status} before its first call, or called another host"


_Outcomes = dict[str, Counter[str]]  # how calls ended -> what was called, and how often


def _by_remedy(lines: Iterable[tuple[Line, int]]) -> dict[tuple[str, str], _Outcomes]:
    """What failed, by what helps; by how it ended where nothing is known to help."""
    remedies: dict[tuple[str, str], _Outcomes] = {}
    for line, count in lines:
        remedy = _remedy(line)
        outcomes = remedies.setdefault((remedy, line.outcome if remedy == _UNKNOWN else ""), {})
        outcomes.setdefault(line.outcome, Counter())[line.what] += count
    return remedies


def _shown(outcomes: _Outcomes) -> Iterator[str]:
    for outcome, calls in outcomes.items():
        names = list(calls)
        more = f" and {len(names) - _MOST_NAMES} other calls" if len(names) > _MOST_NAMES else ""
        yield f"  {sum(calls.values())} x {', '.join(names[:_MOST_NAMES])}{more}: {outcome}"


def _together(lines: Iterable[Line]) -> Iterator[str]:
    """All dataports that were missing, as they can be pasted."""
    missing = dict.fromkeys(alias for line in lines for alias in line.missing if alias)
    if len(missing) > 1:
        yield f"  all of them: {_options(missing)}"


def _options(aliases: Iterable[str]) -> str:
    return " ".join(f"--dataport {shlex.quote(alias) if alias else 'ALIAS'}" for alias in aliases)


def _remedy(line: Line) -> str:
    """What would make a call work."""
    if line.missing:
        return f"{_options(line.missing)}, or --autocreate when the script writes to it"
    if line.points:
        return _POINTS
    alias = shlex.quote(line.names[0]) if len(line.names) == 1 else "ALIAS"
    for front, kind, help in _HELP:
        if line.refused and issubclass(line.refused, kind) and front in ("", line.front):
            return help.format(alias=alias)
    return _UNKNOWN
