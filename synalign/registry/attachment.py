"""The run report among the artefacts of its refresh, where MLflow shows it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from synalign.errors import RunError
from synalign.registry.connection import connected
from synalign.registry.pages import page, run_path

REPORT = "report.html"


def attach(run_id: str, path: Path, tracking_uri: str) -> str | None:
    """Log the report at the root of a run's artefacts, as `report.html`; one that is there is replaced.

    Args:
        run_id: The MLflow run of the refresh.
        path: The report's file, under any name.
        tracking_uri: MLflow's address.

    Returns:
        Address of the page on which MLflow shows it; None when there is no server.

    Raises:
        RunError: There is no such file.
        RegistryError: MLflow cannot be reached or refuses.
    """
    if not path.is_file():
        raise RunError(f"{path} is not there.", remedy="run the step report again")
    with connected(tracking_uri, "run the step report again") as client, tempfile.TemporaryDirectory() as folder:
        experiment_id = client.get_run(run_id).info.experiment_id
        named = Path(shutil.copyfile(path, Path(folder) / REPORT))
        client.log_artifact(run_id, str(named))
    return page(tracking_uri, run_path(experiment_id, run_id, REPORT))
