"""The folder in which ``python -m pyonep.server`` keeps a platform."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import platformdirs

from .. import secretfile
from .platform import StoreError

DATABASE = "one_platform.sqlite"
RUNNING = "running.json"


class Running(NamedTuple):
    """How the platform that has the folder open is reached."""

    endpoint: str
    admin_key: str

    def __repr__(self) -> str:
        return f"Running({self.endpoint!r})"


def default() -> Path:
    """Where the operating system wants a user's data to be."""
    return platformdirs.user_data_path("pyonep", appauthor=False)


def database(folder: Path) -> str:
    """The database in a folder, which is made when it is not there.

    Raises:
        StoreError: It cannot be made.
    """
    path = folder / DATABASE
    try:
        # It holds keys, which are for the user alone.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(f"{folder} cannot be the data folder: {error.strerror}") from error
    return str(path)


@contextmanager
def announced(folder: Path, running: Running) -> Iterator[None]:
    """Tell other processes of the same user how to reach the platform, during the block."""
    path = folder / RUNNING
    secretfile.write(str(path), json.dumps(running._asdict()))
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            path.unlink()


def running(folder: Path) -> Running | None:
    """How to reach the platform that has the folder open; None when it does not say."""
    try:
        return Running(**json.loads((folder / RUNNING).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
