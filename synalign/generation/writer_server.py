"""The embedded writer: a small server on loopback that speaks the chat-completions protocol.

It is no language model. It answers SynAlign's two requests by rules (`writer_language`), so that a laptop or a test can
run the very client that production runs; it names itself in every response, and the same request always gets the same
bytes.

    python -m synalign.generation.writer_server --port 8100
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from synalign.generation.prompts import from_data
from synalign.generation.schemas import ATTRIBUTES, QUERIES
from synalign.generation.writer_language import describe, write_queries

MODEL = "synalign-embedded-writer"
HOST = "127.0.0.1"
_LARGEST_BODY = 64 * 2**20
_TOKEN = re.compile(r"\w{1,6}|[^\w\s]")
_ANSWERS: dict[str, Callable[[Any], dict[str, Any]]] = {ATTRIBUTES: describe, QUERIES: write_queries}
_ROUTES = {"/v1/chat/completions": "POST", "/v1/models": "GET", "/health": "GET"}


class _Rejected(Exception):
    """A request that gets an error in OpenAI's shape instead of an answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


class _Handler(BaseHTTPRequestHandler):
    """One connection, kept alive between requests."""

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
            self._send(200, self._route())
        except _Rejected as rejected:
            self._send(rejected.status, rejected.body)

    def _route(self) -> dict[str, Any]:
        path = self.path.split("?", 1)[0].rstrip("/")
        body = self._body()
        if path not in _ROUTES:
            raise _Rejected(404, "unknown_url", f"unknown URL {self.path[:200]!r}")
        if self.command != _ROUTES[path]:
            raise _Rejected(405, "method_not_allowed", f"{path} takes {_ROUTES[path]}")
        if path == "/health":
            return {"status": "ok", "model": MODEL}
        if path == "/v1/models":
            model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "synalign"}
            return {"object": "list", "data": [model]}
        return complete(_json(body))

    def _body(self) -> bytes:
        """The request's body, always read, so that the connection can be used again."""
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not length.isdecimal():
            self.close_connection = True
            raise _Rejected(411, "length_required", "Content-Length is required")
        if int(length) > _LARGEST_BODY:
            self.close_connection = True
            raise _Rejected(413, "request_too_large", f"the body has more than {_LARGEST_BODY} bytes")
        return self.rfile.read(int(length))

    def _send(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256


def complete(request: Any) -> dict[str, Any]:
    """Answer a chat-completions request.

    Raises:
        _Rejected: It is malformed, or not one of SynAlign's two.
    """
    messages = request.get("messages") if isinstance(request, dict) else None
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        raise _Rejected(400, "invalid_request", "the body must be an object with a list of messages")
    if request.get("stream"):
        raise _Rejected(400, "unsupported_value", "streaming is not supported")
    answer = _ANSWERS.get(_schema_name(request))
    if answer is None:
        raise _Rejected(400, "unsupported_schema", "I am no language model; I only answer SynAlign's two requests")
    try:
        data = from_data(str(messages[-1].get("content")))
    except ValueError as error:
        raise _Rejected(400, "invalid_data", f"the last message cannot be read: {error}") from error
    try:
        content = answer(data)
    except (KeyError, TypeError, AttributeError) as error:
        raise _Rejected(400, "invalid_data", f"the data block is not as SynAlign writes it: {error!r}") from error
    return _completion(request, json.dumps(content, ensure_ascii=False))


def _schema_name(request: dict[str, Any]) -> str:
    try:
        wanted = request["response_format"]
        return str(wanted["json_schema"]["name"]) if wanted["type"] == "json_schema" else ""
    except (KeyError, TypeError):
        return ""


def _completion(request: dict[str, Any], text: str) -> dict[str, Any]:
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    tokens = list(_TOKEN.finditer(text))
    cut = isinstance(limit, int) and len(tokens) > limit
    if cut:
        tokens = tokens[:limit]
        text = text[: tokens[-1].end()] if tokens else ""
    asked = sum(len(_TOKEN.findall(str(message.get("content")))) for message in request["messages"])
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": f"chatcmpl-{digest[:24]}",
        "object": "chat.completion",
        "created": 0,  # not the time: the same request gets the same bytes
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "length" if cut else "stop", "logprobs": None}],
        "usage": {"prompt_tokens": asked, "completion_tokens": len(tokens), "total_tokens": asked + len(tokens)},
    }


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _Rejected(400, "invalid_json", f"the body is not JSON: {error}") from error


@contextmanager
def embedded_writer(port: int = 0) -> Iterator[str]:
    """Run the writer in a thread meanwhile.

    Args:
        port: 0: any free one.

    Yields:
        Its base URL, ending in `/v1`.
    """
    server = _Server((HOST, port), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name=MODEL, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    """Run the writer until SIGTERM or Ctrl-C; prints its URL."""
    parser = argparse.ArgumentParser(description="The embedded writer: no language model, only SynAlign's two answers.")
    parser.add_argument("--port", type=int, default=8100, help="port on 127.0.0.1; 0: any free one (default: 8100)")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    arguments = parser.parse_args()
    with embedded_writer(arguments.port) as url:
        print(f"{MODEL} listens on {url}", flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
