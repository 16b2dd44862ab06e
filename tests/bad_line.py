"""A bad line to an S3 server: passes requests on, remembers them, and fails as a network or a storage does."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ACCESS, SECRET, TOKEN = "AKIAEXAMPLEEXAMPLE12", "very/secret+key0123456789012345678901234", "session-token-0123456789"


class Line(ThreadingHTTPServer):
    """Passes requests on to the S3 server, and remembers them; a fault befalls the next requests of a method."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), _LineHandler)
        self.target = port
        self.lock = threading.Lock()
        self.calm()

    def calm(self):
        self.seen, self.faults, self.before_get = [], [], None

    def fault(self, method, kind, times=1):
        """Let a fault befall the next requests: a status, `drop`, `lost` (only the answer is), or seconds to wait."""
        self.faults += [(method, kind)] * times

    def next_fault(self, method):
        with self.lock:
            found = next((fault for fault in self.faults if fault[0] == method), None)
            if found:
                self.faults.remove(found)
        return found and found[1]

    def count(self, method):
        """Requests for a journal's objects; the storage client makes others of its own."""
        return sum(seen == method and ".jsonl" in path for seen, path in self.seen)


class _LineHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def do_GET(self):
        server, content = self.server, self.body()
        server.seen.append((self.command, self.path))
        if self.command == "GET" and ".jsonl" in self.path:
            with server.lock:
                hook, server.before_get = server.before_get, None
            if hook:
                hook()
        fault = server.next_fault(self.command)
        if fault == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if isinstance(fault, int):
            code = {403: "AccessDenied", 500: "InternalError", 503: "SlowDown"}[fault]
            text = f"<Error><Code>{code}</Code><Message>no: {ACCESS} {SECRET} {TOKEN}</Message></Error>"
            self.answer(fault, [("Content-Type", "application/xml")], text.encode())
            return
        time.sleep(fault if isinstance(fault, float) else 0)
        connection = http.client.HTTPConnection("127.0.0.1", server.target, timeout=30)
        # Those of the body's way to here.
        headers = {n: v for n, v in self.headers.items() if n.lower() not in ("expect", "transfer-encoding")}
        connection.request(self.command, self.path, content, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        if fault == "lost":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.answer(response.status, response.getheaders(), content)

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET

    def body(self):
        if "Transfer-Encoding" not in self.headers:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while length := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(length))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def answer(self, status, headers, content):
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "server", "date"):
                self.send_header(name, value)
        length = dict(headers).get("Content-Length", "0") if self.command == "HEAD" else len(content)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass
