"""A teacher behind HTTP: doubles that answer as the two protocols' documentation says, on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from synalign.config import Configuration
from synalign.errors import EndpointError, GenerationError
from synalign.generation.endpoint import Endpoint
from synalign.generation.journal import Journal
from synalign.progress import progress
from synalign.teaching.budget import RECORD, Budget
from synalign.teaching.reranker import Reranker

Make = Callable[..., Configuration]
Answer = Callable[[dict[str, Any]], tuple[int, Any]]
ASKED = [
    ("remove lime", [("", "It removes lime."), ("", "It drives."), ("", "\u732b")]),
    ("buy a car", [("", "It drives.")]),
]


def by_length(query: str, document: str) -> float:
    """A score that differs for every pair here."""
    return len(query) - 0.5 * len(document)


def cohere(body: dict[str, Any]) -> tuple[int, Any]:
    """Answer as Cohere, Jina, vLLM and llama.cpp do, the best first."""
    if "documents" not in body:
        return 422, {"detail": "documents: field required"}
    found = [
        {"index": place, "relevance_score": by_length(body["query"], document)}
        for place, document in enumerate(body["documents"])
    ]
    return 200, {"model": body["model"], "results": sorted(found, key=lambda row: -row["relevance_score"])}


def tei(body: dict[str, Any]) -> tuple[int, Any]:
    """Answer as Text Embeddings Inference does."""
    if "texts" not in body:
        return 422, {"error": "missing field `texts`", "error_type": "Validation"}
    return 200, [{"index": place, "score": by_length(body["query"], text)} for place, text in enumerate(body["texts"])][
        ::-1
    ]


class Server:
    """What was asked, and where."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.asked = answer, list[tuple[str, str | None, dict[str, Any]]]()
        self.url = ""


@contextmanager
def reranking(answer: Answer) -> Iterator[Server]:
    """Run a server meanwhile."""
    found = Server(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.asked.append((self.path, self.headers.get("Authorization"), body))
            status, content = found.answer(body)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def reranker(made: Configuration, where: Endpoint, journal: Journal, folder: Path) -> Reranker:
    """A reranker whose spending is on record."""
    return Reranker(made, where, journal, Budget(made.teacher.budget, folder / RECORD, journal))


def scores(configuration: Make, url: str, folder: Path, key: str = "", **settings: Any) -> list[list[float]]:
    """Ask a server for the scores of `ASKED`."""
    settings = {"kind": "rerank", "model": "m", "endpoint": url, **settings}
    made = configuration(teacher=settings, runtime={"concurrency": 2, "timeout_seconds": 10})
    with Journal(folder / "journal") as journal, progress("teach", len(ASKED), "pairs") as advance:
        found = reranker(made, Endpoint(url, key), journal, folder).scores(ASKED, advance)
    return [each.tolist() for each in found]


EXPECTED = [[by_length(query, document) for _, document in documents] for query, documents in ASKED]


@pytest.mark.parametrize(("answer", "protocol"), [(cohere, "cohere"), (tei, "tei")])
def test_scores_are_put_in_the_order_of_the_documents(
    configuration: Make, tmp_path: Path, answer: Answer, protocol: str
) -> None:
    with reranking(answer) as server:
        assert scores(configuration, server.url, tmp_path, "secret", protocol=protocol) == EXPECTED
    assert {path for path, _, _ in server.asked} == {"/v1/rerank"}
    assert {key for _, key, _ in server.asked} == {"Bearer secret"}


def test_what_was_answered_is_not_asked_again(configuration: Make, tmp_path: Path) -> None:
    with reranking(cohere) as server:
        scores(configuration, server.url, tmp_path)
        assert scores(configuration, server.url, tmp_path) == EXPECTED
        assert len(server.asked) == 2
        # Another model is another teacher.
        scores(configuration, server.url, tmp_path, model="other")
        assert len(server.asked) == 4
    text = b"".join(path.read_bytes() for path in (tmp_path / "journal").rglob("*.jsonl")).decode()
    assert "lime" not in text


def test_a_server_that_fails_for_a_moment_is_asked_again(configuration: Make, tmp_path: Path) -> None:
    failures = iter([(503, {"error": "busy"}), (429, {"error": "slow down"})])

    def answer(body: dict[str, Any]) -> tuple[int, Any]:
        return next(failures, None) or cohere(body)

    with reranking(answer) as server:
        assert scores(configuration, server.url, tmp_path) == EXPECTED
    assert len(server.asked) == 4


def test_documents_are_cut_and_no_key_is_sent_where_there_is_none(configuration: Make, tmp_path: Path) -> None:
    with reranking(cohere) as server:
        made = configuration(
            teacher={"kind": "rerank", "model": "m", "endpoint": server.url, "document_characters": 100}
        )
        with Journal(tmp_path / "journal") as journal, progress("teach", 1, "pairs") as advance:
            reranker(made, Endpoint(server.url, ""), journal, tmp_path).scores([("q", [("T", "x" * 1000)])], advance)
    ((_, key, body),) = server.asked
    assert len(body["documents"][0]) == 100 and body["documents"][0].startswith("T\nx") and body["top_n"] == 1
    assert key is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda body: (404, {"error": "no such route"}), "answers 404: .*no such route"),
        (lambda body: (401, {"error": "key secret-key is wrong"}), r"answers 401: .*key \*+ is wrong"),
        (tei, "answers 422"),
        (lambda body: (200, b"<html>"), "no JSON"),
        (lambda body: (200, {"results": []}), "0 scores for"),
        (lambda body: (200, {"results": "x"}), "0 scores for"),
        (lambda body: (200, {"results": [{"index": 0, "relevance_score": None}, 7]}), "0 scores for"),
        (lambda body: (200, {"results": [{"index": 9, "relevance_score": 1.0}]}), "1 scores for"),
    ],
)
def test_a_server_that_gives_no_scores_is_told_of_and_no_key_is_shown(
    configuration: Make, tmp_path: Path, answer: Answer, said: str
) -> None:
    with reranking(answer) as server, pytest.raises(EndpointError, match=said) as failed:
        scores(configuration, server.url, tmp_path, "secret-key")
    assert "secret-key" not in str(failed.value)


def test_a_server_that_is_not_there_is_told_of(
    configuration: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synalign.teaching.reranker._TRIES", 0)
    with pytest.raises(GenerationError, match="cannot be reached"):
        scores(configuration, "http://127.0.0.1:9/v1", tmp_path)


def test_nothing_asked_is_nothing_sent(configuration: Make, tmp_path: Path) -> None:
    made = configuration(teacher={"kind": "rerank", "model": "m", "endpoint": "http://127.0.0.1:9/v1"})
    with Journal(tmp_path / "journal") as journal, progress("teach", 0, "pairs") as advance:
        assert reranker(made, Endpoint("http://127.0.0.1:9/v1", ""), journal, tmp_path).scores([], advance) == []
