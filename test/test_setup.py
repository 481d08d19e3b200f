"""The way in that the README of old releases named: ``python setup.py install``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def runs(*command):
    """Whether a command ends well; it may be a name that leads to no interpreter."""
    return subprocess.run(command, capture_output=True).returncode == 0


def interpreters():
    """This Python, and others between 3.9 and 3.11, whose setuptools is an old one."""
    yield sys.executable
    for version in ("3.9", "3.10", "3.11"):
        found = shutil.which(f"python{version}")
        works = found and runs(found, "-c", "import venv, ensurepip")
        if works and version != f"{sys.version_info[0]}.{sys.version_info[1]}":
            yield found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("python", list(interpreters()), ids=os.path.basename)
def test_setup_py_install_in_a_new_environment(python, tmp_path):
    """As the README of old releases has it, with the setuptools that an environment brings."""
    clone = tmp_path / "clone"
    names = shutil.ignore_patterns(".git", ".venv*", "build", "*.egg-info", "__pycache__", ".nox")
    shutil.copytree(ROOT, clone, ignore=names)
    subprocess.run([python, "-m", "venv", tmp_path / "venv"], check=True)
    inside = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*words, where):
        done = subprocess.run(
            [inside, *words], cwd=where, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("setup.py", "install", where=clone)
    program = "import pyonep.onep, pyonep.provision, pyonep.datastore; print(pyonep.__file__)"
    assert "site-packages" in run("-c", program, where=tmp_path)
