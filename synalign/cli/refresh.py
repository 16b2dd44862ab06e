"""The commands that run things: refresh, estimate, up, down."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from synalign import config, flow, installed, retriever_files
from synalign.cli.arguments import DEMO, DEMO_DATE, AsJson, RetrieverFile
from synalign.config.generation import BUILT_IN_MODEL
from synalign.errors import ConfigurationError
from synalign.processes.interruption import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from synalign.local.refresh import Refresh
    from synalign.run import Run


def refresh(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A retriever's YAML file; none: the demo's.")
    ] = None,
    source: Annotated[str, typer.Option(help="`demo`, or `beir:PATH` for a BEIR folder.")] = "demo",
    writer: Annotated[
        str,
        typer.Option(
            help="Who writes for --source: `embedded`, which is no model; `local` for a small language model, which "
            "llama.cpp runs on this machine; or the path of any GGUF file for that one. With FILE, the file says."
        ),
    ] = "embedded",
    date: Annotated[
        str | None,
        typer.Option(
            metavar="DAY|TIME",
            help="2026-03-01: the interval of the first run scheduled on that day. 2026-03-01T05:00: the last interval "
            "that ends by then. On the clock of schedule.time_zone.",
            show_default="the last interval that is over; without FILE the day after the made log, 2026-03-01",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run one refresh through Airflow, Spark and MLflow on this machine, and show what came of it.

    A refresh covers the data interval between two ticks of schedule.cron. With
    `0 3 * * *` the run of 1 March covers 28 February 03:00 to 1 March 03:00.

    Steps that are finished, and that nothing they depend on has changed for,
    are reused: the same command again goes on where it was interrupted, by
    Ctrl-C or otherwise. In a terminal it draws how far each step is; in a
    pipe it writes lines. With --json these go to standard error, and what came
    of it to standard output. Exit codes are those of the step that failed.

    Example: synalign refresh my.yaml --date 2026-03-01
    """
    from rich.console import Console

    from synalign.local import demo_data
    from synalign.local.display import display
    from synalign.local.refresh import Refresh
    from synalign.registry.lookup import latest
    from synalign.run.dates import interval_of

    # Airflow would start, and every task would fail.
    installed.need_jobs()
    asked = _asked(file, date)
    made = file is None and source == "demo"
    file = file or _prepared(source, writer)
    # A date that cannot be is said before anything is started.
    interval = interval_of(retriever_files.load(file).schedule, asked, datetime.now(UTC))
    began = datetime.now(UTC)
    console = Console(stderr=as_json, highlight=False)
    with display(console) as shown:

        def make_demo_data() -> None:
            for made in demo_data.make(config.home() / "data" / "demo"):
                shown.say(str(made))

        work = Refresh(file, interval, shown)
        if made or file == DEMO:
            work.prepare = make_demo_data
        finished = _finished(work)
    if not finished:
        for line in _how_to_resume(work, interval.end):
            typer.echo(line, err=as_json)
        raise typer.Exit(INTERRUPTED)
    run = latest(work.configuration.retriever)
    if as_json:
        typer.echo(json.dumps(_as_json(run, began, work.log), indent=2, ensure_ascii=False))
    else:
        _tell(run, began, console)


def estimate(file: RetrieverFile = DEMO, as_json: AsJson = False) -> None:
    """Say what the next refresh asks of the language model, and what it takes up. Sends nothing.

    Prompts are rendered from the batches of the latest interval; where none
    is sampled, from its queries and documents; where none is ingested, from
    texts as long as the settings allow. The column "estimate" takes answers
    to be as long as last time (or as usual), "at most" as long as
    generation.max_output_tokens lets them be.

    Below that: how many queries of earlier intervals are carried on with
    these settings, and how many stay behind, by reason. So another prompt,
    encoder or split says what it voids before anything is paid.

    Prices and ceilings are settings under generation.budget: input_price and
    output_price (money per million tokens), batch_discount, max_money,
    max_tokens. A ceiling is never passed: a run that reaches it ends with
    what it has.

    Example: synalign estimate my.yaml --json | jq .money.at_most
    """
    from synalign.generation import estimate as estimates
    from synalign.generation.estimate_table import as_table

    found = estimates.estimate(retriever_files.load(file))
    typer.echo(json.dumps(estimates.as_json(found), indent=2) if as_json else "\n".join(as_table(found)))


def up() -> None:
    """Start Airflow, MLflow and the embedded writer as processes on loopback, and print where they are.

    Ports: $SYNALIGN_AIRFLOW_PORT, $SYNALIGN_MLFLOW_PORT, $SYNALIGN_WRITER_PORT.

    Example: SYNALIGN_AIRFLOW_PORT=8081 synalign up
    """
    from synalign.local import services

    installed.need_jobs()
    services.up(typer.echo)


def down() -> None:
    """End what `synalign up` started.

    Example: synalign down
    """
    from synalign.local import services

    services.down(typer.echo)


def _asked(file: Path | None, date: str | None) -> str | None:
    """Return the date that was given; for data that ships with SynAlign the day after it ends stands for none."""
    ships = file is None or file.resolve() == DEMO
    return DEMO_DATE.isoformat() if date is None and ships else date


