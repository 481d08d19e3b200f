"""The package as it is installed: from a wheel, complete, typed."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

import pyonep

ROOT = Path(__file__).parent.parent
PACKAGE = importlib.metadata.distribution("pyonep")


def test_what_is_tested_is_an_installed_wheel():
    assert not Path(pyonep.__file__).is_relative_to(ROOT / "pyonep"), "run test/test.sh"
    assert "Wheel-Version" in PACKAGE.read_text("WHEEL")
    direct = json.loads(PACKAGE.read_text("direct_url.json") or "{}")
    assert not direct.get("dir_info", {}).get("editable")


def test_the_wheel_holds_the_package_and_nothing_else():
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pyonep").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "pyonep/py.typed" in ours
    installed = {file.as_posix() for file in PACKAGE.files if "__pycache__" not in file.parts}
    assert {name for name in installed if ".dist-info/" not in name} == ours


def test_the_version_is_the_one_of_the_package():
    assert PACKAGE.version == pyonep.__version__
    assert f"## [{pyonep.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


PROGRAM = """
from pyonep import OnepV1, Provision
from pyonep.data import DataInterface
from pyonep.datastore import Datastore, Statistics
from pyonep.exceptions import OneException, OnePlatformException
from pyonep.server import LocalPlatform

with LocalPlatform() as platform:
    cik, rid = platform.device()
    o = OnepV1(**platform.connection)
    isok, points = o.read(cik, {"alias": "temperature"}, {"limit": 1})
    answer: str = o.info(cik, rid)  # ERROR: it is (isok, response)
    kept: bool = o.write(cik, rid, 21.5, defer=True)
    highest: float = max(value for timestamp, value in o.points(cik, rid))
    try:
        text: str = Provision().vendor_show(cik).body  # ERROR: it may be bytes
        status: int = Provision().vendor_show(cik).status
    except OnePlatformException as error:
        code: int = error.code  # ERROR: it may be None
    with Datastore(cik, 1) as store:
        waiting: int = store.statistics().waiting
        store.flush(timeout="soon")  # ERROR
    DataInterface(cik).write({"temperature": 21.5})
    o.fly(cik)  # ERROR
import pyonep
pyonep.flying  # ERROR
"""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="mypy is installed from 3.11 on")
def test_a_type_checker_knows_the_installed_package(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    lines = PROGRAM.splitlines()
    expected = [n for n, line in enumerate(lines, 1) if "# ERROR" in line]
    found = [line.split(":")[1] for line in done.stdout.splitlines() if ": error:" in line]
    assert sorted({int(number) for number in found}) == expected, done.stdout
