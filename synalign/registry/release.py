"""A finished refresh as it is registered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from synalign.config.schemes import NONE
from synalign.prompts.templates import Template
from synalign.registry import names
from synalign.run.manifests import read_table
from synalign.storage import Place
from synalign.tables import content_id


class Release(NamedTuple):
    """A finished refresh as it is registered.

    Attributes:
        retriever: Name of the retriever.
        interval: Name of the data interval.
        configuration: The whole configuration, as plain data.
        manifests: Manifest of every step before this one, by step.
        folders: Folder of every table of the run, by table.
        failures: Checks that did not pass, each as a sentence; empty when all did.
        templates: Prompt templates that its requests were made of, by kind of request.
    """

    retriever: str
    interval: str
    configuration: dict[str, Any]
    manifests: dict[str, dict[str, Any]]
    folders: Mapping[str, Place]
    failures: tuple[str, ...]
    templates: Mapping[str, Template] = {}

    @property
    def model(self) -> str:
        """Name of the registered model."""
        return names.training_set(self.retriever, self.prefix)

    @property
    def prefix(self) -> str | None:
        """Catalog and schema of its registered model; None: its name has one part."""
        return (self.configuration.get("registry") or {}).get("prefix")

    @property
    def location(self) -> Place:
        """Folder of the training set."""
        return self.folders["training_set"]

    @property
    def digest(self) -> str:
        """Digest of the training set."""
        return str(self.manifests["assemble"]["tables"]["training_set"]["digest"])

    @property
    def writer(self) -> str:
        """The language model that wrote the queries."""
        return str(self.metrics("generate").get("model", "unknown"))

    @property
    def evaluation(self) -> dict[str, Any]:
        """Figures of the step *evaluate*."""
        return self.metrics("evaluate")

    @property
    def not_judged(self) -> str:
        """Name the checks that say nothing about this set, and why; empty where all of them do."""
        if self.evaluation["scheme"] != NONE:
            return ""
        return "checks of synthetic rows: not judged, real pairs alone were best"

    @property
    def key(self) -> str:
        """Identify the release by retriever, interval, bytes of the training set, its evaluation and its checks."""
        gate = self.evaluation["gate"]
        evaluated = (self.evaluation["reason"], gate["status"], gate["reason"])
        return content_id(self.retriever, self.interval, self.digest, *evaluated, *self.failures)

    def read(self, table: str, columns: list[str]) -> pa.Table:
        """Read some columns of a table."""
        return read_table(self.folders[table].files("*.parquet"), columns)

    def metrics(self, step: str) -> dict[str, Any]:
        """Return the metrics of a step."""
        return dict(self.manifests[step]["metrics"])

    def rows(self, table: str) -> int:
        """Return how many rows a table has."""
        return next(
            int(manifest["tables"][table]["rows"])
            for manifest in self.manifests.values()
            if table in manifest["tables"]
        )
