"""The command that forgets a user's query."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from synalign.cli.arguments import AsJson

if TYPE_CHECKING:
    from synalign.upkeep.forget import Forgotten


def forget(
    query: Annotated[
        str, typer.Argument(metavar="QUERY|-", help="What the user typed, in any case and spacing; - reads it.")
    ],
    retriever: Annotated[
        str, typer.Option("--retriever", metavar="R|all", help="Whose; `all` for every retriever.")
    ] = "all",
    exact: Annotated[
        bool, typer.Option("--exact", help="Leave what the model wrote unless it is the query as a whole.")
    ] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget a user's query: in runs, journals and vectors, and in every set to come.

    It says which registered versions still hold it: those are never changed.
    What the model wrote goes too where it quotes the query in whole words.
    Killed in between, the same command finishes it.

    Example: synalign forget "jane roe 12 elm street" --dry-run
    """
    from synalign.upkeep.forget import forget as forgotten

    # On a command line every user of the machine can see it, and the shell remembers it.
    found = forgotten(sys.stdin.read() if query == "-" else query, retriever, exact=exact, dry=dry)
    if as_json:
        typer.echo(json.dumps(found.plain, indent=2, ensure_ascii=False))
        return
    for line in _lines(found, retriever, dry=dry):
        typer.echo(line)


def _lines(found: Forgotten, retriever: str, *, dry: bool) -> Iterator[str]:
    went = "would go" if dry else "gone"
    tables = ", ".join(f"{table} {count}" for table, count in sorted(found.rows.items())) or "none"
    yield f"runs      {len(found.runs)} had it" + (f": {', '.join(found.runs)}" if found.runs else "")
    yield f"rows      {sum(found.rows.values())} {went}: {tables}"
    yield f"quoted    {found.examples} manifests, {found.reports} reports, {found.attempts} earlier attempts {went}"
    yield f"journals  {found.answers} answers {went}"
    yield f"vectors   {found.vectors} {went}"
    yield f"traces    {found.traces} in MLflow {went}"
    of = "every retriever" if retriever == "all" else retriever
    if found.listed:
        yield f"to come   ingest leaves it out of every set of {of} already"
    else:
        yield f"to come   ingest {'would leave' if dry else 'leaves'} it out of every set of {of} from now on"
    yield "not here  your query log, the provider's own logs, and backups: forget it there too"
    if not found.held:
        yield "versions  none in MLflow holds it"
        return
    yield f"versions  {len(found.held)} in MLflow still hold it, and are never changed:"
    for holding in found.held:
        aliases = f" (alias {', '.join(holding.aliases)})" if holding.aliases else ""
        yield f"          {holding.name}{aliases}, MLflow run {holding.run_id}: {', '.join(holding.files)}"
    yield "          refresh the latest interval again for a version without it, and serve that; then delete these"
    yield "          versions, their MLflow runs and artefacts (`mlflow gc`), and run this command once more"
