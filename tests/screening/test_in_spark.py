"""Candidates compared in Spark's tasks, on the driver, and by exact sums in Python: the same bytes."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from synalign import flow
from synalign.config import Configuration
from synalign.run import Attempt, Interval, Run
from synalign.screening import cosines, in_spark
from synalign.screening.in_spark import held_out_of
from synalign.screening.round_trip import ROUNDING
from synalign.spark import folded
from synalign.steps.job import perform
from synalign.steps.screen import screen
from synalign.storage import Place
from synalign.tables import schema
from tests import cluster
from tests.handmade import table_of

Make = Callable[..., Configuration]
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
WIDTH, DOCUMENTS, REAL, CANDIDATES = 16, 240, 120, 90
THRESHOLD = 0.95
ROOT = Path(__file__).parents[2]


def unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return found


class World:
    """Random vectors; or, of `kind` adversarial, copies, and cosines that lie on a threshold or a bit beside it."""

    def __init__(self, kind: str, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.documents, self.real = (unit(random.normal(size=(rows, WIDTH))) for rows in (DOCUMENTS, REAL))
        self.own = random.integers(0, DOCUMENTS, CANDIDATES)
        near = self.documents[self.own] + 1.5 * unit(random.normal(size=(CANDIDATES, WIDTH)))
        self.candidates = unit(near)
        if kind == "adversarial":
            # Documents of the same vector, and others that are off by the last bits.
            self.documents[40:80] = self.documents[0]
            self.documents[80:160] = np.nextafter(self.documents[self.own[:80]], np.float32(1.0))
            # Real queries at the threshold of a candidate, but for a few bits to either side.
            for row in range(60):
                self.real[row] = at_cosine(self.candidates[row % 30], THRESHOLD + (row - 30) * 2e-8, random)
            self.real[60:80] = self.real[0]
            self.candidates[80:] = self.real[100:110]
        self.splits = random.choice(["train", "validation", "test"], REAL, p=[0.7, 0.2, 0.1]).tolist()

    def run(self, configuration: Configuration) -> Run:
        real, documents, candidates = ([f"{letter}{row:04d}" for row in range(rows)] for letter, rows in (
            ("q", REAL), ("d", DOCUMENTS), ("c", CANDIDATES)))  # fmt: skip
        time = pa.array([0] * REAL, pa.timestamp("us", tz="UTC"))
        tables: dict[str, Any] = {
            "queries": pa.table({
                "query_id": real, "query": real, "count": [1] * REAL, "first_seen": time, "last_seen": time,
                "split": self.splits, "label": pa.nulls(REAL, pa.string()),
            }),
            "query_embeddings": vectors(real, self.real),
            "documents": pa.table({"document_id": documents, "title": [""] * DOCUMENTS, "text": ["x"] * DOCUMENTS}),
            "document_embeddings": vectors(documents, self.documents),
            "candidates": {
                "candidate_id": candidates, "batch_id": ["b"] * CANDIDATES, "query": [f"ask {id}" for id in candidates],
                "document_id": [documents[row] for row in self.own], "request_id": ["r"] * CANDIDATES,
            },
            "candidate_embeddings": vectors(candidates, self.candidates),
        }  # fmt: skip
        run = Run(configuration, INTERVAL)
        for step in flow.before("screen"):
            attempt = Attempt(run, step)
            attempt.begin()
            for table in step.writes:
                write(attempt.output(table), with_schema(run, table, tables), files=3 if table == "queries" else 2)
            attempt.commit()
        return run


def at_cosine(vector: NDArray[np.float32], cosine: float, random: np.random.Generator) -> NDArray[np.float32]:
    """Return a unit vector with about that cosine to another."""
    other = random.normal(size=WIDTH)
    other -= (other @ vector) * vector
    return unit((cosine * vector + math.sqrt(1 - cosine**2) * other / np.linalg.norm(other))[None])[0]


def vectors(ids: list[str], rows: NDArray[np.float32]) -> pa.Table:
    return pa.table({"id": ids, "embedding": pa.array(list(rows), pa.list_(pa.float32()))})


def with_schema(run: Run, table: str, tables: dict[str, Any]) -> pa.Table:
    return table_of(run, table, tables).select(schema(table).names).cast(schema(table))


def write(folder: Place, table: pa.Table, files: int) -> None:
    """Write rows as Spark does: each to a file by its key, sorted there, in row groups."""
    folder.make()
    for number in range(files):
        with (folder / f"part-{number:05d}.parquet").open_output() as stream:
            pq.write_table(table.take(np.arange(number, len(table), files)), stream, row_group_size=11)


def exact(one: NDArray[np.float32], other: NDArray[np.float32]) -> Fraction:
    return sum((Fraction(float(a)) * Fraction(float(b)) for a, b in zip(one, other, strict=True)), Fraction())


def verdicts(world: World, configuration: Configuration) -> bytes:
    """Return the bytes of the table of verdicts."""
    run = world.run(configuration)
    perform(run, "screen", screen)
    (file,) = run.files("screening")
    return file.read_bytes()


@pytest.mark.spark
@pytest.mark.parametrize(("kind", "seed"), [("random", 0), ("adversarial", 1), ("adversarial", 2)])
def test_verdicts_are_the_same_bytes_in_spark_and_on_the_driver_in_tiles_of_any_size(
    kind: str, seed: int, configuration: Make, home: Path, monkeypatch: pytest.MonkeyPatch, spark: Any
) -> None:
    world = World(kind, seed)
    settings = configuration(screening={"near_duplicate_cosine": THRESHOLD, "round_trip_depth": 3})
    found = {}
    for name, most, tile in (("driver", 2**28, (1024, 16_384)), ("small tiles", 2**28, (7, 5)), ("spark", 0, (9, 6))):
        monkeypatch.setenv("SYNALIGN_HOME", str(home / name))
        monkeypatch.setattr(folded, "DRIVER_BYTES", most)
        monkeypatch.setattr(folded, "ROWS_PER_TASK", (11, 20))
        monkeypatch.setattr(cosines, "ROWS", tile[0])
        monkeypatch.setattr(cosines, "COLUMNS", tile[1])
        found[name] = verdicts(world, settings)
    assert found["spark"] == found["driver"] == found["small tiles"]
    table = pq.read_table(pa.BufferReader(found["spark"])).to_pylist()
    reasons = {row["reason"] for row in table}
    assert {"inconsistent", None} <= reasons
    assert kind == "random" or {"leak", "near_real"} <= reasons
    for verdict in table:
        check(world, int(verdict["candidate_id"][1:]), verdict)


def check(world: World, row: int, verdict: dict[str, Any]) -> None:
    """Compare a verdict with exact sums."""
    vector = world.candidates[row]
    least = exact(vector, world.documents[world.own[row]]) + Fraction(ROUNDING)
    rank = 1 + sum(exact(vector, document) > least for document in world.documents)
    nearest = {
        held: max(exact(vector, real) for real, split in zip(world.real, world.splits, strict=True)
                  if (split != "train") == held)
        for held in (True, False)
    }  # fmt: skip
    near = {held: bool(np.float32(float(cosine)) >= np.float32(THRESHOLD)) for held, cosine in nearest.items()}
    if rank > 3:
        assert (verdict["reason"], verdict["score"]) == ("inconsistent", rank)
    elif near[True] or near[False]:
        assert verdict["reason"] == ("leak" if near[True] else "near_real")
        assert verdict["score"] == float(np.float32(float(nearest[near[True]])))
    elif verdict["reason"] is None:
        assert verdict["score"] == rank
    else:
        assert verdict["reason"] == "near_duplicate"


@pytest.mark.spark
def test_many_shards_are_merged_in_tasks_and_candidates_sent_a_slice_at_a_time(
    configuration: Make, home: Path, monkeypatch: pytest.MonkeyPatch, spark: Any
) -> None:
    world, settings = World("adversarial", 3), configuration(screening={"near_duplicate_cosine": THRESHOLD})
    here = verdicts(world, settings)
    monkeypatch.setenv("SYNALIGN_HOME", str(home / "spark"))
    monkeypatch.setattr(folded, "DRIVER_BYTES", 0)
    monkeypatch.setattr(folded, "ROWS_PER_TASK", (11, 20))
    monkeypatch.setattr(folded, "_MERGED", 3)
    # As to a server of Spark Connect, whose messages are small.
    monkeypatch.setattr(in_spark, "is_remote", lambda session: True)
    monkeypatch.setattr(in_spark, "SENT_BYTES", 40 * WIDTH * 4)
    assert verdicts(world, settings) == here


@pytest.mark.parametrize("files", [1, 2, 5])
def test_held_out_ids_are_those_that_the_table_says(files: int, tmp_path: Path) -> None:
    random = np.random.default_rng(files)
    names = sorted(f"{number:05x}" for number in random.choice(2**20, 500, replace=False))
    splits = random.choice(["train", "validation", "test"], 500).tolist()
    write(Place(tmp_path), pa.table({"query_id": names, "split": splits}), files)
    some = random.choice(names, 60, replace=False).tolist()
    found = held_out_of(pa.array(some), Place(tmp_path).files("*.parquet"))
    assert found.tolist() == [splits[names.index(name)] != "train" for name in some]
    assert held_out_of(pa.array([], pa.string()), []).tolist() == []


def screened_elsewhere(settings: Configuration, home: Path, environment: dict[str, str]) -> str:
    """Screen the adversarial world in a process of its own, whose tasks are killed once; return the digest."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.screening.killed", settings.model_dump_json(), "1"],
        cwd=ROOT, env={**environment, "SYNALIGN_HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    killed = {file.name for file in home.glob("killed *")}
    assert killed == {"killed ranks", "killed closest True", "killed closest False"}
    digest: str = json.loads(done.stdout.splitlines()[-1])["digest"]
    return digest


@pytest.mark.spark
def test_a_task_that_is_killed_and_tried_again_changes_no_verdict(
    configuration: Make, home: Path, quick_java: str
) -> None:
    settings = configuration(screening={"near_duplicate_cosine": THRESHOLD, "round_trip_depth": 3})
    here = hashlib.sha256(verdicts(World("adversarial", 1), settings)).hexdigest()
    # Spark's local mode tries a task once, unless it is told how often it may fail.
    submit = "--master local[2,3] --conf spark.ui.enabled=false --conf spark.sql.shuffle.partitions=2 pyspark-shell"
    environment = {**os.environ, "PYSPARK_SUBMIT_ARGS": submit}
    assert screened_elsewhere(settings, home / "killed", environment) == here


@pytest.mark.spark
def test_over_spark_connect_a_cluster_gives_the_same_verdicts(
    configuration: Make, home: Path, quick_java: str, tmp_path: Path
) -> None:
    settings = configuration(screening={"near_duplicate_cosine": THRESHOLD, "round_trip_depth": 3})
    here = hashlib.sha256(verdicts(World("adversarial", 1), settings)).hexdigest()
    far = home / "far"
    # Executors find the tests' fold by the path, and the folder of what was killed by the home.
    environment = {"PYTHONPATH": str(ROOT), "SYNALIGN_HOME": str(far)}
    with cluster.running(tmp_path, environment) as machines, machines.server(tmp_path / "server.log") as address:
        found = screened_elsewhere(settings, far, {**machines.environment, "SPARK_REMOTE": address})
    assert found == here
