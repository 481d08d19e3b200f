"""Provisioning: many serial numbers, many activations, large firmware."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path

from pyonep import OnepV1, Provision

from .measure import Table, alternate, child, median, memory

MODEL = "m"
PIECE = 1024 * 1024


def platform_server(pipe, path):
    """The platform on a file, with a vendor; sends ``(port, account, pid)``."""
    from pyonep.server import LocalPlatform
    from pyonep.server.core.turns import collector

    collector.begin()  # as in `python -m pyonep.server`: the process is the platform's own
    with LocalPlatform(path) as platform:
        pipe.send((platform.port, tuple(platform.vendor("acme")), os.getpid()))
        pipe.recv()


class Pattern:
    """A file of so many bytes that takes no memory."""

    def __init__(self, size):
        self.size, self.position = size, 0
        self._block = bytes(range(256)) * (PIECE // 256)

    def tell(self):
        return self.position

    def seek(self, offset, whence=0):
        self.position = offset if whence == 0 else self.size + offset
        return self.position

    def read(self, amount=PIECE):
        amount = min(amount, self.size - self.position, PIECE)
        start = self.position % 256
        self.position += amount
        return (self._block[start:] + self._block[:start])[:amount]


class Sink(Pattern):
    """A file that checks what is written against the pattern and keeps nothing."""

    def __init__(self):
        super().__init__(0)

    def write(self, data):
        start = self.size % 256
        expected = (self._block[start:] + self._block[:start])[: len(data)]
        assert data == expected
        self.size += len(data)
        self.position = self.size

    def truncate(self):
        self.size = self.position


class Peak:
    """Highest resident memory of a process while the block runs, over that before."""

    def __init__(self, pid):
        self._pid, self._stop = pid, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._before = self._highest = memory(self._pid)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _watch(self):
        while not self._stop.wait(0.02):
            self._highest = max(self._highest, memory(self._pid))

    def megabytes(self):
        return (self._highest - self._before) / 1e6


def serial_numbers(table, p, account, pid, number):
    text = "".join(f"SN-{n:07},line {n % 10}\r\n" for n in range(number))
    before, start = memory(pid), time.perf_counter()
    assert p.serialnumber_add_batch_csv(account[1], MODEL, text).status == 205
    took = time.perf_counter() - start
    figure = f"{took:.2f} s  {number / took:,.0f}/s"
    table.row(f"adding {number:,} serial numbers by CSV", figure, "", None)
    table.row("  platform's memory", f"+{(memory(pid) - before) / 1e6:.0f} MB", "", None)

    def page(offset):
        start = time.perf_counter()
        response = p.serialnumber_list(account[1], MODEL, offset, 1000)
        took = time.perf_counter() - start
        assert response.body.count("\n") == 1000
        return took

    results = alternate(100, first=lambda: page(0), last=lambda: page(number - 1000))
    ratio = median(results["last"]) / median(results["first"])
    figure = f"{median(results['last']) * 1e3:.1f} ms  {ratio:.2f}"
    table.row("last page of 1,000 (of the time of the first)", figure, "<= 1.2", ratio <= 1.2)


def activations(table, p, account, number):
    name, cik, portal = account[0], account[1], account[5]
    numbers = [f"SN-{n:07}" for n in range(number)]
    start = time.perf_counter()
    for sn in numbers:
        assert p.serialnumber_enable(cik, MODEL, sn, portal).status == 200
    enabled = number / (time.perf_counter() - start)
    start = time.perf_counter()
    for sn in numbers:
        assert p.serialnumber_activate(MODEL, sn, name).status == 200
    activated = number / (time.perf_counter() - start)
    table.row("enabling a device, one connection", f"{enabled:,.0f}/s", "", None)
    table.row("activating it", f"{activated:,.0f}/s", "", None)


def firmware(table, p, account, pid, size):
    name, cik = account[0], account[1]
    p.content_create(cik, MODEL, "fw", "")
    device = p.serialnumber_reenable(cik, MODEL, "SN-0000000") and p.serialnumber_activate(
        MODEL, "SN-0000000", name
    )
    sink = Sink()
    for what, work in (
        ("upload", lambda: p.content_upload(cik, MODEL, "fw", Pattern(size), "a/b")),
        ("download", lambda: p.content_download(device.body, name, MODEL, "fw", sink)),
    ):
        with Peak(pid) as platform, Peak("self") as client:
            start = time.perf_counter()
            assert work().isok
            took = time.perf_counter() - start
        label = f"{what} of {size / 2**20:,.0f} MiB ({size / 1e6 / took:.0f} MB/s)"
        for side, peak in (("platform", platform), ("client", client)):
            grown = peak.megabytes()
            figure = f"+{grown:.0f} MB"
            table.row(f"{label}: memory, {side}", figure, "<= 50 MiB", grown <= 52.4)
    assert sink.size == size


def run(quick=False):
    """Measure everything; about a minute."""
    table = Table("Provisioning")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "platform.sqlite")
        with child(platform_server, path) as platform:
            port, account, pid = platform.recv()
            p = Provision("127.0.0.1", port, https=False, reuseconnection=True, httptimeout=120)
            o = OnepV1("127.0.0.1", port, https=False)
            template = o.create(account[1], "client", {"limits": {"dataport": 1}})[1]
            p.model_create(account[1], MODEL, template)
            serial_numbers(table, p, account, pid, 10_000 if quick else 100_000)
            activations(table, p, account, 300 if quick else 1000)
            firmware(table, p, account, pid, 2**26 if quick else 2**30)
            p.close()
    return table
