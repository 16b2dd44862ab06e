"""The report as a file."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from synalign.report.material import Material
from synalign.report.page import render
from synalign.run import Run


def write(run: Run, path: Path) -> None:
    """Write a run's report, whole or not at all; the run may be unfinished.

    Args:
        run: The run.
        path: The HTML file; its folder is made.

    Raises:
        RunError: A table of the run cannot be read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    draft.write_text(render(Material(run)), encoding="utf-8")
    os.replace(draft, path)
