"""What the benchmarks share: child processes, a load generator, medians, tables."""

from __future__ import annotations

import multiprocessing
import select
import socket
import statistics
import time
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def child(target, *arguments):
    """Run ``target(connection, *arguments)`` in a process; yields our end of the pipe.

    The process ends when it is sent anything after its first message.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        ours.send("stop")
        process.join(30)
        if process.is_alive():
            process.kill()


def memory(pid="self"):
    """Resident memory of a process, in bytes."""
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


class Load:
    """Keeps one request under way on each of some connections."""

    def __init__(self, port, connections, path="/onep:v1/rpc/process"):
        self._head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
        self._sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
        for one in self._sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        for one in self._sockets:
            one.close()

    def rate(self, bodies, seconds):
        """Requests per second; ``bodies()`` gives the next body."""
        poll = select.epoll()
        by_number = {one.fileno(): one for one in self._sockets}
        for number, one in by_number.items():
            poll.register(number, select.EPOLLIN)
            self._send(one, bodies())
        done, start = 0, time.perf_counter()
        end = start + seconds
        while time.perf_counter() < end:
            for number, _ in poll.poll(1):
                one = by_number[number]
                self._receive(one)
                self._send(one, bodies())
                done += 1
        elapsed = time.perf_counter() - start
        for one in by_number.values():
            self._receive(one)
        poll.close()
        return done / elapsed

    def once(self, body):
        """Seconds that one request takes on the first connection."""
        start = time.perf_counter()
        self._send(self._sockets[0], body)
        self._receive(self._sockets[0])
        return time.perf_counter() - start

    def _send(self, one, body):
        one.sendall(f"{self._head}{len(body)}\r\n\r\n".encode() + body)

    @staticmethod
    def _receive(one):
        data = one.recv(262144)
        head, _, body = data.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 204"):
            return
        lower = head.lower()
        at = lower.index(b"content-length:") + 15
        length = int(lower[at:].split(b"\r\n", 1)[0])
        have = len(body)
        while have < length:
            have += len(one.recv(262144))


def median(values):
    return statistics.median(values)


def alternate(rounds, **works):
    """Run each work in turn, `rounds` times; return the list of results of each."""
    results = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            results[name].append(work())
    return results


def ratios(results, name, against):
    """Median of the ratios of two works, round by round."""
    return median([a / b for a, b in zip(results[name], results[against])])


class Table:
    """Rows of a result, printed as they come."""

    def __init__(self, title):
        self.title = title
        self.rows = []
        print(f"\n{title}\n" + "-" * len(title), flush=True)

    def row(self, work, figure, target, reached):
        """Add a row; `reached` is None where there is no target."""
        mark = {True: "yes", False: "NO", None: ""}[reached]
        self.rows.append((work, figure, target, mark))
        print(f"{work:<58} {figure:>22}   {target:<14} {mark}", flush=True)


def plot(name, draw):
    """Have ``draw(axes)`` fill a picture in ``docs/``; without matplotlib there is none."""
    try:
        import matplotlib
    except ImportError:
        print(f"(no {name}: pip install matplotlib)")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    draw(axes)
    path = Path(__file__).parent.parent / "docs" / name
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    print(f"(drawn: {path})")
