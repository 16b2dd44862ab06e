"""Retrievers that SynAlign trained: a run of `train/<retriever>` in MLflow, and a version of the model `<retriever>`.

The version is made last, with all its tags in one call: whoever finds one has all of it. What was trained from the same
set with the same settings is found again by its key. No alias moves here: `champion` and `challenger` follow the record
of experiments (`synalign.registry.serving`).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version as version_of_package
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from requests import RequestException

from synalign.errors import RegistryError
from synalign.experiment.plan import TrainingSet
from synalign.registry import names
from synalign.registry.address import is_apart
from synalign.registry.connection import connected, experiment, fluent, registered_model, versions_of
from synalign.registry.descriptions import of_retriever, of_trained, of_trainings
from synalign.registry.pages import page, run_path

FIGURES, DRAFT = "figures.json", "plan.yaml"
Draft = Callable[[str], str]

_KEY = "synalign.key"
_FAILED = "failed"
_MODEL = "model"
_LONGEST_TAG = 4000


class Trained(NamedTuple):
    """A trained retriever in MLflow.

    Attributes:
        model: Name of the registered model.
        version: Its version.
        run_id: The MLflow run.
        figures: What came of the training.
        url: Page of the run; None when there is no server.
    """

    model: str
    version: str
    run_id: str
    figures: dict[str, Any]
    url: str | None

    @property
    def uri(self) -> str:
        """Return where the retriever is, as plans and `mlflow.sentence_transformers.load_model` take it."""
        return f"models:/{self.model}/{self.version}"


class Candidate(NamedTuple):
    """A trained retriever that an experiment may try.

    Attributes:
        uri: Where it is.
        training_set: What it was trained on.
    """

    uri: str
    training_set: TrainingSet


def find(retriever: str, key: str, uri: str) -> Trained | None:
    """Return the version with a key; None where nothing was trained so.

    Raises:
        RegistryError: MLflow cannot be reached or refuses, or the version's figures are gone.
    """
    with connected(uri, "run `synalign train` again") as client:
        found = versions_of(client, names.trained_of(client, retriever), tags={_KEY: key})
        if not found:
            return None
        version = min(found, key=lambda one: int(one.version))
        with tempfile.TemporaryDirectory() as folder:
            try:
                content = Path(client.download_artifacts(version.run_id, FIGURES, folder)).read_bytes()
            except OSError as error:
                raise RegistryError(
                    f"{FIGURES} of run {version.run_id} cannot be read: {error}.",
                    remedy=f"restore it, or delete version {version.version} of {version.name} in MLflow, and train "
                    "again",
                ) from error
        return _trained(client, version, json.loads(content), uri)


def register(retriever: str, key: str, model: Any, figures: Mapping[str, Any], draft: Draft, uri: str) -> Trained:
    """Log a model and make it a version of the registered model `<retriever>`.

    Where it fails or is interrupted before the version is there, the run is deleted and nothing is registered.

    Args:
        retriever: Name of the retriever.
        key: Names what was trained and how.
        model: The `SentenceTransformer`.
        figures: What came of the training, as plain data; see `synalign.steps.train`.
        draft: Gives a draft of the A/B test that tries the model, from its address; it is kept beside the model.
        uri: MLflow's address.

    Raises:
        RegistryError: MLflow cannot be reached or refuses.
    """
    with connected(uri, "run `synalign train` again") as client:
        made = names.trained_of(client, retriever)
        registered_model(client, made, of_retriever(retriever, names.training_set_of(client, retriever)), retriever)
        place = experiment(client, f"train/{retriever}", uri, of_trainings(retriever, made))
        tags = _run_tags(retriever, key, figures, made)
        run_id = client.create_run(place, tags=tags, run_name=_name(figures)).info.run_id
        try:
            with fluent(uri):
                version = _version(client, place, run_id, key, model, figures, draft, made, uri)
        except BaseException:
            with suppress(MlflowException, RequestException):
                client.delete_run(run_id)
            raise
        # Not `set_terminated`, which prints a link among the lines that programs read.
        client.update_run(run_id, "FINISHED")
        return _trained(client, version, dict(figures), uri)


def newest(retriever: str, uri: str) -> Candidate | None:
    """Return the newest trained retriever that did not fail at the gate; None: there is none."""
    with connected(uri, "do the same again") as client:
        model = names.trained_of(client, retriever)
        found = [one for one in versions_of(client, model) if _KEY in one.tags and one.tags["gate"] != _FAILED]
        if not found:
            return None
        version = max(found, key=lambda one: int(one.version))
        return Candidate(
            f"models:/{model}/{version.version}",
            TrainingSet(**{name: version.tags[f"training_set.{name}"] for name in ("model", "version", "digest")}),
        )


def _version(
    client: MlflowClient, place: str, run_id: str, key: str, model: Any, figures: Mapping[str, Any], draft: Draft,
    registered: str, uri: str,
) -> ModelVersion:  # fmt: skip
    for name, value in figures["settings"].items():
        client.log_param(run_id, name, value)
    client.log_param(run_id, "seed", figures["seed"])
    for step, score in figures["validation"].items():
        client.log_metric(run_id, "validation/ndcg_at_10", score, step=int(step))
    for name, values in figures["test"].items():
        for measure, value in values.items():
            if value is not None:
                client.log_metric(run_id, f"test/{name}/{measure}", value)
    client.log_text(run_id, json.dumps(figures, indent=2, ensure_ascii=False), FIGURES)
    address, model_id = _in_run(client, run_id, model) if is_apart(uri) else _logged(client, place, run_id, model)
    # Its version has no number yet; this address is of the same model.
    client.log_text(run_id, draft(address), DRAFT)
    # A version is ready at once: it only points somewhere.
    return client.create_model_version(
        registered,
        address,
        run_id,
        tags=_tags(key, figures),
        description=of_trained(figures, registered),
        await_creation_for=0,
        model_id=model_id,
    )


def _in_run(client: MlflowClient, run_id: str, model: Any) -> tuple[str, None]:
    """Keep a model among the artefacts of a run: a registry apart from the tracking server knows no other."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / _MODEL
        mlflow.sentence_transformers.save_model(model, str(kept), pip_requirements=_requirements())
        # As in `_logged`.
        for card in kept.rglob("README.md"):
            card.unlink()
        client.log_artifacts(run_id, str(kept), _MODEL)
    return f"runs:/{run_id}/{_MODEL}", None


