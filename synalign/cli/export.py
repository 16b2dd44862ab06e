"""The command that gives a training set to another trainer."""

from __future__ import annotations

from typing import Annotated

import typer

from synalign.cli.look import REFERENCES


def export(
    reference: Annotated[
        str,
        typer.Argument(metavar="VERSION", help=f"{REFERENCES} Or Parquet: a file or a folder, also s3://bucket/..."),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="sentence-transformers, beir, hf, tevatron, flagembedding, pylate or lightning-ir.",
        ),
    ],
    out: Annotated[str, typer.Option("--out", metavar="FOLDER", help="A new folder, or s3://bucket/prefix.")],
    scores: Annotated[bool, typer.Option("--scores", help="Take the teacher's scores along, to distil from.")] = False,
    negatives: Annotated[
        int | None,
        typer.Option("--negatives", metavar="N", min=0, help="Hard negatives per row at most; default: all there are."),
    ] = None,
    draw: Annotated[
        int | None,
        typer.Option("--draw", metavar="ROWS", min=1, help="Draw so many train rows by weight, some several times."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export in the folder.")] = False,
) -> None:
    """Write a training set as another trainer reads it, with a card: where it came from, how to train on it.

    sentence-transformers  Parquet for its trainer; its column `label` has the
    weights, with --scores the teacher's scores too
    beir  corpus, queries and qrels, to evaluate on
    hf  all columns, for Hugging Face's `datasets`
    tevatron  lines of JSON with positive and negative passages
    flagembedding  lines of JSON with pos and neg, for BGE models
    pylate  Parquet for late interaction
    lightning-ir  a run file with texts

    beir and the last four have no place for weights. For those four --draw
    ROWS keeps them, as rows drawn in proportion to weight. Sets of any size
    are read and written in parts.

    Example: synalign export shop@current --to tevatron --draw 100000 --out shop-tevatron
    """
    from synalign.export import Options
    from synalign.export import export as write
    from synalign.export.source import find
    from synalign.storage import Place

    place = Place(out)
    with find(reference) as source:
        written = write(source, to, place, Options(scores, negatives, draw), overwrite=overwrite)
    for name, rows in written.rows.items():
        typer.echo(f"{rows:>12,}  {place / name}")
    for note in written.notes:
        typer.echo(note)
    typer.echo(f"How to train on it: {place / 'README.md'}")
