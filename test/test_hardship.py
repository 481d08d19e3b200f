"""The disk is full or damaged, files vanish, descriptors run out, clients never end a request."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import pytest
from running import python
from servers import settles, uncovered

from pyonep import OnepV1
from pyonep.exceptions import OnePlatformException
from pyonep.server import LocalPlatform, StoreError, folder
from pyonep.server.fronts import connection
from pyonep.server.store.sqlite import condition, engine


def health(platform):
    """What /health says, with a probe that is not older than this question."""
    platform.run(lambda inner: vars(inner).update(_probed=-1e9, _failed=-1e9))
    try:
        with urllib.request.urlopen(f"{platform.endpoint}/health", timeout=10) as answer:
            return json.loads(answer.read())["status"]
    except urllib.error.HTTPError as error:
        with error:
            assert error.code == 503
            return json.loads(error.read())["status"]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "data.sqlite")


def filled(path):
    """A file with a device that has a hundred points of 2,000 characters; its key and dataport."""
    with LocalPlatform(path) as platform:
        cik = platform.device().cik
        o = OnepV1(**platform.connection)
        rid = o.create(cik, "dataport", {"format": "string"})[1]
        assert o.recordbatch(cik, rid, [[n, "x" * 2000] for n in range(1, 101)])[0]
    return cik, rid


def left_open(path):
    """Let the file look as a process that was killed leaves it."""
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("INSERT INTO about VALUES ('open', '1')")
        file.commit()


def damage(path):
    """Overwrite pages in the middle of a file, those with points; return its new digest."""
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2 // 4096 * 4096)
        file.write(b"\xa5" * 4096 * 4)
    return digest(path)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


# --- damage ---


def test_damage_is_found_at_the_start_after_an_unclean_stop(path):
    filled(path)
    left_open(path)
    before = damage(path)
    with pytest.raises(StoreError) as refused:
        LocalPlatform(path).start()
    assert path in str(refused.value) and "is damaged" in str(refused.value)
    assert "copy from before" in str(refused.value)
    assert digest(path) == before


def test_after_a_clean_stop_nothing_is_checked(path, monkeypatch):
    filled(path)
    checked = []
    monkeypatch.setattr(engine, "require_sound", checked.append)
    LocalPlatform(path).start().stop()
    assert not checked
    left_open(path)
    LocalPlatform(path).start().stop()
    assert checked


def test_a_file_whose_beginning_was_overwritten(path):
    filled(path)
    with open(path, "r+b") as file:
        file.write(b"not a database, is it?" * 100)
    before = digest(path)
    with pytest.raises(StoreError, match="is damaged, or not a database"):
        LocalPlatform(path).start()
    assert digest(path) == before


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
@pytest.mark.parametrize(
    "table",
    [
        "customers (id INTEGER PRIMARY KEY, name TEXT)",
        "tags (id INTEGER PRIMARY KEY, label TEXT)",
        "about (id INTEGER PRIMARY KEY, text TEXT)",
        "about (name TEXT, value TEXT)",
    ],
)
def test_a_file_of_another_program_is_left_alone(path, table, journal):
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA journal_mode = {journal}")
        file.execute(f"CREATE TABLE {table}")
    before = digest(path)
    with pytest.raises(StoreError) as refused:
        LocalPlatform(path).start()
    said = str(refused.value)
    assert said.startswith(f"{path} is not a database of the local platform")
    assert "nothing was changed; name another file" in said
    assert digest(path) == before and os.listdir(os.path.dirname(path)) == ["data.sqlite"]


@pytest.mark.parametrize("sql", [None, "", "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT)"])
def test_a_file_with_nothing_in_it_is_as_good_as_a_new_one(path, sql):
    open(path, "w").close()
    if sql is not None:
        with contextlib.closing(sqlite3.connect(path)) as file:
            file.executescript(f"PRAGMA journal_mode = WAL; {sql}; DROP TABLE IF EXISTS a")
    cik, rid = filled(path)
    with LocalPlatform(path) as platform:
        with contextlib.closing(OnepV1(**platform.connection)) as o:
            assert o.read(cik, rid)[1] == [[100, "x" * 2000]]


@pytest.mark.parametrize("noted", ["", "abc", "1.5", "0", "-1", "9" * 5000, None])
def test_a_format_that_is_none_is_damage(path, noted):
    filled(path)
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("DELETE FROM about WHERE name = 'format'")
        if noted is not None:
            file.execute("INSERT INTO about VALUES ('format', ?)", (noted,))
        file.commit()
    before = digest(path)
    with pytest.raises(StoreError, match="is damaged, or not a database"):
        LocalPlatform(path).start()
    assert digest(path) == before


# Who may do everything may write to everything: such a one becomes nobody first.
OPEN_AS_NOBODY = """
import os, sys
from pyonep.server import LocalPlatform, StoreError
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)
try:
    LocalPlatform(sys.argv[1]).start().stop()
