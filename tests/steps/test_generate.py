"""The whole step in a real run folder, against a real server: tables, figures, failures, and kill and resume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pyarrow as pa
import pytest
import yaml

from synalign import flow, tables
from synalign.config import Configuration
from synalign.errors import EndpointError, GenerationError, RunError
from synalign.generation.demonstration_batches import read_batches
from synalign.generation.prompts import from_data
from synalign.run import Attempt, Interval, Run
from synalign.run.manifests import file_digest
from synalign.steps.generate import generate
from synalign.tables import content_id
from synalign.writer.server import MODEL, complete
from tests.generation.servers import serving
from tests.handmade import finish

BATCHES, MEMBERS, DOCUMENTS = 6, 3, 20
INTERVAL = Interval.parse("2026-01-01", "2026-01-02")
COLOURS, ANIMALS = ("red", "green", "blue", "grey", "black"), ("fox", "owl", "elk", "bee")
TOPICS = [f"{colour} {animal}" for colour in COLOURS for animal in ANIMALS]
KILLED = """
import sys
from pathlib import Path
from synalign import flow, retriever_files
from synalign.steps.generate import generate
from synalign.run import Attempt, Interval, Run
run = Run(retriever_files.load(sys.argv[1]), Interval.parse("2026-01-01", "2026-01-02"), Path(sys.argv[2]))
attempt = Attempt(run, flow.step("generate"))
attempt.begin()
generate(attempt)
attempt.commit()
"""


def settings(**generation):
    return {
        "retriever": "r",
        "schedule": {"start": "2026-01-01"},
        "source": {"kind": "beir", "path": "x"},
        "generation": {"documents_per_batch": 3, "queries_per_document": 2, **generation},
        "runtime": {"concurrency": 2, "attempts": 2, "timeout_seconds": 10},
    }


def commit(run, step, **content):
    tables_given = {table: pa.Table.from_pylist(rows, schema=tables.schema(table)) for table, rows in content.items()}
    finish(run, flow.step(step), tables_given)


def vectors(ids, seed):
    rows = np.random.default_rng(seed).normal(size=(len(ids), 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [{"id": name, "embedding": row.tolist()} for name, row in zip(ids, rows, strict=True)]


def prepared(folder, split="train", **generation):
    """A run whose steps before this one are finished, with small tables made by hand."""
    run = Run(Configuration.model_validate(settings(**generation)), INTERVAL, folder)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    texts = [f"how to feed the {topic} in winter" for topic in TOPICS[: BATCHES * MEMBERS]]
    ids = [content_id(text) for text in texts]
    queries = [
        {"query_id": query_id, "query": text, "count": 1, "first_seen": now, "last_seen": now, "split": split}
        for query_id, text in zip(ids, texts, strict=True)
    ]
    documents = [
        {"document_id": f"d{n}", "title": topic, "text": f"The {topic} lives in the old forest near the river bank."}
        for n, topic in enumerate(TOPICS)
    ]
    pairs = [
        {"pair_id": content_id(query_id, f"d{n}"), "query_id": query_id, "query": text, "document_id": f"d{n}",
         "count": 2, "split": "test" if n % 3 == 2 else "train"}
        for n, (query_id, text) in enumerate(zip(ids, texts, strict=True))
    ]  # fmt: skip
    demonstrations = [
        {"batch_id": f"batch{n // MEMBERS}", "position": n % MEMBERS, "query_id": query_id,
         "role": "neighbour" if n % MEMBERS else "anchor", "variance": 1.0}
        for n, query_id in enumerate(ids)
    ]  # fmt: skip
    commit(run, "ingest", queries=queries, documents=documents, pairs=pairs, rejected=[])
    commit(run, "carry")
    commit(
        run,
        "embed",
        query_embeddings=vectors(ids, 1),
        document_embeddings=vectors([row["document_id"] for row in documents], 2),
    )
    commit(run, "sample", demonstrations=demonstrations)
    return run


def performed(run):
    """The finished step's manifest."""
    attempt = Attempt(run, flow.step("generate"))
    attempt.begin()
    generate(attempt)
    return attempt.commit()


