"""Everything is said in pyproject.toml."""

import subprocess
import sys

# An old Python, which pip does not ask here, has to be able to read this file.
if sys.version_info < (3, 9):  # noqa: UP036
    sys.exit("pyonep needs Python 3.9 or later; this is " + sys.version.split()[0])

if sys.argv[1:2] == ["install"]:
    # The way in that the README of old releases named. No setuptools does all of it: one of 2022
    # cannot read pyproject.toml, one of 2025 leaves out what the package needs. pip does.
    from pathlib import Path

    here = str(Path(__file__).resolve().parent)
    command = [sys.executable, "-m", "pip", "install", here]
    sys.exit(subprocess.call(command + sys.argv[2:]))

from setuptools import setup

setup()
