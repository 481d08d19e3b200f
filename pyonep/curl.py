"""A request as a curl command that can be pasted."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from .reading import text_or_bytes

__all__ = ["command"]


def command(
    method: str, url: str, body: Any, headers: Mapping[str, str], timeout: float | None
) -> str:
    """A command line that sends this request from a POSIX shell."""
    words = ["curl", "-X", method]
    if timeout is not None:
        words += ["-m", f"{timeout:g}"]
    for name, value in headers.items():
        words += ["-H", f"{name}: {value}" if value else f"{name};"]
    feed = ""
    if hasattr(body, "read"):
        words += ["--data-binary", f"@{getattr(body, 'name', 'FILE')}"]
    elif body is not None:
        if not any(name.lower() == "content-type" for name in headers):
            words += ["-H", "Content-Type:"]
        text = text_or_bytes(body)
        if isinstance(text, str) and "\0" not in text:
            words += ["--data-raw", text]
        else:
            octal = "".join(f"\\{byte:03o}" for byte in body)
            feed = f"printf '{octal}' | "
            words += ["--data-binary", "@-"]
    return feed + " ".join(shlex.quote(word) for word in [*words, url])
