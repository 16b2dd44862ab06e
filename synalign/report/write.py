"""The report as a file."""

from __future__ import annotations

from pathlib import Path

from synalign.report.material import Material
from synalign.report.page import render
from synalign.run import Run
from synalign.storage import Place


def write(run: Run, path: Path) -> None:
    """Write a run's report, whole or not at all; the run may be unfinished.

    Args:
        run: The run.
        path: The HTML file; its folder is made.

    Raises:
        RunError: A table of the run cannot be read.
    """
    Place(path.absolute()).write_text(render(Material(run)))
