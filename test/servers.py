"""Servers that tests speak to where a real platform would behave too well."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Recorder:
    """An HTTP server that keeps what it is sent and answers as told.

    ``answer(request)`` gets ``(method, path, headers, body)`` and returns
    ``(status, headers, body)``; by default every RPC call gets the result ``R<id>``.
    """

    def __init__(self, answer=None):
        self.requests = []
        self.connections = set()
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one(self):
                recorder.connections.add(self.client_address)
                length = int(self.headers.get("Content-Length") or 0)
                request = (self.command, self.path, self.headers, self.rfile.read(length))
                recorder.requests.append(request)
                status, headers, body = (answer or results)(request)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = handle_one

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.port = self._server.server_port
        self.connection = {"host": "127.0.0.1", "port": self.port, "https": False}

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def bodies(self):
        return [json.loads(body) for _, _, _, body in self.requests]


def results(request):
    """Answer every call with its id."""
    calls = json.loads(request[3])["calls"]
    answers = [{"id": c["id"], "status": "ok", "result": f"R{c['id']}"} for c in calls]
    return 200, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(answers).encode()


def saying(value, status=200, content_type="application/json"):
    """An answer that is always the same: bytes, or anything as JSON."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return lambda _: (status, {"Content-Type": content_type}, body)


class Socket:
    """A bare TCP server: for each connection, reads a request and runs ``behave(conn)``."""

    def __init__(self, behave):
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connection = {"host": "127.0.0.1", "port": self.port, "https": False}
        self._thread = threading.Thread(target=self._serve)
        self._open = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for conn in self._open:
            conn.close()
        self._thread.join()

    def _serve(self):
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(conn)
            _read_request(conn)
            self._behave(conn)


def _read_request(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65536)
        if not piece:
            return
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        piece = conn.recv(65536)
        if not piece:
            return
        body += piece


def free_port():
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Proxy:
    """A TCP proxy in front of a port, through which the network misbehaves as told.

    Attributes of the network, each for connections made from then on and most of them
    for those that are open as well:

    - ``latency``: seconds each piece takes, in either direction.
    - ``down``: connections are refused (reset at once).
    - ``hang``: connections are accepted, and nothing goes through.
    - ``swallow``: requests go through, the answer is lost and the connection cut.
    - ``cut_after``: bytes of answers after which the connection is cut, once.
    - ``reset``: cuts are resets instead of clean ends.
    """

    def __init__(self, port):
        self.target = port
        self.latency = 0.0
        self.down = self.hang = self.swallow = self.reset = False
        self.cut_after = None
        self.cut_request_after = None
        self.faults = 0
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.connection = {"host": "127.0.0.1", "port": self.port, "https": False}
        self._open = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def cut(self):
        """Cut all connections that are open."""
        with self._lock:
            for one in list(self._open):
                self._end(one)

    def _end(self, one):
        if self.reset:
            linger = struct.pack("ii", 1, 0)
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
        self._open.discard(one)

    def _accept(self):
        while True:
            try:
                ours, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.down:
                self.faults += 1
                self._end(ours)
                continue
            try:
                theirs = socket.create_connection(("127.0.0.1", self.target), timeout=10)
            except OSError:
                self.faults += 1
                self._end(ours)
                continue
            with self._lock:
                self._open.update((ours, theirs))
            for one, other, is_answer in ((ours, theirs, False), (theirs, ours, True)):
                with contextlib.suppress(OSError):  # it may be cut by now
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(
                    target=self._pump, args=(one, other, is_answer), daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _pump(self, source, sink, is_answer):
        with contextlib.suppress(OSError, ValueError):
            if not is_answer and self.latency:
                time.sleep(2 * self.latency)  # the handshake of the connection
            while True:
                piece = source.recv(65536)
                if not piece:
                    break
                if self.latency:
                    time.sleep(self.latency)
                    # What was sent right behind it arrives right behind it.
                    while select.select([source], [], [], 0)[0] and (more := source.recv(65536)):
                        piece += more
                while self.hang:
                    time.sleep(0.005)
                if is_answer and self.swallow:
                    self.faults += 1
                    break
                piece, last = self._measured(piece, is_answer)
                sink.sendall(piece)
                if last:
                    self.faults += 1
                    break
        with self._lock:
            for one in (source, sink):
                self._end(one)

    def _measured(self, piece, is_answer):
        """As much of a piece as goes through before the next cut."""
        name = "cut_after" if is_answer else "cut_request_after"
        left = getattr(self, name)
        if left is None:
            return piece, False
        if len(piece) < left:
            setattr(self, name, left - len(piece))
            return piece, False
        setattr(self, name, None)
        return piece[:left], True
