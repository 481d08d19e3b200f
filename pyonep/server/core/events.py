"""What happened: told once, in order, after the commit that made it durable."""

from __future__ import annotations

from typing import Any, NamedTuple, Union


class Written(NamedTuple):
    """A value was written now: not one that was recorded at another time.

    Attributes:
        resource: Number of the resource.
        time: Unix time in seconds.
        value: The value, as clients read it.
    """

    resource: int
    time: int
    value: Any


class Dropped(NamedTuple):
    """A resource, and all below it, was taken out of the tree."""

    resource: int


class TimerChanged(NamedTuple):
    """The next timer to run out may be another one."""


class Remains(NamedTuple):
    """Something was taken away of which there is more to remove."""


class Overfull(NamedTuple):
    """A series has more points than its retention keeps."""

    resource: int


Event = Union[Written, Dropped, TimerChanged, Remains, Overfull]
