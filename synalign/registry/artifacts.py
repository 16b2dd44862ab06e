"""Files, settings and dataset inputs of a refresh's MLflow run."""

from __future__ import annotations

import json
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import yaml
from mlflow.entities import DatasetInput, Param

from synalign import flow, tables
from synalign.evaluation.arms import arm_of
from synalign.evaluation.chart import chart
from synalign.evaluation.measured import measured
from synalign.evaluation.report import report
from synalign.experiment import TrainingSet, draft
from synalign.registry.datasets import dataset, sources
from synalign.storage.copies import fetched

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from synalign.registry.release import Release

_LONGEST_SETTING = 500
_DATASETS = {
    "queries": "real traffic",
    "pairs": "real pairs",
    "documents": "documents",
    "training_set": "the set that was made",
}
"""Tables that are datasets of the run, each with its context; the others are in the manifests."""


def log_files(client: MlflowClient, release: Release, run_id: str, version: str) -> None:
    """Log the set, the manifests, the configuration, the evaluation, and a plan to begin an A/B test with."""
    with fetched(release.location) as folder:
        client.log_artifacts(run_id, str(folder), "training_set")
    with tempfile.TemporaryDirectory() as folder:
        for step, manifest in release.manifests.items():
            path = Path(folder) / f"{step}.json"
            path.write_text(json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False), encoding="utf-8")
        client.log_artifacts(run_id, folder, "manifests")
    client.log_text(run_id, report(release.evaluation), "evaluation/report.md")
    if "test" in release.evaluation:
        bars = chart(release.evaluation["test"], arm_of(release.evaluation["scheme"]), measured(release.evaluation))
        client.log_text(run_id, bars, "evaluation/arms.svg")
    client.log_text(run_id, yaml.safe_dump(release.configuration, sort_keys=False), "configuration.yaml")
    trained = TrainingSet(model=release.model, version=version, digest=release.digest)
    # The control stays open: what serves is known only when the test starts.
    first = datetime.strptime(release.interval[-16:-8], "%Y%m%d").date()
    plan = draft(release.retriever, trained, first, owner=release.configuration.get("owner"))
    client.log_text(run_id, plan, "experiment/plan.yaml")


def settings(release: Release) -> list[Param]:
    """Return the settings that people compare: single values that define the set, such as `sampling.batches`.

    Lists, columns and prices are in `configuration.yaml`, as is all that decides only when, where and how fast.
    """
    defining = {key for step in flow.before("register") for key in step.settings}
    found: dict[str, Any] = {}
    for section, content in release.configuration.items():
        if section in defining:
            found |= (
                {f"{section}.{key}": value for key, value in content.items()}
                if isinstance(content, dict)
                else {section: content}
            )
    single = {name: value for name, value in found.items() if isinstance(value, str | int | float)}
    return [Param(name, str(value)[:_LONGEST_SETTING]) for name, value in single.items()]


def datasets(release: Release) -> list[DatasetInput]:
    """Return what the refresh read from outside, and the tables that it made, each with source and digest."""
    read = sources(release.configuration, release.manifests["ingest"].get("outside", {}))
    return [*read, *(_dataset(release, table, context) for table, context in _DATASETS.items())]


def _schema(release: Release, table: str) -> pa.Schema:
    """Return the schema of a table; a training set has a column for each hard negative."""
    if table != "training_set":
        return tables.schema(table)
    settings = release.configuration.get("negatives", {})
    retrieval = release.configuration.get("task", "retrieval") == "retrieval"
    return tables.training_set(int(settings.get("per_pair", 0)) if retrieval else 0)


def _dataset(release: Release, table: str, context: str) -> DatasetInput:
    manifest = release.manifests[flow.writer(table).name]["tables"][table]
    fields = [
        {"name": field.name, "type": str(field.type), "required": not field.nullable}
        for field in _schema(release, table)
    ]
    location = str(release.folders[table])
    return dataset(table, manifest["digest"], "files", location, context, fields=fields, rows=manifest["rows"])
