"""Which attribute values go together in which written query, so that queries and batches do not repeat each other.

A Latin hypercube: of n queries every value of an attribute stands in its share of them, rounded up or down, in an order
of its own. Values seen share most of the queries, as often as the demonstrations show them where a rule can count that
and evenly where none can; values generalised share the rest evenly. Using all values alike was tried on CLAP NQ: it
made written queries less like real ones (squared MMD up by a quarter), since what one person in eight does stood in
half of the queries. Attributes are independent of each other, and equal combinations are exchanged for others while
that is possible. The order is drawn from the batch and the seed alone, so that a request stays the same whatever
happens to others, and two batches with the same attributes combine them differently.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence

from synalign.generation.attribute_coverage import support
from synalign.generation.schemas import LatentAttributes

MOST_COMBINED = 3
"""Attributes in one combination: more contradict each other, and cost tokens in every query."""

GENERALISED_SHARE = 0.15
"""Share of the queries that a value no demonstration shows is asked for, where an attribute has one."""

# What a query is about is the document's to say, and what every query of the log shares needs no combining.
_OF_CONTENT = frozenset({"topic", "topics", "subject", "vocabulary", "recurring words", "entities", "digits"})
_FIRST = ("form", "length", "leading words", "intent", "specificity", "tone")

Combination = dict[str, str]


def combinations(
    attributes: LatentAttributes,
    demonstrations: Sequence[str],
    documents: int,
    queries: int,
    *,
    batch_id: str,
    seed: int,
) -> list[list[Combination]]:
    """Return a combination of attribute values for every query of a batch.

    Args:
        attributes: What the model said of the batch.
        demonstrations: The batch's real queries.
        documents: Documents of the batch, >= 0.
        queries: Queries for each, >= 0.
        batch_id: The batch: another one gets another draw.
        seed: `configuration.seed`.

    Returns:
        For each document one combination a query, name to value; empty ones where no attribute has two values.
    """
    chosen = _combined(attributes, demonstrations)
    draw = random.Random(hashlib.sha256(f"combinations\x1f{seed}\x1f{batch_id}".encode()).digest())
    columns = [_column(weights, documents * queries, draw) for weights in chosen.values()]
    rows = [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in range(documents * queries)]
    _part(rows)
    shown = [dict(zip(chosen, row, strict=True)) for row in rows]
    return [shown[place * queries : (place + 1) * queries] for place in range(documents)]


def _combined(attributes: LatentAttributes, demonstrations: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the attributes to combine, each with its values' shares: those of form first, the others in order."""
    found: dict[str, dict[str, float]] = {}
    for attribute in attributes.attributes:
        seen = dict.fromkeys(attribute.values_seen)
        new = [value for value in dict.fromkeys(attribute.values_generalised) if value not in seen]
        content = attribute.name.strip().casefold() in _OF_CONTENT
        if content or attribute.name in found or len(seen) + len(new) < 2:
            continue
        counted = {value: float(support(attribute.name, value, demonstrations) or 1) for value in seen}
        total = sum(counted.values())
        kept = 1.0 if not new else 0.0 if not seen else 1.0 - GENERALISED_SHARE
        shares = {value: kept * count / total for value, count in counted.items()}
        found[attribute.name] = shares | {value: (1.0 - kept) / len(new) for value in new}
    order = sorted(found, key=lambda name: _FIRST.index(name.casefold()) if name.casefold() in _FIRST else len(_FIRST))
    return {name: found[name] for name in order[:MOST_COMBINED]}


def _column(shares: dict[str, float], total: int, draw: random.Random) -> list[str]:
    """Each value in its share of the places, rounded down; who gets the places left is drawn by what was cut off."""
    column = [value for value, share in shares.items() for _ in range(int(share * total))]
    left = {value: share * total % 1.0 for value, share in shares.items()}
    while len(column) < total:
        open_values = [value for value, part in left.items() if part > 0.0] or list(left)
        value = draw.choices(open_values, [left[value] or 1.0 for value in open_values])[0]
        left[value] = 0.0
        column.append(value)
    draw.shuffle(column)
    return column


def _part(rows: list[list[str]]) -> None:
    """Make equal rows different by exchanging one value with another row, which keeps every column's counts."""
    count = Counter(map(tuple, rows))
    for place, row in enumerate(rows):
        if count[tuple(row)] > 1:
            _exchange(rows, place, count)


def _exchange(rows: list[list[str]], place: int, count: Counter[tuple[str, ...]]) -> None:
    row = rows[place]
    for other in rows[place + 1 :] + rows[:place]:
        for column in range(len(row)):
            mine, theirs = [*row], [*other]
            mine[column], theirs[column] = other[column], row[column]
            new = {tuple(mine), tuple(theirs)}
            if len(new) == 2 and not any(count[key] for key in new):
                count.subtract((tuple(row), tuple(other)))
                count.update(new)
                row[:], other[:] = mine, theirs
                return
