"""One of the two training sets that are compared, wherever it is kept: in its run's folder, or in MLflow alone."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from pydantic import ValidationError

from synalign import flow
from synalign.config import Configuration
from synalign.errors import RegistryError, RunError
from synalign.registry import lookup
from synalign.run import Run
from synalign.run import manifests as manifests_
from synalign.storage import Place

if TYPE_CHECKING:
    from synalign.registry.versions import Version

COLUMNS = ["pair_id", "query", "document_id", "document", "source", "weight", "split"]
INTERVAL = "interval"
"""The column that says which interval wrote a row; sets of older versions lack it."""


class Side(NamedTuple):
    """A training set with all that says how it came about.

    Attributes:
        name: What people call it, such as `shop@3`.
        retriever: Name of the retriever.
        interval: Name of the data interval.
        rows: The training set, of its columns `COLUMNS` and `INTERVAL`, which is null where it is not known.
        manifests: Manifest of every finished step up to *assemble*, by step.
        configuration: What the run was made with.
        run: The run, where its other tables lie; None: it is gone, and MLflow kept the rest.
    """

    name: str
    retriever: str
    interval: str
    rows: pa.Table
    manifests: dict[str, dict[str, Any]]
    configuration: Configuration
    run: Run | None

    def metrics(self, step: str) -> dict[str, Any]:
        """Return the metrics of a step; empty where they are not known."""
        figures: dict[str, Any] = self.manifests.get(step, {}).get("metrics", {})
        return figures


def side(reference: str) -> Side:
    """Find the training set that a reference names.

    Args:
        reference: As `synalign.registry.lookup.find` takes it.

    Raises:
        RunError: There is no such run, or it has no training set yet.
        RegistryError: There is no such version, or what MLflow kept of it cannot be read.
    """
    version = lookup.version(reference)
    if version is None:
        return _of_run(lookup.find(reference), None)
    try:
        return _of_run(lookup.run_of(version), version.name)
    except RunError:
        # What is not beside the run any more, MLflow has kept.
        return _of_registry(version)


def _of_run(run: Run, name: str | None) -> Side:
    manifests = {step.name: manifest for step in flow.before("register") if (manifest := run.manifest(step.name))}
    name = name or f"{run.configuration.retriever}/{run.interval.name}"
    if "assemble" not in manifests:
        raise RunError(
            f"{name} has no training set yet.",
            cause="its refresh has not come as far as the step assemble",
            remedy=f"`synalign show {name}` says which step is missing",
        )
    rows = _read(manifests_.files(run.folder / "assemble", manifests["assemble"], "training_set"))
    return Side(name, run.configuration.retriever, run.interval.name, rows, manifests, run.configuration, run)


def _of_registry(version: Version) -> Side:
    from synalign.registry import versions
    from synalign.registry.connection import tracking_uri

    with tempfile.TemporaryDirectory() as folder:
        kept = versions.fetch(version, Path(folder), tracking_uri())
        rows = _read(Place(kept.training_set).files("*.parquet"))
    try:
        configuration = Configuration.model_validate(kept.configuration)
    except ValidationError as error:
        raise RegistryError(
            f"the configuration that MLflow keeps of {version.name} cannot be read: {error.error_count()} keys of it "
            "are not understood.",
            cause="it was registered by another version of SynAlign",
            remedy=f"compare with the SynAlign that made it; its own words are in run {version.run_id} in MLflow",
        ) from error
    manifests = {step.name: kept.manifests[step.name] for step in flow.STEPS if step.name in kept.manifests}
    return Side(version.name, version.retriever, version.interval, rows, manifests, configuration, None)


def _read(files: list[Place]) -> pa.Table:
    """Read a training set; documents, which stand in many rows, are held once each."""
    known = set(manifests_.dataset(files).schema.names)
    rows = manifests_.read_table(files, [*COLUMNS, *({INTERVAL} & known)], read_dictionary=["document"])
    return rows if INTERVAL in known else rows.append_column(INTERVAL, pa.nulls(len(rows), pa.string()))
