"""Registration with an MLflow server that asks who is there, on PostgreSQL, with artefacts in object storage.

Killed between any two of its requests, with answers lost, with MLflow, PostgreSQL or storage away for a while: there is
one version at the end, complete.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from mlflow import MlflowClient

from tests.production import faults
from tests.production.conftest import EXTENT
from tests.production.faults import Seen
from tests.production.proxy import NONE, Fault, Proxy, Request, Weather, fair, line
from tests.production.registering import Registrar
from tests.production.topology import Topology

AWAY_SECONDS = 60.0 if EXTENT == "full" else 15.0


class Tracking(NamedTuple):
    """MLflow, the lines to it and to its storage, and somebody who registers."""

    topology: Topology
    to_mlflow: Proxy
    to_storage: Proxy
    registrar: Registrar
    client: MlflowClient

    def register(self, retriever: str, *, kill_at: int = 0) -> list[Request]:
        """Register, or be killed once the server has answered that request; gives the requests."""
        first = len(self.to_mlflow.seen)
        known: list[int] = []
        told = threading.Event()

        def kill(request: Request) -> None:
            if request.number - first == kill_at:
                told.wait(60)
                os.kill(known[0], signal.SIGKILL)

        with self.weather(done=kill):
            known.append(self.registrar.begin(retriever, self.to_mlflow.url))
            told.set()
            ended = self.registrar.end()
        assert (ended.error == "killed") == bool(kill_at), ended
        return self.to_mlflow.seen[first:]

    @contextmanager
    def weather(
        self, weather: Weather = fair, done: Callable[[Request], None] = lambda request: None
    ) -> Iterator[None]:
        """Faults on the line to MLflow, for the time of use."""
        self.to_mlflow.weather, self.to_mlflow.done = weather, done
        try:
            yield
        finally:
            self.to_mlflow.weather, self.to_mlflow.done = fair, lambda request: None

    def found(self, retriever: str) -> dict[str, Any]:
        """What stands in MLflow for a retriever, but for ids and times."""
        experiment = self.client.get_experiment_by_name(f"refresh/{retriever}")
        runs = self.client.search_runs([experiment.experiment_id])
        versions = self.client.search_model_versions(f"name = '{retriever}-training-set'")
        current = self.client.get_model_version_by_alias(f"{retriever}-training-set", "current")
        assert [version.run_id for version in versions] == [run.info.run_id for run in runs] == [current.run_id]
        (run,) = runs
        places = ["", "training_set", "manifests", "evaluation", "experiment"]
        return {
            "status": run.info.status,
            "params": {**run.data.params, "retriever": ""},
            "metrics": run.data.metrics,
            "curve": len(self.client.get_metric_history(run.info.run_id, "weights/cumulative_share")),
            "inputs": sorted(entry.dataset.name for entry in run.inputs.dataset_inputs),
            # Configuration and plan name the retriever, so their sizes differ.
            "files": [
                (entry.path, None if entry.path.endswith(".yaml") else entry.file_size)
                for place in places
                for entry in self.client.list_artifacts(run.info.run_id, place or None)
            ],
            "tags": {key: value for key, value in versions[0].tags.items() if key != "location"},
        }


@pytest.fixture(scope="module")
def tracking(base: Path) -> Iterator[Tracking]:
    folder = base / "tracking"
    folder.mkdir()
    with ExitStack() as stack:
        topology = stack.enter_context(Topology(folder / "services", {"RETRIEVERS": str(folder), "DATA": str(folder)}))
        to_storage = stack.enter_context(line(_port(topology.address("storage", 8333)), xml=True))
        topology.extra["AWS_ENDPOINT_URL"] = to_storage.url
        topology.up(only=["mlflow-init"])
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("MLFLOW_TRACKING_USERNAME", "synalign")
        patch.setenv("MLFLOW_TRACKING_PASSWORD", topology.secret("mlflow_password"))
        to_mlflow = stack.enter_context(line(_port(topology.address("mlflow", 5000))))
        registrar = stack.enter_context(Registrar(folder, os.environ))
        address = f"http://{topology.address('mlflow', 5000)}"
        client = MlflowClient(tracking_uri=address, registry_uri=address)
        yield Tracking(topology, to_mlflow, to_storage, registrar, client)


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


@pytest.fixture(scope="module")
def calm(tracking: Tracking) -> dict[str, Any]:
    """What a registration leaves that nothing disturbs."""
    tracking.register("calm")
    return tracking.found("calm")


def same(found: dict[str, Any], calm: dict[str, Any]) -> None:
    """Whether a disturbed registration left what a calm one does."""
    for key in calm:
        assert found[key] == calm[key], key


def changes(request: Request) -> bool:
    """Whether a request changes anything: those that search are POST too."""
    return request.method != "GET" and not request.path.partition("?")[0].endswith("/search")


# Some forty times: killed, and run again.
@pytest.mark.timeout(7200)
def test_killed_between_any_two_requests_and_run_again_there_is_one_version_complete(
    tracking: Tracking, calm: dict[str, Any]
) -> None:
    """After each request that changes something; unless the full extent is asked for, after the first of each kind."""
    requests = tracking.register("counted")
    changing = [number for number, request in enumerate(requests, start=1) if changes(request)]
    kinds: dict[str, int] = {}
    for number in changing:
        method, path = requests[number - 1][1:]
        kinds.setdefault(f"{method} {'/'.join(path.partition('?')[0].split('/')[:6])}", number)
    chosen = changing if EXTENT == "full" else sorted(kinds.values())
    for number in chosen:
        retriever = f"killed-{number}"
        tracking.register(retriever, kill_at=number)
        tracking.register(retriever)
        same(tracking.found(retriever), calm)
        print(f"killed after {requests[number - 1][1:]}: one version, complete", flush=True)
    told = f"{len(requests)} requests, {len(changing)} of which change something; killed after each of {len(chosen)}"
    faults.note(Seen("killed between two requests", "register", f"run again: one version, complete ({told})", True))


def test_answers_that_get_lost_make_nothing_twice(tracking: Tracking, calm: dict[str, Any]) -> None:
    """MLflow's client sends again what was not answered: the server has then been asked twice."""
    lost: set[tuple[str, str]] = set()

    def lose_first(request: Request) -> Fault:
        kind = request.method, request.path.partition("?")[0]
        if not changes(request) or kind in lost:
            return NONE
        lost.add(kind)
        return Fault(cut="after")

    with tracking.weather(lose_first):
        tracking.registrar.register("lost", tracking.to_mlflow.url)
    assert any(path.endswith("/runs/create") for _, path in lost)
    assert any(path.endswith("/model-versions/create") for _, path in lost)
    same(tracking.found("lost"), calm)
    faults.note(Seen(f"{len(lost)} answers of MLflow lost", "register", "sent again: one run, one version", True))


