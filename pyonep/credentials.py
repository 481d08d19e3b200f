"""What a key or token must look like to be sent; one place for all that send one."""

from __future__ import annotations

import re
from typing import Any

from .exceptions import OneException
from .redaction import SECRET_FIELDS

# Control characters, and what HTTP headers do not carry.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f]|[^\x00-\xff]")
_CIK = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)


def usable(value: Any, error: type[OneException]) -> str:
    """A credential as it is sent: without the white space around it.

    A key that was read from a file mostly ends in a newline.

    Args:
        value: A key or token.
        error: What to raise.

    Raises:
        OneException: The `error`: it is no text, or has characters inside that cannot be
            sent. Its text does not show it.
    """
    if not isinstance(value, str):
        value = _as_text(value, error)
    text = str.strip(value)
    if not (text.isascii() and text.isalnum()) and _UNFIT.search(text):
        raise error("not sent: a key has a character inside that no key can have")
    return text


def _as_text(value: Any, error: type[OneException]) -> str:
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("latin-1")
    if isinstance(value, int):
        return str(value)
    raise error(f"not sent: a key must be text, not {type(value).__name__}")


def usable_auth(auth: Any, error: type[OneException]) -> Any:
    """The same for the credentials of an auth object or a CIK string.

    Whatever is neither comes back as it is.
    """
    if isinstance(auth, str):
        return usable(auth, error)
    if isinstance(auth, dict):
        sent = dict(auth)
        for name, value in auth.items():
            if name in SECRET_FIELDS and isinstance(value, str):
                sent[name] = usable(value, error)
        return sent
    return auth


def is_cik(text: object) -> bool:
    """Whether this looks like a key that the platform gives: 40 hexadecimal digits."""
    return isinstance(text, str) and _CIK.fullmatch(text) is not None
