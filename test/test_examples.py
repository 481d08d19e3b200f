"""The examples as they stand, and the code of the README."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def code(page):
    """The Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S)


def run(*command, **kwargs):
    return subprocess.run(
        [sys.executable, "-W", "error", *map(str, command)],
        capture_output=True,
        text=True,
        timeout=60,
        **kwargs,
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_as_it_stands(example, tmp_path):
    done = run(example, cwd=tmp_path)
    assert (done.stderr, done.returncode) == ("", 0), done.stdout
    assert done.stdout.startswith("no CIK given: using an embedded platform at http://127.0.0.1:")
    assert len(done.stdout.splitlines()) > 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["read_write_direct", "get_info", "mult_cmd"])
def test_example_on_a_given_platform(name, platform, device):
    example = ROOT / "examples" / f"{name}.py"
    done = run(example, device.cik, platform.endpoint, platform.port)
    assert (done.stderr, done.returncode) == ("", 0), done.stdout
    assert "embedded" not in done.stdout and device.cik not in done.stdout


def test_get_info_explains_each_error(platform):
    example = ROOT / "examples" / "get_info.py"
    done = run(example, "0" * 40, platform.endpoint, platform.port)
    assert done.returncode == 1 and "is the CIK right?" in done.stdout


@pytest.mark.parametrize("block", [block for page in PAGES for block in code(page)])
def test_code_in_the_pages(block):
    done = run("-c", block)
    assert (done.stderr, done.returncode) == ("", 0)