except StoreError as error:
    print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
@pytest.mark.parametrize(
    ("folder_mode", "mode"), [(0o555, 0o444), (0o755, 0o444), (0o555, 0o644), (0o755, 0o000)]
)
def test_a_file_that_may_not_be_written_to(folder_mode, mode):
    # Not below the folder of all tests, which is for its owner alone.
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "data.sqlite")
        filled(path)
        if os.geteuid() == 0:
            os.chown(place, 65534, -1)
            os.chown(path, 65534, -1)
        os.chmod(path, mode)
        os.chmod(place, folder_mode)
        command = [sys.executable, "-c", OPEN_AS_NOBODY, path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=uncovered())
        os.chmod(place, 0o755)
        assert done.stderr == ""
        sentence = f"{path} cannot be written to; may you write to it, and to its folder?\n"
        assert done.stdout == sentence
        assert os.listdir(place) == ["data.sqlite"]


def test_a_large_file_is_checked_while_it_is_in_use(path, monkeypatch):
    cik, rid = filled(path)
    left_open(path)
    before = damage(path)
    monkeypatch.setattr(engine, "CHECKED_AT_ONCE", 0)
    with LocalPlatform(path) as platform:
        settles(lambda: health(platform) == "failing")
        o = OnepV1(**platform.connection)
        with pytest.raises(OnePlatformException) as refused:
            o.write(cik, rid, "lost")
        assert refused.value.code == 500
        assert o.info(cik, rid, {"basic": True})[0]  # what can be read still is
        assert digest(path) == before


def test_a_large_file_that_is_sound_is_used_as_any_other(path, monkeypatch):
    cik, rid = filled(path)
    left_open(path)
    monkeypatch.setattr(engine, "CHECKED_AT_ONCE", 0)
    with LocalPlatform(path) as platform:
        o = OnepV1(**platform.connection)
        settles(lambda: platform.run(has_checked))
        assert o.write(cik, rid, "kept") == (True, "ok")
        found = platform.run(
            lambda p: p.database._cursor.execute("PRAGMA wal_autocheckpoint").fetchone()
        )
        assert found == (1000,)
        assert health(platform) == "ok"


def has_checked(inner):
    check = inner.database.condition._check
    return check is None or not check.is_alive()


def test_damage_that_is_met_in_use_ends_writing(path, caplog):
    cik, rid = filled(path)
    damage(path)
    with LocalPlatform(path) as platform:
        o = OnepV1(**platform.connection)
        other = platform.device().cik
        for _ in range(2):
            with pytest.raises(OnePlatformException):
                o.read(cik, rid, {"limit": 1000, "starttime": 1})
            with pytest.raises(OnePlatformException):
                o.create(other, "dataport", {"format": "string"})
            assert health(platform) == "failing"
    said = [record.getMessage() for record in caplog.records]
    assert len([line for line in said if "is damaged" in line]) == 1


# --- a file that vanishes ---


