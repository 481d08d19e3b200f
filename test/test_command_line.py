"""``python -m pyonep``: reading a series from the command line."""

from __future__ import annotations

import os
import re
import subprocess
import time
from datetime import datetime, timezone

import pytest
from running import python

from pyonep import __main__ as command_line

START = 1_700_000_000


@pytest.fixture
def series(o, cik, new_dataport):
    """A series of 25 points, ten seconds apart."""
    rid = new_dataport(o, cik, alias="temperature")
    points = [[START + 10 * n, n / 2] for n in range(25)]
    assert o.recordbatch(cik, rid, points) == (True, "ok")
    return rid


@pytest.fixture
def run(platform, cik, monkeypatch, capsys):
    """Runs a command for the device; returns exit status, output and errors."""
    monkeypatch.setenv("PYONEP_ENDPOINT", platform.endpoint)
    monkeypatch.setenv(command_line.CIK_VARIABLE, cik)

    def run(*arguments):
        try:
            code = command_line.main([*map(str, arguments)])
        except SystemExit as end:  # of argparse
            code = end.code
        return (code, *capsys.readouterr())

    return run


def rows(text):
    head, *lines = text.splitlines()
    assert head == "timestamp,value"
    return [[int(when), float(value)] for when, value in (line.split(",") for line in lines)]


@pytest.mark.parametrize("page", [1, 7, 25, 10_000])
def test_read_all(run, series, page):
    code, out, err = run("read", "temperature", "--page", page)
    assert (code, err) == (0, "")
    assert rows(out) == [[START + 10 * n, n / 2] for n in range(25)]


def test_read_by_rid_and_key(run, series, cik, monkeypatch):
    monkeypatch.delenv(command_line.CIK_VARIABLE)
    assert len(rows(run("read", series, "--cik", cik)[1])) == 25


@pytest.mark.parametrize("form", ["seconds", "iso"])
def test_read_a_window(run, series, form):
    def said(when):
        moment = datetime.fromtimestamp(when, timezone.utc)
        return when if form == "seconds" else moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    _, out, _ = run("read", "temperature", "--start", said(START + 20), "--end", said(START + 40))
    assert [when - START for when, _ in rows(out)] == [20, 30, 40]


def test_a_date_without_a_zone_is_local_time(run, series):
    local = datetime.fromtimestamp(START + 200).isoformat()
    assert len(rows(run("read", "temperature", "--start", local)[1])) == 5


def test_read_nothing(run, series):
    assert run("read", "temperature", "--end", START - 1) == (0, "timestamp,value\n", "")


def test_an_alias_that_is_not_there(run, series):
    code, out, err = run("read", "humidity")
    assert (code, out) == (1, "")
    assert err == (
        "pyonep: 'humidity' cannot be read: invalid: no resource has the alias 'humidity'\n"
    )


def test_a_key_that_is_refused(run):
    code, out, err = run("read", "temperature", "--cik", "f" * 40)
    assert (code, out) == (1, "") and err == (
        "pyonep: no client has this key, or it may not be used: 401 Invalid (auth)\n"
    )


def test_no_key(run, monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    code, _, err = run("read", "temperature")
    assert code == 2 and "set PYONEP_CIK" in err
    assert err.startswith("usage: python -m pyonep read ")


def test_a_server_without_tls_is_named_in_words_of_the_command_line(run, platform):
    code, out, err = run("read", "x", "--host", platform.host, "--port", platform.port)
    assert (code, out) == (1, "")
    assert "it speaks http" in err and "say so with --host http://" in err and "https=" not in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--start", "yesterday"], "write Unix seconds, or a date like"),
        (["--host", "127.0.0.1", "--port", "http"], "port must be a number"),
        (["--host", "http://a/b"], "neither path nor user"),
        (["--page", "0"], "page must be at least 1"),
    ],
)
def test_bad_input(run, arguments, said):
    code, _, err = run("read", "temperature", *arguments)
    assert code in (1, 2) and said in err and "Traceback" not in err


@pytest.mark.parametrize("command", [["--help"], ["read", "--help"]])
def test_help(run, command):
    code, out, _ = run(*command)
    assert code == 0 and "PYONEP_CIK" in out and "> all.csv" in out


# --- as a process of its own ---


@pytest.fixture
def process(platform, cik):
    def start(*arguments, **kwargs):
        environment = {
            **os.environ,
            "PYONEP_ENDPOINT": platform.endpoint,
            command_line.CIK_VARIABLE: cik,
            "TERM": "xterm",
        }
        command = python("-m", "pyonep", *arguments)
        return subprocess.Popen(command, env=environment, **kwargs)

    return start


