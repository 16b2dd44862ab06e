"""A double of Hugging Face's hub: what `huggingface_hub` asks for on the way to a snapshot, over one folder.

It is no hub: it knows one repository at one commit. Weights are named by their SHA-256, as Git LFS has them, other
files by git's digest.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = "some-team/some-encoder"


class Hub:
    """A repository.

    Attributes:
        folder: Its files.
        asked: Paths of requests so far.
        commit: What it says that its commit is.
        damaged: Names of files that it sends with other bytes than it says.
        url: Its address.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked, self.commit, self.url = folder, list[str](), COMMIT, ""
        self.damaged: set[str] = set()

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body for a path."""
        self.asked.append(path)
        path = path.partition("?")[0]
        if path == f"/api/models/{MODEL}/revision/{COMMIT}":
            return _json({"id": MODEL, "sha": self.commit, "siblings": [{"rfilename": name} for name in self._names()]})
        if path == f"/api/models/{MODEL}/tree/{COMMIT}":
            return _json([self._entry(name) for name in self._names()])
        name = path.removeprefix(f"/{MODEL}/resolve/{COMMIT}/")
        if name in self._names():
            content = (self.folder / name).read_bytes()
            digest = self._digest(name, content)
            headers = {"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(content))}
            return 200, headers, content[:-1] + b"!" if name in self.damaged else content
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"

    def _names(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    def _entry(self, name: str) -> dict[str, Any]:
        content = (self.folder / name).read_bytes()
        entry: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": _git(content)}
        if name.endswith(".safetensors"):
            entry["lfs"] = {"oid": self._digest(name, content), "size": len(content), "pointerSize": 134}
        return entry

    def _digest(self, name: str, content: bytes) -> str:
        return hashlib.sha256(content).hexdigest() if name.endswith(".safetensors") else _git(content)


def _git(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _json(content: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()


@contextmanager
def serving(folder: Path) -> Iterator[Hub]:
    """Serve a repository on loopback meanwhile."""
    hub = Hub(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = hub.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
