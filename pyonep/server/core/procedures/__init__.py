"""The procedures of the RPC API.

A procedure is a plain function from the call and its arguments to a `Result`, or it raises
what `errors` has for its case. It is found in one table; adding one means adding one function
with the decorator `procedure`.
"""

from __future__ import annotations

from . import aliases, information, listing, resources, series, sharing
from .table import find, names

__all__ = [
    "aliases",
    "find",
    "information",
    "listing",
    "names",
    "resources",
    "series",
    "sharing",
]
