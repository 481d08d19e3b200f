"""Every row of the checklists is named by a test."""

from __future__ import annotations

from contract import PREFIXES, ROWS, named, unnamed


def test_no_row_is_forgotten():
    assert unnamed() == []


def test_no_row_is_made_up():
    assert named() <= set(ROWS)


def test_no_row_has_a_prefix_that_is_not_looked_for():
    assert {row.partition("-")[0] for row in ROWS} <= set(PREFIXES)
