"""What the platform offers to that which happens by itself."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Callable, Optional, Protocol, TypeVar

from ..core.turns import Steps
from ..core.unit import Unit

T = TypeVar("T")


class Door(Protocol):
    """The way in, for work that nobody waits for; `Platform` has it."""

    unit: Unit

    def work(self, do: Callable[..., T], *arguments: Any) -> T:
        """Do something on the unit: all of what it changes, or, when it raises, nothing."""
        ...

    def step(self, steps: Steps[T]) -> Optional[tuple[T]]:
        """Carry out one step as work; the result, in a tuple, when it was the last one."""

    def report(self, error: Exception, what: str) -> Optional[str]:
        """Log a fault; the sentence for a fault of the disk, None for one of ours."""

    def reported(self, what: str) -> AbstractContextManager[None]:
        """Log a fault of the block."""
        ...

    def commit_unless_asked(self) -> None:
        """Commit what was done, unless somebody's commit is on its way."""
