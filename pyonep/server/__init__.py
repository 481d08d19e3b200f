"""The local One Platform. Needs the extra: ``pip install 'pyonep[server]'``."""

from __future__ import annotations

try:
    from .dataports import Dataport
    from .errors import Problem
    from .fleet import VendorAccount
    from .local import LocalPlatform
    from .platform import Device
    from .settings import Settings
    from .store import StoreError
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        f"the local platform needs {_missing.name}: pip install 'pyonep[server]'",
        name=_missing.name,
    ) from None

__all__ = [
    "Dataport",
    "Device",
    "LocalPlatform",
    "Problem",
    "Settings",
    "StoreError",
    "VendorAccount",
]