def test_a_file_that_is_deleted_while_it_is_open(path, caplog):
    with LocalPlatform(path) as platform:
        cik = platform.device().cik
        o = OnepV1(**platform.connection)
        rid = o.create(cik, "dataport", {"format": "string"})[1]
        aside = f"{path}.aside"
        os.rename(path, aside)
        assert health(platform) == "failing"
        with pytest.raises(OnePlatformException):
            o.write(cik, rid, "would be lost")
        os.rename(aside, path)
        assert health(platform) == "ok"
        assert o.write(cik, rid, "kept") == (True, "ok")
    assert "was deleted or replaced" in caplog.text
    with LocalPlatform(path) as platform:
        o = OnepV1(**platform.connection)
        assert o.read(cik, rid)[1][0][1] == "kept"


def test_a_file_that_is_replaced_by_another_is_not_written_to(path):
    filled(f"{path}.other")
    with LocalPlatform(path) as platform:
        platform.device()
        shutil.move(f"{path}.other", path)
        before = digest(path)
        assert health(platform) == "failing"
    assert digest(path) == before


# --- a file that is changed in place ---


def cut_to(side, share):
    def change(path):
        os.truncate(path + side, int(os.path.getsize(path + side) * share))

    return change


def overwrite(side):
    def change(path):
        with open(path + side, "r+b") as file:
            file.write(bytes(8192))

    return change


CHANGES = [cut_to("", 0), cut_to("", 0.5), cut_to("-wal", 0), cut_to("-wal", 0.5)]


@pytest.mark.parametrize("change", [*CHANGES, overwrite(""), overwrite("-wal")])
@pytest.mark.parametrize("is_asked", [True, False])
def test_a_file_that_is_changed_in_place_is_not_written_to(path, caplog, change, is_asked):
    cik, rid = filled(path)
    with LocalPlatform(path) as platform:
        o = OnepV1(**platform.connection)
        for _ in range(3):
            assert o.write(cik, rid, "kept " * 2000)[0]
        change(path)
        before = digest(path)
        if is_asked:
            assert health(platform) == "failing"
        else:
            platform.run(lambda inner: vars(inner.database.condition).update(_looked=-1e9))
        for _ in range(2):
            with pytest.raises(OnePlatformException) as refused:
                o.write(cik, rid, "would be lost")
            assert refused.value.code == 500
        assert health(platform) == "failing"
        assert digest(path) == before
    if hasattr(sqlite3, "SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE"):
        assert digest(path) == before
    said = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "was truncated or overwritten" in said[0].getMessage() and path in said[0].getMessage()
    assert not [record for record in said if record.exc_info]


def test_a_wal_that_was_cut_is_known_by_the_hole_that_writing_on_leaves(path):
    cik, rid = filled(path)
    with LocalPlatform(path) as platform:
        o = OnepV1(**platform.connection)
        assert o.write(cik, rid, "kept " * 20_000)[0]
        platform.run(lambda inner: inner.database.condition.look_now())
        size = os.path.getsize(f"{path}-wal")
        os.truncate(f"{path}-wal", 32 + 2 * (24 + 4096))
        # As if it had been cut while a commit was under way.
        unseen = {"_wal_size": 0, "_looked": time.monotonic()}
        platform.run(lambda inner: vars(inner.database.condition).update(unseen))
        assert o.write(cik, rid, "lost")[0]
        assert os.path.getsize(f"{path}-wal") > size
        assert health(platform) == "failing"


