"""The examination as lines for people: each check as it ends, with what to do below one that failed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext

from rich.console import Console
from rich.padding import Padding
from rich.status import Status
from rich.table import Table
from rich.text import Text

from synalign.doctor.finding import Finding, State

_STYLES: dict[State, str] = {"pass": "green", "fail": "bold red", "skipped": "dim"}


def show(findings: Iterable[tuple[str, Finding | None]], retriever: str, console: Console | None = None) -> bool:
    """Print findings as they come.

    Args:
        findings: As `examine` yields them.
        retriever: Whose settings are examined.
        console: Where to; default: standard output.

    Returns:
        Whether none of them failed.
    """
    console = console or Console(highlight=False)
    counts: dict[State, int] = {"pass": 0, "fail": 0, "skipped": 0}
    waiting = console.status("") if console.is_terminal else nullcontext()
    with waiting as status:
        for name, finding in findings:
            if finding is not None:
                counts[finding.state] += 1
                console.print(_line(finding))
            elif isinstance(status, Status):
                status.update(f"{name} ...")
    passed, failed, skipped = counts["pass"], counts["fail"], counts["skipped"]
    verdict = "ready" if not failed else "not ready"
    console.print(f"\n{retriever}: {verdict}; {passed} passed, {failed} failed, {skipped} skipped", markup=False)
    return not failed


def _line(finding: Finding) -> Table:
    """One finding; long sentences are folded beside their check's name, not below it."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=7)
    table.add_column(width=8)
    table.add_column(overflow="fold")
    # Text, not markup: what was found may quote brackets.
    table.add_row(Text(finding.state, style=_STYLES[finding.state]), finding.check, Text(finding.found))
    if finding.remedy:
        table.add_row("", "", Padding(Text(f"what to do: {finding.remedy}", style="bold"), (0, 0, 0, 2)))
    return table
