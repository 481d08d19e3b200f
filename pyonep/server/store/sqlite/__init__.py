"""SQLite: one process owns the file, holds rows back and lets rooms cache what they read."""

from __future__ import annotations

from .engine import SqliteDatabase

__all__ = ["SqliteDatabase"]
