"""Servers that tests speak to where a real platform would behave too well."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import ssl
import struct
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path


def settles(condition, told=None):
    """Wait for what the other end does on its own, on a machine as busy as may be.

    Fails after a minute; `told()` is shown then.
    """
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, told() if told else "it does not settle"
        time.sleep(0.005)


def uncovered():
    """The environment for a process that cannot write down which lines it ran.

    Where the disk is full or descriptors are few, what measures coverage fails as well, and
    says so in the log that the test reads.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


class Listener:
    """A TCP server: each connection has a thread of its own, and none of them outlives it.

    ``serve(conn)`` runs for each connection. An `OSError` there means that the other side hung
    up; anything else fails the test when the server ends. A connection stays open until
    ``serve`` closes it or the server ends. With a `context` it speaks TLS.
    """

    def __init__(self, serve, context=None):
        self._serve = serve
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.connection = {"host": "127.0.0.1", "port": self.port, "https": False}
        self._bell, self._ringer = socket.socketpair()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._threads = []
        self._sockets = []
        self._failures = []

    def __enter__(self):
        self._accepting.start()
        return self

    def __exit__(self, kind, *_):
        self._ringer.send(b"x")
        self._accepting.join()  # nobody is accepted, and no thread is started, from here on
        self.cut()
        for thread in self._threads:
            thread.join(10)
        for one in (self._listener, self._bell, self._ringer, *self._sockets):
            one.close()
        left = [thread.name for thread in self._threads if thread.is_alive()]
        if kind is None and self._failures:
            raise self._failures[0]
        assert kind or not left, f"threads that do not end: {left}"

    def cut(self):
        """End all connections there are."""
        for one in list(self._sockets):
            end(one)

    def _accept(self):
        while self._bell not in readable(self._listener, self._bell):
            conn, _ = self._listener.accept()
            self._sockets.append(conn)
            thread = threading.Thread(target=self._run, args=(conn,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, conn):
        try:
            if self._context is not None:
                conn = self._context.wrap_socket(
                    conn, server_side=True, do_handshake_on_connect=False
                )
                self._sockets.append(conn)
                conn.do_handshake()
            self._serve(conn)
        except OSError:
            pass
        except BaseException as error:
            self._failures.append(error)


def end(one, reset=False):
    """End a connection for both sides, whoever is reading from it; it is still to be closed."""
    with contextlib.suppress(OSError):
        if reset:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.socket.shutdown(one, socket.SHUT_RDWR)  # over TLS as well without a word


def readable(*sockets, timeout=None):
    """Those that have something to read, or have ended."""
    with selectors.DefaultSelector() as selector:
        for one in sockets:
            selector.register(one, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(timeout)]


def tls_context(folder):
    """A TLS context for a server, and the path of its certificate, made in a folder."""
    certificate, key = Path(folder) / "cert.pem", Path(folder) / "key.pem"
    subprocess.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1,DNS:localhost -keyout {key} -out {certificate}",
        shell=True,
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, str(certificate)


class Recorder(Listener):
    """An HTTP server that keeps what it is sent and answers as told.

    ``answer(request)`` gets ``(method, path, headers, body)`` and returns
    ``(status, headers, body)``; by default every RPC call gets the result ``R<id>``.
    """

    def __init__(self, answer=None, context=None):
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

        def serve(conn):
            try:
                Handler(conn, conn.getpeername(), self)
            finally:
                end(conn)

        super().__init__(serve, context)

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


class Socket(Listener):
    """A bare TCP server: for each connection, reads a request and runs ``behave(conn)``."""

    def __init__(self, behave, context=None):
        def serve(conn):
            _read_request(conn)
            behave(conn)

        super().__init__(serve, context)


def dripping(head, piece, every=0.1, lasting=25):
    """A behaviour: sends `head`, then `piece` every so many seconds, for so long, and ends."""

    def behave(conn):
        conn.sendall(head)
        for _ in range(round(lasting / every)):
            if readable(conn, timeout=every):  # it is readable when it has ended
                return
            conn.sendall(piece)
        end(conn)

    return behave


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


class Proxy(Listener):
    """A TCP proxy in front of a port, through which the network misbehaves as told.

    Attributes of the network, each for connections made from then on and most of them
    for those that are open as well:

    - ``latency``: seconds each piece takes, in either direction.
    - ``down``: connections are refused (reset at once).
    - ``hang``: connections are accepted, and nothing goes through.
    - ``swallow``: requests go through, the answer is lost and the connection cut.
    - ``swallow_if``: called with each piece of a request; the answer is lost when it says so.
    - ``cut_after``: bytes of answers after which the connection is cut, once.
    - ``reset``: cuts are resets instead of clean ends.
    """

    def __init__(self, port):
        self.target = port
        self.latency = 0.0
        self.down = self.hang = self.swallow = self.reset = False
        self.swallow_if = None
        self._lost = set()
        self.cut_after = None
        self.cut_request_after = None
        self.faults = 0
        self.connections = 0
        self._stopped = threading.Event()
        super().__init__(self._forward)

    def __exit__(self, *error):
        self._stopped.set()
        super().__exit__(*error)

    def cut(self):
        """Cut all connections that are open."""
        for one in list(self._sockets):
            end(one, self.reset)

    def _forward(self, ours):
        self.connections += 1
        theirs = None
        if not self.down:
            with contextlib.suppress(OSError):
                theirs = socket.create_connection(("127.0.0.1", self.target), timeout=10)
        if theirs is None:
            self.faults += 1
            self._end(ours)
            return
        theirs.settimeout(None)
        self._sockets.append(theirs)
        for one in (ours, theirs):
            with contextlib.suppress(OSError):  # it may be cut by now
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = threading.Thread(target=self._pump, args=(theirs, ours, True), daemon=True)
        answers.start()
        self._pump(ours, theirs, False)
        answers.join()

    def _end(self, *ends):
        for one in ends:
            end(one, self.reset)
            one.close()

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
                    while readable(source, timeout=0) and (more := source.recv(65536)):
                        piece += more
                while self.hang and not self._stopped.wait(0.005):
                    pass
                if not is_answer and self.swallow_if is not None and self.swallow_if(piece):
                    self._lost.add(sink)
                if is_answer and (self.swallow or source in self._lost):
                    self.faults += 1
                    break
                piece, last = self._measured(piece, is_answer)
                sink.sendall(piece)
                if last:
                    self.faults += 1
                    break
        self._end(source, sink)

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
