"""What the previews' tests share: an ingested interval of a small shop, vectors of words, and endpoints that answer."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from numpy.typing import NDArray

from synalign import flow
from synalign.config import Configuration
from synalign.embedding import encoder
from synalign.run import Interval, Run
from synalign.tables import content_id, schema
from synalign.writer.server import complete
from tests.generation.servers import serving
from tests.handmade import finish

INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
ANIMALS = ("fox", "owl", "elk", "bee", "cat", "dog", "hen", "cow", "ant", "bat")
FORMS = ("how to feed a {} in winter", "{} food", "what does the {} eat?")


def words_as_vectors(
    texts: list[str], settings: object = None, advance: object = None, *, side: str = "query"
) -> NDArray[np.float32]:
    """Vectors of texts, by the words in them: queries find the documents that share their words."""
    rows = np.full((len(texts), 256), 1e-3, dtype=np.float32)
    for row, text in enumerate(texts):
        for word in text.lower().replace("?", " ").replace(".", " ").split():
            rows[row, zlib.crc32(word.encode()) % 256] += 1.0
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(autouse=True)
def quick_encoder(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Texts are embedded at once, unless a test is marked to load the real encoder."""
    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(encoder, "encode", words_as_vectors)


@pytest.fixture
def retriever(configuration: Callable[..., Configuration]) -> Callable[..., Configuration]:
    """The shop's configuration; keyword arguments are settings of `generation`, `runtime` as a whole."""

    def make(runtime: dict[str, Any] | None = None, **generation: Any) -> Configuration:
        return configuration(
            sampling={"batches": 12, "neighbours": 2},
            screening={"round_trip_depth": 1},
            generation={"documents_per_batch": 3, "queries_per_document": 2, **generation},
            runtime={"concurrency": 2, "attempts": 1, "timeout_seconds": 10, **(runtime or {})},
        )

    return make


@pytest.fixture
def file(tmp_path: Path) -> Callable[[Configuration], Path]:
    """Writes a configuration as a YAML file."""

    def make(configuration: Configuration) -> Path:
        path = tmp_path / f"{configuration.retriever}.yaml"
        path.write_text(yaml.safe_dump(configuration.model_dump(mode="json", exclude_unset=True)))
        return path

    return make


def ingested(configuration: Configuration, queries: tuple[str, ...] = (), texts: tuple[str, ...] = ()) -> Run:
    """An interval of the shop whose step *ingest* has finished; `queries` and `texts` of documents come on top."""
    asked = [form.format(animal) for animal in ANIMALS for form in FORMS]
    documents = [f"The {animal} lives in the forest. What it eats is food of the {animal}." for animal in ANIMALS]
    every, now = [*asked, *queries], datetime(2026, 2, 28, tzinfo=UTC)
    rows = [
        {"query_id": content_id(text), "query": text, "count": 1, "first_seen": now, "last_seen": now,
         "split": "test" if place % 10 == 9 else "train", "label": None}
        for place, text in enumerate(every)
    ]  # fmt: skip
    pairs = [
        {"pair_id": content_id(text, "p"), "query_id": row["query_id"], "query": text,
         "document_id": f"d{place // len(FORMS)}", "count": 1, "split": row["split"]}
        for place, (text, row) in enumerate(zip(asked, rows, strict=False))
    ]  # fmt: skip
    given = [{"document_id": f"d{place}", "title": "", "text": text} for place, text in enumerate([*documents, *texts])]
    run = Run(configuration, INTERVAL)
    contents = {"queries": rows, "pairs": pairs, "documents": given}
    tables = {name: pa.Table.from_pylist(content, schema(name)) for name, content in contents.items()}
    finish(run, flow.step("ingest"), tables)
    return run


Answer = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


@contextmanager
def writer(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> Iterator[list[dict[str, Any]]]:
    """A server in the embedded writer's place; yields the requests that it is sent."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(request)
            status, body = answer(request)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setenv("SYNALIGN_WRITER_URL", f"http://127.0.0.1:{server.server_port}/v1")
        with serving(server):
            yield asked


def writes(*queries: str) -> Answer:
    """Answers like the embedded writer, but with these queries for every document."""

    def answer(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        completion = complete(request)
        message = completion["choices"][0]["message"]
        content = json.loads(message["content"])
        for document in content.get("documents", []):
            document["queries"] = list(queries)
        message["content"] = json.dumps(content)
        return 200, completion

    return answer
