"""The platform as a process of its own: starting, ending, being killed."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from running import python, run_python
from servers import free_port

import pyonep
from pyonep import Provision, onep
from pyonep.server import LocalPlatform, Problem, Refused, Settings, StoreError, folder
from pyonep.server import __main__ as command_line
from pyonep.server.store.schema import FORMAT


class Process:
    """A running ``python -m pyonep.server``."""

    def __init__(self, *arguments, log=False):
        options = [] if log else ["--quiet"]  # nobody reads it, and a full pipe blocks
        self.popen = subprocess.Popen(
            python("-m", "pyonep.server", "--port", 0, *options, *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.greeting = ""
        while "Ctrl-C" not in self.greeting:
            self.greeting += self.popen.stdout.readline()
        self.endpoint = self.greeting.split("\n", 1)[0].split()[-1]

    def found(self, name):
        """The first value of this name that was printed."""
        return re.search(rf"{name} +(\S+)", self.greeting)[1]

    def client(self):
        return onep.OnepV1(self.endpoint, reuseconnection=True)

    def end(self, number=signal.SIGTERM):
        self.popen.send_signal(number)
        out, err = self.popen.communicate(timeout=60)
        return self.popen.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_starts_ends_and_finds_everything_again(tmp_path, number):
    data = tmp_path / "platform"
    process = Process("--data", data)
    cik, token = process.found("cik"), process.found("token")
    assert Provision(process.endpoint).vendor_show(token).body == "acme"
    o = process.client()
    _, rid = o.create(cik, "dataport", {"format": "string"})
    o.map(cik, rid, "x")
    assert o.write(cik, {"alias": "x"}, "kept") == (True, "ok")
    assert process.end(number) == (0, "", "")
    o.close()

    process = Process("--data", data)
    assert cik not in process.greeting and "first" not in process.greeting
    o = process.client()
    assert o.read(cik, {"alias": "x"}, {})[1][0][1] == "kept"
    assert Provision(process.endpoint).vendor_show(token).body == "acme"
    o.close()
    assert process.end(number) == (0, "", "")


def test_ends_while_a_wait_is_open(tmp_path):
    process = Process("--memory")
    cik = process.found("cik")
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
    process = Process("--data", tmp_path)
    cik = process.found("cik")
    o = process.client()
    _, rid = o.create(cik, "dataport", {"format": "integer"})
    start = 1_600_000_000
    answered = []
    for n in range(300):
        if o.record(cik, rid, [[start + n, n]]) == (True, "ok"):
            answered.append([start + n, n])
    assert o.write(cik, rid, 300) == (True, "ok")
    process.end(signal.SIGKILL)
    o.close()

    with LocalPlatform(str(tmp_path / folder.DATABASE)) as platform:
        o = onep.OnepV1(**platform.connection)
        points = o.read(cik, rid, {"limit": 2000, "sort": "asc"})[1]
        assert len(answered) == 300
        assert points[:-1] == answered and points[-1][1] == 300
        assert o.info(cik, rid, {"storage": True})[1]["storage"]["count"] == 301


def run(*arguments):
    """Run a command that ends by itself, in this process."""
    arguments = list(map(str, arguments))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = command_line.main(arguments)
        except SystemExit as end:  # of argparse
            code = end.code
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def run_apart(*arguments, **kwargs):
    """The same in a process of its own."""
    return run_python("-m", "pyonep.server", *arguments, **kwargs)


def one_sentence(done):
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    return done.stderr


def test_port_in_use(platform):
    sentence = one_sentence(run("--port", platform.port, "--memory"))
    assert f"port {platform.port}: Address already in use; choose another one" in sentence
    assert sentence.endswith("with --port\n")


def test_port_that_is_none():
    sentence = one_sentence(run("--port", 99999, "--memory"))
    assert "port 99999" in sentence and "choose another one with --port" in sentence


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_address_that_is_not_ours(host):
    sentence = one_sentence(run("--host", host, "--memory"))
    assert host in sentence and "--port" not in sentence


@pytest.mark.parametrize("name", ["sqlalchemy", "starlette", "uvicorn"])
def test_without_the_extra_it_is_a_sentence(tmp_path, name):
    (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError(name={name!r})")
    sentence = one_sentence(run_apart("--memory", **path_with(tmp_path)))
    assert f"the local platform needs {name}: pip install 'pyonep[server]'" in sentence
    assert sentence.endswith(", or from a clone: pip install '.[server]'\n")


def test_a_program_of_others_is_told_by_an_error_that_it_can_catch(tmp_path):
    (tmp_path / "starlette.py").write_text("raise ModuleNotFoundError(name='starlette')")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "__init__.py").write_text(
        "try:\n    import pyonep.server\nexcept ImportError as error:\n    print(error)\n"
    )
    (tmp_path / "theirs" / "__main__.py").write_text("")
    command = [sys.executable, "-m", "theirs"]
    done = subprocess.run(command, capture_output=True, text=True, **path_with(tmp_path))
    assert done.returncode == 0 and "needs starlette" in done.stdout


def test_a_module_of_python_that_is_hidden_is_not_said_to_be_installable(tmp_path):
    (tmp_path / "calendar.py").write_text("raise ModuleNotFoundError('hidden', name='http.client')")
    done = run_apart("--memory", **path_with(tmp_path))
    assert done.returncode != 0 and "pip install" not in done.stderr and "hidden" in done.stderr


def path_with(folder):
    """The environment of a process that finds the modules of a folder first."""
    path = [str(folder), str(Path(pyonep.__file__).parent.parent), os.environ.get("PYTHONPATH")]
    return {"env": {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}}


def test_file_that_is_no_database(tmp_path):
    file = tmp_path / folder.DATABASE
    file.write_text("dear diary, " * 100)
    assert "not a database" in one_sentence(run("--port", 0, "--data", tmp_path))
    assert file.read_text().startswith("dear diary")


def test_data_folder_that_is_none(tmp_path):
    file = tmp_path / "file"
    file.write_text("dear diary")
    assert "cannot be the data folder" in one_sentence(run("--port", 0, "--data", file))
    assert file.read_text() == "dear diary"


def test_data_folder_in_use(tmp_path):
    with LocalPlatform(str(tmp_path / folder.DATABASE)):
        assert "in use" in one_sentence(run("--port", 0, "--data", tmp_path))
        # It is a platform of somebody's program, which does not say how to reach it.
        assert "in use" in one_sentence(run("add", "device", "x", "--data", tmp_path))


def test_file_of_a_newer_release(tmp_path):
    file = str(tmp_path / folder.DATABASE)
    with LocalPlatform(file):
        pass
    with sqlite3.connect(file) as database:
        database.execute("UPDATE about SET value = ?", (str(FORMAT + 1),))
    database.close()
    assert "newer release" in one_sentence(run("--port", 0, "--data", tmp_path))


def test_data_goes_where_the_system_wants_it(tmp_path):
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)}
    done = run_apart("add", "device", "x", env=environment)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.rglob(folder.DATABASE)
    assert "pyonep" in file.parts
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


# --- help ---


@pytest.mark.parametrize("command", ["", "run", "add", "add device", "add dataport", "add vendor"])
def test_help(command):
    done = run(*command.split(), "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 100
    if command == "":
        for word in ("add device", "add dataport", "add vendor", "run SCRIPT", "PYONEP_ENDPOINT"):
            assert word in done.stdout


# --- add ---


def values(text):
    return dict(line.split() for line in text.splitlines())


@pytest.fixture(params=["running", "not running", "killed"])
def data(request, tmp_path):
    """A data folder, whose platform runs or does not."""
    if request.param == "not running":
        yield tmp_path
        return
    process = Process("--data", tmp_path)
    if request.param == "killed":
        process.end(signal.SIGKILL)
        yield tmp_path
        return
    yield tmp_path
    assert process.end() == (0, "", "")
    assert not (tmp_path / folder.RUNNING).exists()


def test_add(data):
    device = values(run("add", "device", "kitchen", "--data", data).stdout)
    added = run("add", "dataport", device["cik"], "temperature", "--format=integer", "--data", data)
    assert values(added.stdout)["format"] == "integer"
    vendor = values(run("--data", data, "add", "vendor", "thermo", "--token", "a" * 40).stdout)
    assert vendor["name"] == "thermo" and vendor["token"] == "a" * 40
    sentence = one_sentence(run("add", "dataport", device["cik"], "temperature", "--data", data))
    assert "has a resource with the alias 'temperature'" in sentence
    rid = "e" * 40
    added = run("add", "dataport", device["cik"], "door", "--rid", rid, "--data", data)
    assert values(added.stdout)["rid"] == rid
    again = run("add", "dataport", device["cik"], "gate", "--rid", rid, "--data", data)
    assert "another resource has this RID" in one_sentence(again)
    again = run("add", "dataport", device["cik"], "gate", "--rid", "1", "--data", data)
    assert "a RID has 40 characters" in one_sentence(again)
    again = run("add", "dataport", "f" * 40, "gate", "--data", data)
    assert "no device has this CIK" in one_sentence(again)
    again = run("add", "device", "kitchen", "--data", data)
    assert f"there is a device 'kitchen' already, with the RID {device['rid'][:4]}" in one_sentence(
        again
    )
    again = one_sentence(run("add", "vendor", "thermo", "--data", data))
    assert "the name 'thermo' is taken by another vendor" in again
    assert "needs a name" in one_sentence(run("add", "device", "", "--data", data))
    again = run("add", "vendor", "other", "--token", "a" * 40, "--data", data)
    assert "another vendor has this token" in one_sentence(again)
    again = run("add", "device", "y", "--cik", device["cik"], "--data", data)
    assert "another client has this CIK" in one_sentence(again)
    assert "40 characters" in one_sentence(run("add", "device", "z", "--cik=1", "--data", data))


def test_what_was_added_is_there(tmp_path):
    cik = "c" * 40
    run("add", "device", "kitchen", "--cik", cik, "--data", tmp_path)
    added = values(run("add", "dataport", cik, "temperature", "--data", tmp_path).stdout)
    with LocalPlatform(str(tmp_path / folder.DATABASE)) as platform:
        o = onep.OnepV1(**platform.connection)
        assert o.info(cik, {"alias": ""})[1]["description"]["name"] == "kitchen"
        assert o.lookup(cik, "alias", "temperature") == (True, added["rid"])
        assert o.write(cik, {"alias": "temperature"}, 21.5) == (True, "ok")


def test_a_running_platform_tells_its_owner_alone_how_to_reach_it(tmp_path):
    process = Process("--data", tmp_path)
    file = tmp_path / folder.RUNNING
    found = folder.running(tmp_path)
    assert found.endpoint == process.endpoint and found.admin_key not in repr(found)
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    process.end()
    file.write_text("{")
    assert folder.running(tmp_path) is None


def test_add_to_a_platform_that_does_not_answer(tmp_path):
    with LocalPlatform(str(tmp_path / folder.DATABASE)):
        nowhere = folder.Running(f"http://127.0.0.1:{free_port()}", "a" * 40)
        with folder.announced(tmp_path, nowhere):
            for what in (["device", "x"], ["dataport", "c" * 40, "x"]):
                sentence = one_sentence(run("add", *what, "--data", tmp_path))
                assert "a" * 40 not in sentence and "c" * 40 not in sentence


# --- run ---

SCRIPT = """
import os, sys
from pyonep import Provision, onep
o = onep.OnepV1(reuseconnection=True)
cik = os.environ["PYONEP_CIK"]
isok, rid = o.create(cik, "dataport", {"format": "float"})
o.map(cik, rid, "temperature")
o.write(cik, {"alias": "temperature"}, 21.5)
print(o.read(cik, {"alias": "temperature"})[1][0][1], sys.argv[1:])
print(Provision(manage_by_cik=False).vendor_show(os.environ["PYONEP_VENDOR_TOKEN"]))
sys.exit(3)
"""


@pytest.fixture
def script(tmp_path):
    return written(tmp_path / "script.py", SCRIPT)


def written(path, text):
    path.write_text(text)
    return path


def test_run_a_script_on_a_platform_of_its_own(script):
    done = run_apart("run", script, "--log", "x")
    assert (done.returncode, done.stderr) == (3, "pyonep.server: 5 calls: 5 ok, 0 failed\n")
    assert done.stdout.splitlines() == [
        "21.5 ['--log', 'x']",
        "Status: 200, Reason: OK, Body: acme",
    ]


def test_run_with_keys_that_the_script_has_in_it(script):
    text = SCRIPT.replace('os.environ["PYONEP_CIK"]', repr("c" * 40))
    script.write_text(text.replace('os.environ["PYONEP_VENDOR_TOKEN"]', repr("d" * 40)))
    done = run_apart(
        "run", "--cik", "c" * 40, "--vendor=x", "--vendor-token", "d" * 40, "--log", script
    )
    assert done.returncode == 3 and "Body: x" in done.stdout
    assert re.search(r"rpc +\w{4}…  write temperature +ok\n", done.stderr)
    assert re.search(r"provision +x +GET /provision/register +200\n", done.stderr)
    assert "c" * 40 not in done.stderr and "d" * 40 not in done.stderr


def test_run_names_the_keys_in_its_help_and_in_the_environment(script):
    script.write_text("import os\nprint(*(n for n in os.environ if n.startswith('PYONEP_')))")
    names = run_apart("run", script).stdout.split()
    help_text = run("run", "--help").stdout
    assert len(names) == 8 and all(name in help_text for name in names)


OLD_SCRIPT = """
from pyonep import onep
o = onep.OnepV1()
cik = "a" * 40
print(o.write(cik, {"alias": "temp"}, 21.5), o.write(cik, {"alias": "msg"}, "hello"))
print(o.recordbatch(cik, "b" * 40, [[1, 3]]), o.read(cik, {"alias": "other"}))
print(o.writegroup(cik, [[{"alias": "temp"}, 1], [{"alias": "third"}, 2]]))
"""


@pytest.fixture
def old_script(tmp_path):
    return written(tmp_path / "old.py", OLD_SCRIPT)


def summary(done):
    """The lines at the end of ``run``."""
    return [line.removeprefix("pyonep.server: ") for line in done.stderr.splitlines()]


def test_run_says_what_would_make_failed_calls_work(old_script):
    done = run_apart("run", "--cik", "a" * 40, old_script)
    assert done.returncode == 0 and "(True" not in done.stdout
    said = summary(done)
    assert said[0] == "5 calls: 0 ok, 5 failed"
    for name in ("temp", "msg", "other"):
        place = next(n for n, line in enumerate(said) if f"alias '{name}'" in line)
        assert f"--dataport {name}, or --autocreate" in said[place + 1]
    place = next(n for n, line in enumerate(said) if "restricted" in line)
    assert "--dataport ALIAS@RID" in said[place + 1]
    assert said[-1] == "  all of them: --dataport temp --dataport msg --dataport other"
    assert "b" * 40 not in done.stderr


def test_run_with_the_key_of_another_script(old_script):
    said = summary(run_apart("run", old_script))
    assert "needs --cik KEY" in said[-1] and said[-3] == "1 call: 0 ok, 1 failed"


def test_run_makes_what_the_script_writes_to(old_script):
    done = run_apart("run", "--cik", "a" * 40, "--autocreate", old_script)
    assert done.stdout.splitlines() == [
        "(True, 'ok') (True, 'ok')",
        "(True, 'ok') (False, 'invalid')",  # it only reads that one
        "(True, 'ok')",
    ]
    assert summary(done)[0] == "5 calls: 4 ok, 1 failed"


def test_run_with_the_dataports_that_the_script_expects(old_script):
    wanted = ["temp", "msg:string", f"other:integer@{'b' * 40}", "third"]
    options = [word for one in wanted for word in ("--dataport", one)]
    done = run_apart("run", "--cik", "a" * 40, *options, old_script)
    assert "False" not in done.stdout
    assert summary(done) == ["5 calls: 5 ok, 0 failed"]


@pytest.mark.parametrize("wanted", ["", "x" * 1025, "x:int", "x@1", "x@" + "g" * 40], ids=len)
def test_run_with_a_dataport_that_is_none(old_script, wanted):
    done = run_apart("run", "--dataport", wanted, "--dataport", wanted, old_script)
    assert done.returncode and "Traceback" not in done.stderr


def test_run_a_script_that_speaks_to_somebody_else(tmp_path):
    (tmp_path / "silent.py").write_text("print(1)")
    assert "no call reached the platform" in summary(run_apart("run", tmp_path / "silent.py"))[0]


def test_run_a_script_that_uses_the_data_interface(tmp_path):
    path = tmp_path / "device.py"
    path.write_text(
        "from pyonep.data import DataInterface\n"
        "DataInterface('a' * 40).write({'temp': 1, 'msg': 'x'})\n"
    )
    said = summary(run_apart("run", "--cik", "a" * 40, "--dataport", "temp", path))
    assert said[0] == "1 call: 0 ok, 1 failed"
    assert "--dataport msg, or --autocreate" in said[2]
    assert summary(run_apart("run", "--cik", "a" * 40, "--autocreate", path))[0].endswith(
        "0 failed"
    )


def test_run_refuses_an_old_package_next_to_the_script(old_script):
    (old_script.parent / "pyonep").mkdir()
    (old_script.parent / "pyonep" / "__init__.py").touch()
    sentence = one_sentence(run_apart("run", old_script))
    assert "would import the old pyonep" in sentence and "remove or rename" in sentence


def test_run_with_several_keys(tmp_path):
    path = tmp_path / "two.py"
    path.write_text(
        "from pyonep import onep\n"
        "for key in ('a' * 40, 'b' * 40):\n"
        "    print(onep.OnepV1().write(key, {'alias': 'temp'}, '0123'))\n"
    )
    done = run_apart("run", "--cik", "a" * 40, "--cik", "b" * 40, "--autocreate", path)
    assert done.stdout == "(True, 'ok')\n" * 2
    assert summary(done) == ["2 calls: 2 ok, 0 failed"]


def test_text_that_spells_a_number_is_text(tmp_path):
    path = tmp_path / "text.py"
    path.write_text(
        "from pyonep import onep\n"
        "o, key = onep.OnepV1(), 'a' * 40\n"
        "o.write(key, {'alias': 'code'}, '0123')\n"
        "print(o.read(key, {'alias': 'code'})[1][0][1], o.write(key, {'alias': 'code'}, 'on'))\n"
    )
    done = run_apart("run", "--cik", "a" * 40, "--autocreate", path)
    assert done.stdout == "0123 (True, 'ok')\n"


def test_run_is_quiet_about_what_the_script_repaired(tmp_path):
    path = tmp_path / "store.py"
    path.write_text(
        "from pyonep.datastore import Datastore\n"
        "with Datastore('a' * 40, 1, autocreate={'format': 'float'}) as store:\n"
        "    store.record('living room', [[5, 1]])\n"
    )
    done = run_apart("run", "--cik", "a" * 40, path)
    said = summary(done)
    assert len(said) == 1 and "on dataports that the script made later" in said[0]


def test_run_says_each_remedy_once(tmp_path):
    path = tmp_path / "once.py"
    path.write_text(
        "from pyonep import onep\n"
        "o, cik, temp = onep.OnepV1(), 'a' * 40, {'alias': 'living room'}\n"
        "o.write(cik, temp, 1), o.read(cik, temp), o.info(cik, temp), o.read(cik, temp)\n"
        "o.read(cik, 'b' * 40), o.read(cik, 'c' * 40)\n"
    )
    done = run_apart("run", "--cik", "a" * 40, path)
    said = summary(done)
    assert said[:3] == [
        "6 calls: 0 ok, 6 failed",
        "  4 x read living room, write living room, info living room: "
        "invalid: no resource has the alias 'living room'",
        "      needs --dataport 'living room', or --autocreate when the script writes to it",
    ]
    assert [line.partition("with the")[0] for line in said[3:]] == [
        "  2 x read bbbb…, read cccc…: restricted: no such resource within reach",
        "      needs --dataport ALIAS@RID, ",
    ]


def test_run_says_what_points_that_were_refused_need(tmp_path):
    path = tmp_path / "points.py"
    path.write_text(
        "from pyonep import onep\n"
        "o, cik = onep.OnepV1(), 'a' * 40\n"
        "isok, rid = o.create(cik, 'dataport', {'format': 'float'})\n"
        "o.recordbatch(cik, rid, [[0, 1], [5, 1]])\n"
        "o.write(cik, rid, 'warm')\n"
    )
    said = summary(run_apart("run", "--cik", "a" * 40, path))
    place = next(n for n, line in enumerate(said) if "recordbatch" in line)
    assert said[place].endswith("invalid: 1 points")
    assert "seconds that have no point yet" in said[place + 1] and "0 is none" in said[place + 1]
    place = next(n for n, line in enumerate(said) if "x write" in line)
    assert "--dataport ALIAS:FORMAT" in said[place + 1]  # nobody could paste a RID that is cut
    assert not any("…" in line for line in said if "needs" in line)


@pytest.mark.parametrize("text", ["print 1", "import no_such_module"])
def test_run_a_script_that_ends_before_its_first_call(tmp_path, text):
    (tmp_path / "broken.py").write_text(text)
    done = run_apart("run", tmp_path / "broken.py")
    assert done.returncode == 1
    assert "the script ended with status 1 before its first call" in summary(done)[-1]


def test_run_says_nothing_of_calls_when_it_did_not_begin(old_script):
    assert "40 characters" in one_sentence(run_apart("run", "--cik", "123", old_script))


FAILING = """
from pyonep import Provision, onep
o, cik = onep.OnepV1(), "a" * 40
o.create(cik, "dataport", {"format": "flat"})
o.write(cik, {"alias": "temp"}, "warm")
o.read(cik, {"alias": "temp"}, {"limit": -1})
Provision().serialnumber_activate("thermo", "SN-1", "acme")
"""


def test_what_run_says_fits_what_failed(tmp_path):
    path = tmp_path / "failing.py"
    path.write_text(FAILING)
    said = summary(run_apart("run", "--cik", "a" * 40, "--dataport", "temp", path))
    helps = {said[n].partition(": ")[0]: said[n + 1] for n in range(1, len(said), 2)}
    assert "--dataport temp:FORMAT" in helps["  1 x write temp"]
    for what in ("  1 x create dataport", "  1 x read temp"):
        assert "a change of the script" in helps[what]
    (activation,) = (help for what, help in helps.items() if "/provision/activate" in what)
    assert "--vendor NAME" in activation and "--dataport" not in activation


def test_run_without_a_script(tmp_path):
    assert "there is no script" in one_sentence(run("run", tmp_path / "none.py"))


def test_run_a_script_that_is_ended_from_outside(script):
    script.write_text("import time\nprint('up', flush=True)\ntime.sleep(60)")
    command = [sys.executable, "-m", "pyonep.server", "run", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as popen:
        assert popen.stdout.readline() == "up\n"
        popen.send_signal(signal.SIGINT)  # ends it only when it reaches the script
        popen.terminate()
        assert popen.wait(20) == 128 + signal.SIGTERM


def test_run_from_a_copied_folder(tmp_path, script):
    copy = tmp_path / "elsewhere" / "pyonep"
    shutil.copytree(Path(pyonep.__file__).parent, copy)
    script.write_text("import pyonep; print(pyonep.__file__)")
    done = run_apart("run", script, cwd=copy.parent, env={**os.environ, "PYTHONPATH": ""})
    assert done.stdout == f"{copy / '__init__.py'}\n"


# --- the log of calls, health ---


def test_the_log_has_a_line_for_each_call(tmp_path):
    process = Process("--memory", log=True)
    cik = process.found("cik")
    o = process.client()
    o.create(cik, "dataport", {"format": "float"}, defer=True)
    o.lookup(cik, "alias", "temperature", defer=True)
    o.send_deferred(cik)
    o.read(cik, {"alias": ""})
    o.close()
    code, _, log = process.end()
    assert code == 0
    lines = [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in log.splitlines()]
    shown = process.found("rid")[:4] + "…"
    assert lines == [
        f"rpc        {shown}  {'create dataport':<40}  ok",
        f"rpc        {shown}  {'lookup alias temperature':<40}  "
        "invalid: no resource has the alias 'temperature'",
        f"rpc        {shown}  {'read (self)':<40}  invalid: a client has no points",
    ]


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


def test_a_local_platform_that_does_not_run_says_how_to_start_it():
    platform = LocalPlatform()
    makers = (platform.device, platform.vendor, lambda: platform.dataport("a" * 40, "x"))
    for make in (*makers, lambda: platform.run(lambda inner: inner)):
        with pytest.raises(RuntimeError, match="use `with`, or call start.. first"):
            make()
    with platform:
        pass
    with pytest.raises(RuntimeError):
        platform.device()


def test_local_platform_says_what_is_wrong(tmp_path, platform):
    with pytest.raises(OSError):
        LocalPlatform(port=platform.port).start()
    with pytest.raises(StoreError, match="synchronous"):
        LocalPlatform(settings=Settings(synchronous="SOMETIMES")).start()
    for make in (platform.device, platform.vendor):
        with pytest.raises(Refused, match="40 characters"):
            make("other", "no key")
    assert Problem is Refused


def test_a_device_keeps_its_key_to_itself(device):
    assert device.cik not in repr(device) and device.rid in repr(device)


# --- the files ---


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
@pytest.mark.parametrize("place", ["new", "link", "odd?name#x%20"])
def test_a_new_database_is_for_its_owner_alone(tmp_path, umask, place):
    path = tmp_path / place
    if place == "link":
        path.symlink_to(tmp_path / "target")
    before = os.umask(umask)
    try:
        with LocalPlatform(str(path)) as platform:
            platform.device()
            files = [file for file in tmp_path.iterdir() if not file.is_symlink()]
            assert any(file.name.endswith("-wal") for file in files)
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
            assert path.exists()
    finally:
        os.umask(before)


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
def test_a_database_that_is_there_keeps_its_mode(tmp_path):
    path = tmp_path / "shared.sqlite"
    with LocalPlatform(str(path)) as platform:
        device = platform.device()
    path.chmod(0o640)
    with LocalPlatform(str(path)) as platform:
        assert onep.OnepV1(**platform.connection).lookup(device.cik, "alias", "")[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
