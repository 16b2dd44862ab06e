"""Training sets in MLflow.

One run per refresh and one version of the registered model `<retriever>-training-set` per distinct training set of an
interval. Registering is idempotent: everything is found again by a key that is the hash of what is registered, so a
registration that was killed anywhere is completed by the next one, and one that was complete is left as it is.
"""

from __future__ import annotations

import json
import logging
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag, ViewType
from mlflow.entities.model_registry import ModelVersion

from synalign import flow, tables
from synalign.evaluation.chart import chart
from synalign.evaluation.report import report
from synalign.experiment import TrainingSet, draft
from synalign.generation.ledger import ledger_figures, whole_ledger
from synalign.registry.connection import alias_of, connected, experiment, registered_model
from synalign.tables import content_id

log = logging.getLogger("synalign")

ALIAS = "current"
_KEY, _STATUS = "synalign.key", "synalign.status"
_READY = "ready"
# MLflow's column for a dataset's digest holds 36 characters; the whole one goes into a tag of the input.
_DIGEST_CHARACTERS = 36


class Registration(NamedTuple):
    """What stands in MLflow for one training set.

    Attributes:
        model: Name of the registered model.
        version: Its version.
        run_id: The MLflow run.
        current: Whether the alias `current` points at this version.
        reused: Whether it was there, complete, before.
    """

    model: str
    version: str
    run_id: str
    current: bool
    reused: bool


class Release(NamedTuple):
    """What is to be registered.

    Attributes:
        retriever: Name of the retriever.
        interval: Name of the data interval.
        configuration: The whole configuration, as plain data.
        manifests: Manifest of every step before this one, by step.
        location: Folder of the training set.
        failures: Checks that did not pass, each as a sentence; empty when all did.
    """

    retriever: str
    interval: str
    configuration: dict[str, Any]
    manifests: dict[str, dict[str, Any]]
    location: Path
    failures: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Digest of the training set."""
        return str(self.manifests["assemble"]["tables"]["training_set"]["digest"])

    @property
    def evaluation(self) -> dict[str, Any]:
        """Figures of the step *evaluate*."""
        figures: dict[str, Any] = self.manifests["evaluate"]["metrics"]
        return figures

    @property
    def key(self) -> str:
        """What makes it this release: retriever, interval, bytes of the training set, its evaluation and its checks."""
        gate = self.evaluation["gate"]
        evaluated = (self.evaluation["reason"], gate["status"], gate["reason"])
        return content_id(self.retriever, self.interval, self.digest, *evaluated, *self.failures)


def register(release: Release, tracking_uri: str) -> Registration:
    """Record a release: an MLflow run, a model version, and, if all checks passed, the alias `current`.

    Args:
        release: What to register.
        tracking_uri: MLflow's tracking and registry server or database.

    Returns:
        Where it stands.

    Raises:
        RegistryError: MLflow cannot be reached or refuses.
        RunError: The ledger does not add up.
    """
    metrics = _figures(release)
    model = f"{release.retriever}-training-set"
    with connected(tracking_uri, "run the step register again") as client:
        run = _run(client, release, tracking_uri)
        version = _version(client, release, model, run)
        reused = version.tags.get(_STATUS) == _READY
        if not reused:
            _complete(client, release, model, version, run, metrics)
        current = _move_alias(client, release, model, version)
    return Registration(model, str(version.version), run.info.run_id, current, reused)


def _run(client: MlflowClient, release: Release, tracking_uri: str) -> Run:
    """The release's MLflow run: found by its key, or made."""
    experiment_id = experiment(client, f"refresh/{release.retriever}", tracking_uri)
    found = client.search_runs([experiment_id], f"tags.`{_KEY}` = '{release.key}'", ViewType.ACTIVE_ONLY, 1)
    if found:
        return found[0]
    tags = {
        _KEY: release.key,
        "synalign.retriever": release.retriever,
        "synalign.interval": release.interval,
        "synalign.digest": release.digest,
        "synalign.writer": str(release.manifests["generate"]["metrics"].get("model", "unknown")),
    }
    return client.create_run(experiment_id, tags=tags, run_name=release.interval)


def _version(client: MlflowClient, release: Release, model: str, run: Run) -> ModelVersion:
    """The release's model version: found by its run, or made."""
    registered_model(client, model, f"Weighted training sets of the retriever {release.retriever}.")
    found = client.search_model_versions(f"name = '{model}' and run_id = '{run.info.run_id}'")
    if found:
        return min(found, key=lambda version: int(version.version))
    return client.create_model_version(
        model, source=f"{run.info.artifact_uri}/training_set", run_id=run.info.run_id, description=_describe(release)
    )


def _complete(
    client: MlflowClient, release: Release, model: str, version: ModelVersion, run: Run, metrics: dict[str, float]
) -> None:
    """Fill run and version; the status is last, so that whatever lacks it is filled again."""
    run_id = run.info.run_id
    known = set(run.data.params)
    params = [Param(key, str(value)[:500]) for key, value in _flat(release.configuration).items() if key not in known]
    at = run.info.start_time
    # MLflow takes at most 100 parameters, or 1000 metrics, in one batch.
    for start in range(0, len(params), 100):
        client.log_batch(run_id, params=params[start : start + 100])
    client.log_batch(run_id, metrics=[Metric(key, value, at, 0) for key, value in metrics.items()])
    client.log_inputs(run_id, datasets=[_dataset(release, table) for table in _inputs()])
    _log_artifacts(
        client, release, run_id, TrainingSet(model=model, version=str(version.version), digest=release.digest)
    )
    status = "failed" if release.failures else "passed"
    tags = {
        "digest": release.digest,
        "interval": release.interval,
        "rows": str(release.manifests["assemble"]["tables"]["training_set"]["rows"]),
        "mmd2_held_out": _mmd(release),
        "location": str(release.location),
        "checks": status,
        "failures": "; ".join(release.failures)[:4000] or "none",
        "scheme": release.evaluation["scheme"],
        "weights_validated": str(release.evaluation["validated"]).lower(),
        "gate": release.evaluation["gate"]["status"],
        "gate_reason": release.evaluation["gate"]["reason"][:4000],
        "writer": str(release.manifests["generate"]["metrics"].get("model", "unknown")),
        _STATUS: _READY,
    }
    client.set_terminated(run_id, "FINISHED")
    client.log_batch(
        run_id, tags=[RunTag("synalign.checks", status), RunTag("mlflow.note.content", _describe(release))]
    )
    for key, value in tags.items():
        client.set_model_version_tag(model, version.version, key, value)


