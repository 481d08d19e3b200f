"""The local One Platform. Needs the extra: ``pip install pyonep[server]``."""

from __future__ import annotations

from .fleet import VendorAccount
from .local import LocalPlatform
from .platform import Device
from .settings import Settings
from .store import StoreError

__all__ = ["Device", "LocalPlatform", "Settings", "StoreError", "VendorAccount"]
