"""The folder pyonep/, copied, in an interpreter with only requests, and in this one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from running import run_python
from servers import Recorder

PACKAGE = Path(__file__).parent.parent / "pyonep"
SCRIPT = """
import sys
sys.path[:0] = sys.argv[2:]
sys.modules["simplejson"] = None
from pyonep import onep
import pyonep
assert not [m for m in sys.modules if m.startswith("pyonep.server")]
o = onep.OnepV1("127.0.0.1", sys.argv[1], https=False)
import decimal
print(o.write("a" * 40, {"alias": "x"}, decimal.Decimal("1.5")), onep.__file__)
try:
    o.write("a" * 40, {"alias": "x"}, float("nan"))
except pyonep.exceptions.JsonStringException:
    print("refused")
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """An interpreter that has requests and nothing else of ours."""
    home = tmp_path_factory.mktemp("bare")
    venv.create(home)
    python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    where = run_python(
        "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", interpreter=python
    ).stdout.strip()
    # By our own pip: one of its own would take longer than all tests here.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", where, "requests"], check=True)
    return python


@pytest.mark.parametrize("where", ["next to the script", "its parent on the path", "itself"])
@pytest.mark.parametrize("interpreter", ["bare", "this one"])
def test_copied_folder(request, tmp_path, where, interpreter):
    python = request.getfixturevalue("bare") if interpreter == "bare" else sys.executable
    home = tmp_path / ("script" if where == "next to the script" else "elsewhere")
    copy = home / "pyonep"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    script = tmp_path / "script" / "script.py"
    script.parent.mkdir(exist_ok=True)
    script.write_text(SCRIPT)
    path = {"its parent on the path": [home], "itself": [copy]}.get(where, [])
    with Recorder() as server:
        done = run_python(script, server.port, *path, interpreter=python, cwd=tmp_path)
    assert done.stderr == "" and done.returncode == 0
    first, second = done.stdout.splitlines()
    assert first == f"(True, 'R0') {copy / 'onep.py'}"
    assert second == "refused"


def test_importing_the_client_does_not_import_the_server():
    script = (
        "import sys, pyonep\n"
        "unwanted = {'pyonep.server', 'starlette', 'uvicorn', 'sqlalchemy', 'asyncio'}\n"
        "assert not unwanted & set(sys.modules), unwanted & set(sys.modules)\n"
    )
    run_python("-c", script, capture_output=False, check=True)
