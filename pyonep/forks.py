"""What a process that was forked must not share with the one it comes from.

A connection that two processes read from gives each the answers of the other, and a lock
that a thread held when another forked is held for ever in the child.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any, Protocol

__all__ = ["generation", "lock", "on_fork"]

_locks: weakref.WeakSet[Any] = weakref.WeakSet()
_others: weakref.WeakSet[Any] = weakref.WeakSet()
_generation = 0


def generation() -> int:
    """A number that is another one after a fork."""
    return _generation


def lock() -> threading.Lock:
    """A lock that is free again in a process that is forked."""
    new = threading.Lock()
    _locks.add(new)
    return new


class _Forkable(Protocol):
    def after_fork(self) -> None: ...


def on_fork(one: _Forkable) -> None:
    """Call `after_fork` of an object in a process that is forked, for as long as it lives."""
    _others.add(one)


def _in_the_child() -> None:
    global _generation
    _generation += 1
    for one in list(_locks):
        one._at_fork_reinit()
    for one in list(_others):
        one.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_the_child)
