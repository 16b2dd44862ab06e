"""A faulty line between a client and a server: refuses, answers in the server's place, is slow, or cuts answers off.

It stands on loopback before a real server and hands every request on as it came. Which fault befalls a request is
decided by a function that a test sets, and may set anew while requests come.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

_OF_A_CONNECTION = ("connection", "keep-alive", "transfer-encoding", "expect")
_PIECES = 10


class Request(NamedTuple):
    """A request on its way.

    Attributes:
        number: From 1, in the order of arrival.
        method: Its method.
        path: Its path, query included.
    """

    number: int
    method: str
    path: str


class Fault(NamedTuple):
    """What befalls a request.

    Attributes:
        status: Answer this instead of asking the server.
        seconds: How long the answer takes to cross the line, piece by piece.
        cut: `before`: the connection is closed, the server is not asked; `after`: the server has done what it was
            asked for, and its answer is lost; `middle`: half of the answer arrives.
    """

    status: int | None = None
    seconds: float = 0.0
    cut: str = ""


NONE = Fault()
Weather = Callable[[Request], Fault]


def fair(request: Request) -> Fault:
    """No fault."""
    return NONE


class Proxy:
    """A line to one server.

    Args:
        target: Port of the server on 127.0.0.1.
        xml: Whether an answer in the server's place is one of S3, not JSON.

    Attributes:
        port: Where it listens, also after a time in which it did not.
        weather: Decides what befalls each request.
        done: Called when the server has answered a request, before anybody else hears of it.
        befallen: How many requests met a fault.
        seen: All requests so far, in the order of arrival.
    """

    def __init__(self, target: int, *, xml: bool = False) -> None:
        self.target = target
        self.xml = xml
        self.weather: Weather = fair
        self.done: Callable[[Request], None] = lambda request: None
        self.seen: list[Request] = []
        self.befallen = 0
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._server: _Server | None = None
        self.port = 0
        self.up()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Listen, if it does not."""
        if self._server is None:
            self._server = _Server(self.port, self)
            self.port = self._server.server_port
            threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections, and cut those there are: as when the machine behind it has died."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def down_for(self, seconds: float) -> threading.Thread:
        """Be away for a while, beginning now; the thread that brings it back is returned."""
        self.down()

        def come_back() -> None:
            time.sleep(seconds)
            self.up()

        thread = threading.Thread(target=come_back, daemon=True)
        thread.start()
        return thread

    def arrived(self, method: str, path: str) -> tuple[Request, Fault]:
        """Note a request, and ask for its fault."""
        with self._lock:
            request = Request(len(self.seen) + 1, method, path)
            self.seen.append(request)
        fault = self.weather(request)
        with self._lock:
            self.befallen += fault != NONE
        return request, fault

    def opened(self, connection: socket.socket) -> None:
        """Note a connection."""
        with self._lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._connections.discard(connection)


@contextmanager
def line(target: int, *, xml: bool = False) -> Iterator[Proxy]:
    """A proxy for the time of use."""
    proxy = Proxy(target, xml=xml)
    try:
        yield proxy
    finally:
        proxy.down()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, proxy: Proxy) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.proxy = proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is what this is for."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 300

    def setup(self) -> None:
        super().setup()
        self.server.proxy.opened(self.connection)

    def finish(self) -> None:
        self.server.proxy.closed(self.connection)
        super().finish()

    def do_GET(self) -> None:
        body = self._body()
        request, fault = self.server.proxy.arrived(self.command, self.path)
        if fault.cut == "before":
            self._hang_up()
        elif fault.status is not None:
            self._answer(fault.status, *self._in_its_place(fault.status), NONE)
        else:
            response, content = self._asked(body)
            self.server.proxy.done(request)
            if fault.cut == "after":
                self._hang_up()
            else:
                self._answer(response.status, response.getheaders(), content, fault)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while length := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(length))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    def _asked(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        """What the server answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.proxy.target, timeout=300)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in (*_OF_A_CONNECTION, "content-length", "host"):
                connection.putheader(name, value)
        # Servers may take requests for their own address only.
        connection.putheader("Host", f"127.0.0.1:{self.server.proxy.target}")
        if body or self.command in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response, content

    def _in_its_place(self, status: int) -> tuple[list[tuple[str, str]], bytes]:
        """Headers and body of an answer that the server did not give."""
        if self.server.proxy.xml:
            text = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
            return [("Content-Type", "application/xml")], text.encode()
        return [("Content-Type", "application/json")], b'{"error": {"message": "nobody is here", "code": null}}'

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, fault: Fault) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in (*_OF_A_CONNECTION, "content-length"):
                self.send_header(name, value)
        length = dict((name.lower(), value) for name, value in headers).get("content-length", "0")
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(content)))
        self.end_headers()
        self.wfile.flush()
        if self.command == "HEAD":
            content = b""
        if fault.cut == "middle":
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self._hang_up()
            return
        pieces = _PIECES if fault.seconds else 1
        size = max(1, -(-len(content) // pieces))
        for start in range(0, max(1, len(content)), size):
            time.sleep(fault.seconds / pieces)
            self.wfile.write(content[start : start + size])
            self.wfile.flush()

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
