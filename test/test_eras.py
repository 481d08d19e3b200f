"""Scripts as they were written for each era, run unchanged (test/eras)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from running import run_python
from servers import free_port

from pyonep.server import LocalPlatform

ERAS = Path(__file__).parent / "eras"

# What each script prints.
PRINTED = {
    "rpc_0_7": """
        (True, 'ok')
        (True, 'ok')
        [4.1, 4.2, 4.5]
        listing True False
        flush True ok
        (True, 'ok')
        1
        (True, 'ok')
    """,
    "provisioning_0_7": """
        models: Lift-7
        rid
        ['L-1', 'L-2', 'L-3']
        (True, 'ok')
        3
        True
        content: This is content data
        models:
    """,
    "datastore_0_7": """
        (True, True)
        (False, 'Alias already existed.')
        True
        True
        False
        True
        True
        True
        False
        [1.5, 1.1, 1.0]
        ['made by itself']
        False
    """,
    "rpc_0_8": """
        [True, True, True, True, True, True]
        True True True
        (False, [[0, 'invalid']])
        (True, 'ok')
        renamed
        (False, 'invalid')
        7
    """,
    "provisioning_0_8": """
        205
        True 200 200 OK ['Pump']
        40 40
        ProvisionException: 409 Conflict 409
        True
        activated
    """,
    "datastore_0_8": """
        True
        True
        True
        False
        [0.0, 1.5, 3.0, 4.5, 9.5]
        False
    """,
    "rpc_0_10": """
        (True, 'ok')
        (True, 'ok')
        True
        True
        (True, 'ok')
        (True, 'ok') True
        True
        (True, 'ok')
        (True, 0)
        client
        True
        (False, 'expire')
        (True, 'ok') (True, 'ok')
    """,
    "provisioning_0_10": """
        cams09
        205
        True
        ['fw.bin']
        ['application/octet-stream', '256']
        True
        False 404 Not Found
        404
        True True
    """,
    "datastore_0_10": """
        (True, True)
        eco
        eco of the cache
        True
        [True, True, True, True, True, True, True, True]
        [107, 106, 105, 104, 103]
    """,
    "rpc_0_12": """
        102
        True
        True
        [True, True]
        not JSON
        (False, 'invalid')
        True
        (True, 'ok') (True, 'ok')
    """,
    "provisioning_0_12": """
        204
        205
        code
        12
        True 1
        205
        205
        404 Not Found / HTTP/1.1 404 Not Found
    """,
    "datastore_0_12": """
        [True, True, True]
        [[0.2, 0.1, 0.0], [1.2, 1.1, 1.0], [2.2, 2.1, 2.0]]
        1.0
        True True
        9.0
    """,
    "rpc_0_13": """
        (True, 'ok')
        (True, 'ok')
        1
        True
        (True, 'ok')
        ['aliases', 'basic', 'comments']
        (True, 'ok') 8
    """,
    "provisioning_0_13": """
        204
        205
        True
        t1 notactivated blue
        t2   round"
        t3  green
        tags13
        True
        True
    """,
    "datastore_0_13": """
        False
        True True
        [2, 4, 10]
    """,
}
# What each era was told to catch when there is no connection, and when it is refused.
UNREACHABLE = {
    "rpc_0_7": "JsonRPCRequestException",
    "rpc_0_8": "JsonRPCRequestException",
    "provisioning_0_8": "HTTPException",
    "rpc_0_10": "request failed",
    "provisioning_0_10": "HTTPException",
    "rpc_0_12": "OneException",
    "provisioning_0_12": "HTTPException",
    "rpc_0_13": "OneException",
    "provisioning_0_13": "ConnectionError",
}
REFUSED = {
    "rpc_0_7": "OnePlatformException: {'code': 401, 'message': 'Invalid', 'context': 'auth'}",
    "rpc_0_10": "platform: {'code': 401, 'message': 'Invalid', 'context': 'auth'}",
    "rpc_0_12": "OnePlatformException: {'code': 401, 'message': 'Invalid', 'context': 'auth'}",
    "rpc_0_13": "OnePlatformException {'code': 401, 'message': 'Invalid', 'context': 'auth'}",
}


def keys_in(script):
    """The keys, tokens and vendor that a script has written into it."""
    text = (ERAS / f"{script}.py").read_text("utf-8")
    found = {}
    for name, value in re.findall(r"^(\w+) = '([^']*)'", text, re.M):
        found[{"vendorcik": "cik", "vendortoken": "token"}.get(name, name.lower())] = value
    return found


def run(script, endpoint, *arguments):
    environment = {**os.environ, "PYONEP_ENDPOINT": endpoint, "PYTHONIOENCODING": "utf-8"}
    return run_python(ERAS / f"{script}.py", *arguments, env=environment, encoding="utf-8")


@pytest.mark.parametrize("script", PRINTED)
def test_script_of_an_era(script):
    keys, arguments = keys_in(script), []
    with LocalPlatform() as platform:
        if "vendor" in keys:
            vendor = platform.vendor(keys["vendor"], keys.get("cik"), keys.get("token"))
            arguments = [vendor.portal_cik]
        else:
            platform.device("device", keys["cik"])
        done = run(script, platform.endpoint, *arguments)
    printed = [line.strip() for line in PRINTED[script].strip().splitlines()]
    said = [line.rstrip() for line in done.stdout.splitlines()]
    assert (said, done.stderr) == (printed, "")
    assert done.returncode == 0


@pytest.mark.parametrize("script", UNREACHABLE)
def test_script_that_finds_no_platform(script):
    done = run(script, f"http://127.0.0.1:{free_port()}", "e" * 40)
    assert (done.stdout.strip(), done.stderr) == (UNREACHABLE[script], "")
    assert done.returncode == 2


@pytest.mark.parametrize("script", REFUSED)
def test_script_whose_key_is_refused(script, platform):
    """AMD-043"""
    done = run(script, platform.endpoint, "e" * 40)
    assert (done.stdout.strip(), done.stderr) == (REFUSED[script], "")
    assert done.returncode == 3


def test_every_script_is_run():
    assert sorted(PRINTED) == sorted(path.stem for path in ERAS.glob("*.py"))
