"""One refresh through Airflow, Spark, the openai client and MLflow; then again; then every step killed and resumed."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from synalign import flow, tables
from synalign.alignment import align
from synalign.embedding.matrix import matrix

ROOT = Path(__file__).parent.parent.parent
SYNALIGN = str(Path(sys.executable).with_name("synalign"))
INTERVAL = "20260228T000000Z-20260301T000000Z"


class Refresh(NamedTuple):
    home: Path
    yaml: Path
    output: str

    @property
    def folder(self) -> Path:
        return self.home / "runs" / "small" / INTERVAL

    def manifest(self, step: str) -> dict:
        return json.loads((self.folder / step / "manifest.json").read_text())

    def digests(self) -> dict[str, str]:
        """Of every table but `requests`, which holds how long each request took."""
        return {
            table: content["digest"]
            for step in flow.STEPS
            for table, content in self.manifest(step.name)["tables"].items()
            if table != "requests"
        }


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYSPARK_SUBMIT_ARGS"}
    return {**kept, "SYNALIGN_HOME": str(home)}


def refresh(home: Path, yaml: Path) -> Refresh:
    command = [SYNALIGN, "refresh", str(yaml), "--date", "2026-03-01"]
    done = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return Refresh(home, yaml, done.stdout)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, make_shop: Callable[..., Path]) -> Refresh:
    """A refresh that nothing disturbs."""
    home = tmp_path_factory.mktemp("calm")
    return refresh(home, make_shop(home, events=1500, batches=6))


def read(calm: Refresh, table: str) -> pa.Table:
    return pq.read_table(calm.folder / flow.writer(table).name / table)


def test_the_summary_says_what_a_person_wants_to_know(calm: Refresh) -> None:
    figures = ("log rows", "rejected", "candidates", "MMD²", "held-out queries", "ESS")
    places = (str(calm.folder), "MLflow small-training-set version 1", "make up")
    for expected in (*figures, *places, "synalign-embedded-writer", "reused no step"):
        assert expected in calm.output, expected
    for step in flow.STEPS:
        assert f"{step.name}: done in" in calm.output


def test_every_table_has_its_schema_and_its_rows_add_up(calm: Refresh) -> None:
    for table, schema in tables.SCHEMAS.items():
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


def test_rows_reach_the_training_set_with_their_own_document_and_a_fair_weight(calm: Refresh) -> None:
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


def test_no_held_out_query_was_shown_or_written(calm: Refresh) -> None:
    queries = {row["query_id"]: row for row in read(calm, "queries").to_pylist()}
    assert {queries[row["query_id"]]["split"] for row in read(calm, "demonstrations").to_pylist()} == {"train"}
    held_out = {row["query"] for row in queries.values() if row["split"] != "train"}
    rows = read(calm, "training_set").to_pylist()
    assert not held_out & {row["query"] for row in rows if row["split"] == "train"}


def test_the_weights_are_those_of_the_aligner_on_what_stands_in_the_tables(calm: Refresh) -> None:
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


def test_airflow_holds_the_asset_and_mlflow_the_version(calm: Refresh) -> None:
    with sqlite3.connect(calm.home / "airflow" / "airflow.db") as database:
        (extra,) = [json.loads(row[0]) for row in database.execute("select extra from asset_event")]
    registered = calm.manifest("register")["metrics"]
    assert (extra["version"], extra["digest"]) == ("1", registered["digest"])
    assert extra["location"] == str(calm.folder / "assemble" / "training_set")
    uri = f"sqlite:///{calm.home / 'mlflow' / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    version = client.get_model_version_by_alias("small-training-set", "current")
    assert version.tags["digest"] == calm.manifest("assemble")["tables"]["training_set"]["digest"]
    kept = client.download_artifacts(version.run_id, "training_set", str(calm.home))
    copied = {path.name: path.read_bytes() for path in Path(kept).glob("*.parquet")}
    assert copied == {path.name: path.read_bytes() for path in (calm.folder / "assemble" / "training_set").iterdir()}


def test_a_second_refresh_reuses_every_step_and_says_so(calm: Refresh) -> None:
    before = calm.digests()
    again = refresh(calm.home, calm.yaml)
    for step in flow.STEPS[:-1]:
        assert f"{step.name}: reused" in again.output
    assert "reused ingest, embed, sample, generate, embed_candidates, screen, align, assemble" in again.output
    assert "version 1" in again.output
    assert again.digests() == before


@pytest.mark.parametrize("step", flow.STEPS, ids=lambda step: step.name)
def test_a_step_killed_in_the_middle_and_run_again_gives_the_same_bytes(
    calm: Refresh, tmp_path: Path, step: flow.Step
) -> None:
    """In a home of its own, where every step from this one on is gone: so this is a second run as well."""
    home = tmp_path / "home"
    for name in ("data", "runs", "retrievers"):
        shutil.copytree(calm.home / name, home / name)
    other = Refresh(home, home / "retrievers" / "small.yaml", "")
    for later in flow.STEPS[flow.STEPS.index(step) :]:
        shutil.rmtree(other.folder / later.name)
    shutil.rmtree(other.folder / "journal", ignore_errors=True)
    command = [sys.executable, str(ROOT / "jobs" / f"{step.job}.py"), "--config", str(other.yaml), "--step", step.name,
               "--start", "2026-02-28", "--end", "2026-03-01"]  # fmt: skip

    with open(tmp_path / "killed.log", "w") as log:
        killed = subprocess.Popen(command, env=environment(home), stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(other.folder.glob(f".{step.name}.*")):
        assert killed.poll() is None, (tmp_path / "killed.log").read_text()[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # Spark steps are met while they write, the others as soon as they have begun.
    while step.engine == "spark" and not list(other.folder.glob(f".{step.name}.*/*")) and killed.poll() is None:
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (other.folder / step.name / "manifest.json").exists()

    resumed = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert json.loads(resumed.stdout.splitlines()[-1])["reused"] is False
    assert [path.name for path in other.folder.glob(f".{step.name}.*")] == []
    for table in step.writes:
        if table != "requests":
            found = other.manifest(step.name)["tables"][table]["digest"]
            assert found == calm.manifest(step.name)["tables"][table]["digest"], table
    if step.name == "register":
        uri = f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        assert len(client.search_model_versions("name = 'small-training-set'")) == 1
