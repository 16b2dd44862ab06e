"""`make up`: the DAG, triggered through Airflow's REST API, run by a real scheduler, seen in a real MLflow server."""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from synalign import flow
from synalign.local.airflow_api import OVER, AirflowApi, wait_for

SYNALIGN = str(Path(sys.executable).with_name("synalign"))
# A Spark step, and all that talks to MLflow and Airflow: the scheduler does these, and finds the others finished.
DONE_BY_THE_SCHEDULER = [step.name for step in flow.STEPS[flow.STEPS.index(flow.step("assemble")) :]]


class Servers(NamedTuple):
    home: Path
    airflow: AirflowApi
    mlflow: str
    environment: dict[str, str]


def attempt_folder(step: Path) -> Path:
    """Folder of a step's attempt that counts."""
    return step / json.loads((step / "manifest.json").read_text())["attempt"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def from_mlflow(servers: Servers, path: str) -> Any:
    with urllib.request.urlopen(f"{servers.mlflow}/api/2.0/mlflow/{path}", timeout=60) as response:
        return json.loads(response.read())


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, calm: Any) -> Iterator[Servers]:
    home = tmp_path_factory.mktemp("servers")
    with calm.to_itself():
        for name in ("data", "runs", "retrievers"):
            shutil.copytree(calm.home / name, home / name)
    for step in DONE_BY_THE_SCHEDULER:
        shutil.rmtree(calm._replace(home=home).folder / step)
    ports = {name: str(free_port()) for name in ("AIRFLOW", "MLFLOW", "WRITER")}
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYSPARK_SUBMIT_ARGS"},
        "SYNALIGN_HOME": str(home),
        **{f"SYNALIGN_{name}_PORT": port for name, port in ports.items()},
    }
    try:
        started = subprocess.run([SYNALIGN, "up"], env=environment, capture_output=True, text=True, check=False)
        assert started.returncode == 0, started.stdout + started.stderr
        airflow = f"http://127.0.0.1:{ports['AIRFLOW']}"
        assert airflow in started.stdout
        password = json.loads((home / "airflow" / "passwords.json").read_text())["admin"]
        yield Servers(home, AirflowApi(airflow, "admin", password), f"http://127.0.0.1:{ports['MLFLOW']}", environment)
    finally:
        subprocess.run([SYNALIGN, "down"], env=environment, check=True)


def test_a_refresh_triggered_through_the_rest_api_succeeds(servers: Servers) -> None:
    airflow = servers.airflow
    wait_for(lambda: {"refresh__small", "refresh__demo"} <= airflow.dags(), "both DAGs", 600)
    assert airflow.get("importErrors")["total_entries"] == 0
    airflow.trigger("refresh__small", "by-hand", "2026-03-01T00:00:00Z")

    def ended() -> str | None:
        state = airflow.state("refresh__small", "by-hand")
        return state if state in OVER else None

    state = wait_for(ended, "the end of the run", 2000)
    assert state == "success", airflow.tasks("refresh__small", "by-hand")

    folder = servers.home / "runs" / "small" / "20260228T000000Z-20260301T000000Z"
    registered = json.loads((folder / "register" / "manifest.json").read_text())["metrics"]
    assembled = attempt_folder(folder / "assemble")
    rows = pq.read_table(assembled / "training_set")
    assert set(rows["source"].to_pylist()) == {"real", "synthetic"}

    events = airflow.get("assets/events?source_dag_id=refresh__small")["asset_events"]
    (extra,) = [event["extra"] for event in events if event["source_run_id"] == "by-hand"]
    assert (extra["version"], extra["digest"]) == ("1", registered["digest"])
    assert extra["location"] == str(assembled / "training_set")

    query = "name=small-training-set&alias=current"
    version = from_mlflow(servers, f"registered-models/alias?{query}")["model_version"]
    tags = {tag["key"]: tag["value"] for tag in version["tags"]}
    assert (version["version"], tags["digest"]) == ("1", registered["digest"])
    assert tags["writer"] == "synalign-embedded-writer"
    listing = from_mlflow(servers, f"artifacts/list?run_id={version['run_id']}")
    artifacts = {entry["path"] for entry in listing["files"]}
    folders = {"evaluation", "experiment", "manifests", "model", "training_set"}
    assert artifacts == {"configuration.yaml", "report.html", *folders}

    links = airflow.get("dags/refresh__small/dagRuns/by-hand/taskInstances/report/links")["extra_links"]
    page = f"{servers.mlflow}/#/experiments/1/runs/{version['run_id']}"
    assert links["MLflow run"].startswith(page)
    assert links["Report"].startswith(f"{page}/artifacts/report.html")
    with urllib.request.urlopen(f"{servers.mlflow}/get-artifact?path=report.html&run_id={version['run_id']}") as kept:
        assert kept.read() == (attempt_folder(folder / "report") / "report.html").read_bytes()


def test_a_second_up_is_refused_while_the_first_runs(servers: Servers) -> None:
    second = subprocess.run([SYNALIGN, "up"], env=servers.environment, capture_output=True, text=True, check=False)
    assert second.returncode == 8
    assert "already running" in second.stderr
    assert "make down" in second.stderr


def test_everything_listens_on_loopback_only(servers: Servers) -> None:
    numbers = {name: value for name, value in servers.environment.items() if name.startswith("SYNALIGN_")}
    ports = {int(value) for value in numbers.values() if value.isdecimal()}
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [columns[1] for columns in sockets if columns[3] == "0A"]
    found = {int(address.split(":")[1], 16): address.split(":")[0] for address in listening}
    assert ports <= set(found)
    assert {found[port] for port in ports} == {"0100007F"}
