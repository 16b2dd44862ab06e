"""Runs in object storage, looked at and registered as any other; MLflow is a real one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from synalign.changes import compare, side
from synalign.changes.side import Side
from synalign.cli import application
from synalign.config import Configuration, home
from synalign.registry.connection import tracking_uri
from synalign.retriever.dataset import training_dataset
from synalign.run import Interval, Run
from synalign.run.memory import shown_earlier
from synalign.steps.job import perform
from synalign.steps.register import register
from synalign.steps.report import report
from synalign.storage import Place
from tests.changes.sets import FIRST, SECOND, Row, finished, real
from tests.report.runs import made_run

Make = Callable[..., Configuration]


@pytest.fixture(autouse=True)
def store(bucket: Place, monkeypatch: pytest.MonkeyPatch, empty_database: bytes) -> Place:
    """Runs lie in a bucket, versions in an MLflow of the test's own."""
    monkeypatch.setenv("SYNALIGN_STORE", str(bucket))
    path = home() / "mlflow" / "mlflow.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(empty_database)
    return bucket


def call(*arguments: str) -> str:
    done = CliRunner().invoke(application, arguments, env={"COLUMNS": "200"}, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_a_set_is_registered_reported_and_shown(
    configuration: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = made_run(configuration(), until="register", real=60, written=40)
    perform(run, "register", register)
    perform(run, "report", report)

    metrics = run.require("register")["metrics"]
    assert metrics["location"] == str(run.table_folder("training_set")) and metrics["location"].startswith("s3://")
    client = MlflowClient(tracking_uri(), tracking_uri())
    for name, kept in (
        ("training_set", run.files("training_set")),
        ("report.html", [run.step_folder("report") / "report.html"]),
    ):
        there = Path(client.download_artifacts(metrics["run_id"], name, str(tmp_path)))
        files = sorted(there.iterdir()) if there.is_dir() else [there]
        assert [(file.name, file.read_bytes()) for file in files] == [
            (place.name, place.read_bytes()) for place in kept
        ]
    sources = [given.dataset.source for given in client.get_run(metrics["run_id"]).inputs.dataset_inputs]
    assert {"uri": metrics["location"]} in map(json.loads, sources)

    (path,) = call("report", "shop@1").split()
    assert Path(path).parent == tmp_path
    assert Path(path).read_bytes() == (run.step_folder("report") / "report.html").read_bytes()
    assert call("show", "shop") == call("show", str(run.folder))
    assert metrics["location"] in call("show", "shop@1")
    rows = training_dataset(metrics["location"])
    assert len(rows) == sum(row == "train" for row in run.read("training_set")["split"].to_pylist())
    assert not (home() / "runs").exists()


def test_two_sets_are_compared(configuration: Make) -> None:
    for interval, rows in ((FIRST, [*real("a", "b"), Row("x")]), (SECOND, [*real("b", "c"), Row("y")])):
        finished(configuration(), interval, rows)
    first, second = (side(f"shop/{interval.name}") for interval in (FIRST, SECOND))
    assert isinstance(first, Side) and first.rows.num_rows == 3
    found = compare(first, second)
    assert found.as_json()["rows"]["counts"]["real"]["kept"] == 1


def test_what_earlier_intervals_showed_is_read(configuration: Make) -> None:
    made = made_run(configuration(), until="generate", real=60, written=40)
    later = Run(configuration(), Interval.parse("2026-03-01", "2026-03-02"))
    shown = shown_earlier(later)
    ids = dict.fromkeys(made.read("demonstrations")["query_id"].to_pylist())
    assert shown is not None and len(shown) == len(ids)
