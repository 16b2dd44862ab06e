"""The command that asks the model for a few queries before the first refresh: preview."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synalign import config, retriever_files
from synalign.cli.arguments import DEMO, DEMO_DATE, RetrieverFile
from synalign.cli.look import console_for_tables

if TYPE_CHECKING:
    from synalign.run import Interval


def preview(
    file: RetrieverFile,
    batches: Annotated[int, typer.Option(min=1, max=20, help="How many batches of real queries are shown.")] = 2,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="PAGE", help="Write the page as one HTML file too, with every request."),
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(
            metavar="DAY|TIME",
            help="Whose window of the log is read, as in `synalign refresh --date`.",
            show_default="the last interval that is over",
        ),
    ] = None,
) -> None:
    """Ask the model for the queries of a few batches, before anything is refreshed: prompts, answers, verdicts.

    Batches are drawn from a sample: of the latest ingested interval, or else
    of the source, read by Spark. They go to generation.endpoint with the
    prompts and the settings of a refresh, and cost what that costs; ceilings
    of generation.budget hold. It shows the requests as they are sent, the raw
    answers, each query with its verdict (the screens of a refresh, by the
    sample's queries and documents), the attributes, what a whole refresh
    costs at this rate, and warns of copies, of queries in one form only, and
    where half of them miss their documents. The pages quote what people
    typed.

    Nothing is registered. Answers are kept in $SYNALIGN_HOME/previews: the
    same preview again costs nothing, and a refresh on this machine takes from
    there what it would ask again. With generation.mode: batch a preview asks
    at once. The exit code is 6 where no request was answered.

    Example: synalign preview my.yaml --html preview.html
    """
    from synalign.preview import page, terminal
    from synalign.preview import preview as previews
    from synalign.preview.preview import problem

    configuration = retriever_files.load(file)
    interval = _interval(file, date)
    with _waiting() as on_progress:
        found = previews(file, configuration, interval, batches, on_progress)
    if html is not None:
        page.write(found, html)
    terminal.show(found, console_for_tables())
    if html is not None:
        typer.echo(f"\n{html.resolve()}")
    failed = problem(found)
    if failed is not None:
        raise failed


def _interval(file: Path, date: str | None) -> Interval:
    """Return the data interval of a date; the demo's data is made where it is not there."""
    from synalign.doctor.data import usual_interval

    if file.resolve() == DEMO:
        # A refresh of it makes its data too.
        from synalign.local import demo_data

        date = date or DEMO_DATE.isoformat()
        demo_data.make(config.home() / "data" / "demo")
    return usual_interval(retriever_files.load(file).schedule, date)


@contextmanager
def _waiting() -> Iterator[Callable[[str], None]]:
    """Show what is being done: in a terminal in one place, in a pipe not at all."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda doing: None
        return
    with console.status("") as status:
        yield lambda doing: status.update(f"{doing} ...")
