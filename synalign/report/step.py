"""The step *report*: shows the run to people, beside the run and in MLflow."""

from __future__ import annotations

import logging

from synalign import registry
from synalign.registry.connection import tracking_uri
from synalign.report.write import write
from synalign.run import Attempt

log = logging.getLogger("synalign")

FILE = "report.html"


def report(attempt: Attempt) -> None:
    """Write the run's report, and log it to the MLflow run of its refresh. Writes no table.

    Raises:
        RegistryError: MLflow cannot be reached or refuses.
        RunError: A step before it is missing, or belongs to other settings.
    """
    registration = attempt.run.require("register")["metrics"]
    path = attempt.folder / FILE
    write(attempt.run, path)
    shown_at = registry.attach(registration["run_id"], path, tracking_uri())
    place = attempt.run.step_folder(attempt.step.name) / FILE
    url = shown_at or place.as_uri()
    attempt.metrics.update({"path": str(place), "bytes": path.stat().st_size, "url": url})
    log.info("report: %s", url)
