"""The command that collects what runs left behind."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from synalign.cli.arguments import AsJson

if TYPE_CHECKING:
    from synalign.upkeep.collect import Found


def gc(
    retriever: Annotated[
        str | None, typer.Argument(metavar="RETRIEVER", help="Whose runs; default: those of all.")
    ] = None,
    older_than: Annotated[
        float,
        typer.Option("--older-than", metavar="DAYS", min=0.0, max=36500.0, help="Leave attempts younger than this."),
    ] = 1.0,
    remove: Annotated[
        bool, typer.Option("--yes/--dry-run", help="Remove it; without --yes it is only listed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List attempts that nothing refers to any more, with --yes remove them.

    Kept are the tables that count, those that any registered version refers
    to, and those of a process at work; journals and the embedding cache are
    not looked at. Nothing is removed when MLflow cannot be asked.

    Example: synalign gc shop --older-than 7
    """
    from synalign.upkeep.collect import collect

    found = collect(retriever, older_than=timedelta(days=older_than), remove=remove)
    if as_json:
        typer.echo(json.dumps(_plain(found), indent=2))
        return
    for each in found.rubbish:
        typer.echo(f"{each.kind:<12}  {each.size / 2**20:>10,.1f} MiB  {each.folder}")
    for interval in found.busy:
        typer.echo(f"in use        not looked at   {interval}")
    total = f"{len(found.rubbish)} attempts, {found.size / 2**20:,.1f} MiB"
    if not found.rubbish:
        typer.echo("nothing to collect")
    else:
        typer.echo(f"{total}: removed" if found.removed else f"{total}; nothing was removed: --yes removes them")


def _plain(found: Found) -> dict[str, object]:
    return {
        "removed": found.removed,
        "bytes": found.size,
        "rubbish": [{**each._asdict(), "folder": str(each.folder)} for each in found.rubbish],
        "busy": [str(interval) for interval in found.busy],
    }
