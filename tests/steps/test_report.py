"""The step *report*: a file beside the run, and the same in the MLflow run of its refresh."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from synalign.config import Configuration
from synalign.errors import RunError
from synalign.steps.job import perform
from synalign.steps.report import report
from tests.report.runs import made_run

Make = Callable[..., Configuration]


@pytest.fixture
def client(tmp_path: Path, empty_database: bytes, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """A client of an MLflow database of its own, which the step finds in the environment."""
    (tmp_path / "mlflow.db").write_bytes(empty_database)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return MlflowClient(tracking_uri=uri)


def test_the_file_lies_beside_the_run_and_in_mlflow_and_is_made_again_each_time(
    configuration: Make, client: MlflowClient, tmp_path: Path
) -> None:
    experiment = client.create_experiment("refresh/shop", (tmp_path / "artifacts").as_uri())
    run_id = client.create_run(experiment).info.run_id
    run = made_run(configuration(), real=60, written=40, changed={"register": {"run_id": run_id}})
    for _ in range(2):
        summary = perform(run, "report", report)
        assert summary["reused"] is False and summary["rows"] == {}
        path = Path(run.step_folder("report") / "report.html")
        assert summary["metrics"] == {"path": str(path), "bytes": path.stat().st_size, "url": path.as_uri()}
    kept = client.download_artifacts(run_id, "report.html", str(tmp_path))
    assert Path(kept).read_bytes() == path.read_bytes()
    assert run.require("report")["tables"] == {}


def test_before_the_set_is_registered_there_is_no_step_to_do(configuration: Make, client: MlflowClient) -> None:
    run = made_run(configuration(), real=60, written=40, until="register")
    with pytest.raises(RunError, match="register is not finished"):
        perform(run, "report", report)
    assert run.manifest("report") is None and not list((run.folder / "report").tree())
