"""`make up`: the DAG, triggered through Airflow's REST API, run by a real scheduler, seen in a real MLflow server."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

SYNALIGN = str(Path(sys.executable).with_name("synalign"))


class Servers(NamedTuple):
    home: Path
    airflow: str
    mlflow: str
    token: str
    environment: dict[str, str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(url: str, method: str = "GET", body: Any = None, token: str = "") -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read() or b"null")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, make_shop: Callable[..., Path]) -> Iterator[Servers]:
    home = tmp_path_factory.mktemp("servers")
    make_shop(home, events=1200, batches=4)
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
        token = call(f"{airflow}/auth/token", "POST", {"username": "admin", "password": password})["access_token"]
        yield Servers(home, airflow, f"http://127.0.0.1:{ports['MLFLOW']}", token, environment)
    finally:
        subprocess.run([SYNALIGN, "down"], env=environment, check=True)


def wait_for(what: Any, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(2)
    raise AssertionError(f"waited {seconds} s in vain")


def test_a_refresh_triggered_through_the_rest_api_succeeds(servers: Servers) -> None:
    api = f"{servers.airflow}/api/v2"

    def visible() -> bool:
        found = call(f"{api}/dags?dag_id_pattern=refresh__&exclude_stale=true", token=servers.token)["dags"]
        return {"refresh__small", "refresh__demo"} <= {dag["dag_id"] for dag in found}

    wait_for(visible, 180)
    assert call(f"{api}/importErrors", token=servers.token)["total_entries"] == 0
    # In the queue before the DAG is let go, and due before the interval that the schedule will add: it runs first.
    moment = "2026-03-01T00:00:00Z"
    body = {"logical_date": moment, "run_after": moment, "dag_run_id": "by-hand"}
    call(f"{api}/dags/refresh__small/dagRuns", "POST", body, servers.token)
    call(f"{api}/dags/refresh__small", "PATCH", {"is_paused": False}, servers.token)

    def ended() -> str | None:
        state = call(f"{api}/dags/refresh__small/dagRuns/by-hand", token=servers.token)["state"]
        return str(state) if state in ("success", "failed") else None

    state = wait_for(ended, 800)
    tasks = call(f"{api}/dags/refresh__small/dagRuns/by-hand/taskInstances", token=servers.token)["task_instances"]
    assert state == "success", [(task["task_id"], task["state"]) for task in tasks]

    folder = servers.home / "runs" / "small" / "20260228T000000Z-20260301T000000Z"
    registered = json.loads((folder / "register" / "manifest.json").read_text())["metrics"]
    rows = pq.read_table(folder / "assemble" / "training_set")
    assert set(rows["source"].to_pylist()) == {"real", "synthetic"}

    events = call(f"{api}/assets/events?source_dag_id=refresh__small", token=servers.token)["asset_events"]
    (extra,) = [event["extra"] for event in events if event["source_run_id"] == "by-hand"]
    assert (extra["version"], extra["digest"]) == ("1", registered["digest"])
    assert extra["location"] == str(folder / "assemble" / "training_set")

    query = "name=small-training-set&alias=current"
    version = call(f"{servers.mlflow}/api/2.0/mlflow/registered-models/alias?{query}")["model_version"]
    tags = {tag["key"]: tag["value"] for tag in version["tags"]}
    assert (version["version"], tags["digest"]) == ("1", registered["digest"])
    assert tags["writer"] == "synalign-embedded-writer"
    listing = f"{servers.mlflow}/api/2.0/mlflow/artifacts/list?run_id={version['run_id']}"
    artifacts = {entry["path"] for entry in call(listing)["files"]}
    assert artifacts == {"configuration.yaml", "evaluation", "experiment", "manifests", "training_set"}


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
