"""The states of a Datastore, and what leads from one to another."""

from __future__ import annotations

import enum
import threading

__all__ = ["Lifecycle", "State", "Step"]


class State(enum.Enum):
    """What a Datastore does at the moment."""

    NEW = "accepts points, sends them when told to"
    RUNNING = "has a thread that sends them"
    REFUSED = "has one, which rests: the platform refuses the CIK"
    STOPPED = "accepts points, sends them when told to, as before the start"
    CLOSING = "accepts nothing more, and sends what waits"
    CLOSED = "accepts nothing"
    FORKED = "is the child of a running one: its first point starts a thread"


class Step(enum.Enum):
    """What may happen to a Datastore."""

    START = "it is started"
    STOP = "its thread is to end"
    CLOSE = "it is to be closed"
    END = "closing it has come to its end"
    REFUSE = "the platform refuses its CIK"
    ANSWER = "the platform answers it"
    FORK = "its process was forked, and this is the child"


_OPEN = (State.NEW, State.RUNNING, State.REFUSED, State.STOPPED, State.FORKED)
_WITH_THREAD = (State.RUNNING, State.REFUSED)
# What each step makes of a state; it leaves the states alone that it does not name.
_STEPS: dict[Step, dict[State, State]] = {
    Step.START: dict.fromkeys(State, State.RUNNING),  # while it is closing as well
    Step.STOP: dict.fromkeys((*_WITH_THREAD, State.FORKED), State.STOPPED),
    Step.CLOSE: dict.fromkeys(_OPEN, State.CLOSING),
    Step.END: {State.CLOSING: State.CLOSED},
    Step.REFUSE: {State.RUNNING: State.REFUSED},
    Step.ANSWER: {State.REFUSED: State.RUNNING},
    Step.FORK: {**dict.fromkeys(_WITH_THREAD, State.FORKED), State.CLOSING: State.STOPPED},
}


class Lifecycle:
    """In which state a Datastore is.

    Args:
        changed: Notified of each change, which happens under its lock.

    Attributes:
        state: The state.
    """

    def __init__(self, changed: threading.Condition, state: State = State.NEW) -> None:
        self._changed = changed
        self.state: State = state

    def go(self, step: Step) -> bool:
        """Take a step; return whether the state is another one now."""
        with self._changed:
            before, self.state = self.state, after(self.state, step)
            self._changed.notify_all()
            return self.state is not before

    @property
    def accepts(self) -> bool:
        """Whether points are accepted."""
        return self.state in _OPEN

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, and not started since."""
        return self.state is State.CLOSED


def after(state: State, step: Step) -> State:
    """The state to which a step leads."""
    return _STEPS[step].get(state, state)
