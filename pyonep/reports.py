"""What a Datastore tells: its counters, its log, and the callbacks of the program."""

from __future__ import annotations

import logging
from typing import Any, Callable, NamedTuple, Optional

from .buffer import Point
from .redaction import redact, secrets_of

__all__ = ["Reporter", "Reports", "Statistics"]

log: logging.Logger = logging.getLogger("pyonep.datastore")

Reporter = Callable[[str, list[Any], str], object]


class Statistics(NamedTuple):
    """The state of a Datastore, in numbers.

    Attributes:
        waiting: Points that wait.
        sent: Points the platform has.
        retried: Requests that were sent again, or were to be.
        rejected: Points the platform refused for good.
        dropped: Points given up because the buffer was full.
        replaced: Live values replaced by newer ones before they were sent.
        last_success: Unix time of the last request that was answered; None: never.
        last_error: What went wrong last; None: nothing yet.
    """

    waiting: int
    sent: int
    retried: int
    rejected: int
    dropped: int
    replaced: int
    last_success: Optional[float]
    last_error: Optional[str]


class Reports:
    """Counts and tells what becomes of points; no credential is in any of it.

    Args:
        auth: The auth object whose secrets are kept out.
        on_reject: Called with ``(alias, [timestamp, value], reason)``.
        on_drop: The same, for points given up because the buffer was full.
        on_error: Called with the exception when a request fails.

    Attributes:
        sent, retried, rejected, dropped, replaced, last_success, last_error: See `Statistics`.
    """

    def __init__(
        self,
        auth: Any,
        on_reject: Reporter | None = None,
        on_drop: Reporter | None = None,
        on_error: Callable[[Exception], object] | None = None,
    ) -> None:
        self._secrets = secrets_of(auth)
        self.on_reject: Optional[Reporter] = on_reject
        self.on_drop: Optional[Reporter] = on_drop
        self.on_error: Optional[Callable[[Exception], object]] = on_error
        self.begin()

    def begin(self) -> None:
        """Count from zero."""
        self.sent = self.retried = self.rejected = self.dropped = self.replaced = 0
        self.last_success: Optional[float] = None
        self.last_error: Optional[str] = None
        self._said: dict[str, str] = {}  # what was logged and still holds

    def statistics(self, waiting: int) -> Statistics:
        """All counters, at this moment."""
        return Statistics(
            waiting,
            self.sent,
            self.retried,
            self.rejected,
            self.dropped,
            self.replaced,
            self.last_success,
            self.last_error,
        )

    def redacted(self, what: Any) -> str:
        """A text without credentials."""
        return redact(what, *self._secrets)

    def rejected_point(self, point: Point, reason: str) -> None:
        """The platform refused a point for good."""
        self._report(self.on_reject, "rejected", point, reason)

    def dropped_point(self, point: Point, reason: str) -> None:
        """A point was given up because the buffer was full."""
        self._report(self.on_drop, "dropped", point, reason)

    def failed(self, error: Exception) -> None:
        """A request failed; its points are kept."""
        self.last_error = text = self._in_words(error)
        log.warning("not sent, kept: %s", text)
        self._tell(self.on_error, error)

    def fault(self, error: Exception) -> None:
        """Something is wrong in here."""
        self.last_error = text = self._in_words(error)
        self._say_once("fault", f"a fault while sending; going on: {text}")

    def says(self, about: str, text: str) -> None:
        """Something is wrong: log it, once for as long as it holds."""
        self.last_error = text
        self._say_once(about, text)

    def is_over(self, about: str) -> None:
        """What was said of it holds no more."""
        if self._said:
            self._said.pop(about, None)

    def _in_words(self, error: Exception) -> str:
        return self.redacted(f"{type(error).__name__}: {error}")

    def _say_once(self, about: str, text: str) -> None:
        if self._said.get(about) != text:
            self._said[about] = text
            log.error("%s", text)

    def _report(self, reporter: Reporter | None, what: str, point: Point, reason: str) -> None:
        reason = self.redacted(reason)
        self.last_error = f"{what}: a point of {point.alias!r} at {point.time}: {reason}"
        log.error("%s", self.last_error)
        self._tell(reporter, point.alias, [point.time, point.value], reason)

    def _tell(self, callback: Callable[..., object] | None, *values: Any) -> None:
        if callback is None:
            return
        try:
            callback(*values)
        except (Exception, SystemExit):  # what else is to be reported must be
            log.exception("a callback failed")
