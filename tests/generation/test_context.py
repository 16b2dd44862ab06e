"""What servers tell of their context: doubles that answer as each one's documentation says, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from synalign.generation.connection import openai_client
from synalign.generation.context import OLLAMA_TOKENS, Context, context_of
from synalign.generation.endpoint import Endpoint
from tests.generation.test_request import configured

Pages = dict[str, Any]


@contextmanager
def telling(pages: Pages) -> Iterator[str]:
    """A server that knows some addresses, and answers 404 at any other."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = pages.get(self.path)
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def told(pages: Pages) -> Context | None:
    async def ask(url: str) -> Context | None:
        async with openai_client(configured(), Endpoint(url, "key")) as client:
            return await context_of(client, "ours")

    with telling(pages) as url:
        return asyncio.run(ask(url))


def listed(*entries: dict[str, Any]) -> Pages:
    return {"/v1/models": {"object": "list", "data": list(entries)}}


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        (listed({"id": "/models/m.gguf", "meta": {"n_ctx": 8192, "n_ctx_train": 131072}}), Context(8192)),
        (listed({"id": "ours", "max_model_len": 32768}, {"id": "other", "max_model_len": 4096}), Context(32768)),
        (listed({"id": "ours", "context_length": 131072}, {"id": "other"}), Context(131072)),
        (listed({"id": "ours", "context_window": 8192}, {"id": "other"}), Context(8192)),
        (listed({"id": "ours", "max_context_length": 40960, "loaded_context_length": 4096}), Context(4096)),
        ({"/props": {"default_generation_settings": {"n_ctx": 2048}, "total_slots": 4}}, Context(2048)),
        (
            {**listed({"id": "ours"}), "/api/ps": {"models": [{"name": "ours", "context_length": 16384}]}},
            Context(16384, cuts=True),
        ),
        # Not loaded yet.
        ({**listed({"id": "ours"}), "/api/ps": {"models": []}}, Context(OLLAMA_TOKENS, cuts=True)),
    ],
)
def test_each_kind_of_server_is_understood(pages: Pages, expected: Context) -> None:
    assert told(pages) == expected


@pytest.mark.parametrize(
    "pages",
    [
        {},
        listed({"id": "ours"}, {"id": "other", "max_model_len": 4096}),
        {"/v1/models": b"<html>not here</html>", "/props": b"", "/api/ps": b"["},
        {"/v1/models": ["x"], "/props": {"default_generation_settings": []}, "/api/ps": {"models": "none"}},
        listed({"id": "ours", "max_model_len": "4096", "meta": {"n_ctx": True}, "context_length": -1}),
        listed({"id": "ours", "context_length": 10**12, "n_ctx": 3}),
        {"/v1/models": b"[" * 100_000},
    ],
)
def test_a_server_that_tells_nothing_or_nonsense_is_as_good(pages: Pages) -> None:
    assert told(pages) is None


def test_nobody_there_is_no_error() -> None:
    async def ask() -> Context | None:
        async with openai_client(configured(), Endpoint("http://127.0.0.1:9/v1", "key")) as client:
            return await context_of(client, "ours")

    assert asyncio.run(ask()) is None