def test_a_file_in_ordinary_use_is_never_thought_changed(path, monkeypatch):
    monkeypatch.setattr(condition, "_LOOK_EVERY", 0.0)
    link = f"{path}.link"
    os.symlink(path, link)
    with LocalPlatform(link) as platform:
        cik = platform.device().cik
        o = OnepV1(**platform.connection)
        rid = o.create(cik, "dataport", {"format": "string"})[1]
        assert platform.run(lambda inner: inner.database.condition._seen.wal_size) > 0
        numbers = set()
        for n in range(24):
            if n == 8:  # now and then only: it is begun anew more than once in between
                monkeypatch.setattr(condition, "_LOOK_EVERY", 1e9)
            for k in range(n % 4 + 1):
                start = 100 * (n * 4 + k)
                points = [[start + i + 1, f"{n}" * 15_000] for i in range(100)]
                assert o.recordbatch(cik, rid, points) == (True, "ok")
            if n % 3 == 0:
                assert health(platform) == "ok"
                seen = platform.run(lambda inner: inner.database.condition._seen)
                numbers.add(seen.wal_head[12:16])
            if n % 5 == 0:
                assert o.flush(cik, rid)[0]
        assert len(numbers) > 3


# --- a disk that is full ---

START = """
import resource, sys
from pyonep.server.__main__ import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("room", [0, 4096, 20_000, 100_000])
def test_a_start_where_nothing_can_be_written_is_a_sentence(tmp_path, room):
    command = [sys.executable, "-c", START, str(room), "--data", str(tmp_path / "d"), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=uncovered())
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("pyonep.server: ") and str(tmp_path) in lines[-1]


@pytest.mark.parametrize("is_clean", [True, False])
@pytest.mark.parametrize("room", [0, 4096, 20_000, 300_000, 330_000, 400_000])
def test_a_start_with_data_where_nothing_can_be_written_is_a_sentence(tmp_path, room, is_clean):
    path = str(tmp_path / folder.DATABASE)
    filled(path)
    if not is_clean:
        left_open(path)
    command = [sys.executable, "-c", START, str(room), "--data", str(tmp_path), "--port", "0"]
    ended = threading.Event()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=uncovered(), **pipes) as process:
        # With a little room it starts, and is ended again.
        reader = threading.Thread(target=end_when_ready, args=(process, ended), daemon=True)
        reader.start()
        reader.join(30)
        error = process.stderr.read()
    assert ended.is_set() and "Traceback" not in error
    if process.returncode:
        last = error.strip().splitlines()[-1]
        assert last.startswith("pyonep.server: ") and str(tmp_path) in last


def end_when_ready(process, ended):
    for line in process.stdout:
        if "Ctrl-C" in line:
            process.send_signal(signal.SIGTERM)
    ended.set()


def test_a_disk_that_is_full_is_said_once_and_without_a_traceback(path, caplog):
    with LocalPlatform(path) as platform:
        platform.run(no_room)
        assert health(platform) == health(platform) == "failing"
    said = [record for record in caplog.records if record.levelname == "ERROR"]
    assert not [record for record in said if record.exc_info]
    assert len({record.getMessage() for record in said}) == len(said)
    assert "the disk is full" in said[0].getMessage()


def no_room(inner):
    """Let every commit fail from now on as it does when the disk is full."""

    class Full:
        def __init__(self, cursor):
            self._cursor = cursor

        def __getattr__(self, name):
            return getattr(self._cursor, name)

        def execute(self, sql, *values):
            if sql == "COMMIT":
                raise sqlite3.OperationalError("database or disk is full")
            return self._cursor.execute(sql, *values)

    inner.database.commit()
    inner.database._cursor = Full(inner.database._cursor)


# --- descriptors ---

FEW = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
from pyonep.server.__main__ import main
sys.exit(main(["--memory", "--port", "0", "--quiet"]))
"""


@pytest.fixture
def few():
    """A platform with few descriptors: the process, its endpoint, address and a key."""
    process = subprocess.Popen(
        [sys.executable, "-c", FEW],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=uncovered(),
    )
    with process:
        endpoint = process.stdout.readline().split()[-1]
        while "Ctrl-C" not in (line := process.stdout.readline()):
            if " cik" in line:
                cik = line.split()[1]
        host, port = endpoint.rpartition("/")[2].split(":")
        try:
            yield process, endpoint, (host, int(port)), cik
        finally:
            process.kill()


def ended(process):
    """What a platform logged until it ended in order, after it was told to."""
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    return log.strip().splitlines()


