"""The pytest fixture, as an application's tests use it."""

from __future__ import annotations

from running import run_python

TESTS = """
import os
import threading
from pyonep import OnepV1, Provision
from pyonep.datastore import Datastore

seen = []

def application(cik):
    # Speaks to the hosted service, it thinks.
    o = OnepV1()
    isok, rid = o.create(cik, "dataport", {"format": "float"})
    assert isok and o.map(cik, rid, "temperature") == (True, "ok")
    assert o.write(cik, {"alias": "temperature"}, 21.5) == (True, "ok")

def test_one(one_platform):
    device = one_platform.device()
    application(device.cik)
    with Datastore(device.cik, 1) as store:
        assert store.read("temperature")[0][1] == 21.5
    assert Provision(manage_by_cik=False).vendor_show(one_platform.vendor("acme").token).isok
    seen.append((one_platform.endpoint, device.cik))

def test_another_is_clean(one_platform):
    (endpoint, cik), = seen
    application(one_platform.device(cik=cik).cik)
    assert one_platform.vendor("acme").name == "acme"

def test_without_it():
    assert "PYONEP_ENDPOINT" not in os.environ
    assert "pyonep-platform" not in [thread.name for thread in threading.enumerate()]
"""


def pytest_run(folder, *arguments, **kwargs):
    options = ("-p", "no:cacheprovider", "-q", *arguments)
    return run_python("-m", "pytest", *options, cwd=folder, **kwargs)


def test_a_clean_platform_for_each_test(tmp_path):
    (tmp_path / "test_application.py").write_text(TESTS)
    done = pytest_run(tmp_path)
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout


def test_it_is_explained(tmp_path):
    done = pytest_run(tmp_path, "--fixtures")
    assert "one_platform" in done.stdout
    assert "A clean local One Platform for this test" in done.stdout


def test_without_the_server_it_says_what_to_install(tmp_path):
    (tmp_path / "starlette.py").write_text("raise ModuleNotFoundError(name='starlette')")
    (tmp_path / "test_it.py").write_text("def test(one_platform): pass\ndef test_other(): pass")
    done = pytest_run(tmp_path, "--import-mode=prepend")
    assert "the local platform needs starlette: pip install 'pyonep[server]'" in done.stdout
    assert "1 passed, 1 error" in done.stdout


def test_it_is_cheap_to_import():
    script = (
        "import pytest, sys\n"
        "before = set(sys.modules)\n"
        "import pyonep.pytest_plugin\n"
        "new = {m.partition('.')[0] for m in set(sys.modules) - before}\n"
        "assert new <= {'pyonep', 'logging', 'importlib'}, new\n"
        "new = {m for m in sys.modules if m.startswith('pyonep')}\n"
        "assert new == {'pyonep', 'pyonep.version', 'pyonep.pytest_plugin'}, new\n"
    )
    run_python("-c", script, capture_output=False, check=True)