def _move_alias(client: MlflowClient, release: Release, model: str, version: ModelVersion) -> bool:
    """Point `current` at a version whose checks passed, unless it already serves a later interval."""
    if release.failures:
        return False
    serving = alias_of(client, model, ALIAS)
    if serving is not None and serving.tags.get("interval", "") > release.interval:
        log.info("register: %s stays at version %s, of a later interval", ALIAS, serving.version)
        return False
    if serving is None or str(serving.version) != str(version.version):
        client.set_registered_model_alias(model, ALIAS, version.version)
    return True


def _log_artifacts(client: MlflowClient, release: Release, run_id: str, trained: TrainingSet) -> None:
    client.log_artifacts(run_id, str(release.location), "training_set")
    with tempfile.TemporaryDirectory() as folder:
        for step, manifest in release.manifests.items():
            path = Path(folder) / f"{step}.json"
            path.write_text(json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False), encoding="utf-8")
        client.log_artifacts(run_id, folder, "manifests")
    client.log_text(run_id, report(release.evaluation), "evaluation/report.md")
    if "test" in release.evaluation:
        client.log_text(run_id, chart(release.evaluation["test"], release.evaluation["scheme"]), "evaluation/arms.svg")
    client.log_text(run_id, yaml.safe_dump(release.configuration, sort_keys=False), "configuration.yaml")
    # The control stays open: what serves is known only when the test starts.
    first = datetime.strptime(release.interval[-16:-8], "%Y%m%d").date()
    plan = draft(release.retriever, trained, first, owner=release.configuration.get("owner"))
    client.log_text(run_id, plan, "experiment/plan.yaml")


def _inputs() -> tuple[str, ...]:
    return ("pairs", "queries", "documents", "candidates", "weights", "evaluation", "training_set")


def _dataset(release: Release, table: str) -> DatasetInput:
    manifest = release.manifests[flow.writer(table).name]["tables"][table]
    folder = release.location.parent.parent / flow.writer(table).name / table
    fields = [
        {"name": field.name, "type": str(field.type), "required": not field.nullable} for field in tables.schema(table)
    ]
    dataset = Dataset(
        name=table,
        digest=manifest["digest"][:_DIGEST_CHARACTERS],
        source_type="local",
        source=json.dumps({"uri": str(folder)}),
        schema=json.dumps({"mlflow_colspec": fields}),
        profile=json.dumps({"num_rows": manifest["rows"]}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", table), InputTag("sha256", manifest["digest"])])


def _figures(release: Release) -> dict[str, float]:
    """Metrics of the MLflow run: where every query ended, such as `ledger.rejected.leak`, and those of every step."""
    ledger = whole_ledger(*(release.manifests[step]["metrics"] for step in ("generate", "screen")))
    figures = {f"ledger.{key}": float(count) for key, count in ledger_figures(ledger).items()}
    for step in flow.STEPS[:-1]:
        manifest = release.manifests[step.name]
        figures |= {f"{step.name}.{key}": float(value) for key, value in _numbers(manifest).items()}
    return figures


def _numbers(manifest: dict[str, Any]) -> dict[str, float]:
    rows = {f"{table}_rows": content["rows"] for table, content in manifest["tables"].items()}
    figures = {**rows, **_flat(manifest["metrics"]), "seconds": manifest["seconds"]}
    return {key: value for key, value in figures.items() if isinstance(value, int | float)}


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as `section.key`; parameters of MLflow are text, metrics keep their numbers."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat.update(_flat(value, f"{name}."))
        else:
            flat[name] = value
    return flat


def _mmd(release: Release) -> str:
    metrics = release.manifests["align"]["metrics"]
    if "mmd2_held_out_before" not in metrics:
        return "not measured: no held-out query"
    others = "" if release.evaluation["scheme"] == "aligned" else " with the aligned weights, which were not chosen"
    return f"{metrics['mmd2_held_out_before']:.3e} -> {metrics['mmd2_held_out_after']:.3e}{others}"


def _describe(release: Release) -> str:
    """What a person reads in MLflow, in Markdown."""
    rows = release.manifests["assemble"]["tables"]["training_set"]["rows"]
    metrics = release.manifests["align"]["metrics"]
    verdict = "All checks passed." if not release.failures else "Checks failed: " + "; ".join(release.failures)
    return (
        f"**{release.retriever}**, {release.interval}: {rows} rows. Squared MMD to held-out queries {_mmd(release)}; "
        f"effective sample size {metrics['effective_sample_size']:.0f} of {metrics['synthetic']}. "
        f"Weights {release.evaluation['scheme']}: {release.evaluation['reason']}. "
        f"Gate {release.evaluation['gate']['status']}: {release.evaluation['gate']['reason']}. {verdict}\n\n"
        f"Queries written by `{release.manifests['generate']['metrics'].get('model', 'unknown')}`."
    )
