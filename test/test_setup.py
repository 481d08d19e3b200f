"""The way in that the README of old releases named: ``python setup.py install``."""

from __future__ import annotations

import ast
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


def too_old():
    """What there is of interpreters before 3.9."""
    for version in ("2", "2.7", "3.6", "3.7", "3.8"):
        found = shutil.which(f"python{version}")
        if found and runs(found, "-c", "import sys; sys.exit(sys.version_info >= (3, 9))"):
            yield found


@pytest.mark.parametrize("python", list(too_old()), ids=os.path.basename)
def test_an_interpreter_that_is_too_old_reads_a_sentence(python):
    def said(*words):
        done = subprocess.run([python, *words], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 1 and not done.stdout
        return done.stderr.splitlines()[-1]

    for command in ("install", "--version"):
        assert said("setup.py", command).startswith("pyonep needs Python 3.9 or later; this is ")
    last = said("-B", "-c", "import pyonep.onep")
    if runs(python, "-c", "import sys; sys.exit(sys.version_info < (3, 7))"):
        assert last.startswith("ImportError: pyonep needs Python 3.9 or later; this is 3.")
    else:
        assert last.startswith("SyntaxError")


def test_every_python_can_read_setup_py():
    """Also where no old one is at hand: nothing in it that Python 2 has no grammar for."""
    tree = ast.parse((ROOT / "setup.py").read_text())
    newer = (ast.Starred, ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
    check = next(node for node in tree.body if isinstance(node, ast.If))
    assert "version_info" in ast.dump(check.test)
