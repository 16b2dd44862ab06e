"""Training sets in MLflow.

One run per refresh and one version of the registered model `<retriever>-training-set` per distinct training set of an
interval. Registering is idempotent: everything is found again by a key that is the hash of what is registered, so a
registration that was killed anywhere is completed by the next one, and one that was complete is left as it is.

MLflow's client sends again what a server that is away has not answered, and so may make a run or a version twice, of
which it knows one: what was made is therefore looked for once it is made, and what is too many goes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Run, RunTag, ViewType
from mlflow.entities.model_registry import ModelVersion

from synalign.registry import artifacts, descriptions, names, pointer, prompts, traces
from synalign.registry import metrics as figures
from synalign.registry.address import is_unity, registry_uri
from synalign.registry.attachment import REPORT
from synalign.registry.connection import (
    alias_of,
    connected,
    experiment,
    registered_model,
    source_of,
    unless_missing,
    versions_of,
)
from synalign.registry.pages import model_path, page, run_path, to_registry, to_tracking
from synalign.registry.pointer import log_pointer
from synalign.registry.release import Release

log = logging.getLogger("synalign")

ALIAS = "current"
_KEY, _STATUS = "synalign.key", "synalign.status"
_READY = "ready"
_LONGEST_TAG = 4000
# MLflow takes at most 100 parameters, or 1000 metrics, in one batch.
_PARAMETERS, _METRICS = 100, 1000

_Item = TypeVar("_Item")


class Registration(NamedTuple):
    """A training set in MLflow.

    Attributes:
        model: Name of the registered model.
        version: Its version.
        run_id: The MLflow run.
        current: Whether the alias `current` points at this version.
        reused: Whether it was there, complete, before.
        url: Page of the MLflow run; None when there is no server.
    """

    model: str
    version: str
    run_id: str
    current: bool
    reused: bool
    url: str | None


def register(release: Release, tracking_uri: str) -> Registration:
    """Record a release: an MLflow run, a model version, and, if all checks passed, the alias `current`.

    Args:
        release: What to register.
        tracking_uri: MLflow's tracking and registry server or database.

    Returns:
        Where it stands.

    Raises:
        RegistryError: MLflow cannot be reached or refuses, or its registry wants a prefix and there is none.
        RunError: The ledger does not add up.
    """
    # Before anything is written: a ledger that does not add up is never registered.
    figures.figures(release)
    names.require_prefix(registry_uri(tracking_uri), release.prefix)
    with connected(tracking_uri, "run the step register again") as client:
        run, version = _run_and_version(client, release, tracking_uri)
        reused = version.tags.get(_STATUS) == _READY
        if not reused:
            _complete(client, release, version, run, tracking_uri)
        current = _move_alias(client, release, version)
    url = page(tracking_uri, run_path(run.info.experiment_id, run.info.run_id))
    return Registration(release.model, str(version.version), run.info.run_id, current, reused, url)


def _run_and_version(client: MlflowClient, release: Release, tracking_uri: str) -> tuple[Run, ModelVersion]:
    """Return the release's MLflow run and model version: found by the release's key, or made."""
    name, about = f"refresh/{release.retriever}", descriptions.of_experiment(release.retriever, release.model)
    experiment_id = experiment(client, name, tracking_uri, about)
    names.remember(client, experiment_id, release.prefix)
    about_model = descriptions.of_model(release.retriever, release.model, experiment_id)
    registered_model(client, release.model, about_model, release.retriever)
    runs = _runs(client, release, experiment_id)
    if not runs:
        _make_run(client, release, experiment_id)
        runs = _runs(client, release, experiment_id)
    versions = _versions(client, release, runs)
    if not versions:
        log_pointer(client, release, runs[0].info.run_id)
        kept = pointer.FOLDER if is_unity(registry_uri(tracking_uri)) else "training_set"
        source = source_of(runs[0], kept, tracking_uri)
        # A version is ready at once: it only points somewhere.
        client.create_model_version(release.model, source, runs[0].info.run_id, await_creation_for=0)
        versions = _versions(client, release, runs)
    version = versions[0]
    for twin in versions[1:]:
        with unless_missing():
            client.delete_model_version(release.model, twin.version)
    (run,) = (run for run in runs if run.info.run_id == version.run_id)
    for twin in runs:
        if twin is not run:
            with unless_missing():
                client.delete_run(twin.info.run_id)
    return run, version


def _runs(client: MlflowClient, release: Release, experiment_id: str) -> list[Run]:
    """Return the release's MLflow runs, oldest first; more than one only where the server got a request twice."""
    found = client.search_runs([experiment_id], f"tags.`{_KEY}` = '{release.key}'", ViewType.ACTIVE_ONLY)
    return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))


def _make_run(client: MlflowClient, release: Release, experiment_id: str) -> None:
    tags = {
        "synalign.retriever": release.retriever,
        "synalign.interval": release.interval,
        "synalign.writer": release.writer,
        "synalign.digest": release.digest,
        _KEY: release.key,
        "mlflow.user": str(release.configuration.get("owner") or "synalign"),
        "mlflow.source.name": "synalign refresh",
        "mlflow.source.type": "JOB",
    }
    client.create_run(experiment_id, tags=tags, run_name=descriptions.interval_name(release.interval))


