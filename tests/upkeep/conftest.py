"""A finished run in which a user's query stands wherever a query can stand, and its journal, vectors and version."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from mlflow import MlflowClient

from synalign import flow
from synalign.config import Configuration
from synalign.embedding import cache
from synalign.generation.journal import Entry, Journal
from synalign.run import Attempt, Interval, Run
from synalign.tables import content_id, schema
from tests.handmade import table_of
from tests.storage.conftest import bucket as bucket
from tests.storage.conftest import s3_server as s3_server

INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
QUERY = "Jane Roe 12 Elm Street"
OTHER = "jane roe 12 elm street"
"""The same in other capitals: a row of its own in the log."""
BYSTANDERS = ("red shoes", "jane roe", "12 elm street parking", "jane roebuck 12 elm street")
WRITTEN = ("who is jane roe, 12 Elm Street?", "red shoes for rain", "elm street 12")
CARRIED = ("call jane roe 12 elm street", "shoes of last week")
"""Written in an earlier interval."""
NOW = datetime(2026, 2, 20, tzinfo=UTC)


def vector(text: str) -> list[float]:
    """Any unit vector that depends on the text alone."""
    made = np.random.default_rng(list(text.encode())).normal(size=4)
    return list((made / np.linalg.norm(made)).astype(np.float32))


def tables() -> dict[str, pa.Table]:
    """Every table of a run, by hand."""
    queries = [QUERY, OTHER, *BYSTANDERS]
    ids = {text: content_id(text) for text in (*queries, *WRITTEN, *CARRIED)}
    real = [
        {"pair_id": content_id(text, "d1"), "query_id": ids[text], "query": text, "document_id": "d1", "count": 2,
         "split": "train"} for text in queries
    ]  # fmt: skip
    said = content_id("Shoes", "about shoes")
    candidates = [
        {"candidate_id": ids[text], "batch_id": "b1", "query": text, "document_id": "d1",
         "request_id": requested("write"), "document_digest": said}
        for text in WRITTEN
    ]  # fmt: skip
    carried = [
        {"candidate_id": ids[text], "batch_id": "b0", "query": text, "document_id": "d1", "request_id": "r0",
         "document_digest": said, "interval": "20260227T000000Z-20260228T000000Z", "model": "m", "prompt_version": "1"}
        for text in CARRIED
    ]  # fmt: skip
    new = [{**row, "interval": INTERVAL.name, "model": "m", "prompt_version": "1"} for row in candidates]
    contents: dict[str, list[dict[str, Any]]] = {
        "queries": [
            {"query_id": ids[text], "query": text, "count": 2, "first_seen": NOW, "last_seen": NOW, "split": "train"}
            for text in queries
        ],
        "documents": [{"document_id": "d1", "title": "Shoes", "text": "about shoes"}],
        "pairs": real,
        "rejected": [
            {"source": "log", "row": f'{{"query": "{QUERY}", "document_id": "gone"}}', "rule": "unknown_document",
             "reason": "the document is not in the collection"},
            {"source": "log", "row": '{"query": "blue shoes"}', "rule": "null_document", "reason": "no document"},
        ],
        "skips": [{"query_id": ids[text], "document_id": "d9", "count": 3} for text in (QUERY, "red shoes")],
        "query_embeddings": [{"id": ids[text], "embedding": vector(text)} for text in queries],
        "document_embeddings": [{"id": "d1", "embedding": vector("d1")}],
        "demonstrations": [
            {"batch_id": "b1", "position": 0, "query_id": ids[QUERY], "role": "anchor", "variance": 1.0},
            {"batch_id": "b2", "position": 0, "query_id": ids["red shoes"], "role": "anchor", "variance": 0.5},
        ],
        "requests": [
            {"request_id": requested(kind, batch), "batch_id": batch, "kind": kind, "outcome": "ok", "model": "m",
             "prompt_version": "1", "tokens_in": 1, "tokens_out": 1, "seconds": 0.1}
            for batch in ("b1", "b2") for kind in ("reason", "write")
        ],
        "attributes": [
            {"batch_id": "b1", "name": "intent", "value": "finds Jane Roe, 12 Elm street", "generalised": False,
             "request_id": requested("reason")},
            {"batch_id": "b2", "name": "intent", "value": "buys shoes", "generalised": True,
             "request_id": requested("reason", "b2")},
        ],
        "traces": [
            {"request_id": requested("write", batch), "batch_id": batch, "kind": "write",
             "messages": json.dumps([{"role": "user", "content": f'Write.\n{json.dumps({"demonstrations": shown})}'}]),
             "answer": None, "outcome": "refused", "model": "m", "prompt_version": "1", "seconds": 0.1, "money": None,
             "currency": "USD"} for batch, shown in (("b1", [QUERY]), ("b2", ["red shoes"]))
        ],
        "carried": carried,
        "carried_embeddings": [{"id": ids[text], "embedding": vector(text)} for text in CARRIED],
        "candidates": candidates,
        "candidate_embeddings": [{"id": ids[text], "embedding": vector(text)} for text in WRITTEN],
        "pool": [{name: row[name] for name in schema("pool").names} for row in (*carried, *new)],
        "screening": [{"candidate_id": ids[text], "status": "accepted"} for text in (*CARRIED, *WRITTEN)],
        "weights": [{"candidate_id": ids[text], "scheme": "aligned", "weight": 1.0} for text in (*CARRIED, *WRITTEN)],
        "negatives": [
            {"pair_id": content_id(text, "d1"), "rank": 0, "document_id": "d1", "source": "positive", "cosine": 0.5}
            for text in (*queries, *WRITTEN, *CARRIED)
        ],
        "scores": [
            {"pair_id": content_id(text, "d1"), "rank": 0, "document_id": "d1", "score": 0.5, "objection": None}
            for text in (*queries, *WRITTEN, *CARRIED)
        ],
        "evaluation": [
            {"arm": "control", "seed": 0, "step": 1, "query_id": ids[text], "split": "test", "segment": "head",
             "cold_document": False, "ndcg_at_10": 0.5, "mrr_at_10": 0.5, "recall_at_10": 0.5, "recall_at_100": 0.5,
             "accuracy": None, "predicted": None}
            for text in (QUERY, "red shoes")
        ],
        "choice": [{"scheme": "aligned", "mass": 2.0, "validated": True, "reason": "best of three"}],
        "training_set": [
            {"pair_id": row["pair_id"], "query": row["query"], "document_id": "d1", "document": "about shoes",
             "source": "real", "weight": 1.0, "split": "train"} for row in real
        ] + [
            {"pair_id": content_id(text, "d1"), "query": text, "document_id": "d1", "document": "about shoes",
             "source": "synthetic", "weight": 1.0, "split": "train", "batch_id": "b1"} for text in WRITTEN
        ],
    }  # fmt: skip
    return {name: pa.Table.from_pylist(rows, _known(name, rows)) for name, rows in contents.items()}


def _known(table: str, rows: list[dict[str, Any]]) -> pa.Schema:
    """Return the schema of a table, as far as these rows know it."""
    return pa.schema(field for field in schema(table) if field.nullable or field.name in rows[0])


def key(kind: str, batch: str = "b1") -> str:
    """Key of a request's entry in the journal."""
    return content_id("key", kind, batch)