def test_more_connections_than_descriptors(few):
    process, endpoint, address, cik = few
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(socket.create_connection(address, timeout=10))
        time.sleep(1.5)  # long enough for it to try to accept a second time
    o = OnepV1(endpoint)
    assert o.info(cik, {"alias": ""}, {"basic": True})[0]
    (line,) = ended(process)
    assert "no connection can be accepted" in line


def test_a_stop_while_no_descriptor_is_left(few):
    """It takes a while, for there is half a request; nothing of that is a fault to be logged."""
    process, _, address, _ = few
    with contextlib.ExitStack() as stack:
        conn = stack.enter_context(socket.create_connection(address, timeout=10))
        conn.sendall(
            b"POST /onep:v1/rpc/process HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
        )
        for _ in range(200):
            stack.enter_context(socket.create_connection(address, timeout=10))
        assert "no connection can be accepted" in process.stderr.readline()
        assert ended(process) == []


# --- requests that never end ---


def answer_to(platform, *pieces):
    """What comes back for bytes that are sent piece by piece, until the connection ends."""
    with socket.create_connection((platform.host, platform.port), timeout=20) as conn:
        with contextlib.suppress(OSError):  # it may end while we still send
            for piece in pieces:
                conn.sendall(piece)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := conn.recv(65536):
                got += piece
    return got


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\nX: ", b"GET /", b"X", b"GET / HTTP/1.1\r\n"])
def test_a_head_without_end(platform, o, cik, start):
    piece = b"a: b\r\n" * 10_000 if start.endswith(b"\n") else b"a" * 60_000
    got = answer_to(platform, start, *[piece] * 100)
    assert got.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 ")) or not got
    assert o.info(cik, {"alias": ""}, {"basic": True})[0]


