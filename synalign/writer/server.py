"""The embedded writer: a small server on loopback that speaks the chat-completions protocol.

It is no language model. It answers SynAlign's two requests by rules (`language`), so that a laptop or a test can
run the very client that production runs; it names itself in every response, and the same request always gets the same
bytes. With `--fault` it fails as a real provider does now and then (`faults`).

    python -m synalign.writer.server --port 8100
"""

from __future__ import annotations

import argparse
import hashlib
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from synalign.errors import ArgumentError
from synalign.writer import batches, completions
from synalign.writer.calls import Call, Rejected, Reply, Route
from synalign.writer.completions import MODEL, complete
from synalign.writer.faults import NO_FAULTS, Faults, add_arguments, error_answer, from_arguments, spoil
from synalign.writer.tally import Tally

__all__ = ["HOST", "MODEL", "complete", "embedded_writer"]

HOST = "127.0.0.1"
_LARGEST_BODY = 64 * 2**20
_DRIPS = 20
_NO_HEADERS: Mapping[str, str] = {}


def _health(call: Call) -> Reply:
    return Reply.of({"status": "ok", "model": MODEL})


def _faults(call: Call) -> Reply:
    return Reply.of({"faults": call.faults._asdict(), **call.tally.content()})


ROUTES: tuple[Route, ...] = (
    Route("GET", re.compile("/health"), _health),
    Route("GET", re.compile("/faults"), _faults),
    *completions.ROUTES,
    *batches.ROUTES,
)


class _Handler(BaseHTTPRequestHandler):
    """One connection, kept alive between requests."""

    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = MODEL
    sys_version = ""
    timeout = 300
    # One segment per response; otherwise each would wait for the acknowledgement of its own headers.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._respond()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: the client logs."""

    def _respond(self) -> None:
        try:
            body = self._body()
            route, call = self._find(body)
            if not (route.faults or route.paid):
                self._send(200, route.answer(call))
                return
            # A chat completion is known by its body; what has none, by its path.
            digest = hashlib.sha256(body or self.path.encode()).hexdigest()
            with self.server.tally.handling(digest) as nth:
                self._answer(route, call, digest, nth)
        except Rejected as rejected:
            self.server.tally.send("rejected")
            self._send(rejected.status, Reply.of(rejected.body))

    def _answer(self, route: Route, call: Call, digest: str, nth: int) -> None:
        """Answer a request as the faults of this server would have it."""
        kind = call.faults.chosen(digest, nth, route.faults)
        time.sleep(call.faults.seconds(digest, nth))
        if kind is None:
            reply = route.answer(call)
            call.tally.send("good")
            if route.paid:
                call.tally.pay(digest)
            self._send(200, reply)
            return
        failed = error_answer(kind, call.faults)
        if failed is not None:
            call.tally.send(kind)
            self._send(failed.status, Reply.of(failed.body), failed.headers)
        elif kind == "drop":
            call.tally.send(kind)
            self._hang_up()
        else:
            self._send_spoilt(kind, route, call, digest)

    def _send_spoilt(self, kind: str, route: Route, call: Call, digest: str) -> None:
        reply = route.answer(call)
        body = spoil(kind, reply.body)
        call.tally.send(kind)
        if kind not in ("drip", "truncated-body"):
            self._send(200, reply._replace(body=body))
            return
        self._head(200, reply.content_type, len(body), _NO_HEADERS)
        if kind == "truncated-body":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self._hang_up()
            return
        step = max(1, len(body) // _DRIPS)
        for start in range(0, len(body), step):
            time.sleep(call.faults.drip_seconds * step / len(body))
            if start + step >= len(body) and route.paid:
                call.tally.pay(digest)
            self.wfile.write(body[start : start + step])
            self.wfile.flush()

    def _find(self, body: bytes) -> tuple[Route, Call]:
        path, _, query = self.path.partition("?")
        path = path.rstrip("/")
        found = [(route, match) for route in ROUTES if (match := route.path.fullmatch(path))]
        for route, match in found:
            if route.method == self.command:
                server, parameters = self.server, dict(parse_qsl(query))
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = Call(match.groups(), parameters, headers, body, server.faults, server.tally, server.state)
                return route, call
        if found:
            methods = ", ".join(sorted({route.method for route, _ in found}))
            raise Rejected(405, "method_not_allowed", f"{path} takes {methods}")
        raise Rejected(404, "unknown_url", f"unknown URL {self.path[:200]!r}")

    def _body(self) -> bytes:
        """Read the request's body, always, so that the connection can be used again."""
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not length.isdecimal():
            self.close_connection = True
            raise Rejected(411, "length_required", "Content-Length is required")
        if int(length) > _LARGEST_BODY:
            self.close_connection = True
            raise Rejected(413, "request_too_large", f"the body has more than {_LARGEST_BODY} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionResetError("the client went away in the middle of its request")
        return body

    def _send(self, status: int, reply: Reply, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        self._head(status, reply.content_type, len(reply.body), headers)
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def _head(self, status: int, content_type: str, length: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, port: int, faults: Faults) -> None:
        super().__init__((HOST, port), _Handler)
        self.faults = faults
        self.tally = Tally()
        self.state: dict[str, Any] = {}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a client that was killed or lost its patience: no error of the server."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


@contextmanager
def embedded_writer(port: int = 0, faults: Faults = NO_FAULTS) -> Iterator[str]:
    """Run the writer in a thread while the block runs.

    Args:
        port: 0: any free one.
        faults: The faults that its requests meet.

    Yields:
        Its base URL, ending in `/v1`.
    """
    server = _Server(port, faults)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name=MODEL, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    """Run the writer until SIGTERM or Ctrl-C; print its URL."""
    parser = argparse.ArgumentParser(description="The embedded writer: no language model, only SynAlign's two answers.")
    parser.add_argument("--port", type=int, default=8100, help="port on 127.0.0.1; 0: any free one (default: 8100)")
    add_arguments(parser)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    arguments = parser.parse_args()
    try:
        faults = from_arguments(arguments)
    except ArgumentError as error:
        parser.error(str(error))
    with embedded_writer(arguments.port, faults) as url:
        sys.stdout.write(f"{MODEL} listens on {url}\n")
        sys.stdout.flush()
        ended.wait()


if __name__ == "__main__":
    main()
