"""What one request may cost: how much it makes the platform do, and how much it is told."""

from __future__ import annotations

from .errors import Invalid
from .settings import Settings


class Budget:
    """What is left to one request.

    What a call has done stays done; it is the next one that is refused.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._points = settings.max_answer_points
        self._bytes = settings.max_answer_bytes
        self._work = settings.max_work

    def tell(self, points: int, size: int) -> None:
        """Tell the caller points, or other things, of so many bytes altogether.

        Raises:
            Invalid: That is more than one answer has.
        """
        self._points -= points
        self._bytes -= size
        if self._points < 0:
            most = self._settings.max_answer_points
            raise Invalid(f"the answer to one request has at most {most} points; ask for less")
        if self._bytes < 0:
            most = self._settings.max_answer_bytes
            raise Invalid(f"the answer to one request has at most {most} bytes; ask for less")

    def spend(self, steps: int) -> None:
        """Note steps of work that have been done, or cannot be left undone."""
        self._work -= steps

    def work(self, steps: int) -> None:
        """Begin so many steps of work.

        Raises:
            Invalid: The request has made the platform work enough.
        """
        if self._work <= 0:
            most = self._settings.max_work
            raise Invalid(f"one request may cause at most {most} steps of work; send several")
        self._work -= steps
