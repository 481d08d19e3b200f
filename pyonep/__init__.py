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

from .version import __version__

if TYPE_CHECKING:
    from . import datastore, exceptions, onep, provision
    from . import exceptions as onep_exceptions
    from .onep import DeferredRequests, OnepV1
    from .provision import Provision

if sys.version_info < (3, 9):  # noqa: UP036  # what runs from a copied folder nobody checked
    raise ImportError("pyonep needs Python 3.9 or later; this is " + sys.version.split()[0])

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

# Name -> the module it stands in. All of it is imported when first asked for, so that
# the pytest plugin costs nobody's tests anything, and a script only what it uses.
_LATER = {
    "DeferredRequests": "onep",
    "OnepV1": "onep",
    "Provision": "provision",
    "datastore": "datastore",
    "exceptions": "exceptions",
    "onep": "onep",
    "onephttp": "onephttp",
    "onep_exceptions": "onep_exceptions",
    "provision": "provision",
}

if not TYPE_CHECKING:  # a type checker knows the names, and should object to others

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = importlib.import_module(f".{_LATER[name]}", __name__)
        value = module if name == _LATER[name] else getattr(module, name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
