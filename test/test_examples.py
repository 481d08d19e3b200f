"""The examples as they stand."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import run_python

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_as_it_stands(example, tmp_path):
    done = run_python(example, cwd=tmp_path)
    assert (done.stderr, done.returncode) == ("", 0), done.stdout
    assert done.stdout.startswith("no CIK given: using an embedded platform at http://127.0.0.1:")
    assert len(done.stdout.splitlines()) > 1
    left = [path.name for path in tmp_path.iterdir()]
    assert left == (["series.png"] if example.stem == "plot_series" else [])


@pytest.mark.parametrize("name", ["read_write_direct", "get_info", "mult_cmd"])
def test_example_on_a_given_platform(name, platform, device):
    example = ROOT / "examples" / f"{name}.py"
    done = run_python(example, device.cik, platform.endpoint, platform.port)
    assert (done.stderr, done.returncode) == ("", 0), done.stdout
    assert "embedded" not in done.stdout and device.cik not in done.stdout


def test_get_info_explains_each_error(platform):
    example = ROOT / "examples" / "get_info.py"
    done = run_python(example, "0" * 40, platform.endpoint, platform.port)
    assert done.returncode == 1 and "is the CIK right?" in done.stdout


def test_plot_series_draws_what_is_there(platform, device, o, new_dataport, tmp_path):
    example = ROOT / "examples" / "plot_series.py"
    where = (platform.endpoint, platform.port)
    rid = new_dataport(o, device.cik, alias="humidity")
    done = run_python(example, device.cik, "humidity", *where, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "no values in the last 24 hours\n")
    o.recordbatch(device.cik, rid, [[-60, 40], [-30, 41], [-48 * 3600, 42]])
    done = run_python(example, device.cik, "humidity", *where, cwd=tmp_path)
    assert (done.stderr, done.stdout) == ("", "2 values drawn into series.png\n")
    assert (tmp_path / "series.png").read_bytes().startswith(b"\x89PNG")