class Counting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.asked.append(json.dumps(request["messages"]))
        time.sleep(server.delay)
        status, body = server.answer(request)
        content = json.dumps(body).encode()
        with server.lock:
            server.answered += 1
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@contextmanager
def counting(monkeypatch, answer=lambda request: (200, complete(request)), delay=0.0):
    """The embedded writer behind a counter, found by the step through the environment."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    server.asked, server.answered, server.lock = [], 0, threading.Lock()
    server.answer, server.delay = answer, delay
    monkeypatch.setenv("SYNALIGN_WRITER_URL", f"http://127.0.0.1:{server.server_port}/v1")
    with serving(server):
        yield server


def kind(request):
    return request["response_format"]["json_schema"]["name"]


def test_the_step_with_a_writer_of_its_own(tmp_path, monkeypatch):
    monkeypatch.delenv("SYNALIGN_WRITER_URL", raising=False)
    run = prepared(tmp_path)
    metrics = performed(run)["metrics"]
    candidates = run.read("candidates").to_pylist()
    assert len(candidates) == BATCHES * 3 * 2 == metrics["ledger"]["accepted"]
    assert metrics["model"] == MODEL
    assert metrics["ledger"] == {
        "asked_for": 36, "returned": 36, "accepted": 36, "rejected": {}, "not_written": {}, "surplus": {}, "invalid": {}
    }  # fmt: skip
    assert (metrics["requests"], metrics["journal_hits"], metrics["outcomes"]) == (12, 0, {"ok": 12})
    requests = run.read("requests").to_pylist()
    assert Counter(row["kind"] for row in requests) == {"reason": BATCHES, "write": BATCHES}
    assert {row["outcome"] for row in requests} == {"ok"} and {row["model"] for row in requests} == {MODEL}
    assert {row["request_id"] for row in candidates} <= {row["request_id"] for row in requests}
    assert [row["batch_id"] for row in candidates] == sorted(row["batch_id"] for row in candidates)
    assert {row["batch_id"] for row in run.read("attributes").to_pylist()} == {f"batch{n}" for n in range(BATCHES)}
    for row in candidates:
        assert TOPICS[int(row["document_id"][1:])].split()[1] in row["query"]


def test_a_second_run_pays_nothing_and_gives_the_same_bytes(tmp_path, monkeypatch):
    with counting(monkeypatch) as server:
        run = prepared(tmp_path)
        first = performed(run)
        assert len(server.asked) == 12
        second = performed(run)
        assert len(server.asked) == 12
    assert second["metrics"]["journal_hits"] == 12
    assert second["tables"] == first["tables"]


@pytest.mark.slow
def test_killed_and_run_again_it_asks_only_what_is_missing(tmp_path, monkeypatch):
    with counting(monkeypatch):
        calm = prepared(tmp_path / "calm")
        performed(calm)
    run = prepared(tmp_path / "killed")
    configuration = tmp_path / "r.yaml"
    configuration.write_text(yaml.safe_dump(settings()))
    with counting(monkeypatch, delay=0.1) as server:
        command = [sys.executable, "-c", KILLED, str(configuration), str(tmp_path / "killed")]
        with subprocess.Popen(command, env=dict(os.environ)) as process:
            while server.answered < 6 and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        before = len(server.asked)
        assert 6 <= before < 12
        metrics = performed(run)["metrics"]
        asked = Counter(server.asked)
    assert len(asked) == 12
    in_flight = 2
    assert sum(asked.values()) <= 12 + in_flight and max(asked.values()) <= 2
    assert metrics["journal_hits"] >= before - in_flight
    for table in ("candidates", "attributes"):
        (file,) = run.files(table)
        assert file_digest(file) == file_digest(calm.table_folder(table) / file.name)


def test_changing_one_setting_asks_again_only_what_it_touches(tmp_path, monkeypatch):
    with counting(monkeypatch) as server:
        performed(prepared(tmp_path))
        run = prepared(tmp_path, queries_per_document=3)
        metrics = performed(run)["metrics"]
        assert len(server.asked) == 12 + BATCHES
    assert metrics["journal_hits"] == BATCHES


def test_a_share_of_failed_requests_is_told_and_survived(tmp_path, monkeypatch, caplog):
    def answer(request):
        shown = json.dumps(from_data(request["messages"][1]["content"])["demonstrations"])
        if "red fox" in shown:
            return 400, {"error": {"message": "no", "code": "some_code"}}
        if "green owl" in shown and kind(request) == "written_queries":
            body = complete(request)
            body["choices"][0]["message"]["content"] = '{"documents": "none"}'
            return 200, body
        return 200, complete(request)

    with counting(monkeypatch, answer):
        run = prepared(tmp_path)
        metrics = performed(run)["metrics"]
    assert metrics["outcomes"] == {"invalid_output": 1, "not_sent": 1, "ok": 9, "rejected": 1}
    assert metrics["failed_tries"] == {"invalid_output": 2, "rejected": 1}
    ledger = metrics["ledger"]
    assert (ledger["rejected"], ledger["not_written"]) == ({"invalid": 6}, {"not_sent": 6})
    assert ledger["accepted"] == ledger["returned"] == 24 == run.read("candidates").num_rows
    outcomes = [(row["batch_id"], row["kind"], row["outcome"]) for row in run.read("requests").to_pylist()]
    assert outcomes[:2] == [("batch0", "reason", "rejected"), ("batch0", "write", "not_sent")]
    assert len(outcomes) == 12 and "requests failed" in caplog.text


def test_bad_queries_are_rejected_with_reasons(tmp_path, monkeypatch):
    def answer(request):
        body = complete(request)
        if kind(request) == "written_queries":
            documents = [{"document": 0, "queries": ["good", " ", "extra"]}, {"document": 9, "queries": ["x"]}]
            body["choices"][0]["message"]["content"] = json.dumps({"documents": documents})
        return 200, body

    with counting(monkeypatch, answer):
        ledger = performed(prepared(tmp_path))["metrics"]["ledger"]
    assert ledger["surplus"] == {"too_many": BATCHES, "unknown_document": BATCHES}
    assert (ledger["rejected"], ledger["invalid"]) == ({"invalid": BATCHES}, {"empty": BATCHES})
    assert (ledger["accepted"], ledger["returned"], ledger["not_written"]) == (6, 24, {"not_returned": 24})


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda request: (400, {"error": {"message": "no"}}), "rejected 6"),
        (lambda request: (401, {"error": {"message": "no"}}), "refused the API key"),
        (lambda request: (429, {"error": {"message": "no", "code": "insufficient_quota"}}), "billing"),
    ],
)
def test_when_nothing_can_come_of_it_the_step_fails_and_says_why(tmp_path, monkeypatch, answer, says):
    run = prepared(tmp_path)
    with counting(monkeypatch, answer), pytest.raises(GenerationError, match=says):
        performed(run)
    assert run.manifest("generate") is None


def test_no_usable_candidate_at_all_is_an_error(tmp_path, monkeypatch):
    def answer(request):
        body = complete(request)
        if kind(request) == "written_queries":
            body["choices"][0]["message"]["content"] = '{"documents": [{"document": 0, "queries": [" "]}]}'
        return 200, body

    with counting(monkeypatch, answer), pytest.raises(EndpointError, match="empty 6"):
        performed(prepared(tmp_path))


def test_demonstrated_targets_are_clicked_documents_of_train_pairs(tmp_path):
    batches = read_batches(prepared(tmp_path, targets="demonstrated"))
    for number, batch in enumerate(batches):
        first = number * MEMBERS
        clicked = [f"d{first}", f"d{first + 1}"]
        assert [document.document_id for document in batch.documents][:2] == clicked
        assert len(batch.documents) == 3
        shown = TOPICS[first : first + MEMBERS]
        assert batch.demonstrations == tuple(f"how to feed the {topic} in winter" for topic in shown)


def test_cold_targets_are_documents_without_train_events(tmp_path):
    batches = read_batches(prepared(tmp_path))
    cold = {f"d{n}" for n in range(DOCUMENTS) if n % 3 == 2 or n >= BATCHES * MEMBERS}
    assert {document.document_id for batch in batches[:2] for document in batch.documents} <= cold


def test_a_held_out_demonstration_is_refused(tmp_path):
    with pytest.raises(RunError, match="not a train query"):
        read_batches(prepared(tmp_path, split="test"))


def test_a_small_model_is_asked_for_one_query_at_a_time_without_attributes(tmp_path):
    """By the writer that is no model, which answers in the form of the turns."""
    run = prepared(tmp_path, prompts={"family": "small"})
    metrics = performed(run)["metrics"]
    assert metrics["requests"] == metrics["ledger"]["asked_for"] == BATCHES * 3 * 2
    assert metrics["outcomes"] == {"ok": metrics["requests"]} and metrics["asked_in_parts"] == 0
    assert metrics["ledger"]["accepted"] == metrics["requests"]
    requests, attributes = run.read("requests").to_pylist(), run.read("attributes").to_pylist()
    assert {row["kind"] for row in requests} == {"write"} and len(requests) == metrics["requests"]
    assert {row["request_id"] for row in run.read("candidates").to_pylist()} == {row["request_id"] for row in requests}
    assert {row["name"] for row in attributes} >= {"form", "length"} and not any(
        row["generalised"] is None for row in attributes
    )
    again = performed(run)["metrics"]
    assert again["journal_hits"] == again["requests"]


def test_with_attributes_a_small_model_is_asked_for_those_first(tmp_path):
    run = prepared(tmp_path, prompts={"family": "small", "attributes": True})
    metrics = performed(run)["metrics"]
    kinds = Counter(row["kind"] for row in run.read("requests").to_pylist())
    assert kinds == {"reason": BATCHES, "write": BATCHES * 6} and metrics["requests"] == sum(kinds.values())
