"""Registered versions that hold a query: where the set of each lies, and which of its files have the query."""

from __future__ import annotations

import html
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run, ViewType
from mlflow.entities.model_registry import ModelVersion

from synalign.errors import RegistryError
from synalign.registry import names
from synalign.registry.attachment import REPORT
from synalign.registry.connection import connected, every, training_set_models, versions_of
from synalign.storage import Place

_PAGE = 1000


class Holding(NamedTuple):
    """A registered version, or the MLflow run of one that was deleted.

    Attributes:
        name: What people call it, such as `shop@3`.
        aliases: Those that point at it.
        run_id: Its MLflow run.
        location: Where its training set lies beside MLflow; None where it does not say.
        files: Artefacts of its run that have the query; `location` too, if the files there have it.
    """

    name: str
    aliases: tuple[str, ...]
    run_id: str
    location: Place | None
    files: tuple[str, ...]


class Matchers(NamedTuple):
    """Tests that find a query.

    Attributes:
        in_set: Whether the Parquet files of a training set have it.
        in_text: Whether a manifest has it.
        in_report: Whether a report's text has it.
    """

    in_set: Callable[[list[Place]], bool]
    in_text: Callable[[str], bool]
    in_report: Callable[[str], bool]


def holdings(retriever: str | None, uri: str, matchers: Matchers) -> list[Holding]:
    """Return every version of a retriever's training sets, and which of its files have a query. Only reads.

    A refresh's MLflow run whose version was deleted still serves its artefacts, and is one of them.

    Args:
        retriever: Whose; None: everybody's.
        uri: MLflow's address.
        matchers: Tests that find the query.

    Raises:
        RegistryError: MLflow cannot be reached, or its artefacts cannot be read.
    """
    # One bar for each version would bury what is said at the end.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    if is_missing(uri):
        return []
    with connected(uri, "run `synalign forget` again") as client:
        found = [_of_version(client, version, matchers) for version in _versions(client, retriever)]
        known = {holding.run_id for holding in found}
        for owner, run_id in _runs(client, retriever):
            if run_id not in known:
                name = f"{owner}, version deleted"
                found.append(Holding(name, (), run_id, None, _in_artefacts(client, name, run_id, matchers)))
    return found


def is_missing(uri: str) -> bool:
    """Return whether MLflow is a file that is not there: nothing was ever registered."""
    return uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists()


def refreshes(client: MlflowClient, retriever: str | None) -> Iterator[Experiment]:
    """Yield the experiments of a retriever's refreshes, or of everybody's, those in MLflow's bin among them."""
    wanted = f"name = 'refresh/{retriever}'" if retriever else "name LIKE 'refresh/%'"
    return every(lambda token: client.search_experiments(ViewType.ALL, filter_string=wanted, page_token=token))


def _versions(client: MlflowClient, retriever: str | None) -> Iterator[ModelVersion]:
    models = [names.training_set_of(client, retriever)] if retriever else training_set_models(client)
    for model in models:
        yield from versions_of(client, model)


def _runs(client: MlflowClient, retriever: str | None) -> Iterator[tuple[str, str]]:
    """Yield retriever and id of every MLflow run of a refresh, those in MLflow's bin among them."""
    for experiment in refreshes(client, retriever):
        runs: Iterator[Run] = every(
            partial(client.search_runs, [experiment.experiment_id], "", ViewType.ALL, _PAGE, None)
        )
        for run in runs:
            yield experiment.name.removeprefix("refresh/"), run.info.run_id


def _of_version(client: MlflowClient, found: ModelVersion, matchers: Matchers) -> Holding:
    name = f"{found.tags.get('retriever') or names.retriever_of(found.name)}@{found.version}"
    location = Place(found.tags["location"]) if found.tags.get("location") else None
    there: tuple[str, ...] = ()
    with _readable(name, str(found.run_id)):
        lying = location.files("*.parquet") if location is not None else []
        if lying and matchers.in_set(lying):
            there = (str(location),)
    files = there + _in_artefacts(client, name, str(found.run_id), matchers)
    # A search does not fill in the aliases.
    aliases = client.get_registered_model(found.name).aliases.items()
    pointing = tuple(sorted(alias for alias, version in aliases if str(version) == str(found.version)))
    return Holding(name, pointing, str(found.run_id), location, files)


def _in_artefacts(client: MlflowClient, name: str, run_id: str, matchers: Matchers) -> tuple[str, ...]:
    with _readable(name, run_id), tempfile.TemporaryDirectory() as folder:
        return tuple(_artefacts(client, run_id, Path(folder), matchers))


@contextmanager
def _readable(name: str, run_id: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RegistryError(
            f"what {name} holds cannot be read: {error}.",
            cause="artefacts were removed, or their store is not reachable from this machine",
            remedy=f"look at run {run_id} in MLflow",
        ) from error


def _artefacts(client: MlflowClient, run_id: str, folder: Path, matchers: Matchers) -> Iterator[str]:
    """Yield the artefacts of a run that have the query; a run that was deleted has none."""
    there = {item.path for item in client.list_artifacts(run_id)}
    tests: dict[str, Callable[[Path], bool]] = {
        "training_set": lambda path: matchers.in_set([Place(file) for file in sorted(path.glob("*.parquet"))]),
        "manifests": lambda path: any(matchers.in_text(_text(file)) for file in sorted(path.glob("*.json"))),
        REPORT: lambda path: matchers.in_report(html.unescape(_text(path))),
    }
    for name, matches in tests.items():
        if name in there and matches(Path(client.download_artifacts(run_id, name, str(folder)))):
            yield name


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")
