"""The commands that look at what refreshes made: show, compare, report."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synalign.cli.arguments import AsJson
from synalign.errors import RunError

if TYPE_CHECKING:
    from rich.console import Console

    from synalign.run import Run
    from synalign.storage import Place

REFERENCES = (
    "RETRIEVER (its latest run), RETRIEVER/INTERVAL (or the beginning of one), a version in MLflow as RETRIEVER@3 or "
    "RETRIEVER@current, a run's folder, or a retriever's YAML file."
)

_PIPE_COLUMNS = 200

Reference = Annotated[str, typer.Argument(metavar="RUN|VERSION", help=REFERENCES)]


def show(reference: Reference = "demo", as_json: AsJson = False) -> None:
    """Show what a refresh came to, or how far it has come: the verdict, every count, where things are.

    Of an unfinished run it says which step is missing, and what to do.

    Example: synalign show shop@current
    """
    from synalign.registry import lookup

    run = lookup.find(reference)
    if as_json:
        from synalign.cli.summary import as_json as plain

        typer.echo(json.dumps(plain(run), indent=2, ensure_ascii=False))
        return
    from synalign.cli.summary_table import show as shown

    shown(run, console_for_tables())


def report(
    reference: Reference = "demo",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write it; default: beside the run, or here."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Say where a run's report is, or write it anew: one HTML file that needs nothing else.

    A finished refresh has its report beside it. That of an unfinished run is
    written here, and says which step is missing and what to do.

    Example: synalign report shop --output shop.html
    """
    from synalign.registry import lookup
    from synalign.report.write import write

    run = lookup.find(reference)
    kept = None if output else _kept_report(run)
    if kept is not None and kept.local is not None:
        path = kept.local
    else:
        path = output or Path(f"report-{run.configuration.retriever}-{run.interval.name}.html")
        if kept is not None:
            # A browser does not open what is in object storage.
            path.write_bytes(kept.read_bytes())
        else:
            write(run, path)
    typer.echo(path.resolve())
    if open_:
        typer.launch(path.resolve().as_uri())


def compare(
    before: Annotated[str, typer.Argument(metavar="VERSION", help=f"The earlier set. {REFERENCES}")],
    after: Annotated[str, typer.Argument(metavar="VERSION", help="The later set, named likewise.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write it as one HTML file, beside the tables.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what changed between two training sets: traffic, rows in and out, weights, figures, settings.

    Whether traffic moved is tested by the squared MMD between the real
    queries of both sets. A version whose run is gone is read from MLflow.

    Example: synalign compare shop@3 shop@4 --html changes.html
    """
    from synalign import changes

    found = changes.compare(changes.side(before), changes.side(after))
    if html is not None:
        from synalign.changes import page

        page.write(found, html)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
        return
    from synalign.changes import terminal

    terminal.show(found, console_for_tables())
    if html is not None:
        typer.echo(f"\n{html.resolve()}")


def _kept_report(run: Run) -> Place | None:
    """Return the report of the run's last step, or None where tables changed after it was written."""
    try:
        manifest = run.require("report")
    except RunError:
        return None
    place = run.step_folder("report") / Path(manifest["metrics"]["path"]).name
    return place if place.is_file() else None


def console_for_tables() -> Console:
    """Return the console for tables: as wide as the terminal, in a pipe so wide that no line is broken."""
    from rich.console import Console

    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if known else _PIPE_COLUMNS)
