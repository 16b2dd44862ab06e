"""Every step of a refresh killed in the middle, and run again."""

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from synalign import flow
from tests.jobs import Job


def job(step: flow.Step, home: Any, folder: Path) -> Job:
    arguments = ["--config", str(home.yaml), "--start", "2026-02-28", "--end", "2026-03-01"]
    return Job(step, arguments, home.environment(), folder)


@pytest.mark.parametrize("step", flow.STEPS, ids=lambda step: step.name)
def test_a_step_killed_in_the_middle_and_run_again_gives_the_same_bytes(
    calm: Any, tmp_path: Path, step: flow.Step, empty_database: bytes
) -> None:
    """In a home of its own, where every step from this one on is gone: so this is a second run as well."""
    home = tmp_path / "home"
    with calm.to_itself():
        for name in ("data", "runs", "retrievers"):
            shutil.copytree(calm.home / name, home / name)
    other = calm._replace(home=home, yaml=home / "retrievers" / "small.yaml")
    # The report goes to the MLflow run of its refresh, which this home's MLflow must have.
    first = flow.step("register") if step.name == "report" else step
    for later in flow.STEPS[flow.STEPS.index(first) :]:
        shutil.rmtree(other.folder / later.name)
    shutil.rmtree(other.folder / "journal", ignore_errors=True)
    (home / "mlflow").mkdir()
    (home / "mlflow" / "mlflow.db").write_bytes(empty_database)
    if step != first:
        job(first, other, tmp_path / "first").summary()

    killed = job(step, other, tmp_path / "killed")
    deadline = time.monotonic() + 600
    attempts = other.folder / step.name
    while not list(attempts.glob("*-*")):
        assert killed.process.is_alive(), killed.said()[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # Spark steps are met while they write, the others as soon as they have begun.
    while step.engine == "spark" and not list(attempts.glob("*-*/*")) and killed.process.is_alive():
        time.sleep(0.01)
    os.killpg(killed.process.pid, signal.SIGKILL)
    killed.process.join()
    (half,) = attempts.glob("*-*")
    assert not (attempts / "manifest.json").exists()

    assert job(step, other, tmp_path / "resumed").summary()["reused"] is False
    assert list(attempts.glob("*-*")) == [other.attempt(step.name)] != [half]
    for table in step.writes:
        if table != "requests":
            found = other.manifest(step.name)["tables"][table]["digest"]
            assert found == calm.manifest(step.name)["tables"][table]["digest"], table
    if step.name == "register":
        uri = f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        assert len(client.search_model_versions("name = 'small-training-set'")) == 1
    if step.name == "report":
        kept = home / "mlflow" / "artifacts" / other.manifest("register")["metrics"]["run_id"] / "artifacts"
        assert (kept / "report.html").read_bytes() == (other.attempt("report") / "report.html").read_bytes()
