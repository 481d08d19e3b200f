"""One piece of work: what it may read, change and tell. All of it comes true, or nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Callable

from ..store import (
    PIECE,
    Content,
    ContentStore,
    DeviceStore,
    GroupStore,
    JobStore,
    Member,
    Model,
    Node,
    Range,
    ResourceStore,
    RightsStore,
    Serial,
    SeriesStore,
    Store,
    TimerStore,
    UsageStore,
    Vendor,
)
from .events import Event
from .settings import Settings

# With what the rooms of the store give, for those who may not look into the store themselves.
__all__ = [
    "PIECE",
    "Clock",
    "Content",
    "Member",
    "Model",
    "Node",
    "Range",
    "Serial",
    "Unit",
    "Vendor",
]

Clock = Callable[[], float]


class Unit:
    """What a function of core may touch.

    One object serves all pieces of work of a platform, one after the other; where one begins
    and ends is known to the platform's `work`, which undoes what a fault left.

    Args:
        store: Where everything is kept.
        settings: What can be set.
        clock: Unix time in seconds.

    Attributes:
        emit: Tells an event to those who listen, when the work is durable.
        afterwards: Has something done as work of its own when this work has ended, however
            it ends.
        enabling: Models, and their serial numbers, that are being enabled.
    """

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.resources: ResourceStore = store.resources
        self.series: SeriesStore = store.series
        self.rights: RightsStore = store.rights
        self.timers: TimerStore = store.timers
        self.usage: UsageStore = store.usage
        self.devices: DeviceStore = store.devices
        self.groups: GroupStore = store.groups
        self.jobs: JobStore = store.jobs
        self.content: ContentStore = store.content
        self.enabling: set[tuple[int, str]] = set()
        self._database = store.database
        self.emit: Callable[[Event], None] = _nobody_listens
        self.afterwards: Callable[[Callable[[Unit], object]], None] = _nobody_listens

    def now(self) -> int:
        """Unix time in whole seconds."""
        return int(self.clock())

    def atomic(self) -> AbstractContextManager[None]:
        """All of the block's changes or, when it raises, none."""
        return self._database.atomic()

    @property
    def narrowings(self) -> int:
        """How often somebody came to may do less than before."""
        return self._database.narrowings


def _nobody_listens(_: object) -> None:
    """Nobody does, before a platform says who: tests of core need none."""
