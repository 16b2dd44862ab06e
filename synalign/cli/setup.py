"""The commands for before the first refresh: init, check, doctor, demo-data."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from synalign import config, retriever_files
from synalign.cli.arguments import DEMO, DEMO_DATE, AsJson, RetrieverFile
from synalign.config import Configuration, draft
from synalign.config import described as schemas
from synalign.errors import ConfigurationError, InputError, SetupError

SCHEMA_FILE = "retriever.schema.json"


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; it ends in .yaml.")],
    source: Annotated[
        Literal["log", "ubi", "beir", "labelled"],
        typer.Option(help="A query log with documents, User Behavior Insights, a BEIR folder, or texts with labels."),
    ] = "log",
) -> None:
    """Write a retriever's YAML file: what to fill in, and every other setting as a comment.

    Each setting stands there with what it is, which values it takes and its
    default, as docs/configuration.md has it. A file that is there already is
    never touched.

    Example: synalign init retrievers/shop.yaml --source log
    """
    if file.suffix != ".yaml":
        raise ConfigurationError(
            f"FILE == {str(file)!r}, must end in .yaml.", cause="Airflow reads no others", remedy="name it so"
        )
    name = file.stem if draft.NAME.fullmatch(file.stem) else None
    _write_new(file, draft.draft(source, name))
    typer.echo(f"{file}: written. To fill in:")
    for key in draft.to_fill_in(source, name):
        typer.echo(f"  {key}")
    typer.echo(f"Then: synalign check {file}, and synalign check --data {file}")
    typer.echo(
        f"Before the first refresh: synalign preview {file}, which asks the model for a few queries and shows them"
    )
    typer.echo(f"For an editor's help: synalign schema > {SCHEMA_FILE}, and as the first line of the file:")
    typer.echo(f"  # yaml-language-server: $schema={SCHEMA_FILE}")


def schema() -> None:
    """Print the JSON schema of a retriever's YAML file, for editors.

    With it an editor completes keys, shows what each is, and marks mistakes
    while you type. Editors with the YAML language server find it by the first
    line of a file: `# yaml-language-server: $schema=retriever.schema.json`.

    Example: synalign schema > retriever.schema.json
    """
    typer.echo(_json(schemas.json_schema()))


def check(
    file: RetrieverFile,
    data: Annotated[
        bool, typer.Option("--data", help="Read a sample of the source's data too, and show what is made of it.")
    ] = False,
    date: Annotated[
        str | None,
        typer.Option(
            metavar="DAY|TIME",
            help="With --data: whose window is looked at, as in `synalign refresh --date`.",
            show_default="the last interval that is over",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a retriever's YAML file: every mistake with file, key, value, rule and line.

    Nothing is read but the file and the prompts it names; `synalign doctor`
    looks at the machine and the services.

    With --data the source is opened and a sample of it read (all of it up to
    32 MiB, else 10,000 rows of up to 20 files). It shows columns, rows as they
    are understood, the window against the times of the log, ids that join to
    documents, tokens that the encoder does not know, and rows that would be
    rejected, with examples. The exit code is 3 where the data cannot be used.

    Example: synalign check my.yaml --data
    """
    if date is not None and not data:
        raise ConfigurationError("date == " + repr(date) + ", is for --data.", remedy="add --data, or leave --date out")
    try:
        configuration = retriever_files.load(file)
    except ConfigurationError as error:
        if not as_json:
            raise
        mistakes = error.message.splitlines()
        typer.echo(_json({"file": str(file), "right": False, "mistakes": mistakes, "remedy": error.remedy}))
        raise typer.Exit(error.exit_code) from error
    dag = f"refresh__{configuration.retriever}"
    said: dict[str, Any] = {"file": str(file), "right": True, "mistakes": [], "dag": dag}
    if not as_json:
        typer.echo(f"{file}: right; DAG {dag}")
    if data:
        try:
            said["data"] = _look(file, configuration, date, as_json)
        except InputError as error:
            if not as_json:
                raise
            problem = {"about": "files", "text": error.message, "cause": error.cause, "remedy": error.remedy}
            said["data"] = {"problems": [problem]}
    if as_json:
        typer.echo(_json(said))
    if data and said["data"]["problems"]:
        raise typer.Exit(InputError.exit_code)


def _look(file: Path, configuration: Configuration, date: str | None, as_json: bool) -> dict[str, Any]:
    """Look into the source's data, and show people what was found."""
    from rich.console import Console

    from synalign.doctor import data, data_page

    if file.resolve() == DEMO:
        # A refresh of it makes its data too.
        from synalign.local import demo_data as demo

        date = date or DEMO_DATE.isoformat()
        demo.make(config.home() / "data" / "demo")
    interval = data.usual_interval(configuration.schedule, date)
    waiting = Console(stderr=True)
    with waiting.status("reading a sample ...") if waiting.is_terminal else nullcontext():
        found = data.examine(file, interval)
    if not as_json:
        data_page.show(found)
    return found


def doctor(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A retriever's YAML file; none: the demo's.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether this machine and its services are ready for a refresh, and what to do where they are not.

    Looks at Java, Spark (a session counts), the encoder and its checksum, the
    source's data (with FILE: a sample, as `synalign check --data` reads), the
    model (one tiny request with the file's settings: it costs what that
    costs), MLflow, Airflow's database, storage, disk, memory and the clock.
    Nothing that it writes stays. The exit code is 8 if any check failed.

    Example: synalign doctor my.yaml
    """
    from synalign import doctor as examination
    from synalign.doctor.table import show

    configuration = retriever_files.load(file or DEMO)
    findings = examination.examine(examination.Case(configuration, file))
    if as_json:
        found = [finding._asdict() for _, finding in findings if finding is not None]
        ready = all(finding["state"] != "fail" for finding in found)
        typer.echo(_json({"retriever": configuration.retriever, "ready": ready, "checks": found}))
    else:
        ready = show(findings, configuration.retriever)
    if not ready:
        raise typer.Exit(SetupError.exit_code)


def demo_data(
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    events: Annotated[int, typer.Option(min=1, help="Rows of the query log.")] = 6000,
) -> None:
    """Make the demo's documents and query log.

    Example: synalign demo-data --events 20000
    """
    from synalign.local import demo_data as demo

    for path in demo.make(config.home() / "data" / "demo", seed=seed, events=events):
        typer.echo(path)


def _write_new(file: Path, text: str) -> None:
    """Write a file that is not there yet, folders and all.

    Raises:
        ConfigurationError: It is there, or cannot be.
    """
    if file.exists():
        raise ConfigurationError(f"{file} is there already.", remedy="give another name; nothing was changed")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # `x`: another process may have been faster.
        with open(file, "x", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error}.", remedy="give another place") from error


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)
