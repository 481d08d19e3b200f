from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

from platforms import Clock, Raw, client, dataport, in_memory
from stores import Stores
from vendors import MODEL, World, vendor

from pyonep import onep
from pyonep.server import LocalPlatform
from pyonep.server.core import devices, lifecycle
from pyonep.server.core.settings import Settings
from pyonep.server.core.unit import Unit
from pyonep.server.store import Store

# A shell lets what it runs in the background ignore Ctrl-C, and children would as well.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Minutes, roughly, that the tests marked with `soak` take together, instead of some seconds.
SOAK = float(os.environ.get("PYONEP_TEST_SOAK") or 0)

# What is drawn is the same each time, or, when there is time, always new.
settings.register_profile(
    "pyonep",
    derandomize=not SOAK,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("pyonep")


def fuzzed(examples):
    """Settings for a test that hypothesis draws for: so many draws, or more when there is time."""
    return settings(max_examples=int(examples * max(1, 3 * SOAK)))


@pytest.fixture(scope="session")
def shared_platform():
    with LocalPlatform() as platform:
        yield platform


@pytest.fixture
def platform(shared_platform):
    """A platform that many tests use: make a device, and look at nothing else."""
    return shared_platform


@pytest.fixture
def device(platform):
    return platform.device()


@pytest.fixture
def cik(device):
    return device.cik


@pytest.fixture
def o(platform):
    client = onep.OnepV1(**platform.connection, reuseconnection=True)
    yield client
    client.close()


@pytest.fixture
def raw(platform):
    speaker = Raw(platform)
    yield speaker
    speaker.http.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def core(clock):
    """A platform without a server, whose clock the test sets."""
    with in_memory(clock) as platform:
        yield platform


@pytest.fixture(scope="session")
def memory():
    """A store in memory for all tests of core: each of them makes a client of its own."""
    store = Store(None)
    yield store
    store.close()


@pytest.fixture
def unit(memory, clock):
    """A unit without a platform, whose clock the test sets; it emits into the list `events`."""
    unit = Unit(memory, Settings(), clock)
    lifecycle.add_root(unit)
    unit.events = []
    unit.emit = unit.events.append
    return unit


@pytest.fixture
def owner(unit):
    """A client that may own as much as it likes."""
    return unit.resources.by_rid(devices.add(unit).rid)


@pytest.fixture
def make(unit, owner):
    """Makes a resource of the client, or of another one; returns it."""

    def make(kind="dataport", of=None, **given):
        if kind in ("dataport", "datarule"):
            given.setdefault("format", "integer")
        return lifecycle.create(unit, of or owner, kind, given)

    return make


@pytest.fixture
def timed(clock):
    """A platform of its own, whose clock the test sets."""
    with LocalPlatform(clock=clock) as platform:
        yield platform


@pytest.fixture
def timed_o(timed):
    client = onep.OnepV1(**timed.connection, reuseconnection=True)
    yield client
    client.close()


FAULTS = pytest.StashKey()


@pytest.fixture
def survived(request):
    """Takes lines for the end of the report: what a test with faults went through."""
    return request.config.stash.setdefault(FAULTS, []).append


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash.get(FAULTS, []):
        terminalreporter.write_line(f"faults survived: {line}")


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # one of several processes: xdist
        session.config.workeroutput["faults"] = session.config.stash.get(FAULTS, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    lines = getattr(node, "workeroutput", {}).get("faults", [])
    node.config.stash.setdefault(FAULTS, []).extend(lines)


@pytest.fixture
def w(platform):
    """A vendor with a model and a serial number."""
    with contextlib.closing(World(platform)) as world:
        yield world


@pytest.fixture
def tw(timed):
    """The same, on a platform whose clock the test sets."""
    with contextlib.closing(World(timed)) as world:
        yield world


@pytest.fixture
def guest(w):
    """Another vendor, with whom the model is shared."""
    account = vendor(w.platform, "guest")
    assert w.p.model_share(w.key, MODEL, account.name).status == 205
    return account


@pytest.fixture
def entry(w):
    """Uploads the content "fw" of the model."""
    w.p.content_create(w.key, MODEL, "fw", "")

    def upload(data, type="application/octet-stream"):
        return w.p.content_upload(w.key, MODEL, "fw", data, type)

    return upload


@pytest.fixture(params=["memory", "spool"])
def stores(request, platform, device, tmp_path):
    """Datastores of a device with dataports for integers a, b and c, over either buffer."""
    spool = None if request.param == "memory" else str(tmp_path / "spool.sqlite")
    made = Stores(platform, device, spool)
    for alias in ("a", "b", "c"):
        dataport(made.o, device.cik, "integer", alias=alias)
    yield made
    made.close()


@pytest.fixture
def new_dataport():
    return dataport


@pytest.fixture
def new_client():
    return client


@pytest.fixture(autouse=True)
def leaves_no_trace():
    """What a test changes for the whole process, and does not take back, is a failure."""
    before = _process_state()
    yield
    after = _process_state()
    assert after == before


def _process_state():
    names = [name for name in logging.root.manager.loggerDict if name.startswith("pyonep")]
    levels = {name: logging.getLogger(name).level for name in names}
    return {name: level for name, level in levels.items() if level}, {
        name: value for name, value in os.environ.items() if name.startswith("PYONEP")
    }
