"""Client of the One Platform, and a local One Platform to run it on.

- `OnepV1`: the JSON-RPC API, one method per procedure.
- `Provision`: the provisioning API.
- `pyonep.datastore.Datastore`: buffered writing and cached reading.
- `pyonep.data.DataInterface`: the HTTP Data Interface, for small devices.
- `pyonep.server`: the local platform; importing pyonep does not import it.
"""

from __future__ import annotations

import importlib
import logging
import sys
from typing import TYPE_CHECKING, Any

from . import exceptions, onep
from .onep import DeferredRequests, OnepV1
from .version import __version__

if TYPE_CHECKING:
    from . import datastore, provision
    from .provision import Provision

__all__ = [
    "DeferredRequests",
    "OnepV1",
    "Provision",
    "__version__",
    "datastore",
    "exceptions",
    "onep",
    "onep_exceptions",
    "provision",
]

# A library does not decide where logs go: nothing is printed until the
# application configures logging.
logging.getLogger(__name__).addHandler(logging.NullHandler())

# The guide for 0.3 promises that scripts written for onepv1lib need only the
# new package name, and those import this one.
onep_exceptions = exceptions
sys.modules[__name__ + ".onep_exceptions"] = exceptions

# Imported when first asked for, so that a script that only reads and writes starts
# as quickly as requests itself.
_LATER = {"Provision": "provision", "datastore": "datastore", "provision": "provision"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_LATER[name]}", __name__)
    return module if name == _LATER[name] else getattr(module, name)
