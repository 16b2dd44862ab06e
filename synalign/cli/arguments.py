"""Arguments that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEMO = Path(__file__).resolve().parent.parent.parent / "dags" / "retrievers" / "demo.yaml"

RetrieverFile = Annotated[Path, typer.Argument(metavar="FILE", help="A retriever's YAML file.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
