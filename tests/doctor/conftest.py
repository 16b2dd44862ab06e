"""What the checks' tests share: a case of made settings, one check alone, and a server that misbehaves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from synalign.doctor import CHECKS, Case, Finding, examine


class Server(ThreadingHTTPServer):
    """Answers every request alike: with `status` and `body`, and with `date` as its time."""

    daemon_threads = True
    status, body, date = 200, b"{}", "Sun, 01 Mar 2026 00:00:00 GMT"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response_only(self.server.status)
        self.send_header("Date", self.server.date)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.server.body)

    do_POST = do_HEAD = do_GET

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def closed_url() -> str:
    """Where nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as gone:
        return f"http://127.0.0.1:{gone.server_port}"


@pytest.fixture
def case(configuration: Callable[..., Any]) -> Callable[..., Case]:
    """A case of made settings; keyword arguments replace whole sections."""
    return lambda **sections: Case(configuration(**sections))


@pytest.fixture
def check() -> Callable[[str, Case], Finding]:
    """Makes one check, by its name, and gives its finding."""

    def make(name: str, case: Case) -> Finding:
        chosen = tuple(check for check in CHECKS if check.name == name)
        found = [finding for _, finding in examine(case, chosen) if finding is not None]
        assert len(found) == 1
        return found[0]

    return make