def requested(kind: str, batch: str = "b1") -> str:
    """Its id in the tables."""
    return content_id(kind, batch, key(kind, batch))


def make_run(configuration: Configuration, interval: Interval = INTERVAL) -> Run:
    """The run, every step of it finished, with a report and examples that quote the query."""
    run, contents = Run(configuration, interval), tables()
    for step in flow.STEPS:
        attempt = Attempt(run, step)
        attempt.begin()
        for table in step.writes:
            attempt.write(table, table_of(run, table, contents))
        if step.name == "screen":
            attempt.metrics = {"candidates": 3, "examples": {"copied": [QUERY, "red shoes"]}}
        if step.name == "report":
            (attempt.folder / "report.html").write_text(f"<p>{QUERY}</p>")
        attempt.commit()
    return run


def keep_answers(run: Run) -> None:
    """A journal: two answers to prompts that showed the query, one that quotes it, one that has nothing of it."""
    answers = {
        key("reason"): '{"attributes": ["none that quotes it"]}',
        key("write"): '{"queries": ["red shoes for rain"]}',
        key("reason", "b2"): '{"queries": ["call \\u004aane  roe (12 Elm Street)"]}',
        key("write", "b2"): '{"queries": ["jane roebuck 12 elm street"]}',
    }

    async def add() -> None:
        with Journal(run.journal) as journal:
            for name, answer in answers.items():
                await journal.add(Entry(name, answer, "m", 1, 1, 0.1))

    asyncio.run(add())


def keep_vectors() -> None:
    """Vectors of all texts, in two files of one cache."""
    from synalign import storage

    for texts in ((QUERY, OTHER, "red shoes"), (*WRITTEN, *BYSTANDERS)):
        content = pa.table(
            {"text_id": [content_id(text) for text in texts], "embedding": [vector(text) for text in texts]},
            cache.SCHEMA,
        )
        folder: Any = storage.base() / "embeddings" / "model"
        cache.add(folder, content, {"model": "m"})


@pytest.fixture
def remembered(home: Path, configuration: Callable[..., Configuration]) -> Run:
    """A run with journal and vectors."""
    run = make_run(configuration())
    keep_answers(run)
    keep_vectors()
    return run


@pytest.fixture
def registered(remembered: Run, empty_database: bytes, home: Path) -> MlflowClient:
    """Its training set as version 1 in MLflow, as `register` leaves it: artefacts and a location."""
    (home / "mlflow").mkdir(parents=True, exist_ok=True)
    (home / "mlflow" / "mlflow.db").write_bytes(empty_database)
    uri = f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.create_experiment("refresh/shop", (home / "mlflow" / "artifacts").as_uri())
    run = client.create_run(experiment)
    folder = remembered.table_folder("training_set")
    client.log_artifacts(run.info.run_id, str(folder), "training_set")
    client.log_text(run.info.run_id, f'{{"examples": ["{QUERY}"]}}', "manifests/screen.json")
    client.create_registered_model("shop-training-set")
    version = client.create_model_version("shop-training-set", "x", run.info.run_id, tags={"location": str(folder)})
    client.set_registered_model_alias("shop-training-set", "current", version.version)
    return client