def _versions(client: MlflowClient, release: Release, runs: Sequence[Run]) -> list[ModelVersion]:
    """Return the versions of these runs, oldest first; more than one only where the server got a request twice."""
    found = [one for run in runs for one in versions_of(client, release.model, run_id=run.info.run_id)]
    return sorted(found, key=lambda version: int(version.version))


def _complete(client: MlflowClient, release: Release, version: ModelVersion, run: Run, tracking_uri: str) -> None:
    """Fill run and version; the status is last, so that whatever lacks it is filled again."""
    run_id = run.info.run_id
    missing = [param for param in artifacts.settings(release) if param.key not in run.data.params]
    for params in _batches(missing, _PARAMETERS):
        client.log_batch(run_id, params=params)
    for metrics in _batches(figures.metrics(release, run.info.start_time), _METRICS):
        client.log_batch(run_id, metrics=metrics)
    client.log_inputs(run_id, datasets=artifacts.datasets(release))
    artifacts.log_files(client, release, run_id, str(version.version))
    place = run.info.experiment_id, run_id, str(version.version)
    written_with = prompts.log_prompts(client, release, tracking_uri, *place)
    traces.log_traces(client, release, tracking_uri, run, str(version.version), written_with)
    _describe(client, release, version, run)
    # Not `set_terminated`: the time between is that of registering, and would be shown as the refresh's.
    client.update_run(run_id, "FINISHED")
    for kind, prompt in written_with.items():
        client.set_model_version_tag(release.model, version.version, f"prompt.{kind}", prompt)
    for key, value in _tags(release).items():
        client.set_model_version_tag(release.model, version.version, key, value)


def _batches(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _describe(client: MlflowClient, release: Release, version: ModelVersion, run: Run) -> None:
    """Describe the run, with a link to its version, and the version, with a link to its run."""
    place = run.info.experiment_id, run.info.run_id
    # A version of Unity Catalog is the model beside the set.
    unity = version.source.endswith(f"/{pointer.FOLDER}")
    loaded = f"runs:/{place[1]}/training_set" if unity else f"models:/{release.model}/{version.version}"
    report = run_path(*place, REPORT)
    called, page_of_it = f"{release.model} version {version.version}", model_path(release.model, version.version)
    links_of_run = [f"[Report]({report})", to_registry(called, page_of_it)]
    links_of_version = [to_tracking("Report", report), to_tracking("Figures and charts", run_path(*place))]
    of_run = descriptions.of_release(release, loaded, links_of_run)
    of_version = descriptions.of_release(release, loaded, links_of_version)
    tags = {"mlflow.note.content": of_run, "synalign.checks": _checks(release)}
    client.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    client.update_model_version(release.model, version.version, of_version)


def _tags(release: Release) -> dict[str, str]:
    """Return the tags of a version, for programs; the status is last."""
    return {
        "checks": _checks(release),
        **({"failures": "; ".join(release.failures)[:_LONGEST_TAG]} if release.failures else {}),
        "interval": release.interval,
        "retriever": release.retriever,
        "rows": str(release.rows("training_set")),
        "writer": release.writer,
        "scheme": release.evaluation["scheme"],
        **({"mass": f"{release.evaluation['mass']:g}"} if "mass" in release.evaluation else {}),
        "weights_validated": str(release.evaluation["validated"]).lower(),
        "gate": release.evaluation["gate"]["status"],
        "gate_reason": release.evaluation["gate"]["reason"][:_LONGEST_TAG],
        "digest": release.digest,
        "location": str(release.location),
        _STATUS: _READY,
    }


def _checks(release: Release) -> str:
    return "failed" if release.failures else "passed"


def _move_alias(client: MlflowClient, release: Release, version: ModelVersion) -> bool:
    """Point `current` at a version whose checks passed, unless it already serves a later interval."""
    if release.failures:
        return False
    serving = alias_of(client, release.model, ALIAS)
    if serving is not None and serving.tags.get("interval", "") > release.interval:
        log.info("register: %s stays at version %s, of a later interval", ALIAS, serving.version)
        return False
    if serving is None or str(serving.version) != str(version.version):
        client.set_registered_model_alias(release.model, ALIAS, version.version)
    # Looking and setting are two requests, and minutes where MLflow is away: another interval may have come between.
    overtaken = _finished_since(client, release, version)
    if overtaken:
        client.set_registered_model_alias(release.model, ALIAS, overtaken[-1].version)
    return not overtaken


def _finished_since(client: MlflowClient, release: Release, version: ModelVersion) -> list[ModelVersion]:
    """Return the versions of later intervals that may serve and were completed since this one was made, in order.

    Older ones are left alone: somebody who let an earlier version serve again had a reason.
    """
    found = versions_of(client, release.model, tags={_STATUS: _READY})
    since = [one for one in found if one.last_updated_timestamp >= version.creation_timestamp]
    later = [one for one in since if one.tags["checks"] == "passed" and one.tags["interval"] > release.interval]
    return sorted(later, key=lambda one: (one.tags["interval"], int(one.version)))
