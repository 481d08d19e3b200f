"""The base of every error, and the one error that an answer raises by itself.

`pyonep.exceptions` has the whole tree, these two included, and is where to import them
from. They stand here because a `ProvisionException` holds an answer, and an answer that makes no
sense raises an `OnePlatformException`: each needs the other, but not both need all.
"""

from __future__ import annotations

from typing import Any

__all__ = ["OneException", "OnePlatformException"]

_SHOWN_AS = f"{__package__}.exceptions"  # in tracebacks and pickles, as ever


class OneException(Exception):
    """Base of every error of this library. Can be pickled, and sent to another process."""

    __module__ = _SHOWN_AS

    def __reduce__(self) -> Any:
        # By default the constructor would get `args`, the text that it has made.
        return _again, (type(self), self.args), vars(self)


def _again(cls: type[OneException], args: tuple[Any, ...]) -> OneException:
    error = cls.__new__(cls)
    error.args = args
    return error


class OnePlatformException(OneException):
    """The platform refused the whole request, or its answer makes no sense.

    The text is the platform's error object as Python shows it, as it always was:
    ``{'code': 401, 'message': 'Invalid', 'context': 'auth'}``.

    Attributes:
        code (int | None): Code of the platform's error object, e.g. 401.
        message (str | None): Its message, e.g. ``"Invalid"``.
        context (str | None): What it is about, e.g. ``"auth"``.
        http_status (int | None): Status of the HTTP answer, e.g. 503 from a proxy in between.
        retry_after (float | None): Seconds after which the platform, or a proxy in front of it,
            wants to be asked again.
        answers (list): The answers that did come, as
            ``[(call, isok, response), ...]``; empty when there were none.
    """

    __module__ = _SHOWN_AS

    def __init__(self, *args: Any, code: int | None = None, answers: Any = ()) -> None:
        error = args[0] if args and isinstance(args[0], dict) else {}
        super().__init__(*(str(error), *args[1:]) if error else args)
        number = error.get("code") if code is None else code
        self.code: int | None = number if isinstance(number, int) else None
        self.message: str | None = _text_of(error.get("message"))
        self.context: str | None = _text_of(error.get("context"))
        self.http_status: int | None = None
        self.retry_after: float | None = None
        self.answers: list[tuple[dict[str, Any], bool, Any]] = list(answers)


def _text_of(value: Any) -> str | None:
    return None if value is None else str(value)
