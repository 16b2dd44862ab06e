"""The train rows that a format writes, once each or drawn by weight; and the pairs of the other splits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator

import pyarrow.compute as pc

from synalign.errors import InputError
from synalign.export.layout import Options
from synalign.export.source import Source
from synalign.retriever.examples import Example

OTHER_SPLITS = ("validation", "test")


def train_rows(source: Source, options: Options, left_out: Counter[str] | None = None) -> Iterator[Example]:
    """Yield the train rows.

    Args:
        source: The set.
        options: With `draw`, a row is there as often as its share of the weight says, copies one after another, by
            systematic sampling: its expectation up to 1.
        left_out: Where given, rows without all scores of a teacher are left out, and counted in it.

    Raises:
        InputError: There is none, or none with scores, or none with weight to draw by.
    """
    found = source.content.examples(options.negatives, "document_id")
    total = _total(source) if options.draw else 0.0
    written = 0
    for example in _drawn(found, options.draw, total) if options.draw else found:
        if left_out is not None and not example.is_scored:
            left_out["rows"] += 1
            continue
        written += 1
        yield example
    if not written:
        why = "with scores of a teacher for the pair and its negatives" if left_out else "of the split train"
        raise InputError(
            f"{source.name} has no row {why}.",
            remedy="export without --scores" if left_out else "export a set that has one",
        )


def left_out_note(left_out: Counter[str]) -> tuple[str, ...]:
    """Return a sentence on rows that were left out; none where none was."""
    rows = left_out["rows"]
    return (f"{rows:,} train rows without all scores of the teacher were left out.",) if rows else ()


def pairs(source: Source, split: str) -> Iterator[tuple[str, str]]:
    """Yield query and document of the rows of a split."""
    for batch in source.content.batches(["query", "document", "split"]):
        kept = batch.filter(pc.equal(batch["split"], split))
        yield from zip(kept["query"].to_pylist(), kept["document"].to_pylist(), strict=True)


def _total(source: Source) -> float:
    """Return the weight of all train rows, added up as the drawing does."""
    total = 0.0
    for batch in source.content.batches(["weight", "split"]):
        for weight in batch.filter(pc.equal(batch["split"], "train"))["weight"].to_pylist():
            total += weight or 0.0
    if not math.isfinite(total) or total <= 0.0:
        raise InputError(
            f"{source.name} has no weight to draw by: its train rows sum to {total:g}.",
            remedy="export without --draw",
        )
    return total


def _drawn(examples: Iterable[Example], rows: int, total: float) -> Iterator[Example]:
    """Yield each row as often as points at the distance total / rows fall on its stretch of cumulative weight."""
    reach, drawn = 0.0, 0
    for example in examples:
        reach += example.weight
        until = min(rows, math.floor(reach / total * rows + 0.5))
        for _ in range(until - drawn):
            yield example
        drawn = max(drawn, until)