def fill(o, cik, rid, count):
    """Put points into a series, in the place of those it has."""
    assert o.flush(cik, rid) == (True, "ok")
    for start in range(0, count, 50_000):
        points = [[START + n, 1] for n in range(start, min(start + 50_000, count))]
        assert o.recordbatch(cik, rid, points) == (True, "ok")


def shown_on(terminal):
    """What a process wrote to a terminal of its own, until it ended."""
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # the terminal is closed
            os.close(terminal)
            return shown


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal of its own")
@pytest.mark.parametrize("with_tqdm", [True, False])
def test_a_bar_on_a_terminal(process, o, cik, series, tmp_path, monkeypatch, with_tqdm):
    import fcntl
    import pty
    import struct
    import termios

    fill(o, cik, series, 20_000)
    if not with_tqdm:
        (tmp_path / "tqdm.py").write_text("raise ImportError('not installed')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with (tmp_path / "out.csv").open("w") as out:
        reading = process("read", "temperature", "--page", 1000, stdout=out, stderr=inner)
    os.close(inner)
    shown = shown_on(outer)
    assert reading.wait(20) == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 20_001
    if with_tqdm:
        last = shown.decode().rsplit("\r", 2)[-2]
        assert re.search(r"100%\|█+\| 20,000 points \[", last), shown
    else:
        assert shown == b""


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal of its own")
def test_no_bar_between_points_that_the_terminal_shows(process, series):
    import pty

    outer, inner = pty.openpty()
    reading = process("read", "temperature", stdout=inner, stderr=inner)
    os.close(inner)
    shown = shown_on(outer)
    assert reading.wait(20) == 0
    assert len(shown.splitlines()) == 26 and b"%" not in shown


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("count", [25, 20_000])
def test_a_disk_that_is_full(process, o, cik, series, count):
    fill(o, cik, series, count)
    with open("/dev/full", "w") as full:
        reading = process("read", "temperature", stdout=full, stderr=subprocess.PIPE, text=True)
        _, err = reading.communicate(timeout=20)
    assert reading.returncode == 1
    assert err == "pyonep: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
def test_csv_is_utf8_whatever_the_terminal_is_set_to(
    process, o, cik, new_dataport, monkeypatch, encoding
):
    rid = new_dataport(o, cik, alias="words", format="string")
    values = ["grün", "€", "ключ"]
    assert o.recordbatch(cik, rid, [[START + n, one] for n, one in enumerate(values)])[0]
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    reading = process("read", "words", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = reading.communicate(timeout=20)
    assert (reading.returncode, err) == (0, b"")
    lines = out.decode("utf-8").splitlines()
    assert lines == ["timestamp,value", *(f"{START + n},{one}" for n, one in enumerate(values))]


def test_a_reader_that_has_enough(process, o, cik, series):
    fill(o, cik, series, 100_000)
    with process("read", "temperature", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reading:
        assert reading.stdout.readline() == b"timestamp,value\n"
        reading.stdout.close()
        assert reading.wait(20) == 1
        assert reading.stderr.read() == b""


def test_interrupted(process, o, cik, series):
    import signal

    fill(o, cik, series, 200_000)
    with process(
        "read", "temperature", "--page", 100, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as reading:
        reading.stdout.readline()
        reading.send_signal(signal.SIGINT)
        reading.stdout.read()
        assert reading.wait(20) == 130
        assert reading.stderr.read() == b""


# --- OnepV1.points ---


def test_points_in_both_directions(o, cik, series):
    up = list(o.points(cik, series, page=4))
    assert up == [[START + 10 * n, n / 2] for n in range(25)]
    assert list(o.points(cik, series, sort="desc", page=4)) == up[::-1]
    window = list(o.points(cik, series, START + 15, START + 30, "desc", page=1))
    assert [when - START for when, _ in window] == [30, 20]


def test_points_that_arrive_meanwhile_are_met(o, cik, series):
    going = o.points(cik, series, page=10)
    first = [next(going) for _ in range(10)]
    o.write(cik, series, 99.5)
    rest = list(going)
    assert len(first) + len(rest) == 26 and rest[-1][1] == 99.5
    assert abs(rest[-1][0] - time.time()) < 60


def test_points_of_a_series_that_ends_meanwhile(o, cik, series):
    from pyonep.exceptions import OnePlatformException

    going = o.points(cik, series, page=10)
    next(going)
    o.drop(cik, series)
    with pytest.raises(OnePlatformException, match="cannot be read: restricted") as caught:
        list(going)
    assert series not in str(caught.value)


def test_points_hold_one_page(o, cik, series):
    import tracemalloc

    fill(o, cik, series, 100_000)
    tracemalloc.start()
    assert sum(1 for _ in o.points(cik, series, page=1000)) == 100_000
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5_000_000


def test_points_of_a_page_without_points(o, cik, series):
    with pytest.raises(ValueError, match="page must be at least 1"):
        o.points(cik, series, page=0)
