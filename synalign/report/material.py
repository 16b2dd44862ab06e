"""What a report is made from: a run, as far as it has come."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from synalign import flow
from synalign.errors import RunError
from synalign.run import Run

STEPS = flow.before("report")


class Material:
    """A view of a run that may be unfinished, or in part made with other settings than it has now.

    Args:
        run: The run.

    Attributes:
        run: The run.
        configuration: Its configuration.
        manifests: Manifest of every step that is finished and up to date, in the order of the flow.
        stale: Finished steps that are not up to date, with the reason in words.
        missing: Steps that have not finished.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.configuration = run.configuration
        self.manifests: dict[str, dict[str, Any]] = {}
        self.stale: dict[str, str] = {}
        self.missing: list[str] = []
        for step in (step.name for step in STEPS):
            if run.manifest(step) is None:
                self.missing.append(step)
                continue
            try:
                self.manifests[step] = run.require(step)
            except RunError as error:
                self.stale[step] = error.message
        self._tables: dict[tuple[str, tuple[str, ...] | None], pa.Table] = {}

    def has(self, *tables: str) -> bool:
        """Check that the steps that write these tables are finished and up to date."""
        return all(flow.writer(table).name in self.manifests for table in tables)

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Read a finished table, rows in their stored order; it is kept for other sections.

        Raises:
            RunError: The step that writes it has not finished.
        """
        key = (name, tuple(columns) if columns is not None else None)
        if key not in self._tables:
            self._tables[key] = self.run.read(name, columns)
        return self._tables[key]

    def metrics(self, step: str) -> dict[str, Any]:
        """Return the metrics of a finished step; empty where it has not finished."""
        figures: dict[str, Any] = self.manifests[step]["metrics"] if step in self.manifests else {}
        return figures
