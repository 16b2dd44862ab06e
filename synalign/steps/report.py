"""The step *report*: shows the run to people, beside the run and in MLflow."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from synalign.registry.attachment import attach
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
    place = attempt.folder / FILE
    with tempfile.TemporaryDirectory() as folder:
        # MLflow takes files of this machine.
        path = Path(folder) / FILE
        write(attempt.run, path)
        place.write_bytes(path.read_bytes())
        shown_at = attach(registration["run_id"], path, tracking_uri())
    url = shown_at or place.uri
    attempt.metrics.update({"path": str(place), "bytes": place.size(), "url": url})
    log.info("report: %s", url)
