"""What all tests share: a home of their own, one Spark session for all, and small hand-made runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from filelock import FileLock
from hypothesis import settings

from synalign import config, flow
from synalign.experiment import ExperimentPlan
from synalign.local import demo_data
from synalign.run import Interval, Run
from tests import java
from tests.handmade import finish

# Before anything starts a thread or a JVM: two test processes share two cores, and nothing leaves the machine.
os.environ.update(
    OMP_NUM_THREADS="1",
    HF_HUB_OFFLINE="1",
    DO_NOT_TRACK="true",
    MLFLOW_DISABLE_TELEMETRY="true",
    SPARK_LOCAL_IP="127.0.0.1",
    SPARK_SUBMIT_OPTS=java.QUICK,
    PYSPARK_PYTHON=sys.executable,
    # A test's tables have a handful of rows: planning them is all the time there is.
    # The real settings run in integration.
    PYSPARK_SUBMIT_ARGS=(
        "--master local[2] --conf spark.ui.enabled=false --conf spark.sql.shuffle.partitions=2 "
        "--conf spark.sql.adaptive.enabled=false --conf spark.sql.codegen.wholeStage=false "
        "--conf spark.sql.codegen.factoryMode=NO_CODEGEN pyspark-shell"
    ),
)
for inherited in ("MLFLOW_TRACKING_URI", "SYNALIGN_WRITER_URL", "SPARK_HOME", "SYNALIGN_RETRIEVERS"):
    os.environ.pop(inherited, None)

# Machines are shared: a time means nothing.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

pytest_plugins = ["tests.small_models", "tests.guard.plugin"]

STARTED_BY = {
    "spark": ("spark",),
    "cluster": ("spark",),
    "browser": ("browser",),
    "loaded": ("airflow",),
    "ran": ("airflow",),
    "rendered": ("airflow",),
    "in_airflow": ("airflow",),
    # Whole refreshes, and servers as `synalign up` starts them.
    "calm": ("spark", "airflow"),
    "written": ("spark", "airflow"),
    "servers": ("spark", "airflow", "mlflow"),
    "tried": ("spark", "airflow", "mlflow"),
    "production": ("spark", "airflow", "mlflow"),
    "tracking": ("mlflow",),
    # They import sentence-transformers, which takes each process of tests ten seconds.
    "make_model": ("slow",),
    "static_model": ("slow",),
    # Whole jobs, whose events and metrics are read.
    "told": ("slow",),
    "sent": ("slow",),
    "bert_model": ("slow",),
    # MLflow's own store on a database: what a server runs, and as slow.
    "empty_database": ("mlflow",),
}
"""What a fixture starts, by its name: tests that use it have these markers.

A test that starts something without one of them is marked itself, with `@pytest.mark.spark` and the like. `tests/guard`
fails those that start something and say nothing.
"""

LONGEST = [
    *("integration/test_kills", "integration/test_experiment", "integration/test_interrupt"),
    *("integration/test_servers", "integration/test_refresh", "spark/test_cluster", "docs/test_blocks"),
    *("processes/test_interruption", "steps/test_ingest", "generation/test_chaos", "storage/test_kills"),
]
"""Test files that take longest: begun last, one would keep one process busy while the other has nothing to do."""

INTERVAL = Interval.parse("2026-02-28", "2026-03-01")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests by what their fixtures start, before `-m` chooses among them; the longest files come first.

    While one process makes the refresh that others look at, another needs none.
    """
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            for marker in STARTED_BY.get(fixture, ()):
                item.add_marker(marker)

    def place(item: pytest.Item) -> int:
        name = f"{item.path.parent.name}/{item.path.stem}"
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=place)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has an empty `$SYNALIGN_HOME`."""
    folder = tmp_path / "home"
    monkeypatch.setenv("SYNALIGN_HOME", str(folder))
    return folder


# A few batches write for a few pages, and teach little of value: the gate lets through what is far from a mistake.
SHOP = """
retriever: small
schedule: {start: 2026-01-01, cron: "0 0 * * *"}
source:
  kind: log
  path: data/demo/query_log.parquet
  window_days: 3650
  documents: {path: data/demo/documents.parquet}
