"""A registry apart from the tracking server (`MLFLOW_REGISTRY_URI`): two real servers; a server beside a database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from synalign.experiment import ExperimentPlan
from synalign.prompts.templates import parse
from synalign.registry import lookup, serving, trained
from synalign.registry.address import registry_uri, tracking_uri
from synalign.registry.connection import fluent, require_reachable
from synalign.registry.lineage import unpromoted
from synalign.registry.release import Release
from synalign.registry.served_model import fetch
from synalign.registry.training_sets import register
from synalign.training.retriever import retriever
from tests.registry.conftest import DIGEST
from tests.registry.test_trained import figures

_SECONDS = 180


@contextmanager
def _server(folder: Path, database: bytes) -> Iterator[str]:
    """MLflow's own server on a copy of an empty database; it keeps artefacts in a folder of its own."""
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(database)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder / "kept"),
    ]  # fmt: skip
    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(f"http://127.0.0.1:{port}", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=60)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    began = time.monotonic()
    while time.monotonic() - began < _SECONDS:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def tracking_server(tmp_path_factory: pytest.TempPathFactory, empty_database: bytes) -> Iterator[str]:
    with _server(tmp_path_factory.mktemp("servers") / "tracking", empty_database) as url:
        yield url


@pytest.fixture(scope="module", params=["server", "sqlite"])
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, empty_database: bytes) -> Any:
    folder = tmp_path_factory.mktemp("registries")
    if request.param == "sqlite":
        (folder / "registry.db").write_bytes(empty_database)
        yield f"sqlite:///{folder / 'registry.db'}"
        return
    with _server(folder / "registry", empty_database) as url:
        yield url


@pytest.fixture
def apart(tracking_server: str, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Addresses of the tracking server and of the registry."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_server)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", registry)
    monkeypatch.setenv("SYNALIGN_HOME", str(tmp_path / "home"))
    return tracking_server, registry


def test_runs_are_kept_here_and_versions_there(
    apart: tuple[str, str], release: Release, plan: Callable[..., ExperimentPlan]
) -> None:
    tracking, registry = apart
    assert (tracking_uri(), registry_uri(tracking_uri())) == apart
    require_reachable(tracking)
    # One retriever for each parameter: the tracking server is shared.
    name = f"shop-{registry.partition(':')[0]}"
    template = parse("You.\n=== user ===\n$count $queries_per_document\n<data>\n$data\n</data>\n", "write", "a test")
    release = release._replace(retriever=name, templates={"write": template})
    done = register(release, tracking)
    runs, models = MlflowClient(tracking, tracking), MlflowClient(registry, registry)
    # Each alone, as somebody without our variables sees it.
    assert runs.get_run(done.run_id).info.status == "FINISHED"
    assert runs.search_model_versions(f"name = '{done.model}'") == []
    assert not runs.search_prompts(f"name = '{name}-write-prompt'")
    version = models.get_model_version_by_alias(done.model, "current")
    assert (version.run_id, version.tags["digest"], version.tags["synalign.status"]) == (done.run_id, DIGEST, "ready")
    assert models.get_experiment_by_name(f"refresh/{name}") is None
    assert models.load_prompt(version.tags["prompt.write"]).tags["synalign.digest"] == template.digest
    assert register(release, tracking) == done._replace(reused=True)
    # Everyone who looks something up asks the registry.
    found = lookup.version(f"{name}@current")
    assert found is not None and (found.digest, found.run_id) == (DIGEST, done.run_id)
    there = unpromoted(name, tracking)
    assert there is not None and there.current == "1"
    # An A/B test keeps its record with the runs, and its arms with the versions.
    trained_on = serving.newest_training_set(name, tracking)
    assert trained_on is not None
    arms = [{"name": "control", "model_uri": "s3://models/1"},
            {"name": "treatment", "model_uri": "s3://models/2", "training_set": trained_on.model_dump()}]  # fmt: skip
    registered = serving.register_arms(plan(retriever=name, arms=arms), tracking)
    aliases = {alias: str(number) for alias, number in models.get_registered_model(name).aliases.items()}
    assert aliases == {"champion": registered.control, "challenger": registered.treatment}
    assert runs.get_experiment_by_name(f"record/{name}") is not None
    assert runs.search_model_versions(f"name = '{name}'") == []
    with fluent(tracking):
        model = mlflow.pyfunc.load_model(f"runs:/{done.run_id}/model")
        rows = pd.read_parquet(mlflow.artifacts.download_artifacts(f"models:/{done.model}@current"))
    assert model.predict(model.input_example)["digest"][0] == DIGEST and len(rows) == 7


def test_pages_of_one_link_to_pages_of_the_other(apart: tuple[str, str], release: Release) -> None:
    tracking, registry = apart
    name = f"links-{registry.partition(':')[0]}"
    done = register(release._replace(retriever=name), tracking)
    version = MlflowClient(registry, registry).get_model_version(done.model, done.version)
    run = MlflowClient(tracking, tracking).get_run(done.run_id)
    assert f"]({tracking}/#/experiments/" in version.description and "](#/" not in version.description
    link = f"]({registry}/#/models/{done.model}/versions/1"
    # A database has no pages to link to.
    assert (link in run.data.tags["mlflow.note.content"]) == registry.startswith("http")
    assert "](#/models" not in run.data.tags["mlflow.note.content"]


def test_a_trained_retriever_is_a_version_there_and_is_fetched_from_here(
    apart: tuple[str, str], make_model: Callable[[str], str], tmp_path: Path
) -> None:
    tracking, registry = apart
    name = f"fit-{registry.partition(':')[0]}"
    model = retriever(make_model("mean"), 32, "cpu")
    made = trained.register(name, "12" * 32, model, {**figures(), "retriever": name}, "model_uri: {}".format, tracking)
    assert MlflowClient(registry, registry).get_model_version(name, "1").run_id == made.run_id
    assert MlflowClient(tracking, tracking).search_model_versions(f"name = '{name}'") == []
    again = trained.find(name, "12" * 32, tracking)
    assert again is not None and (again.uri, again.run_id) == (f"models:/{name}/1", made.run_id)
    fetched = retriever(str(fetch(made.uri, tmp_path, tracking)), 32, "cpu")
    assert np.array_equal(fetched.encode(["find bat"]), model.encode(["find bat"]))