def test_mlflow_that_is_away_is_waited_for(tracking: Tracking, calm: dict[str, Any]) -> None:
    back: list[threading.Thread] = []

    def leave(request: Request) -> Fault:
        if request.path.endswith("/runs/log-batch") and not back:
            back.append(tracking.to_mlflow.down_for(AWAY_SECONDS))
        return NONE

    with tracking.weather(leave):
        started = time.monotonic()
        tracking.registrar.register("away", tracking.to_mlflow.url)
    assert len(back) == 1
    assert time.monotonic() - started >= AWAY_SECONDS
    same(tracking.found("away"), calm)
    outcome = f"waits, one version after {time.monotonic() - started:.0f} s"
    faults.note(Seen(f"MLflow away for {AWAY_SECONDS:.0f} s", "register", outcome, True))


def test_storage_that_is_slow_and_turns_every_other_request_away_is_waited_for(
    tracking: Tracking, calm: dict[str, Any]
) -> None:
    before = tracking.to_storage.befallen
    tracking.to_storage.weather = lambda request: Fault(status=503) if request.number % 2 else Fault(seconds=0.3)
    try:
        tracking.registrar.register("busy", tracking.to_mlflow.url)
    finally:
        tracking.to_storage.weather = fair
    assert tracking.to_storage.befallen > before + 5
    same(tracking.found("busy"), calm)
    fault = "storage behind MLflow slow, every 2nd request 503"
    faults.note(Seen(fault, "register", "waits, one version", True))


def test_postgresql_started_anew_in_the_middle_is_waited_for(tracking: Tracking, calm: dict[str, Any]) -> None:
    restarted: list[bool] = []

    def restart(request: Request) -> Fault:
        if request.path.endswith("/runs/log-inputs") and not restarted:
            restarted.append(True)
            tracking.topology.stop("postgres")
            threading.Timer(5.0, lambda: tracking.topology.start("postgres")).start()
        return NONE

    with tracking.weather(restart):
        tracking.registrar.register("restarted", tracking.to_mlflow.url)
    assert restarted
    same(tracking.found("restarted"), calm)
    faults.note(Seen("PostgreSQL stopped for 5 s under MLflow", "register", "waits, one version", True))
