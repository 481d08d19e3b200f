"""The settings of a Datastore: their defaults, and what makes no sense among them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .deadline import time_limit
from .endpoint import HOSTED

__all__ = [
    "checked",
    "client_arguments",
    "created",
    "datastore_config",
    "given_seconds",
    "seconds",
    "transport_config",
]

#: Defaults of `config`. Times in seconds.
datastore_config: dict[str, Any] = {
    "write_buffer_size": 1024,  # points that may wait
    "read_cache_size": 1024,  # aliases
    "read_cache_expire_time": 5,
    "log_level": "debug",  # set on the module's logger when given
    "overflow": "refuse",  # or "drop_oldest", or "block"
    "block_timeout": 5,  # how long "block" waits for room
    "request_points": 2000,  # points in one request
    "request_bytes": 1024 * 1024,  # and about so many bytes
    "shift_seconds": 5,  # how much later a value may be recorded whose second is taken
    "retry_base": 1,
    "retry_cap": 60,
    "exit_timeout": 10,  # for stop, close and the end of the interpreter
    "spool_synchronous": "FULL",  # see SpoolBuffer
}
#: Defaults of `transport`: where the platform is.
transport_config: dict[str, Any] = {
    "host": HOSTED,
    "port": None,
    "url": "/onep:v1/rpc/process",
    "https": None,
    "timeout": 10,
}
_OVERFLOW = ("refuse", "drop_oldest", "block")
_LONGEST = 1e8  # seconds, some three years; waits of threads take no much longer ones
_SECONDS = (
    "read_cache_expire_time",
    "block_timeout",
    "shift_seconds",
    "retry_base",
    "retry_cap",
    "exit_timeout",
)
_COUNTS = ("write_buffer_size", "read_cache_size", "request_points", "request_bytes")


def seconds(name: str, given: Any) -> float:
    """A time that is given; one without end is a very long one."""
    try:
        number = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError):
        number = math.nan
    if not number >= 0:
        raise ValueError(f"{name} must be a number of seconds, not {given!r}")
    return min(number, _LONGEST)


def given_seconds(timeout: Any) -> float | None:
    """What a call may take; less than nothing is nothing, as ever."""
    if timeout is None:
        return None
    return 0.0 if timeout < 0 else seconds("timeout", timeout)


def checked(config: dict[str, Any]) -> dict[str, Any]:
    """The settings, as numbers.

    Raises:
        ValueError: One makes no sense; names it.
    """
    if config["overflow"] not in _OVERFLOW:
        raise ValueError(f"overflow must be one of {', '.join(_OVERFLOW)}")
    for name in _SECONDS:
        config[name] = seconds(name, config[name])
    for name in _COUNTS:
        try:
            config[name] = int(config[name])
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{name} must be a whole number, not {config[name]!r}") from None
    return config


def created(autocreate: Any) -> dict[str, Any] | None:
    """What is created where an alias is not there."""
    if not autocreate:
        return None
    if not isinstance(autocreate, Mapping):
        raise ValueError('autocreate must be False or a dict such as {"format": "float"}')
    return dict(autocreate)


def client_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of OnepV1 for a transport dict."""
    return {
        "host": given["host"],
        "port": given["port"],
        "url": given["url"],
        "https": given["https"],
        "httptimeout": time_limit(given["timeout"], "timeout"),
        "reuseconnection": True,
    }
