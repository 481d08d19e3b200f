"""The end of the interpreter: what waits is sent, for a while, and what is lost is said."""

from __future__ import annotations

import atexit
import logging
import sys
from typing import NamedTuple, Optional, Protocol

from .clock import Clock
from .reports import Statistics

__all__ = ["expect", "release"]

log: logging.Logger = logging.getLogger("pyonep.datastore")


class _Store(Protocol):
    clock: Clock

    def close(self, timeout: Optional[float] = None) -> bool: ...
    def statistics(self) -> Statistics: ...


class _Ending(NamedTuple):
    within: float  # seconds
    is_on_disk: bool


# Those with points to send when the interpreter ends.
_open: dict[_Store, _Ending] = {}


def expect(store: _Store, within: float, is_on_disk: bool) -> None:
    """Close a Datastore when the interpreter ends.

    Args:
        store: It.
        within: Seconds that this may take.
        is_on_disk: Whether what waits then is not lost.
    """
    if store not in _open:
        _open[store] = _Ending(within, is_on_disk)


def release(store: _Store) -> None:
    """There is nothing to be done for it."""
    _open.pop(store, None)


@atexit.register
def _at_exit() -> None:
    """Close all, each within its share of the time.

    Runs in the main thread and needs no other: from Python 3.12 on none can be started.
    """
    stores = dict(_open)
    if not stores:
        return
    now = next(iter(stores)).clock.monotonic
    deadline = now() + max(ending.within for ending in stores.values())
    for position, (store, ending) in enumerate(stores.items()):
        # One that cannot be reached leaves the others their share of the time.
        share = max(0.0, deadline - now()) / (len(stores) - position)
        store.close(min(ending.within, share))
        if not ending.is_on_disk:
            _say_what_is_lost(store.statistics())


def _say_what_is_lost(left: Statistics) -> None:
    if not left.waiting:
        return
    points = "1 point was" if left.waiting == 1 else f"{left.waiting} points were"
    text = f"{points} not sent" + (f": {left.last_error}" if left.last_error else "")
    log.error("%s", text)
    print(f"pyonep.datastore: {text}", file=sys.stderr)  # noqa: T201
