"""Keeps credentials out of logs and error texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

MASK = "<redacted>"

# CIKs, tokens and share codes look exactly like RIDs, which are public: the
# first characters stay, so that a log can still be read.
_KEY = re.compile(r"(?<![0-9A-Fa-f])([0-9A-Fa-f]{4})[0-9A-Fa-f]{36,}")
SECRET_FIELDS = frozenset({"cik", "token", "key"})
# What the text of an OSError is made of; it does not look at `args`.
_OSERROR_FIELDS = ("strerror", "filename", "filename2")

Error = TypeVar("Error", bound=BaseException)


def redact(text: object, *secrets: object) -> str:
    """Mask in a text everything that could be a key.

    Args:
        text: The text; anything else is turned into one.
        *secrets: Credentials known to the caller, masked whatever they look like.

    Returns:
        The text with each secret as ``<redacted>`` and every other run of 40
        hexadecimal digits cut to its first four.
    """
    result = str(text)
    for secret in secrets:
        if isinstance(secret, str):
            for form in sorted(_forms(str.strip(secret)), key=len, reverse=True):
                result = result.replace(form, MASK)
    return _KEY.sub(r"\1…", result)


def _forms(secret: str) -> set[str]:
    """How a secret looks in a text, in a repr, in JSON, in a URL and in bytes."""
    if secret.isascii() and secret.isalnum():
        return {secret}
    forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    for write in (quote, quote_plus):
        forms |= {write(secret, errors="replace"), write(secret, safe="", errors="replace")}
    for encoding in ("latin-1", "utf-8"):
        raw = secret.encode(encoding, "replace")
        forms |= {raw.decode("latin-1"), repr(raw)[2:-1]}
    # Which quotes a repr escapes depends on what stands around the secret.
    plain = repr(secret)[1:-1].replace("\\'", "'")
    return (forms | {plain, plain.replace("'", "\\'")}) - {""}


def redacted(value: Any, *secrets: object) -> Any:
    """The same value with every text in it redacted."""
    if isinstance(value, str):
        return redact(str.__str__(value), *secrets)
    if isinstance(value, bytes):
        return redact(value.decode("latin-1"), *secrets).encode("latin-1", "replace")
    if isinstance(value, dict):
        return {redacted(k, *secrets): redacted(v, *secrets) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted(one, *secrets) for one in value]
    return value


def scrubbed(error: Error, *secrets: object) -> Error:
    """The same error, with credentials masked in it and in all that it came from.

    What reports errors shows the whole chain, not only the text of the last.
    """
    for one in _chain(error):
        one.args = tuple(redacted(arg, *secrets) for arg in one.args)
        for name in {*vars(one), *(_OSERROR_FIELDS if isinstance(one, OSError) else ())}:
            value = getattr(one, name)
            if isinstance(value, (str, bytes)):
                setattr(one, name, redacted(value, *secrets))
        if isinstance(one, (UnicodeEncodeError, UnicodeDecodeError)):
            one.object = one.object[:0]  # pyright: ignore[reportAttributeAccessIssue]
        if getattr(one, "request", None) is not None:  # of `requests`: has the headers
            one.request = None  # type: ignore[attr-defined]
    return error


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, its causes and contexts, and the errors inside their arguments."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
            yield one


class Secrets:
    """The credentials inside auth objects or CIK strings, looked for when they are asked for.

    Nearly every call ends without an error or a log that needs them.
    """

    __slots__ = ("_auths",)

    def __init__(self, *auths: Any) -> None:
        self._auths = auths

    def __iter__(self) -> Iterator[str]:
        for auth in self._auths:
            yield from secrets_of(auth)


def secrets_of(auth: Any) -> tuple[str, ...]:
    """The credentials inside an auth object or CIK string."""
    secrets = [auth]
    if isinstance(auth, dict):
        secrets = [auth[name] for name in auth if name in SECRET_FIELDS]
    # What is text already is taken as it is: a ProvisionResponse shows more than its text.
    return tuple(str.strip(one) if isinstance(one, str) else str(one) for one in secrets)