def _logged(client: MlflowClient, place: str, run_id: str, model: Any) -> tuple[str, str]:
    """Log a model, and return its address and MLflow's id of it.

    It is made first: without a run in progress MLflow would put it into the experiment `Default`.
    """
    made = client.create_logged_model(place, _MODEL, run_id)
    try:
        # A model card shows what it was trained on, and `synalign forget` does not reach it.
        mlflow.sentence_transformers.log_model(
            model, run_id=run_id, model_id=made.model_id, pip_requirements=_requirements(), create_model_card=False
        )
    except BaseException:
        with suppress(MlflowException, RequestException):
            client.delete_logged_model(made.model_id)
        raise
    client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
    return f"models:/{made.model_id}", str(made.model_id)


def _requirements() -> list[str]:
    """Return what loads the model; MLflow would load it in another process to find that out."""
    packages = ("sentence-transformers", "transformers", "torch")
    # A local version, such as torch's +cpu, is in no registry.
    return [f"{name}=={version_of_package(name).partition('+')[0]}" for name in packages]


def _run_tags(retriever: str, key: str, figures: Mapping[str, Any], registered: str) -> dict[str, str]:
    return {
        _KEY: key,
        "synalign.retriever": retriever,
        "mlflow.note.content": of_trained(figures, registered),
        "mlflow.user": figures["owner"],
        "mlflow.source.name": "synalign train",
        "mlflow.source.type": "JOB",
    }


def _tags(key: str, figures: Mapping[str, Any]) -> dict[str, str]:
    return {
        _KEY: key,
        **{f"training_set.{name}": value for name, value in figures["training_set"].items()},
        "base": figures["base"]["model"],
        "base_revision": figures["base"]["revision"],
        "loss": figures["loss"],
        "step": str(figures["step"]),
        "gate": figures["gate"]["status"],
        "gate_control": figures["gate"]["control"],
        "gate_reason": figures["gate"]["reason"][:_LONGEST_TAG],
    }


def _name(figures: Mapping[str, Any]) -> str:
    return f"{figures['training_set']['model']} {figures['training_set']['version']}, {figures['loss']}"


def _trained(client: MlflowClient, version: ModelVersion, figures: dict[str, Any], uri: str) -> Trained:
    run = client.get_run(version.run_id)
    url = page(uri, run_path(run.info.experiment_id, version.run_id))
    return Trained(version.name, str(version.version), version.run_id, figures, url)
