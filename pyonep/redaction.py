"""Keeps credentials out of logs and error texts."""

from __future__ import annotations

import re
from typing import Any

MASK = "<redacted>"

# CIKs, tokens and share codes look exactly like RIDs, which are public: the
# first characters stay, so that a log can still be read.
_KEY = re.compile(r"(?<![0-9A-Fa-f])([0-9A-Fa-f]{4})[0-9A-Fa-f]{36,}")
_SECRET_FIELDS = frozenset({"cik", "token", "key"})


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
        if isinstance(secret, str) and secret:
            result = result.replace(secret, MASK)
    return _KEY.sub(r"\1…", result)


def secrets_of(auth: Any) -> tuple[str, ...]:
    """The credentials inside an auth object or CIK string."""
    secrets = [auth]
    if isinstance(auth, dict):
        secrets = [auth[name] for name in auth if name in _SECRET_FIELDS]
    # What is text already is taken as it is: a ProvisionResponse shows more than its text.
    return tuple(one[:] if isinstance(one, str) else str(one) for one in secrets)
