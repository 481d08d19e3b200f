"""Datarules: what they make of an input, and of their timer running out.

Timers are kept in the store, so that they survive a restart. A script does not
run on the local platform; it can be created and described.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from ..store import Node
from . import flow
from .errors import invalid
from .turns import Steps

if TYPE_CHECKING:
    from ..platform import Platform

NOT_RUNNING = "notrunning"
_SHORTEST = 0.05  # seconds; a timer that rings as soon as it is set would never rest


def kind_of(node: Node) -> str:
    """Which rule it is."""
    return str(next(iter(node.description["rule"])))


def _parameters(node: Node) -> dict[str, Any]:
    given: dict[str, Any] = node.description["rule"][kind_of(node)]
    return given


def truth(node: Node, value: Any) -> bool:
    """Whether an input fulfils the comparison of a rule.

    Raises:
        Refused: ``invalid``: it cannot be compared, or the rule is a script.
    """
    kind = kind_of(node)
    if kind == "script":
        raise invalid("scripts do not run on the local platform")
    if kind == "timeout":
        return True
    given = _parameters(node)
    return flow.compare(given["comparison"], value, given["constant"])


def react(platform: Platform, node: Node, is_true: bool, time: int) -> Any:
    """Let an input have its effect; return the output if one was stored, else None."""
    return _REACT[kind_of(node)](platform, node, is_true, time)


def start(platform: Platform, node: Node) -> None:
    """Start, or start anew, the timer that a rule begins with."""
    platform.timers.remove(node.id)
    if kind_of(node) == "timeout":
        _restart(platform, node)
    platform.ringing.changed()


def ring(platform: Platform, node: Node) -> Steps[None]:
    """The timer of a rule ran out; what it gives is passed on in steps."""
    kind = kind_of(node)
    if kind in ("timeout", "interval"):
        _restart(platform, node)
    else:
        _stop(platform, node)
    time = platform.now()
    output = _emit(platform, node, kind != "count", time)
    if output is not None:
        yield from flow.spread(platform, node, output, time)


# --- the rules -------------------------------------------------------------


def _simple(platform: Platform, node: Node, is_true: bool, time: int) -> Any:
    return _emit(platform, node, is_true, time)


def _timeout(platform: Platform, node: Node, is_true: bool, time: int) -> Any:
    _restart(platform, node)
    return _emit(platform, node, False, time)


def _interval(platform: Platform, node: Node, is_true: bool, time: int) -> Any:
    _run_while(platform, node, is_true)
    return _emit(platform, node, is_true, time)


def _duration(platform: Platform, node: Node, is_true: bool, time: int) -> Any:
    _run_while(platform, node, is_true)
    return None if is_true else _emit(platform, node, False, time)


def _count(platform: Platform, node: Node, is_true: bool, time: int) -> Any:
    if not is_true:
        return None
    due, counter = platform.timers.get(node.id)
    counter = counter + 1 if due is not None else 1
    if counter >= _parameters(node)["count"]:
        _restart(platform, node)
        return _emit(platform, node, True, time)
    if due is None:
        _restart(platform, node, counter)
    else:
        platform.timers.set(node.id, due, counter)
    return None


_REACT: dict[str, Callable[[Platform, Node, bool, int], Any]] = {
    "simple": _simple,
    "timeout": _timeout,
    "interval": _interval,
    "duration": _duration,
    "count": _count,
}


# --- outputs and timers ----------------------------------------------------


def _emit(platform: Platform, node: Node, is_true: bool, time: int) -> Any:
    repeat = bool(_parameters(node).get("repeat", False))
    return flow.emit(platform, node, is_true, time, repeat)


def _restart(platform: Platform, node: Node, counter: int = 0) -> None:
    """Run the timer from now on; a timeout of 0 runs none."""
    seconds = _parameters(node)["timeout"]
    due = platform.clock() + max(seconds, _SHORTEST) if seconds else None
    platform.timers.set(node.id, due, counter)
    platform.ringing.changed()


def _stop(platform: Platform, node: Node) -> None:
    platform.timers.set(node.id, None)
    platform.ringing.changed()


def _run_while(platform: Platform, node: Node, is_true: bool) -> None:
    """Run the timer while the comparison is true; a running one is left alone."""
    running = platform.timers.get(node.id).due is not None
    if is_true and not running:
        _restart(platform, node)
    elif not is_true and running:
        _stop(platform, node)
