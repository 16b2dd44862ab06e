"""What registered versions hold: where each says that its set lies, and which of their files have a text in them."""

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
from synalign.registry.attachment import REPORT
from synalign.registry.connection import connected, every
from synalign.registry.versions import SUFFIX
from synalign.storage import Place

_PAGE = 1000
_SET, _MANIFESTS = "training_set", "manifests"


class Holding(NamedTuple):
    """A registered version, or the MLflow run of one that was deleted.

    Attributes:
        name: What people call it, such as `shop@3`.
        aliases: Those that point at it.
        run_id: Its MLflow run.
        location: Where its training set lies beside MLflow; None where it does not say.
        files: Artefacts of its run that have what was looked for; `location` too, if the files there have it.
    """

    name: str
    aliases: tuple[str, ...]
    run_id: str
    location: Place | None
    files: tuple[str, ...]


class Looked(NamedTuple):
    """How to tell what has what is looked for.

    Attributes:
        in_set: Whether the Parquet files of a training set have it.
        in_text: Whether a manifest has it.
        in_report: Whether a report's text has it.
    """

    in_set: Callable[[list[Place]], bool]
    in_text: Callable[[str], bool]
    in_report: Callable[[str], bool]


def holdings(retriever: str | None, uri: str, looked: Looked) -> list[Holding]:
    """Every version of a retriever's training sets, and what of it has what is looked for. Only reads.

    A refresh's MLflow run whose version was deleted still serves its artefacts, and is one of them.

    Args:
        retriever: Whose; None: everybody's.
        uri: MLflow's address.
        looked: How that is told.

    Raises:
        RegistryError: MLflow cannot be reached, or its artefacts cannot be read.
    """
    # One bar for each version would bury what is said at the end.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        # Nothing was ever registered here.
        return []
    with connected(uri, "run `synalign forget` again") as client:
        found = [_of_version(client, version, looked) for version in _versions(client, retriever)]
        known = {holding.run_id for holding in found}
        for owner, run_id in _runs(client, retriever):
            if run_id not in known:
                name = f"{owner}, version deleted"
                found.append(Holding(name, (), run_id, None, _in_artefacts(client, name, run_id, looked)))
    return found


def _versions(client: MlflowClient, retriever: str | None) -> Iterator[ModelVersion]:
    # By a prefix of its own: `name = ''` finds nothing, and a filter on nothing finds other people's models.
    wanted = f"name = '{retriever}{SUFFIX}'" if retriever else f"name LIKE '%{SUFFIX}'"
    return every(lambda token: client.search_model_versions(wanted, _PAGE, page_token=token))


def _runs(client: MlflowClient, retriever: str | None) -> Iterator[tuple[str, str]]:
    """Retriever and id of every MLflow run of a refresh, those in MLflow's bin among them."""
    wanted = f"name = 'refresh/{retriever}'" if retriever else "name LIKE 'refresh/%'"
    experiments: Iterator[Experiment] = every(
        lambda token: client.search_experiments(ViewType.ALL, filter_string=wanted, page_token=token)
    )
    for experiment in experiments:
        runs: Iterator[Run] = every(
            partial(client.search_runs, [experiment.experiment_id], "", ViewType.ALL, _PAGE, None)
        )
        for run in runs:
            yield experiment.name.removeprefix("refresh/"), run.info.run_id


def _of_version(client: MlflowClient, found: ModelVersion, looked: Looked) -> Holding:
    name = f"{found.name.removesuffix(SUFFIX)}@{found.version}"
    location = Place(found.tags["location"]) if found.tags.get("location") else None
    there: tuple[str, ...] = ()
    with _readable(name, str(found.run_id)):
        lying = location.files("*.parquet") if location is not None else []
        if lying and looked.in_set(lying):
            there = (str(location),)
    files = there + _in_artefacts(client, name, str(found.run_id), looked)
    # A search does not fill in the aliases.
    aliases = client.get_registered_model(found.name).aliases.items()
    pointing = tuple(sorted(alias for alias, version in aliases if str(version) == str(found.version)))
    return Holding(name, pointing, str(found.run_id), location, files)


def _in_artefacts(client: MlflowClient, name: str, run_id: str, looked: Looked) -> tuple[str, ...]:
    with _readable(name, run_id), tempfile.TemporaryDirectory() as folder:
        return tuple(_artefacts(client, run_id, Path(folder), looked))


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


def _artefacts(client: MlflowClient, run_id: str, folder: Path, looked: Looked) -> Iterator[str]:
    """Which of a run's artefacts have it, each fetched and removed again; a run that was deleted has none."""
    there = {item.path for item in client.list_artifacts(run_id)}
    if _SET in there:
        fetched = Path(client.download_artifacts(run_id, _SET, str(folder)))
        if looked.in_set([Place(path) for path in sorted(fetched.glob("*.parquet"))]):
            yield _SET
    if _MANIFESTS in there:
        fetched = Path(client.download_artifacts(run_id, _MANIFESTS, str(folder)))
        if any(looked.in_text(path.read_text(encoding="utf-8")) for path in sorted(fetched.glob("*.json"))):
            yield _MANIFESTS
    if REPORT in there:
        fetched = Path(client.download_artifacts(run_id, REPORT, str(folder)))
        if looked.in_report(html.unescape(fetched.read_text(encoding="utf-8"))):
            yield REPORT
