"""A run in a terminal: the verdict first, then what is behind it, or how far the run has come."""

from __future__ import annotations

import textwrap
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from synalign import flow
from synalign.cli.summary import entries
from synalign.report import verdict
from synalign.report.material import Material
from synalign.run import Run
from synalign.text.numbers import counted, seconds, shown, words

_STYLES = {"good": "bold green", "caution": "bold yellow", "bad": "bold red"}
_LABEL = 8
_LONGEST = 2_000


def show(run: Run, console: Console) -> None:
    """Print a run.

    Nothing in the texts of logs and models is taken for markup or for a terminal's commands.

    Raises:
        RunError: The ledger does not add up.
    """
    material = Material(run)
    said = verdict.section(material).content
    console.print(_title(run))
    _say(console, "", said["status"], _STYLES[said["level"]])
    for line in said["lines"]:
        _say(console, "", line)
    for line in said["todo"]:
        _say(console, "What to do: ", line)
    console.print()
    if material.missing or material.stale:
        console.print(Padding(_steps(material), (0, 0, 0, 2), expand=False))
        return
    for label, lines in entries(run):
        for place, line in enumerate(lines):
            _say(console, f"{label if place == 0 else '':<{_LABEL}}", line)


def verdict_lines(run: Run) -> list[str]:
    """Return what a person must know about a run, one fact per line."""
    said = verdict.section(Material(run)).content
    lines = [said["status"], *said["lines"], *(f"What to do: {line}" for line in said["todo"])]
    return [f"  {shown(line, _LONGEST)}" for line in lines]


def _title(run: Run) -> Text:
    start, end = (f"{moment:%Y-%m-%d %H:%M}" for moment in run.interval)
    return Text.assemble((run.configuration.retriever, "bold"), f", {start} to {end} UTC")


def _say(console: Console, label: str, line: str, style: str = "") -> None:
    """Print a line, broken between words where the console ends; paths and addresses stay whole, to be copied."""
    indent = " " * (2 + len(label))
    broken = textwrap.wrap(
        shown(line, _LONGEST), console.width - len(indent), break_long_words=False, break_on_hyphens=False
    )
    for place, part in enumerate(broken):
        head = f"  {label}" if place == 0 else indent
        console.print(Text.assemble((head, "dim"), (part, style)), soft_wrap=True)


def _steps(material: Material) -> Table:
    """Every step: done, to be done anew, or missing."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("step")
    table.add_column("state")
    table.add_column("time", justify="right")
    table.add_column("wrote", overflow="fold")
    for step in flow.before("report"):
        manifest = material.manifests.get(step.name)
        if manifest is not None:
            table.add_row(step.name, "done", seconds(manifest["seconds"]), _wrote(manifest))
        elif step.name in material.stale:
            table.add_row(step.name, Text("to do anew", style="yellow"), "", Text(material.stale[step.name]))
        else:
            table.add_row(step.name, Text("missing", style="yellow"), "", step.purpose, style="dim")
    return table


def _wrote(manifest: dict[str, Any]) -> str:
    return ", ".join(
        counted(content["rows"], words(table), words(table)) for table, content in manifest["tables"].items()
    )
