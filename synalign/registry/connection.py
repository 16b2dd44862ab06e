"""A client of MLflow: its refusals as our own errors, its pages of answers as one, its models and versions."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.entities.model_registry.model_version_search import ModelVersionSearch
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from synalign.config import home
from synalign.errors import RegistryError
from synalign.registry import names
from synalign.registry.address import REGISTRY_VARIABLE, VARIABLE, is_apart, registry_uri, tracking_uri
from synalign.storage.home_lock import one_at_a_time

__all__ = [
    "alias_of", "artifact_root", "connected", "every", "experiment", "fluent", "impatient", "registered_model",
    "require_reachable", "source_of", "tracking_uri", "training_set_models", "unless_missing", "unless_there",
    "version_of", "versions_of",
]  # fmt: skip

# By itself MLflow's client tries for minutes.
_IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "15"}
_LOGIN = "Databricks wants a login, this user has no permission, or the workspace is away"
_NOTE = "mlflow.note.content"
_RETRIEVER = "synalign.retriever"
_PAGE = 1000

_made: set[tuple[str, str]] = set()

_Found = TypeVar("_Found")


def artifact_root(uri: str) -> str | None:
    """Return where artefacts go when no server decides: beside the database, not in the working directory."""
    if not uri.startswith("sqlite:"):
        return None
    folder = home() / "mlflow" / "artifacts"
    folder.mkdir(parents=True, exist_ok=True)
    return folder.as_uri()


@contextmanager
def connected(uri: str, again: str) -> Iterator[MlflowClient]:
    """Yield a client of MLflow's tracking and registry server or database; a refusal becomes a `RegistryError`.

    Args:
        uri: Its address.
        again: What to do once the cause is fixed, such as `run the step register again`.

    Raises:
        RegistryError: MLflow cannot be reached or refuses.
    """
    try:
        yield _client(uri)
    except SQLAlchemyError as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise RegistryError(
            f"MLflow's database {_where(uri).removeprefix('sqlite:///')} cannot be used: {_without_password(said)}.",
            cause="it is no database, is damaged, or cannot be reached",
            remedy=f"check {_variables(uri)}, or bring the database back from a copy; then {again}",
        ) from error
    except (MlflowException, RequestException) as error:
        # Files go to the server by requests of their own.
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise RegistryError(
            f"MLflow at {_where(uri)} refused: {_without_password(said)}",
            cause=_LOGIN if _in_databricks(uri) else "the server is down, or its database is of another version",
            remedy=f"set DATABRICKS_HOST and DATABRICKS_TOKEN, or DATABRICKS_CONFIG_PROFILE; then {again}"
            if _in_databricks(uri)
            else f"check {_variables(uri)} and the server's log, then {again}",
        ) from error


def _where(uri: str) -> str:
    """Return where MLflow is, for people; a registry apart as well, since either may have refused."""
    apart = f" with the registry {registry_uri(uri)}" if registry_uri(uri) != uri else ""
    return _without_password(uri + apart)


def _variables(uri: str) -> str:
    return f"{VARIABLE} and {REGISTRY_VARIABLE}" if registry_uri(uri) != uri else VARIABLE


def _in_databricks(uri: str) -> bool:
    return any(each.startswith("databricks") for each in (uri, registry_uri(uri)))


def _client(uri: str) -> MlflowClient:
    """Return a client, whose making makes the tables of a database that has none.

    Of two processes that find none in a SQLite file, and both make them, one fails: so they come one after another.
    """
    registry = registry_uri(uri)
    if (uri, registry) in _made or not any(each.startswith("sqlite:") for each in (uri, registry)):
        return MlflowClient(tracking_uri=uri, registry_uri=registry)
    with one_at_a_time("mlflow-tables"):
        client = MlflowClient(tracking_uri=uri, registry_uri=registry)
        client.search_registered_models(max_results=1)
    _made.add((uri, registry))
    return client


@contextmanager
def fluent(uri: str) -> Iterator[None]:
    """Tell MLflow's functions that take no client where it is meanwhile, and give the environment back.

    A client's own `create_model_version` is one of them where the source is `models:/...`.
    """
    before = {name: os.environ.get(name) for name in (VARIABLE, REGISTRY_VARIABLE)}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(registry_uri(uri))
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def require_reachable(uri: str) -> None:
    """Ask MLflow for something small, without patience: before a refresh pays for anything.

    Raises:
        RegistryError: It cannot be reached, or refuses.
    """
    try:
        with impatient(), connected(uri, "run the same command again: nothing was started") as client:
            client.search_experiments(max_results=1)
            client.search_registered_models(max_results=1)
    except ImportError as error:
        raise RegistryError(
            f"MLflow's database {_without_password(uri)} cannot be used: {error}.",
            cause="its driver is not installed, such as psycopg2 for PostgreSQL",
            remedy="install the driver, or check MLFLOW_TRACKING_URI; then run the same command again",
        ) from error


@contextmanager
def impatient() -> Iterator[None]:
    """Let MLflow's client give up soon meanwhile."""
    before = {name: os.environ.get(name) for name in _IMPATIENT}
    os.environ.update(_IMPATIENT)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def experiment(client: MlflowClient, name: str, uri: str, description: str) -> str:
    """Return the id of the MLflow experiment of that name; it is made once where there is none.

    Args:
        client: MLflow.
        name: The experiment's name.
        uri: MLflow's address.
        description: What people read about it, in Markdown; one that is there is left, a person may have written it.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        with unless_there():
            return str(client.create_experiment(name, artifact_root(uri), {_NOTE: description}))
        # The server made it, and its answer was lost; or somebody else was quicker.
        found = client.get_experiment_by_name(name)
        if found is None:
            raise RegistryError(
                f"MLflow has an experiment {name} and does not show it.",
                cause="it was deleted, or this user may not read it",
                remedy="restore it in MLflow, or give this user the permission READ",
            )
    if _NOTE not in found.tags:
        client.set_experiment_tag(found.experiment_id, _NOTE, description)
    return str(found.experiment_id)


def every(search: Callable[[str | None], PagedList[_Found]]) -> Iterator[_Found]:
    """Yield everything that a search of MLflow finds, page after page.

    Args:
        search: Gives the page of a token; None: the first.
    """
    token: str | None = None
    while True:
        page = search(token)
        yield from page
        token = page.token
        if not token:
            return


def registered_model(client: MlflowClient, name: str, description: str, retriever: str) -> None:
    """Make a registered model, unless it is there.

    Raises:
        RegistryError: It is another retriever's, whose name comes to the same one behind a prefix.
    """
    with unless_there():
        client.create_registered_model(name, {_RETRIEVER: retriever}, description)
        return
    whose = client.get_registered_model(name).tags.get(_RETRIEVER, retriever)
    if whose != retriever:
        raise RegistryError(
            f"the registered model {name} is of the retriever {whose!r}, must be of {retriever!r}.",
            cause="behind registry.prefix a `-` becomes `_`, so that both names come to one",
            remedy="give one of the two another registry.prefix, or another name",
        )


def alias_of(client: MlflowClient, model: str, alias: str) -> ModelVersion | None:
    """Return the version that an alias of a registered model names; None where there is no such alias."""
    with unless_missing():
        return client.get_model_version_by_alias(model, alias)
    return None


def version_of(client: MlflowClient, model: str, version: str) -> ModelVersion | None:
    """Return a version of a registered model; None where it is not there."""
    with unless_missing():
        return client.get_model_version(model, version)
    return None


def versions_of(
    client: MlflowClient, model: str, *, run_id: str | None = None, tags: Mapping[str, str] | None = None
) -> list[ModelVersion]:
    """Return the versions of a registered model, those of a run or those with tags.

    Unity Catalog finds versions by the model's name alone, and gives no tags with them: so nothing else is asked, and
    then for each version that is meant.
    """
    found: Iterator[ModelVersion] = every(
        lambda token: client.search_model_versions(f"name = '{model}'", _PAGE, page_token=token)
    )
    whole = (_whole(client, version) for version in found if run_id in (None, version.run_id))
    return [version for version in whole if (tags or {}).items() <= version.tags.items()]


def training_set_models(client: MlflowClient) -> list[str]:
    """Return the names of all registered models of training sets, sorted."""
    models: Iterator[RegisteredModel] = every(lambda token: client.search_registered_models(page_token=token))
    return sorted(model.name for model in models if names.TRAINING_SET.fullmatch(model.name))


def source_of(run: Run, path: str, tracking: str) -> str:
    """Return the address of an artefact of a run, as a version of a registered model names its source.

    A registry apart from the tracking server takes none of an artefact store, as it does not know the run: MLflow's
    clients find `runs:/...` at the tracking server.
    """
    return f"runs:/{run.info.run_id}/{path}" if is_apart(tracking) else f"{run.info.artifact_uri}/{path}"


def _whole(client: MlflowClient, version: ModelVersion) -> ModelVersion:
    """Return a version with its tags."""
    if not isinstance(version, ModelVersionSearch):
        return version
    return client.get_model_version(version.name, str(version.version))


@contextmanager
def unless_there() -> Iterator[None]:
    """Pass over the answer that a resource is there already."""
    try:
        yield
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"):
            raise


@contextmanager
def unless_missing() -> Iterator[None]:
    """Pass over the answer that a resource is not there; its code differs from version to version of MLflow."""
    try:
        yield
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "INVALID_PARAMETER_VALUE"):
            raise


def _without_password(text: str) -> str:
    """Remove what stands between `//` and `@` in the URLs of a text."""
    return re.sub(r"//[^/@\s]*@", "//", text)
