"""What vendors, models and all that is under them may be called."""

from __future__ import annotations

import re

from .descriptions import is_storable
from .errors import Invalid

LONGEST_META = 64 * 1024

_VENDOR_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}\Z")
_NAME = re.compile(r'[^\s,"/?#&%\x00-\x20\x7f-\U0010ffff]{1,128}\Z')


def vendor_name(text: str) -> str:
    """The text, when it can be a vendor's name."""
    if not _VENDOR_NAME.match(text):
        raise Invalid("a vendor's name has 1 to 64 characters of A-Z a-z 0-9 _ . -")
    return text


def model_name(text: str) -> str:
    """The text, when it can be a model's name."""
    if not _MODEL_NAME.match(text):
        raise Invalid("a model's name has 1 to 128 characters of A-Z a-z 0-9 _ . : -")
    return text


def name(text: str, what: str) -> str:
    """The text, when it can be a serial number, content id, group id or label."""
    if not _NAME.match(text):
        raise Invalid(
            f'{what}: 1 to 128 printable ASCII characters, none of , " / ? # & % or a space'
        )
    return text


def remark(text: str, what: str) -> str:
    """The text, when it can be a meta or an extra."""
    if not is_storable(text) or len(text.encode("utf-8")) > LONGEST_META:
        raise Invalid(f"{what}: at most {LONGEST_META} bytes of UTF-8, and no NUL")
    return text
