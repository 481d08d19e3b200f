"""Files that hold a key: for their owner alone, and never half written."""

from __future__ import annotations

import os


def write(path: str, text: str) -> None:
    """Put a text into a file that only its owner can read, all of it or nothing."""
    os.replace(_written(path, text), path)


def check(path: str) -> None:
    """See whether a key could be written there, before one is asked for that comes only once.

    Raises:
        OSError: It could not.
    """
    os.remove(_written(path, "0" * 40))


def _written(path: str, text: str) -> str:
    """Write a file beside the one that is meant; return its path."""
    beside = f"{path}.new"
    number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        os.chmod(beside, 0o600)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return beside
