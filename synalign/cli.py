"""The command `synalign`."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
import yaml

from synalign import cli_experiment, config, retrievers
from synalign.errors import ConfigurationError, SynAlignError

application = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Refresh a retriever's training set.",
)
application.add_typer(cli_experiment.experiment, name="experiment")
application.command()(cli_experiment.lineage)
DEMO = Path(__file__).resolve().parent.parent / "dags" / "retrievers" / "demo.yaml"
# The day after the last of the made log.
DEMO_DATE = datetime(2026, 3, 1, tzinfo=UTC)


@application.command()
def check(file: Annotated[Path, typer.Argument(help="A retriever's YAML file.")]) -> None:
    """Check a retriever's YAML file: every mistake with file, key, value and rule."""
    configuration = retrievers.load(file)
    typer.echo(f"{file}: right; DAG refresh__{configuration.retriever}")


@application.command()
def demo_data(
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    events: Annotated[int, typer.Option(min=1, help="Rows of the query log.")] = 6000,
) -> None:
    """Make the demo's documents and query log."""
    from synalign import demo

    for path in demo.make(config.home() / "data" / "demo", seed=seed, events=events):
        typer.echo(path)


@application.command()
def refresh(
    file: Annotated[Path | None, typer.Argument(help="A retriever's YAML file; none: the demo's.")] = None,
    source: Annotated[str, typer.Option(help="`demo`, or `beir:PATH` for a BEIR folder.")] = "demo",
    date: Annotated[
        datetime | None, typer.Option(help="Covers the last whole data interval before it.", formats=["%Y-%m-%d"])
    ] = None,
) -> None:
    """Run one refresh through Airflow, Spark and MLflow on this machine, and show what came of it."""
    from synalign import embedded
    from synalign.summary import latest, summarise

    if file is None:
        file = _prepared(source)
    configuration = retrievers.load(file)
    if source == "demo" and file == DEMO:
        demo_data()
    end = (date or DEMO_DATE).replace(tzinfo=UTC)
    began = datetime.now(UTC)
    embedded.refresh(file, end, typer.echo)
    typer.echo("")
    for line in summarise(latest(configuration), began):
        typer.echo(line)
    typer.echo("  UIs   `make up` starts Airflow and MLflow on this machine and prints their addresses")


@application.command()
def show(file: Annotated[Path, typer.Argument(help="A retriever's YAML file.")] = DEMO) -> None:
    """Show what the latest refresh of a retriever came to."""
    from synalign.summary import latest, summarise

    for line in summarise(latest(retrievers.load(file))):
        typer.echo(line)


@application.command()
def estimate(
    file: Annotated[Path, typer.Argument(help="A retriever's YAML file.")] = DEMO,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Say what the next refresh asks of the language model: requests, tokens and money. Sends nothing.

    Prompts are rendered from the batches of the latest interval; where none
    is sampled, from its queries and documents; where none is ingested, from
    texts as long as the settings allow. The column "estimate" takes answers
    to be as long as last time (or as usual), "at most" as long as
    generation.max_output_tokens lets them be.

    Prices and ceilings are settings under generation.budget: input_price and
    output_price (money per million tokens), batch_discount, max_money,
    max_tokens. A ceiling is never passed: a run that reaches it ends with
    what it has.

    Example: synalign estimate my.yaml --json | jq .money.at_most
    """
    from synalign.generation import estimate as estimates
    from synalign.generation.estimate_table import as_table

    found = estimates.estimate(retrievers.load(file))
    typer.echo(json.dumps(estimates.as_json(found), indent=2) if as_json else "\n".join(as_table(found)))


@application.command()
def up() -> None:
    """Start Airflow, MLflow and the embedded writer as processes on loopback."""
    from synalign import embedded

    embedded.up(typer.echo)


@application.command()
def down() -> None:
    """End what `synalign up` started."""
    from synalign import embedded

    embedded.down(typer.echo)


def _prepared(source: str) -> Path:
    """The YAML file of the demo, or of a BEIR folder, for which one is written under `$SYNALIGN_HOME/retrievers`."""
    if source == "demo":
        return DEMO
    kind, _, place = source.partition(":")
    if kind != "beir" or not place:
        raise ConfigurationError(f"source == {source!r}, must be `demo` or `beir:PATH`.")
    folder = Path(place).expanduser().resolve()
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.name.lower()).strip("-_") or "beir"
    content = {
        "retriever": name,
        "description": f"The BEIR folder {folder.name}.",
        "schedule": {"start": DEMO_DATE.date() - timedelta(days=30), "cron": "0 0 * * *"},
        "source": {"kind": "beir", "path": str(folder)},
        "sampling": {"batches": 60},
        "generation": {"documents_per_batch": 16, "queries_per_document": 4},
    }
    path = config.home() / "retrievers" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# Written by `synalign refresh --source {source}`.\n{yaml.safe_dump(content, sort_keys=False)}")
    return path


def main() -> None:
    """Entry point: errors as text with their exit code, never a traceback."""
    try:
        application()
    except SynAlignError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise SystemExit(error.exit_code) from error
