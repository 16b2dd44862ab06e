"""The commands for before the first refresh: init, check, doctor, demo-data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from synalign import config, draft, retrievers
from synalign import schema as schemas
from synalign.cli.arguments import DEMO, AsJson, RetrieverFile
from synalign.errors import ConfigurationError, SetupError

SCHEMA_FILE = "retriever.schema.json"


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; it ends in .yaml.")],
    source: Annotated[
        Literal["log", "beir", "labelled"],
        typer.Option(help="A query log with documents, a BEIR folder, or texts with labels."),
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


def check(file: RetrieverFile, as_json: AsJson = False) -> None:
    """Check a retriever's YAML file: every mistake with file, key, value and rule.

    Nothing is read but the file and the prompts it names; `synalign doctor`
    looks at the machine and the services.

    Example: synalign check my.yaml
    """
    try:
        configuration = retrievers.load(file)
    except ConfigurationError as error:
        if not as_json:
            raise
        mistakes = error.message.splitlines()
        typer.echo(_json({"file": str(file), "right": False, "mistakes": mistakes, "remedy": error.remedy}))
        raise typer.Exit(error.exit_code) from error
    dag = f"refresh__{configuration.retriever}"
    if as_json:
        typer.echo(_json({"file": str(file), "right": True, "mistakes": [], "dag": dag}))
        return
    typer.echo(f"{file}: right; DAG {dag}")


def doctor(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A retriever's YAML file; none: the demo's.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether this machine and its services are ready for a refresh, and what to do where they are not.

    Looks at Java, Spark (a session counts), the encoder and its checksum, the
    model (one tiny request with the file's settings: it costs what that
    costs), MLflow, Airflow's database, storage, disk, memory and the clock.
    Nothing that it writes stays. The exit code is 8 if any check failed.

    Example: synalign doctor my.yaml
    """
    from synalign import doctor as examination
    from synalign.doctor.table import show

    configuration = retrievers.load(file or DEMO)
    findings = examination.examine(examination.Case(configuration))
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
    from synalign import demo

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