def test_a_head_of_some_length_is_taken(platform):
    head = b"GET /timestamp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: "
    assert answer_to(platform, head, b"a" * 50_000, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("start", [b"", b"GET / HT"])
def test_a_head_that_does_not_come(platform, monkeypatch, start):
    monkeypatch.setattr(connection, "HEAD_WITHIN", 0.1)
    assert answer_to(platform, start).startswith(b"HTTP/1.1 408 ")


def test_white_space_around_the_value_of_a_header_is_no_part_of_it(platform, o, cik, new_dataport):
    port = new_dataport(o, cik, "integer", alias="spaced")
    head = "POST /onep:v1/stack/alias HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += f"X-Exosite-CIK: \t{cik} \r\n"
    got = answer_to(platform, f"{head}Content-Length:  8 \t\r\n\r\nspaced=5".encode())
    assert got.startswith(b"HTTP/1.1 204 ")
    assert o.read(cik, port)[1][0][1] == 5


def test_a_second_head_that_does_not_come(platform, monkeypatch):
    monkeypatch.setattr(connection, "HEAD_WITHIN", 0.1)
    whole = b"GET /timestamp HTTP/1.1\r\nHost: localhost\r\n\r\n"
    got = answer_to(platform, whole, b"GET /time")
    assert got.startswith(b"HTTP/1.1 200 ") and b"HTTP/1.1 408 " in got


def test_waits_that_are_abandoned_leave_nothing(platform, o, cik, new_dataport):
    port = new_dataport(o, cik, "integer")
    before = platform.run(lambda p: len(p.waits))
    calls = [{"id": n, "procedure": "wait", "arguments": [port, {}]} for n in range(1000)]
    body = json.dumps({"auth": {"cik": cik}, "calls": calls}).encode()
    head = b"POST /onep:v1/rpc/process HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    connections = []
    for _ in range(3):
        connections.append(socket.create_connection((platform.host, platform.port)))
        connections[-1].sendall(head % len(body) + body)
    settles(lambda: platform.run(lambda p: len(p.waits)) == before + 3000)
    for conn in connections:
        conn.close()
    settles(lambda: platform.run(lambda p: len(p.waits)) == before)


# --- requests that come faster than answers are taken ---

POSTED = b"POST /onep:v1/rpc/process HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
ASKED = b"GET /timestamp HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = (
    b"POST /provision/activate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize("start", [b"0\r\n", b"0\r\na: ", b"5;", b"5;a="])
def test_trailers_and_chunk_extensions_without_end(platform, o, cik, start):
    piece = b"a: b\r\n" * 10_000 if start == b"0\r\n" else b"a" * 60_000
    got = answer_to(platform, CHUNKED, start, *[piece] * 100)
    assert got.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert o.info(cik, {"alias": ""}, {"basic": True})[0]


def test_a_trailer_is_taken_and_is_no_header(platform):
    last = b"Connection: close\r\n\r\n"
    got = answer_to(platform, CHUNKED, b"0\r\nHost: elsewhere.example\r\n\r\n", ASKED[:-2] + last)
    answers = got.split(b"HTTP/1.1 ")[1:]
    assert len([one for one in answers if b"200 OK\r\n" in one]) == 1 and b"421" not in got


def held(inner_server):
    """Of each connection: requests that wait parsed, and bytes that wait."""
    connections = list(inner_server.server_state.connections)
    return [(len(one.pipeline), len(one._held)) for one in connections]


def test_pipelined_requests_whose_answers_nobody_takes(platform, o, cik):
    served = platform._server.server_state
    sent = 0
    with socket.create_connection((platform.host, platform.port)) as conn:
        conn.settimeout(1)
        with contextlib.suppress(socket.timeout):
            while sent < 64 * 1024 * 1024:
                sent += conn.send(ASKED * 4000)
        assert sent < 64 * 1024 * 1024  # it is not read any more
        for requests, size in platform.run(lambda _: held(platform._server)):
            assert requests <= 256 and size <= 512 * 1024
        assert o.info(cik, {"alias": ""}, {"basic": True})[0]
        assert served.total_requests < sent // len(ASKED)  # what came is not all begun
    settles(lambda: all(size == 0 for _, size in held(platform._server)))


def test_pipelined_requests_are_all_answered_in_order(platform):
    def sent(name):
        line = f"GET /no/such/place?{name} HTTP/1.1\r\nHost: localhost\r\n"
        return f"{line}Content-Length: 3\r\n\r\nabc".encode()

    count = 5000
    last = ASKED[:-2] + b"Connection: close\r\n\r\n"
    got = answer_to_all(platform, b"".join(sent(n) for n in range(count)) + last)
    not_found = b"HTTP/1.1 404 Not Found\r\ndate:"  # the same stands in the body
    assert got.count(not_found) == count and got.count(b"HTTP/1.1 200 ") == 1
    assert got.rindex(not_found) < got.index(b"HTTP/1.1 200 ")


def answer_to_all(platform, data):
    """The same as `answer_to` for one who reads while sending."""
    with socket.create_connection((platform.host, platform.port), timeout=20) as conn:
        sending = threading.Thread(target=conn.sendall, args=(data,))
        sending.start()
        got = b"".join(iter(lambda: conn.recv(65536), b""))
        sending.join(20)
    return got


def test_a_wait_ends_when_one_who_sent_more_behind_it_hangs_up(platform, o, cik, new_dataport):
    port = new_dataport(o, cik, "integer")
    before = platform.run(lambda p: len(p.waits))
    call = {"id": 1, "procedure": "wait", "arguments": [port, {}]}
    body = json.dumps({"auth": {"cik": cik}, "calls": [call]}).encode()
    conn = socket.create_connection((platform.host, platform.port))
    conn.sendall(POSTED % len(body) + body + ASKED * 20)
    settles(lambda: platform.run(lambda p: len(p.waits)) == before + 1)
    conn.close()
    settles(lambda: platform.run(lambda p: len(p.waits)) == before)


# --- a body that is refused ---


@pytest.mark.parametrize(
    ("path", "status"),
    [("/onep:v1/rpc/process", b"200 "), ("/onep:v1/stack/alias/x", b"413 ")],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_who_sends_too_much_sees_the_answer(platform, cik, path, status, chunked):
    body = b"x" * 12_000_000
    length = b"Content-Length: %d" % len(body)
    framing = b"Transfer-Encoding: chunked" if chunked else length
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nX-Exosite-CIK: %s\r\n%s\r\n\r\n"
    head %= path.encode(), cik.encode(), framing
    rest = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    for _ in range(5):
        with socket.create_connection((platform.host, platform.port), timeout=20) as conn:
            conn.sendall(head)
            conn.sendall(rest)
            got = b"".join(iter(lambda: conn.recv(65536), b""))
        assert got.startswith(b"HTTP/1.1 " + status)
        assert status != b"200 " or b'"code": 400' in got or b'"code":400' in got


@pytest.mark.parametrize("limit", ["LINGER_FOR", "LINGER_WITHIN"])
def test_reading_on_after_a_refusal_ends(platform, monkeypatch, limit):
    monkeypatch.setattr(connection, limit, 0.1 if limit == "LINGER_WITHIN" else 100_000)
    with socket.create_connection((platform.host, platform.port), timeout=20) as conn:
        conn.sendall(POSTED % 99_999_999)
        assert conn.recv(65536).startswith(b"HTTP/1.1 200 ")
        if limit == "LINGER_FOR":
            with contextlib.suppress(OSError):
                conn.sendall(b"x" * 20_000_000)
        settles(lambda: not held(platform._server) or not lingering(platform._server))


def lingering(inner_server):
    return [c for c in list(inner_server.server_state.connections) if c.transport.is_closing()]


# --- a stop while somebody is at work ---


def test_a_stop_while_a_request_does_not_end(path):
    code = (
        "import sys\n"
        "from pyonep.server import __main__ as command, runner\n"
        "from pyonep.server.core import results\n"
        "from pyonep.server.core.procedures.table import procedure\n"
        "runner._GRACE = runner._TO_END = 0.2\n"
        "def forever():\n"
        "    while True:\n"
        "        yield\n"
        "@procedure\n"
        "def endless(call):\n"
        "    return results.long(forever())\n"
        "sys.exit(command.main(['--memory', '--port', '0', '--quiet']))\n"
    )
    process = subprocess.Popen(
        python("-c", code),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    port = int(process.stdout.readline().rpartition(":")[2])
    while "Ctrl-C" not in (line := process.stdout.readline()):
        if " cik" in line and "cik_" not in line:
            cik = line.split()[1]
    call = {"id": 1, "procedure": "endless", "arguments": []}
    body = json.dumps({"auth": {"cik": cik}, "calls": [call]}).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as conn:
        conn.sendall(POSTED % len(body) + body)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as other:
            other.sendall(ASKED)
            assert other.recv(100)  # so that it is at work on the first
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    lines = log.strip().splitlines()
    assert len(lines) == 1 and "stopped amid requests" in lines[0]


def test_what_is_no_http_behind_a_request_costs_it_no_answer(platform):
    request = b"GET /timestamp HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for nonsense in (b"and more", b"X" * 5000, b"GET /\0 HTTP/1.1\r\n\r\n"):
        got = answer_to(platform, request * 3 + nonsense)
        assert got.count(b"HTTP/1.1 200 ") == 3
        assert b"HTTP/1.1 400 " in got.rpartition(b"HTTP/1.1 200 ")[2]


def test_a_client_that_is_gone_when_it_is_refused():
    class Gone:
        is_closed = False

        def write(self, data):
            pass

        def is_closing(self):
            return self.is_closed

        def can_write_eof(self):
            return True

        def write_eof(self):
            raise OSError(107, "Transport endpoint is not connected")

        def close(self):
            self.is_closed = True

    class Unread:
        is_all_read = False

        def abandon(self):
            pass

    transport = Gone()
    connection._Lingering(transport, Unread()).close()
    assert transport.is_closed