def _prepared(source: str, writer: str) -> Path:
    """Return the YAML file of the demo; of a BEIR folder or another writer, one in `$SYNALIGN_HOME/retrievers`."""
    if source == "demo":
        return DEMO if writer == "embedded" else _demo_of(writer)
    kind, _, place = source.partition(":")
    if kind != "beir" or not place:
        raise ConfigurationError(f"source == {source!r}, must be `demo` or `beir:PATH`.")
    folder = Path(place).expanduser().resolve()
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.name.lower()).strip("-_") or "beir"
    content = {
        "retriever": name,
        "description": f"The BEIR folder {folder.name}.",
        "schedule": {"start": DEMO_DATE - timedelta(days=30), "cron": "0 0 * * *"},
        "source": {"kind": "beir", "path": str(folder)},
        "sampling": {"batches": 60},
        "generation": {"documents_per_batch": 16, "queries_per_document": 4, **_generation(writer)},
    }
    return _written(content, f"--source {source}")


def _demo_of(writer: str) -> Path:
    """Return the demo's file for another writer: another name, and a twelfth of the queries, which take longer."""
    content = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    content["retriever"] = "demo-local"
    content["sampling"]["batches"] = 8
    content["generation"] |= {**_generation(writer), "queries_per_document": 1}
    return _written(content, f"--writer {writer}")


def _generation(writer: str) -> dict[str, Any]:
    """Return the settings of a writer that `--writer` names."""
    if writer == "embedded":
        return {}
    model = BUILT_IN_MODEL if writer == "local" else str(Path(writer).expanduser().resolve())
    return {"endpoint": "local", "model": model}


def _written(content: dict[str, Any], asked: str) -> Path:
    name = content["retriever"]
    path = config.home() / "retrievers" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    # A refresh that is running reads it again at every step.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(f"# Written by `synalign refresh {asked}`.\n{yaml.safe_dump(content, sort_keys=False)}")
    draft.replace(path)
    return path


def _finished(work: Refresh) -> bool:
    """Run it; whether it came to its end, and was not ended by Ctrl-C."""
    try:
        work.run()
    except KeyboardInterrupt:
        return False
    return True


def _how_to_resume(work: Refresh, end: datetime) -> Iterator[str]:
    """Yield lines for somebody who ended a refresh: that nothing is lost, and how to go on."""
    kept = f"finished and kept: {', '.join(work.ended)}" if work.ended else "no step has finished yet"
    yield f"Interrupted; {kept}."
    if work.step and work.step not in work.ended:
        yield (
            f"{work.step} starts again where it can: answers that were paid for and vectors computed so far are kept."
        )
    yield f"Go on with:  {_this_command(end, work.configuration.schedule.time_zone)}"


def _this_command(end: datetime, time_zone: str) -> str:
    """Return the command as it was given, ready for a shell; with its date, for tomorrow another one would be meant."""
    program = "synalign" if shutil.which("synalign") == sys.argv[0] else sys.argv[0]
    if any(word.partition("=")[0] == "--date" for word in sys.argv):
        return shlex.join([program, *sys.argv[1:]])
    midnight = time_zone == "UTC" and (end.hour, end.minute) == (0, 0)
    return shlex.join([program, *sys.argv[1:], "--date", f"{end:%Y-%m-%d}" if midnight else f"{end:%Y-%m-%dT%H:%MZ}"])


def _tell(run: Run, began: datetime, console: Console) -> None:
    """Print what came of a refresh, for people: the verdict first; laid out in a terminal, plain lines in a pipe."""
    from synalign.cli import summary, summary_table

    console.print()
    if console.is_terminal:
        summary_table.show(run, console)
    else:
        title, *lines = summary.summarise(run, began)
        for line in (title, *summary_table.verdict_lines(run), *lines):
            typer.echo(line)
    typer.echo("  UIs   `make up` starts Airflow and MLflow on this machine and prints their addresses")


def _as_json(run: Run, began: datetime, log: Path) -> dict[str, Any]:
    """Return what came of a refresh, for programs."""
    steps = {}
    for step in flow.STEPS:
        manifest = run.manifest(step.name) or {}
        reused = bool(manifest) and datetime.fromisoformat(manifest["started"]) < began
        steps[step.name] = {"reused": reused, "seconds": manifest.get("seconds")}
    return {
        "retriever": run.configuration.retriever,
        "interval": {"start": run.interval.start.isoformat(), "end": run.interval.end.isoformat()},
        "folder": str(run.folder),
        "seconds": round((datetime.now(UTC) - began).total_seconds(), 3),
        "steps": steps,
        "rows": _metrics(run, "assemble"),
        "weights": {key: _metrics(run, "evaluate").get(key) for key in ("scheme", "mass", "reason", "gate")},
        "training_set": _metrics(run, "register"),
        "report": _metrics(run, "report"),
        "log": str(log),
    }


def _metrics(run: Run, step: str) -> dict[str, Any]:
    metrics: dict[str, Any] = (run.manifest(step) or {}).get("metrics", {})
    return metrics
