"""Keys."""

from __future__ import annotations

import secrets


def new() -> str:
    """A new RID, CIK, token or share code: 40 hexadecimal digits."""
    return secrets.token_hex(20)
