"""A double of servers that embed: it answers as the documentation of the two APIs says, and fails when it is told to.

Its vectors depend on the text alone, so that order and batches can be checked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from numpy.typing import NDArray

Answer = tuple[int, dict[str, str], Any]


def vector(text: str, width: int = 8) -> NDArray[np.float32]:
    """A vector of length 1 for a text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    row = np.random.default_rng(seed).normal(size=width)
    return (row / np.linalg.norm(row)).astype(np.float32)


class Double:
    """A server.

    Attributes:
        asked: Path, key and body of the requests so far.
        width: Numbers in a vector.
        takes_bytes: Whether it takes `encoding_format: base64`.
        instead: Returns what is answered instead, by the number of the request and its body; None: nothing.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None, dict[str, Any]]] = []
        self.width, self.takes_bytes, self.url = 8, True, ""
        self.instead: Callable[[int, dict[str, Any]], Answer | None] = lambda number, body: None

    @property
    def texts(self) -> list[str]:
        """All texts so far."""
        return [text for _, _, body in self.asked for text in body.get("input", body.get("inputs", []))]

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        """Return status, headers and body."""
        other = self.instead(len(self.asked), body)
        if other is not None:
            return other
        if path == "/embed":
            tokens = sum(len(text.split()) for text in body["inputs"])
            # Twice as long: who asks scales them.
            return 200, {"x-compute-tokens": str(tokens)}, [
                (2 * vector(text, self.width)).tolist() for text in body["inputs"]
            ]  # fmt: skip
        if path != "/v1/embeddings":
            return 404, {}, {"error": {"message": "Not Found"}}
        as_bytes = body.get("encoding_format") == "base64"
        if as_bytes and not self.takes_bytes:
            return 400, {}, {"error": {"message": "encoding_format base64 is not supported"}}
        rows = [vector(text, self.width) for text in body["input"]]
        data = [
            {"index": place, "embedding": base64.b64encode(row.tobytes()).decode() if as_bytes else row.tolist()}
            for place, row in enumerate(rows)
        ]
        tokens = sum(len(text.split()) for text in body["input"])
        # The last first: the order is in `index` alone.
        return 200, {}, {"data": data[::-1], "model": body["model"], "usage": {"prompt_tokens": tokens}}


@contextmanager
def embedding() -> Iterator[Double]:
    """Run a double on loopback meanwhile."""
    double, lock = Double(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                double.asked.append((self.path, self.headers.get("Authorization"), body))
                status, headers, content = double.answer(self.path, body)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
