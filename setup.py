"""Everything is said in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

if sys.argv[1:2] == ["install"]:
    # The way in that the README of old releases named. No setuptools does all of it: one of 2022
    # cannot read pyproject.toml, one of 2025 leaves out what the package needs. pip does.
    here = str(Path(__file__).resolve().parent)
    sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", here, *sys.argv[2:]]))

from setuptools import setup

setup()
