"""The platform as a process of its own: starting, ending, being killed."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import sys

import pytest
from servers import free_port

from pyonep import Provision, onep
from pyonep.server import LocalPlatform, Settings, StoreError
from pyonep.server.store.schema import FORMAT


class Process:
    """A running ``python -m pyonep.server``."""

    def __init__(self, *arguments):
        command = [sys.executable, "-W", "error", "-m", "pyonep.server", "--port", "0"]
        self.popen = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.endpoint = self.popen.stdout.readline().split()[-1]
        self.port = int(self.endpoint.rsplit(":", 1)[1])

    def cik(self):
        return re.search(r"CIK ([0-9a-f]{40})", self.popen.stdout.readline())[1]

    def rest(self):
        """The rest of what the first start prints."""
        return self.popen.stdout.readline() + self.popen.stdout.readline()

    def provision(self):
        return Provision("127.0.0.1", self.port, https=False)

    def client(self):
        return onep.OnepV1("127.0.0.1", self.port, https=False, reuseconnection=True)

    def end(self, number):
        self.popen.send_signal(number)
        out, err = self.popen.communicate(timeout=20)
        return self.popen.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_starts_ends_and_finds_everything_again(tmp_path, number):
    file = tmp_path / "platform.sqlite"
    process = Process("--file", file)
    cik = process.cik()
    token = re.search(r"token ([0-9a-f]{40})\n.* RID [0-9a-f]{40}\n", process.rest())[1]
    assert process.provision().vendor_show(token).body == "acme"
    o = process.client()
    _, rid = o.create(cik, "dataport", {"format": "string"})
    o.map(cik, rid, "x")
    assert o.write(cik, {"alias": "x"}, "kept") == (True, "ok")
    assert process.end(number) == (0, "", "")
    o.close()

    process = Process("--file", file)
    o = process.client()
    assert o.read(cik, {"alias": "x"}, {})[1][0][1] == "kept"
    assert process.provision().vendor_show(token).body == "acme"
    o.close()
    assert process.end(number) == (0, "", "")


def test_ends_while_a_wait_is_open(tmp_path):
    process = Process("--memory")
    cik = process.cik()
    o = process.client()
    _, rid = o.create(cik, "dataport", {"format": "string"})
    import threading

    answers = []
    waiting = threading.Thread(target=lambda: answers.append(o.wait(cik, rid, {"timeout": 60000})))
    waiting.start()
    while not answers and process.popen.poll() is None:
        other = process.client()
        if other.info(cik, rid, {"basic": True})[0]:
            other.close()
            break
    assert process.end(signal.SIGTERM)[0] == 0
    waiting.join(20)
    assert answers == [(False, "expire")]
    o.close()


def test_every_write_answered_ok_survives_sigkill(tmp_path):
    file = tmp_path / "platform.sqlite"
    process = Process("--file", file)
    cik = process.cik()
    o = process.client()
    _, rid = o.create(cik, "dataport", {"format": "integer"})
    start = 1_600_000_000
    answered = []
    for n in range(1000):
        if o.record(cik, rid, [[start + n, n]]) == (True, "ok"):
            answered.append([start + n, n])
    assert o.write(cik, rid, 1000) == (True, "ok")
    process.end(signal.SIGKILL)
    o.close()

    with LocalPlatform(str(file)) as platform:
        o = onep.OnepV1(**platform.connection)
        points = o.read(cik, rid, {"limit": 2000, "sort": "asc"})[1]
        assert len(answered) == 1000
        assert points[:-1] == answered and points[-1][1] == 1000
        assert o.info(cik, rid, {"storage": True})[1]["storage"]["count"] == 1001


def run(*arguments):
    command = [sys.executable, "-m", "pyonep.server", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


def one_sentence(done):
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    return done.stderr


def test_port_in_use(platform):
    assert f"port {platform.port}" in one_sentence(run("--port", platform.port, "--memory"))


def test_file_that_is_no_database(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("dear diary, " * 100)
    assert "not a database" in one_sentence(run("--port", 0, "--file", file))
    assert file.read_text().startswith("dear diary")


def test_file_in_a_folder_that_is_not_there(tmp_path):
    file = tmp_path / "nowhere" / "x.sqlite"
    assert "cannot be opened" in one_sentence(run("--port", 0, "--file", file))


def test_file_in_use(tmp_path):
    file = str(tmp_path / "x.sqlite")
    with LocalPlatform(file):
        assert "in use" in one_sentence(run("--port", 0, "--file", file))


def test_file_of_a_newer_release(tmp_path):
    file = str(tmp_path / "x.sqlite")
    with LocalPlatform(file):
        pass
    with sqlite3.connect(file) as database:
        database.execute("UPDATE about SET value = ?", (str(FORMAT + 1),))
    database.close()
    assert "newer release" in one_sentence(run("--port", 0, "--file", file))


# --- LocalPlatform ---


def test_local_platform_on_a_file_and_a_port(tmp_path):
    file, port = str(tmp_path / "x.sqlite"), free_port()
    with LocalPlatform(file, port=port) as platform:
        device = platform.device("mine")
    with LocalPlatform(file, port=port) as platform:
        o = onep.OnepV1(**platform.connection)
        assert o.info(device.cik, {"alias": ""})[1]["description"]["name"] == "mine"
        assert str(port) in repr(platform)


def test_local_platform_starts_and_stops_twice():
    platform = LocalPlatform()
    for _ in range(2):
        assert platform.start().start() is platform
        assert platform.device().cik
        platform.stop()
        platform.stop()
    assert "stopped" in repr(platform)


def test_local_platform_says_what_is_wrong(tmp_path, platform):
    with pytest.raises(OSError):
        LocalPlatform(port=platform.port).start()
    with pytest.raises(StoreError, match="synchronous"):
        LocalPlatform(settings=Settings(synchronous="SOMETIMES")).start()


def test_a_device_keeps_its_key_to_itself(device):
    assert device.cik not in repr(device) and device.rid in repr(device)
