"""Versions of training sets in MLflow: found by name, and copied back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from synalign.config import schemes
from synalign.errors import RegistryError, listed, meant
from synalign.registry import names
from synalign.registry.connection import alias_of, connected, training_set_models, version_of, versions_of
from synalign.registry.training_sets import ALIAS
from synalign.storage import Place


class Version(NamedTuple):
    """A version of a registered training set.

    Attributes:
        model: Name of the registered model.
        version: Its version.
        interval: Name of the data interval.
        digest: Digest of the training set.
        location: Where the run that made it wrote the training set.
        run_id: The MLflow run.
        retriever: Name of the retriever.
    """

    model: str
    version: str
    interval: str
    digest: str
    location: Place
    run_id: str
    retriever: str

    @property
    def name(self) -> str:
        """What people call it, such as `shop@3`."""
        return f"{self.retriever}@{self.version}"


class Kept(NamedTuple):
    """The artefacts of a version, copied from MLflow.

    Attributes:
        training_set: Folder of the Parquet files.
        manifests: Manifest of every step before it was registered, by step.
        configuration: The configuration of its run, as plain data.
    """

    training_set: Path
    manifests: dict[str, dict[str, Any]]
    configuration: dict[str, Any]


def find(model: str, version: str, uri: str) -> Version:
    """Find a version of a training set.

    Args:
        model: Name of the registered model.
        version: A number, or the alias `current`.
        uri: MLflow's address.

    Raises:
        RegistryError: There is no such version, or MLflow cannot be reached; the message lists those there are.
    """
    with connected(uri, "ask again") as client:
        return _find(client, model, version)


def find_of(retriever: str, version: str, uri: str) -> Version:
    """Find a version of a retriever's training set; see `find`."""
    with connected(uri, "ask again") as client:
        return _find(client, names.training_set_of(client, retriever), version)


def _find(client: MlflowClient, model: str, version: str) -> Version:
    found = alias_of(client, model, version) if version == ALIAS else version_of(client, model, version)
    if found is None or not {"digest", "interval", "location"} <= found.tags.keys():
        raise RegistryError(
            f"{model} has no {'alias' if version == ALIAS else 'complete version'} {version!r}.",
            remedy=_what_there_is(client, model),
        )
    return _version(found)


def fetch(version: Version, folder: Path, uri: str) -> Kept:
    """Copy the artefacts of a version into a folder.

    Raises:
        RegistryError: It is not there, or MLflow cannot be reached.
    """
    with connected(uri, "ask again") as client:
        try:
            places = {
                name: Path(client.download_artifacts(version.run_id, name, str(folder)))
                for name in ("training_set", "manifests", "configuration.yaml")
            }
        except OSError as error:
            raise RegistryError(
                f"the artefacts of {version.name} cannot be read: {error}.",
                cause="they were removed, or MLflow's artefact store is not reachable from this machine",
                remedy=f"look at run {version.run_id} in MLflow",
            ) from error
    kept = {path.stem: json.loads(path.read_bytes()) for path in sorted(places["manifests"].glob("*.json"))}
    manifests = {step: schemes.of_manifest(manifest) for step, manifest in kept.items()}
    configuration = yaml.safe_load(places["configuration.yaml"].read_text(encoding="utf-8"))
    return Kept(places["training_set"], manifests, configuration)


def _version(found: ModelVersion) -> Version:
    tags = found.tags
    return Version(
        found.name, str(found.version), tags["interval"], tags["digest"], Place(tags["location"]), found.run_id,
        tags.get("retriever") or names.retriever_of(found.name),
    )  # fmt: skip


def _what_there_is(client: MlflowClient, model: str) -> str:
    """Name the versions of a model that there are, or else the models."""
    versions = sorted((int(one.version) for one in versions_of(client, model)), reverse=True)
    if versions:
        return f"its versions are {listed([str(number) for number in versions])}"
    models = training_set_models(client)
    if models:
        return f"{meant(model, models)}the training sets in this MLflow are {listed(models)}"
    return "this MLflow has no training set: run `synalign refresh` first, or check MLFLOW_TRACKING_URI"
