"""The report as a file: whole, and the same bytes for the same run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from synalign.config import Configuration
from synalign.report.write import write
from synalign.run import Run
from tests.report.runs import made_run

Make = Callable[..., Configuration]


def test_the_same_run_gives_the_same_bytes(configuration: Make, tmp_path: Path) -> None:
    run = made_run(configuration(), real=60, written=40)
    write(run, tmp_path / "one.html")
    write(Run.open(run.folder), tmp_path / "two" / "report.html")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two" / "report.html").read_bytes()
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["report.html"]
