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
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value).decode("latin-1")
    elif isinstance(value, int):
        value = str(value)
    if not isinstance(value, str):
        raise error(f"not sent: a key must be text, not {type(value).__name__}")
    text = str.strip(value)
    if _UNFIT.search(text):
        raise error("not sent: a key has a character inside that no key can have")
    return text


def usable_auth(auth: Any, error: type[OneException]) -> Any:
    """The same for the credentials of an auth object or a CIK string.

    Whatever is neither comes back as it is.
    """
    if isinstance(auth, str):
        return usable(auth, error)
    if isinstance(auth, dict):
        return {
            name: usable(value, error)
            if name in SECRET_FIELDS and isinstance(value, str)
            else value
            for name, value in auth.items()
        }
    return auth


def is_cik(text: object) -> bool:
    """Whether this looks like a key that the platform gives: 40 hexadecimal digits."""
    return isinstance(text, str) and _CIK.fullmatch(text) is not None
