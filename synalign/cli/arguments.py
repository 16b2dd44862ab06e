"""Arguments that several commands take."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

DEMO = Path(__file__).resolve().parent.parent.parent / "dags" / "retrievers" / "demo.yaml"

DEMO_DATE = date(2026, 3, 1)
"""The day after the last of the demo's log."""

RetrieverFile = Annotated[Path, typer.Argument(metavar="FILE", help="A retriever's YAML file.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
