"""Datarules: what they make of an input, and of their timer running out. They touch nothing.

A script does not run on the local platform; it can be created and described.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, NamedTuple, Optional

from .errors import Invalid
from .values import compare

NOT_RUNNING = "notrunning"
_SHORTEST = 0.05  # seconds; a timer that rings as soon as it is set would never rest


class State(NamedTuple):
    """What a rule remembers: when its timer runs out (Unix seconds, None: never), and its count."""

    due: Optional[float]
    counter: int


AT_REST = State(None, 0)


class Rule(NamedTuple):
    """A rule: its kind, and what its description says of it."""

    kind: str
    given: Mapping[str, Any]

    @property
    def has_state(self) -> bool:
        """Whether its outputs depend on what came before."""
        return self.kind in ("timeout", "interval", "duration", "count")

    @property
    def repeats(self) -> bool:
        """Whether an output that is the same as the one before is stored as well."""
        return bool(self.given.get("repeat", False))


class Step(NamedTuple):
    """What a rule made of something: its output, None for none, and its state from now on."""

    output: Optional[bool]
    state: State


def rule_of(description: Mapping[str, Any]) -> Rule:
    """The rule that a datarule's description has."""
    ((kind, given),) = description["rule"].items()
    return Rule(kind, given)


def truth(rule: Rule, value: Any) -> bool:
    """Whether an input fulfils the comparison of a rule.

    Raises:
        Invalid: It cannot be compared, or the rule is a script.
    """
    if rule.kind == "script":
        raise Invalid("scripts do not run on the local platform")
    if rule.kind == "timeout":
        return True
    return compare(rule.given["comparison"], value, rule.given["constant"])


def start(rule: Rule, now: float) -> State:
    """The state that a rule begins with."""
    return _restarted(rule, now) if rule.kind == "timeout" else AT_REST


def step(rule: Rule, state: State, is_true: Optional[bool], now: float) -> Step:
    """What a rule makes of an input that fulfils its comparison or does not.

    Args:
        rule: The rule.
        state: Its state.
        is_true: Whether the input does; None: its timer ran out.
        now: Unix time in seconds.
    """
    if is_true is None:
        goes_on = rule.kind in ("timeout", "interval")
        return Step(rule.kind != "count", _restarted(rule, now) if goes_on else AT_REST)
    return _STEPS[rule.kind](rule, state, is_true, now)


def _simple(rule: Rule, state: State, is_true: bool, now: float) -> Step:
    return Step(is_true, state)


def _timeout(rule: Rule, state: State, is_true: bool, now: float) -> Step:
    return Step(False, _restarted(rule, now))


def _interval(rule: Rule, state: State, is_true: bool, now: float) -> Step:
    return Step(is_true, _while(rule, state, is_true, now))


def _duration(rule: Rule, state: State, is_true: bool, now: float) -> Step:
    return Step(None if is_true else False, _while(rule, state, is_true, now))


def _count(rule: Rule, state: State, is_true: bool, now: float) -> Step:
    if not is_true:
        return Step(None, state)
    counter = 1 if state.due is None else state.counter + 1
    if counter >= rule.given["count"]:
        return Step(True, _restarted(rule, now))
    if state.due is None:
        return Step(None, _restarted(rule, now, counter))
    return Step(None, State(state.due, counter))


_STEPS: dict[str, Callable[[Rule, State, bool, float], Step]] = {
    "simple": _simple,
    "timeout": _timeout,
    "interval": _interval,
    "duration": _duration,
    "count": _count,
}


def _restarted(rule: Rule, now: float, counter: int = 0) -> State:
    """The timer runs from now on; a timeout of 0 runs none."""
    seconds = rule.given["timeout"]
    return State(now + max(seconds, _SHORTEST) if seconds else None, counter)


def _while(rule: Rule, state: State, is_true: bool, now: float) -> State:
    """The timer runs while the comparison is true; a running one is left alone."""
    running = state.due is not None
    if is_true and not running:
        return _restarted(rule, now)
    return AT_REST if running and not is_true else state
