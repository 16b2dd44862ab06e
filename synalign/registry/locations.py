"""Attempts of a retriever's runs that its registered training sets refer to."""

from __future__ import annotations

from typing import NamedTuple

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from synalign.registry import names
from synalign.registry.connection import connected, versions_of
from synalign.run.manifests import ATTEMPT


class Referred(NamedTuple):
    """References from MLflow to a retriever's runs.

    Attributes:
        versions: Every version of its training set, complete or not, and the id of its MLflow run.
        attempts: Names of the attempts that a version, or the MLflow run of one, names as the place of a table.
    """

    versions: dict[str, str]
    attempts: frozenset[str]


def referred(retriever: str, uri: str) -> Referred:
    """Return the attempts that the versions of a retriever's training set refer to.

    An attempt is known by its name, which no other has: a version still finds its tables after they were moved.

    Raises:
        RegistryError: MLflow cannot be reached or refuses.
    """
    with connected(uri, "ask again") as client:
        versions = versions_of(client, names.training_set_of(client, retriever))
        places = [place for version in versions for place in _places(client, version)]
    attempts = frozenset(match[0] for place in places for match in ATTEMPT.finditer(place))
    return Referred({str(version.version): version.run_id or "" for version in versions}, attempts)


def _places(client: MlflowClient, version: ModelVersion) -> list[str]:
    """Return where a version's training set lies, and the tables that its run was made from."""
    inputs = client.get_run(version.run_id).inputs.dataset_inputs if version.run_id else []
    return [version.tags.get("location", ""), *(given.dataset.source for given in inputs)]
