"""A double of Unity Catalog's model registry: no workspace of Databricks can be had here.

Versions are kept by MLflow's own registry on SQLite. In front of it stands what Databricks documents of names, and what
MLflow's own client of Unity Catalog (`mlflow.store._unity_catalog.registry.rest_store`) does before it sends anything:
its check of the signature is that client's own code, on files that were downloaded as it downloads them.
"""

from __future__ import annotations

import re
from typing import Any

import mlflow
from mlflow.entities.model_registry import ModelVersion, RegisteredModelTag
from mlflow.entities.model_registry.model_version_search import ModelVersionSearch
from mlflow.exceptions import MlflowException
from mlflow.store._unity_catalog.registry.rest_store import UcModelRegistryStore
from mlflow.store.entities import PagedList
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking._model_registry.utils import _get_store_registry

_PART = re.compile(r"[^. /\x00-\x1f\x7f]{1,255}")
_FILTER = re.compile(r"name = '[^'.]+\.[^'.]+\.[^'.]+'")


class Unity(SqlAlchemyStore):
    """Unity Catalog's rules before a registry of MLflow.

    Args:
        database: Address of the SQLite database.
        tracking_uri: Where runs are.
    """

    def __init__(self, database: str, tracking_uri: str) -> None:
        super().__init__(database)
        self.tracking_uri = tracking_uri

    def create_registered_model(
        self, name: str, tags: list[RegisteredModelTag] | None = None, description: str | None = None, *more: Any
    ) -> Any:
        parts = name.split(".")
        if len(parts) != 3 or not all(map(_PART.fullmatch, parts)) or name != name.lower():
            raise MlflowException(f"{name!r} is no name of Unity Catalog", error_code=1)
        return super().create_registered_model(name, tags, description)

    def create_model_version(self, name: str, source: str, *arguments: Any, **more: Any) -> ModelVersion:
        folder = mlflow.artifacts.download_artifacts(artifact_uri=source, tracking_uri=self.tracking_uri)
        UcModelRegistryStore._validate_model_signature(None, folder)  # type: ignore[arg-type]
        return super().create_model_version(name, source, *arguments, **more)

    def search_model_versions(
        self, filter_string: str | None = None, max_results: Any = None, order_by: Any = None, page_token: Any = None
    ) -> PagedList[ModelVersion]:
        if order_by or not _FILTER.fullmatch(filter_string or ""):
            raise MlflowException(f"{filter_string!r} is no filter of Unity Catalog", error_code=1)
        found = super().search_model_versions(filter_string, max_results, page_token=page_token)
        return PagedList([_without_tags(version) for version in found], found.token)

    def search_registered_models(
        self, filter_string: str | None = None, max_results: Any = None, order_by: Any = None, page_token: Any = None
    ) -> Any:
        if filter_string or order_by:
            raise MlflowException("Argument 'filter_string' is unsupported for models in the Unity Catalog.")
        return super().search_registered_models(None, max_results or 100, None, page_token)


def _without_tags(version: ModelVersion) -> ModelVersionSearch:
    return ModelVersionSearch(
        name=version.name, version=version.version, creation_timestamp=version.creation_timestamp,
        last_updated_timestamp=version.last_updated_timestamp, source=version.source, run_id=version.run_id,
    )  # fmt: skip


def install(database: str) -> Any:
    """Let MLflow make this registry for `databricks-uc`; returns the function that was there."""
    registry = _get_store_registry()._registry
    before = registry["databricks-uc"]
    registry["databricks-uc"] = lambda store_uri, tracking_uri, **_: Unity(database, tracking_uri)
    return before


def restore(before: Any) -> None:
    """Undo `install`."""
    _get_store_registry()._registry["databricks-uc"] = before
