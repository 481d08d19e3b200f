"""What the platform remembers; the only place with SQL."""

from __future__ import annotations

from .content import PIECE, Content, ContentStore
from .database import Database, StoreError, StoreInUse
from .devices import DeviceStore, Model, Range, Serial, Vendor
from .groups import GroupStore, Member
from .jobs import GROUP, MODEL, JobStore
from .resources import ROOT, UNFINISHED, Node, ResourceStore
from .rights import Grant, RightsStore, Share
from .series import EARLIEST, Point, SeriesStore
from .sqlite import SqliteDatabase
from .timers import Timer, TimerStore
from .usage import UsageStore

__all__ = [
    "EARLIEST",
    "GROUP",
    "MODEL",
    "JobStore",
    "PIECE",
    "ROOT",
    "UNFINISHED",
    "Content",
    "ContentStore",
    "Database",
    "DeviceStore",
    "Grant",
    "GroupStore",
    "Member",
    "Model",
    "Node",
    "Point",
    "Range",
    "ResourceStore",
    "RightsStore",
    "Serial",
    "SeriesStore",
    "Share",
    "Store",
    "StoreError",
    "StoreInUse",
    "Timer",
    "TimerStore",
    "UsageStore",
    "Vendor",
]


class Store:
    """Everything that the platform remembers, by subject, on one database.

    Args:
        path: SQLite file; None keeps everything in memory.
        synchronous: SQLite's setting of that name. ``FULL`` survives power loss.

    Raises:
        StoreError: The file is no database of ours, is newer, or is in use.
    """

    def __init__(self, path: str | None = None, synchronous: str = "FULL") -> None:
        self.database: Database = SqliteDatabase(path, synchronous)
        self.jobs: JobStore = JobStore(self.database)
        self.resources: ResourceStore = ResourceStore(self.database, self.jobs)
        self.series: SeriesStore = SeriesStore(self.database)
        self.rights: RightsStore = RightsStore(self.database)
        self.timers: TimerStore = TimerStore(self.jobs)
        self.usage: UsageStore = UsageStore(self.database)
        self.devices: DeviceStore = DeviceStore(self.database, self.jobs)
        self.groups: GroupStore = GroupStore(self.database, self.jobs)
        self.content: ContentStore = ContentStore(self.database, self.jobs)

    def close(self) -> None:
        """Commit and close."""
        self.database.close()
