"""One refresh through Airflow, Spark, the openai client and MLflow; `test_interrupt.py` does it again."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from synalign import flow, tables
from synalign.alignment import align
from synalign.run.matrix import matrix


def read(calm: Any, table: str) -> pa.Table:
    return pq.read_table(calm.attempt(flow.writer(table).name) / table)


def test_the_summary_says_what_a_person_wants_to_know(calm: Any) -> None:
    figures = ("log rows", "rejected", "candidates", "MMD²", "held-out queries", "ESS", "weights ", "gate ")
    assert "  Checks passed" in calm.output
    assert "  What to do: Train on version 1 of small-training-set" in calm.output
    places = (str(calm.folder), "MLflow small-training-set version 1", "make up")
    for expected in (*figures, *places, "synalign-embedded-writer", "reused no step"):
        assert expected in calm.output, expected
    for step in flow.STEPS:
        assert f"{step.name}: done in" in calm.output


def test_every_table_has_its_schema_and_its_rows_add_up(calm: Any) -> None:
    for table, schema in (tables.SCHEMAS | {"training_set": tables.training_set(4)}).items():
        assert read(calm, table).schema.equals(schema), table
    rows = {table: read(calm, table).num_rows for table in tables.SCHEMAS}
    assert rows["query_embeddings"] == rows["queries"]
    assert rows["document_embeddings"] == rows["documents"]
    assert rows["candidate_embeddings"] == rows["candidates"] == rows["screening"]
    accepted = pc.sum(pc.equal(read(calm, "screening")["status"], "accepted")).as_py()
    assert rows["weights"] == 3 * accepted
    assert rows["training_set"] == rows["pairs"] + accepted
    ingest = calm.manifest("ingest")["metrics"]
    assert ingest["log_rows"] == ingest["log_rows_usable"] + rows["rejected"]
    assert rows["rejected"] == 8


def test_rows_reach_the_training_set_with_their_own_document_and_a_fair_weight(calm: Any) -> None:
    documents = {row["document_id"]: row for row in read(calm, "documents").to_pylist()}
    rows = read(calm, "training_set").to_pylist()
    assert len({row["pair_id"] for row in rows}) == len(rows)
    for row in rows:
        document = documents[row["document_id"]]
        assert row["document"] == f"{document['title']}\n{document['text']}"
        assert row["pair_id"] == tables.content_id(row["query"], row["document_id"])
        assert np.isfinite(row["weight"])
        assert row["weight"] >= 0
    train = sum(row["source"] == "real" and row["split"] == "train" for row in rows)
    assert sum(row["weight"] for row in rows if row["source"] == "synthetic") == pytest.approx(2.0 * train)


def test_no_held_out_query_was_shown_or_written(calm: Any) -> None:
    queries = {row["query_id"]: row for row in read(calm, "queries").to_pylist()}
    assert {queries[row["query_id"]]["split"] for row in read(calm, "demonstrations").to_pylist()} == {"train"}
    held_out = {row["query"] for row in queries.values() if row["split"] != "train"}
    rows = read(calm, "training_set").to_pylist()
    assert not held_out & {row["query"] for row in rows if row["split"] == "train"}


def test_the_weights_are_those_of_the_aligner_on_what_stands_in_the_tables(calm: Any) -> None:
    queries = read(calm, "queries")
    train = queries.filter(pc.equal(queries["split"], "train"))["query_id"].to_pylist()
    weights = [row for row in read(calm, "weights").to_pylist() if row["scheme"] == "aligned"]
    document = {row["candidate_id"]: row["document_id"] for row in read(calm, "candidates").to_pylist()}
    ids = [row["candidate_id"] for row in weights]
    found = align(
        matrix(read(calm, "candidate_embeddings"), ids),
        matrix(read(calm, "query_embeddings"), train),
        documents=[document[identifier] for identifier in ids],
    )
    np.testing.assert_allclose([row["weight"] for row in weights], found.weights, atol=1e-6)


def test_the_training_set_has_the_weights_that_validation_queries_chose(calm: Any) -> None:
    (choice,) = read(calm, "choice").to_pylist()
    assert choice["validated"]
    evaluation, ladder = read(calm, "evaluation"), calm.manifest("evaluate")["metrics"]["ladder"]
    assert [entry["scheme"] for entry in ladder] == ["equal", "equal_mass", "aligned"]
    for entry in ladder:
        judged = pc.and_(pc.equal(evaluation["arm"], entry["scheme"]), pc.equal(evaluation["split"], "validation"))
        assert entry["ndcg_at_10"] == pytest.approx(pc.mean(evaluation.filter(judged)["ndcg_at_10"]).as_py())
    # A simpler one is replaced only by one that is better by more than a standard error.
    better = [entry for entry in ladder[1:] if entry["difference"] > entry["standard_error"] + 1e-12]
    assert (choice["scheme"], choice["mass"]) == ((better or ladder)[-1 if better else 0]["scheme"], 2.0)
    train = sum(row["source"] == "real" and row["split"] == "train" for row in read(calm, "training_set").to_pylist())
    document = {row["candidate_id"]: row for row in read(calm, "candidates").to_pylist()}
    expected = {
        tables.content_id(document[row["candidate_id"]]["query"], document[row["candidate_id"]]["document_id"]): (
            choice["mass"] * train * row["weight"]
        )
        for row in read(calm, "weights").to_pylist()
        if row["scheme"] == choice["scheme"]
    }
    found = {row["pair_id"]: row["weight"] for row in read(calm, "training_set").to_pylist() if row["batch_id"]}
    assert found == pytest.approx(expected)


def test_airflow_holds_the_asset_and_mlflow_the_version(calm: Any) -> None:
    with sqlite3.connect(calm.home / "airflow" / "airflow.db") as database:
        (extra,) = [json.loads(row[0]) for row in database.execute("select extra from asset_event")]
    registered = calm.manifest("register")["metrics"]
    assert (extra["version"], extra["digest"]) == ("1", registered["digest"])
    assert extra["location"] == str(calm.attempt("assemble") / "training_set")
    uri = f"sqlite:///{calm.home / 'mlflow' / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    version = client.get_model_version_by_alias("small-training-set", "current")
    assert version.tags["digest"] == calm.manifest("assemble")["tables"]["training_set"]["digest"]
    evaluated = calm.manifest("evaluate")["metrics"]
    assert (version.tags["scheme"], version.tags["weights_validated"]) == (evaluated["scheme"], "true")
    assert (version.tags["gate"], version.tags["gate_reason"]) == tuple(
        evaluated["gate"][key] for key in ("status", "reason")
    )
    assert {entry.path for entry in client.list_artifacts(version.run_id, "evaluation")} == {
        "evaluation/arms.svg", "evaluation/report.md",
    }  # fmt: skip
    kept = client.download_artifacts(version.run_id, "training_set", str(calm.home))
    copied = {path.name: path.read_bytes() for path in Path(kept).glob("*.parquet")}
    assert copied == {path.name: path.read_bytes() for path in (calm.attempt("assemble") / "training_set").iterdir()}


def test_the_report_lies_beside_the_run_and_among_the_artefacts_of_its_mlflow_run(calm: Any) -> None:
    report = calm.attempt("report") / "report.html"
    html = report.read_text(encoding="utf-8")
    assert calm.manifest("report")["metrics"] == {
        "path": str(report), "bytes": report.stat().st_size, "url": report.as_uri(),
    }  # fmt: skip
    for section in ("verdict", "flow", "before-after", "demonstrations", "weights", "retriever", "costs", "lineage"):
        assert f'<section id="{section}"' in html, section
    assert html.count("the sum of the above") == html.count('<table class="sum">') > 3
    assert "Checks passed" in html and calm.manifest("register")["metrics"]["digest"] in html
    uri = f"sqlite:///{calm.home / 'mlflow' / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    kept = client.download_artifacts(calm.manifest("register")["metrics"]["run_id"], "report.html", str(calm.home))
    assert Path(kept).read_text(encoding="utf-8") == html
