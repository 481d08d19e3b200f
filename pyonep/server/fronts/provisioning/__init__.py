"""Front 2: the provisioning API below ``/provision/``."""

from __future__ import annotations

from .routes import respond

__all__ = ["respond"]
