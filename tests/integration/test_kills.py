"""Every step of a refresh killed in the middle, and run again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from synalign import flow

ROOT = Path(__file__).parent.parent.parent


def command_of(step: flow.Step, home: Any) -> list[str]:
    return [sys.executable, str(ROOT / "jobs" / f"{step.job}.py"), "--config", str(home.yaml), "--step", step.name,
            "--start", "2026-02-28", "--end", "2026-03-01"]  # fmt: skip


@pytest.mark.parametrize("step", flow.STEPS, ids=lambda step: step.name)
def test_a_step_killed_in_the_middle_and_run_again_gives_the_same_bytes(
    calm: Any, tmp_path: Path, step: flow.Step
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
    if step != first:
        subprocess.run(command_of(first, other), env=other.environment(), capture_output=True, check=True)
    command = command_of(step, other)

    with open(tmp_path / "killed.log", "w") as log:
        killed = subprocess.Popen(command, env=other.environment(), stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + 600
    attempts = other.folder / step.name
    while not list(attempts.glob("*-*")):
        assert killed.poll() is None, (tmp_path / "killed.log").read_text()[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # Spark steps are met while they write, the others as soon as they have begun.
    while step.engine == "spark" and not list(attempts.glob("*-*/*")) and killed.poll() is None:
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    (half,) = attempts.glob("*-*")
    assert not (attempts / "manifest.json").exists()

    resumed = subprocess.run(command, env=other.environment(), capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert json.loads(resumed.stdout.splitlines()[-1])["reused"] is False
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