sampling: {batches: %d}
evaluation: {seeds: 2, steps: 20, masses: [2.0], gate: {max_loss: 0.2}}
"""


@pytest.fixture(scope="session")
def make_shop() -> Callable[..., Path]:
    """Puts a small made retriever into a home, data and all; gives its YAML file."""

    def make(home: Path, *, events: int, batches: int) -> Path:
        demo_data.make(home / "data" / "demo", events=events)
        yaml = home / "retrievers" / "small.yaml"
        yaml.parent.mkdir()
        yaml.write_text(SHOP % batches)
        return yaml

    return make


@pytest.fixture(scope="session")
def quick_java() -> str:
    """Options of JVMs from here on in this process of tests: an archive of Spark's classes, made once a checkout."""
    os.environ["SPARK_SUBMIT_OPTS"] = java.options()
    return os.environ["SPARK_SUBMIT_OPTS"]


@pytest.fixture(scope="session")
def spark(quick_java: str) -> Iterator[Any]:
    """One session for all tests of a process; `synalign.spark.session.session` uses it because it is active."""
    from synalign.spark.session import session

    with session("synalign tests") as running:
        yield running


@pytest.fixture
def configuration() -> Callable[..., config.Configuration]:
    """Makes a checked configuration; keyword arguments replace whole sections."""

    def make(**sections: Any) -> config.Configuration:
        content = {
            "retriever": "shop",
            "schedule": {"start": "2026-01-01"},
            "source": {
                "kind": "log",
                "path": "log",
                "format": "jsonl",
                "documents": {"path": "d.jsonl", "format": "jsonl"},
            },
        }
        return config.Configuration.model_validate({**content, **sections})

    return make


@pytest.fixture
def commit() -> Callable[..., Run]:
    """Puts hand-made tables into a run as if their steps had finished.

    Where nothing is said of the pool, nothing is carried: it has this interval's candidates alone. Where nothing is
    said of negatives, pairs have none and nobody teaches.
    """
    # Steps that are finished empty with the one before them.
    after = {"carry": "ingest", "mine": "align", "teach": "mine"}

    def put(run: Run, **contents: pa.Table) -> Run:
        unsaid = {name: before for name, before in after.items() if name != "teach" or "negatives" not in contents}
        for step in flow.STEPS:
            begun = bool(set(step.writes) & set(contents))
            follows = step.name in unsaid and run.manifest(unsaid[step.name]) and run.manifest(step.name) is None
            if begun or follows:
                finish(run, step, contents)
        return run

    return put


@pytest.fixture(scope="session")
def plan() -> Callable[..., ExperimentPlan]:
    """Makes a checked plan of an experiment of 30 days; keyword arguments replace whole fields."""

    def make(**fields: Any) -> ExperimentPlan:
        content = {
            "id": "first",
            "retriever": "shop",
            "hypothesis": "Fresher queries bring more clicks.",
            "owner": "search",
            "salt": "shop-first",
            "start": "2026-03-01",
            "stop": "2026-03-30",
            "arms": [
                {"name": "control", "model_uri": "s3://models/shop/41"},
                {
                    "name": "treatment",
                    "model_uri": "s3://models/shop/42",
                    "training_set": {"model": "shop-training-set", "version": "7", "digest": "ab" * 32},
                },
            ],
            "primary": {"name": "clicks", "numerator": "clicks"},
            "minimum_detectable_effect": 0.05,
            "baseline": {"mean": 0.4, "variance": 0.24, "units_per_day": 100_000},
        }
        return ExperimentPlan.model_validate({**content, **fields})

    return make


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder for what is made once for all processes of a test run; whoever makes something holds a lock."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def empty_database(shared: Path) -> bytes:
    """MLflow's schema takes seconds to make: made once, copied for every test that needs a database."""
    kept, draft = shared / "mlflow.db", shared / "mlflow-draft.db"
    with FileLock(shared / "mlflow.lock"):
        if not kept.exists():
            from mlflow import MlflowClient

            MlflowClient(tracking_uri=f"sqlite:///{draft}", registry_uri=f"sqlite:///{draft}").search_experiments()
            draft.rename(kept)
    return kept.read_bytes()
