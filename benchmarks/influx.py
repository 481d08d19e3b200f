"""InfluxDB 1.x, started for a while, as a peer of the local platform."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
wal-fsync-delay = "0s"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
[monitor]
store-enabled = false
[subscriber]
enabled = false
[continuous_queries]
enabled = false
[logging]
level = "error"
"""
DATABASE = "benchmark"
WRITE = f"/write?db={DATABASE}&precision=s"


@contextmanager
def server():
    """Run InfluxDB in a folder that is removed afterwards; yields its port.

    It sends nothing home, and each write is on the disk before it is answered. Yields None
    where there is no ``influxd`` on the path.
    """
    program = shutil.which("influxd")
    if program is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as name, socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        held.close()
        config = Path(name) / "influxdb.conf"
        config.write_text(CONFIG.format(folder=name, port=port))
        environment = {**os.environ, "INFLUXDB_REPORTING_DISABLED": "true", "HOME": name}
        process = subprocess.Popen(
            [program, "run", "-config", str(config)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_until_it_answers(process, port)
            _ask(port, "POST", f"/query?q=CREATE+DATABASE+{DATABASE}", b"", 200)
            _ask(port, "POST", WRITE, b"first value=1i", 204)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_it_answers(process, port):
    end = time.monotonic() + 30
    while True:
        try:
            _ask(port, "GET", "/ping", b"", 204)
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("influxd does not start") from None
            time.sleep(0.05)


def _ask(port, method, path, body, wanted):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != wanted:
        raise RuntimeError(f"influxd answered {answer.status}: {text[:200]!r}")
