"""Prints the rows of the contract's checklists that no test names.

python test/contract.py [PREFIX ...]
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROWS = json.loads((HERE / "data" / "contract.json").read_text("utf-8"))
PREFIXES = ("RPC", "PRV", "DAT", "AMD", "SCR", "DSP", "WSK", "UDP")
_ROW = re.compile(rf"\b(?:{'|'.join(PREFIXES)})-\d{{3}}\b")
# Rows that no test can name, and why.
EXPLAINED: dict[str, str] = {}


def named():
    """The rows that some test names."""
    found = set()
    for file in HERE.rglob("test_*.py"):
        found.update(_ROW.findall(file.read_text("utf-8")))
    return found


def unnamed(*prefixes):
    """The rows that no test names and nothing explains."""
    left = set(ROWS) - named() - set(EXPLAINED)
    return sorted(row for row in left if row.startswith(prefixes or PREFIXES))


if __name__ == "__main__":
    rows = unnamed(*sys.argv[1:])
    for row in rows:
        print(row, ROWS[row])
    print(f"{len(ROWS)} rows, {len(rows)} of them named by no test")
