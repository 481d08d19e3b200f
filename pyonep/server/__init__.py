"""The local One Platform. Needs the extra ``server``: ``pip install '.[server]'`` in a clone."""

from __future__ import annotations

import sys

try:
    from .core.dataports import Dataport
    from .core.devices import Device
    from .core.errors import Refused
    from .core.fleet import VendorAccount
    from .core.settings import Settings
    from .local import LocalPlatform
    from .platform import StoreError

    Problem = Refused  # its name at first
except ModuleNotFoundError as _missing:
    _EXTRA = ("httptools", "platformdirs", "sqlalchemy", "starlette", "uvicorn")
    if str(_missing.name).partition(".")[0] not in _EXTRA:
        raise  # a module that the extra would not bring, or one that another stands in front of
    _sentence = (
        f"the local platform needs {_missing.name}: pip install 'pyonep[server]', or from a clone: "
        "pip install '.[server]'"
    )
    # Python imports this package before it runs `python -m pyonep.server`, with "-m" in the
    # place of the program's name. Since 3.10 it also tells what was typed, and so whether it
    # is not somebody else's package that is run and imports this one.
    _typed = getattr(sys, "orig_argv", ["pyonep.server"])
    if getattr(sys, "argv", [])[:1] == ["-m"] and any(w.endswith("pyonep.server") for w in _typed):
        raise SystemExit(f"pyonep.server: {_sentence}") from None
    raise ModuleNotFoundError(_sentence, name=_missing.name) from None

__all__ = [
    "Dataport",
    "Device",
    "LocalPlatform",
    "Problem",
    "Refused",
    "Settings",
    "StoreError",
    "VendorAccount",
]
