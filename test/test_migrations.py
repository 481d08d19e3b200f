"""Files of earlier formats, and what a process leaves that is killed amid long work."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from platforms import Clock
from servers import settles, uncovered
from test_hardship import START

from pyonep import onep
from pyonep.provision import Provision
from pyonep.server import LocalPlatform, Settings, folder
from pyonep.server.core import contents, devices, fleet, lifecycle
from pyonep.server.platform import Platform
from pyonep.server.store import StoreError, migrations, schema
from pyonep.server.store.sqlite import copying

HERE = Path(__file__).parent
NOW = 1_700_000_001.0  # when the file was written last
CIK, VENDOR = "c" * 40, "a" * 40
TABLES = ("jobs", "resources", "points", "series", "blobs", "pieces", "contents", "serials")


@pytest.fixture
def path(tmp_path):
    """A file of format 1: a device, a vendor, timers that run, and much that was not finished."""
    path = str(tmp_path / "platform.sqlite")
    with closing(sqlite3.connect(path)) as file:
        file.executescript((HERE / "data" / "format1_unfinished.sql").read_text("utf-8"))
    return path


def asked(path, sql):
    with closing(sqlite3.connect(path)) as file:
        return file.execute(sql).fetchall()


def format_of(path):
    return int(asked(path, "SELECT value FROM about WHERE name = 'format'")[0][0])


def cleared(platform):
    """Let a platform without a loop remove all that is to be removed."""
    while platform.work(platform.removal.remove_some):
        pass
    platform.commit()


def is_whole(path):
    """See that nothing is left of what is gone, and that no work waits but for timers."""
    one = "SELECT count(*) FROM "
    assert asked(path, one + "jobs WHERE kind != 'timer'") == [(0,)]
    assert asked(path, one + "resources WHERE id > 1 AND (owner IS NULL OR owner = 0)") == [(0,)]
    for table, column in (("points", "series"), ("series", "resource"), ("tallies", "client")):
        orphans = f"{table} WHERE {column} NOT IN (SELECT id FROM resources)"
        assert asked(path, one + orphans) == [(0,)], table
    assert asked(path, one + "pieces WHERE blob NOT IN (SELECT blob FROM contents)") == [(0,)]
    assert asked(path, one + "blobs WHERE id NOT IN (SELECT blob FROM contents)") == [(0,)]
    assert asked(path, one + "serials WHERE model NOT IN (SELECT id FROM models)") == [(0,)]


# --- files of earlier formats ---


def test_a_file_of_an_earlier_format_is_brought_up_to_date(path, caplog):
    before = asked(path, "SELECT * FROM timers ORDER BY resource")
    with LocalPlatform(path, clock=Clock(NOW)) as platform:
        o, provision = onep.OnepV1(**platform.connection), Provision(**platform.connection)
        port = {"alias": "temperature"}
        found = o.read(CIK, port, {"limit": 9, "endtime": 999, "sort": "asc"})[1]
        assert found == [[100, 1.5], [200, 2.5]]
        assert o.read(CIK, {"alias": "status"})[1] == [[NOW - 1, "on\u00e9"]]
        timers = platform.run(lambda inner: [(n, *inner.unit.timers.get(n)) for n in (5, 6, 7)])
        assert timers == before
        rows = provision.serialnumber_list(VENDOR, "thermo").body.split()
        assert [row.partition(",")[0] for row in rows] == ["T-1", "T-2"]
        activated = provision.serialnumber_activate("thermo", "T-1", "acme").body
        assert o.read(activated, {"alias": "count"})[1][0][1] == 7
        blob = provision.content_download(activated, "acme", "thermo", "firmware").body
        assert blob == "bytes of it"
        settles(lambda: asked_inside(platform, "jobs WHERE kind != 'timer'") == 0)
        o.close()
        provision.close()
    is_whole(path)
    assert format_of(path) == schema.FORMAT
    assert not asked(path, "SELECT * FROM sqlite_master WHERE name IN ('timers', 'removals')")
    copy = f"{path}.format1"
    assert format_of(copy) == 1 and asked(copy, "SELECT * FROM timers ORDER BY resource") == before
    assert stat.S_IMODE(os.stat(copy).st_mode) == 0o600
    assert f"from format 1 to {schema.FORMAT}; as it was before, it is in {copy}" in caplog.text


def asked_inside(platform, what):
    sql = f"SELECT count(*) FROM {what}"
    return platform.run(lambda inner: inner.database._cursor.execute(sql).fetchone()[0])


def test_it_is_done_once(path):
    for _ in range(2):
        LocalPlatform(path, clock=Clock(NOW)).start().stop()
    assert sorted(os.listdir(os.path.dirname(path))) == [
        "platform.sqlite",
        "platform.sqlite.format1",
    ]


def test_timers_of_an_earlier_format_ring(path):
    clock = Clock(NOW)
    platform = Platform.open(path, Settings(), clock)
    clock.now += 100  # the duration has lasted, and nothing was heard for long
    platform.ringing.ring()
    assert platform.unit.series.newest(5).value == "1"
    assert platform.unit.series.newest(7) is not None
    platform.close()


def as_new(tmp_path):
    """A file that was made just now."""
    new = str(tmp_path / "new")
    LocalPlatform(new).start().stop()
    return new


def schema_of(path):
    """Each table and index as SQLite notes it, and the columns of each table."""
    noted = {}
    for name, sql in asked(path, "SELECT name, sql FROM sqlite_master"):
        noted[name] = sql and "".join(sql.split())
        noted[f"columns of {name}"] = asked(path, f'PRAGMA table_xinfo("{name}")')
    return noted


@pytest.mark.parametrize("data", ["format1.sql", "format1_unfinished.sql"])
def test_it_has_the_tables_and_indexes_of_a_new_file(tmp_path, data):
    path = str(tmp_path / "old")
    with closing(sqlite3.connect(path)) as file:
        file.executescript((HERE / "data" / data).read_text("utf-8"))
    LocalPlatform(path, clock=Clock(NOW)).start().stop()
    assert schema_of(path) == schema_of(as_new(tmp_path))


def test_numbers_of_blobs_do_not_come_back(path):
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE sqlite_sequence SET seq = 77 WHERE name = 'blobs'")
        file.commit()
    platform = Platform.open(path, Settings(), Clock(NOW))
    assert platform.work(contents.new_blob) == 78
    platform.close()


def test_a_file_of_this_format_gets_the_indexes_that_it_lacks(tmp_path):
    path = as_new(tmp_path)
    new = schema_of(path)
    with closing(sqlite3.connect(path)) as file:
        file.executescript(
            "DROP INDEX tags_by_tag; DROP INDEX members_once;"
            "CREATE INDEX members_once ON members (type);"
            "CREATE INDEX of_the_user ON points (value);"
        )
    changes = []
    for _ in range(2):
        LocalPlatform(path).start().stop()
        changes += asked(path, "PRAGMA schema_version")
    left = schema_of(path)
    assert left.pop("of_the_user") and left.pop("columns of of_the_user") == []
    assert left == new
    assert changes[0] == changes[1]  # it is done once


def test_models_and_groups_that_an_earlier_format_was_removing(path):
    with closing(sqlite3.connect(path)) as file:
        file.executescript(
            "CREATE TABLE removals (id INTEGER PRIMARY KEY, kind VARCHAR, number INTEGER);"
            "INSERT INTO removals (kind, number) VALUES ('model', 77), ('group', 78);"
            "INSERT INTO serials (model, sn, extra, place) VALUES (77, 'left', '', 0);"
            "INSERT INTO members ('group', type, member, expire, meta, model)"
            " VALUES (78, 'sn', 'left', 0, '', 1);"
        )
    platform = Platform.open(path, Settings(), Clock(NOW))
    cleared(platform)
    platform.close()
    is_whole(path)
    assert not asked(path, "SELECT * FROM members")


def test_without_a_copy_nothing_is_changed(path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(copying, "_new", full)
        with pytest.raises(StoreError, match=r"No space left on device\. Nothing was changed"):
            LocalPlatform(path).start()
    is_as_before(path)


def is_as_before(path):
    assert format_of(path) == 1 and asked(path, "SELECT count(*) FROM timers") == [(3,)]
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


# The file has some 250,000 bytes.
@pytest.mark.parametrize("room", [0, 4096, 50_000, 200_000])
def test_without_room_for_a_copy_nothing_is_changed(path, room):
    moved = os.path.join(os.path.dirname(path), folder.DATABASE)
    os.rename(path, moved)
    assert os.path.getsize(moved) > 200_000
    command = [sys.executable, "-c", START, str(room), "--data", os.path.dirname(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=uncovered())
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("pyonep.server: ")
    is_as_before(moved)


def test_all_of_it_or_nothing(path, monkeypatch):
    steps = dict(migrations._STEPS)

    def broken():
        yield from steps[1]()
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setitem(migrations._STEPS, 1, broken)
        with pytest.raises(StoreError, match="the disk is full"):
            LocalPlatform(path).start()
    is_as_before(path)
    LocalPlatform(path, clock=Clock(NOW)).start().stop()
    assert format_of(path) == schema.FORMAT


# --- killed amid long work ---


@pytest.fixture
def house(tmp_path):
    """A platform on a file, without a loop."""
    platform = Platform.open(str(tmp_path / "file"), Settings(), Clock())
    yield platform
    platform.close()


def after_kill(platform, tmp_path):
    """What is on the disk now, as the next start finds it when all was removed: its path."""
    platform.commit()
    path = platform.database.condition.path
    target = str(tmp_path / "left")
    for end in ("", "-wal"):
        shutil.copy(path + end, target + end)
    after = Platform.open(target, Settings(), Clock())
    cleared(after)
    after.close()
    return target


def filled(platform, ports=3):
    """A client with dataports, each with points."""
    device = platform.work(devices.add)
    node = platform.unit.resources.by_rid(device.rid)
    for number in range(ports):
        port = platform.work(lifecycle.create, node, "dataport", {"format": "integer"})
        platform.unit.series.put_many(port.id, range(1, 50), [str(number)] * 49)
    platform.commit()
    return node


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_a_clone_that_was_killed_leaves_nothing(house, tmp_path, monkeypatch, steps):
    monkeypatch.setattr(lifecycle, "_NODES_AT_ONCE", 1)
    source = filled(house)
    owner = house.unit.resources.by_id(source.owner)
    before = asked_of(house)
    copying = lifecycle.clone(house.unit, owner, source)
    for _ in range(steps):
        assert house.step(copying) is None
    left = after_kill(house, tmp_path)
    is_whole(left)
    assert len(asked(left, "SELECT id FROM resources")) == before
    copying.close()


def asked_of(platform):
    return len(platform.database._cursor.execute("SELECT id FROM resources").fetchall())


def test_what_comes_after_a_clone_that_was_undone_is_not_removed(house, monkeypatch):
    """It has the number that the copy had."""
    source = filled(house)
    owner = house.unit.resources.by_id(source.owner)

    def broken(*_):
        raise RuntimeError

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(lifecycle, "_copy_tree", broken)
        house.step(lifecycle.clone(house.unit, owner, source))
    device = house.work(devices.add)
    house.commit()
    assert house.unit.jobs.after("dropped", 0, 1) == house.unit.jobs.after("clone", 0, 1) == []
    cleared(house)
    assert house.unit.resources.by_rid(device.rid) is not None


@pytest.mark.parametrize("bits", [0, 1, 3])
def test_a_removal_that_was_killed_goes_on(house, tmp_path, bits):
    source = filled(house)
    house.work(lifecycle.drop, source)
    for _ in range(bits):
        house.work(house.removal.remove_some)
    left = after_kill(house, tmp_path)
    is_whole(left)
    assert asked(left, "SELECT count(*) FROM points") == [(0,)]


def test_an_upload_that_was_killed_leaves_nothing(house, tmp_path):
    account = house.work(fleet.add_account, "acme")
    model = _model(house, account)
    house.work(contents.add, model, "fw", "", False)
    content = house.unit.content.one(model.id, "fw")
    first = house.work(contents.new_blob)
    house.work(contents.add_piece, first, 0, b"old")
    house.work(contents.put, content, first, "text/plain", 3)
    house.work(contents.abandon, first)  # who hung up when it was content already
    half = house.work(contents.new_blob)
    house.work(contents.add_piece, half, 0, b"new")
    left = after_kill(house, tmp_path)
    is_whole(left)
    assert asked(left, "SELECT data FROM pieces") == [(b"old",)]


def _model(platform, account):
    vendor = platform.unit.devices.vendor("acme")
    rid = platform.unit.resources.by_id(vendor.client).rid
    platform.unit.devices.add_model(vendor.id, "m", "rid", rid, "")
    return platform.unit.devices.model(vendor.id, "m")


def test_a_model_whose_removal_was_killed_goes_on(house, tmp_path):
    model = _model(house, house.work(fleet.add_account, "acme"))
    house.unit.devices.add_serials(model.id, [(f"s{n}", "") for n in range(500)])
    house.work(fleet.remove_model, model)
    house.work(house.removal.remove_some)
    is_whole(after_kill(house, tmp_path))
