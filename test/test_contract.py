"""Every row of the checklists is named by a test."""

from __future__ import annotations

from contract import ROWS, named, unnamed


def test_no_row_is_forgotten():
    assert unnamed() == []


def test_no_row_is_made_up():
    assert named() <= set(ROWS)
