"""Whose requests are answered: those that call the platform by a name it goes by.

A web page can give its own name the address of this machine (DNS rebinding). Its requests then
come from the user's browser, but they still name the page in the header Host.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from typing import Callable

LOOPBACK = "localhost"
HOSTED = "m2.exosite.com"
_MANY = 4096  # names remembered; each caller uses one or two
_LONGEST = 300  # bytes of a name; DNS has at most 255

_PORT = re.compile(r":[0-9]*\Z")
_BRACKETED = re.compile(r"\[([0-9a-f:.]+(?:%.*)?)\](?::[0-9]*)?\Z")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}\Z")
# What a resolver takes for an address however it is written, so that no name hides in it.
_NUMBER = re.compile(r"(?:0[xX][0-9A-Fa-f]+|[0-9]+)(?:\.(?:0[xX][0-9A-Fa-f]+|[0-9]+)){0,3}\Z")


class Hosts:
    """The names that a platform goes by.

    Args:
        told: Names besides those that every platform goes by.
    """

    def __init__(self, told: Iterable[str] = ()) -> None:
        names = [told] if isinstance(told, str) else told
        self._told = frozenset(_bare(name) for name in names)
        self.admits: Callable[[bytes], bool] = lru_cache(_MANY)(self._admits)

    def refused(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Why a request is not answered; None when it is.

        Args:
            headers: Its headers, as ASGI has them. All of those called Host have to fit.
        """
        for name, value in headers:
            if name == b"host" and (len(value) > _LONGEST or not self.admits(value)):
                return _sentence(value)
        return None

    def _admits(self, value: bytes) -> bool:
        name = _bare(value.decode("latin-1"))
        if not name or name in self._told or _is_address(name):
            return True
        return any(name == own or name.endswith("." + own) for own in (LOOPBACK, HOSTED))


def _bare(host: str) -> str:
    """A host as it is compared: no port, no brackets, no dot at the end, small letters."""
    host = host.strip().lower()
    bracketed = _BRACKETED.match(host)
    if bracketed:
        return bracketed[1]
    if host.count(":") > 1:
        return host  # an IPv6 address without its brackets
    host = _PORT.sub("", host)
    return host[:-1] if host.endswith(".") else host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return _NUMBER.match(name) is not None and _is_written_short(name)
    return True


def _is_written_short(name: str) -> bool:
    """Whether a number is an IPv4 address as ``127.1`` and ``0x7f000001`` are."""
    try:
        socket.inet_aton(name)
    except OSError:
        return False
    return True


def _sentence(value: bytes) -> str:
    name = _bare(value.decode("latin-1"))
    if not _NAME.match(name):
        return "this platform does not go by the name it was called by"
    return (
        f"this platform does not go by the name {name}; call it by its address, or start it with "
        f"--allow-host {name} (in Python: Settings(allowed_hosts=[{name!r}]))"
    )


def of_target(target: bytes) -> tuple[bytes, bytes] | None:
    """The host of a request target in absolute form, as a header Host; None for other forms."""
    scheme, separator, rest = target.partition(b"://")
    if not separator or not scheme.isalpha():
        return None
    authority = re.split(rb"[/?#]", rest, maxsplit=1)[0]
    return b"host", authority.rpartition(b"@")[2]
