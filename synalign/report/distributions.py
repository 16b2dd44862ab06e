"""How often queries have a value of an attribute: real ones, and written ones under each weighting.

What a rule can tell of a single query (its length, form, leading words, ...) is measured on each. What the model named
beside that (a tone, an intent) no rule can tell: there a query has the values that the model saw in the batch whose
demonstrations lie nearest to it, by the same measure for real and written ones.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from synalign.text.forms import case_of, end_of, form_of, lead_of
from synalign.text.normal import normalise
from synalign.text.words import words

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_VALUES = 8
"""Values shown of an attribute that has any number of them; the rest is one row."""

MOST_NAMED = 8
"""Attributes shown of those that only the model can tell."""

REST = "all others"

_LENGTHS = (*((count, count, f"{count}") for count in range(1, 9)), (9, 10, "9 to 10"), (11, 15, "11 to 15"))
_LONGEST = "16 or more"


class Row(NamedTuple):
    """One value.

    Attributes:
        value: The value; a model may have written it.
        shares: By side (`real` or a scheme), the share of its weight that has the value, in [0, 1].
    """

    value: str
    shares: dict[str, float]


class Distribution(NamedTuple):
    """One attribute.

    Attributes:
        name: The attribute; a model may have written it.
        rows: Its values.
        distances: By scheme, the total variation distance to the real queries: the share that would have to change its
            value. Empty where queries can have several values.
    """

    name: str
    rows: list[Row]
    distances: dict[str, float]

    @property
    def most(self) -> float:
        """The largest share of any side; 1 where all are 0."""
        return max(max(row.shares.values()) for row in self.rows) or 1.0


class Side(NamedTuple):
    """Queries of one kind, under all weightings of them.

    Attributes:
        texts: (n,) their texts.
        batch: (n,) int64, the nearest demonstration's batch; for `named` only.
        weights: By name of the weighting, (n,) >= 0, not all 0.
    """

    texts: Sequence[str]
    batch: NDArray[np.int64]
    weights: Mapping[str, NDArray[np.float64]]


def measured(sides: Sequence[Side]) -> list[Distribution]:
    """List attributes that a rule tells of each query; those with one value only are left out."""
    found = [_distribution(name, rule, order, sides) for name, (rule, order) in _RULES.items()]
    return [each for each in found if len(each.rows) > 1]


def named(values: Mapping[str, Mapping[str, set[int]]], sides: Sequence[Side]) -> list[Distribution]:
    """List attributes that only the model can tell, those named for most batches first.

    Args:
        values: By name and value, the batches in which the model saw it, numbered as in `Side.batch`.
        sides: Both sides, with batches.
    """
    wide = {name: len(set().union(*batches.values())) for name, batches in values.items()}
    first = sorted(wide, key=lambda name: (-wide[name], name))[:MOST_NAMED]
    return [Distribution(name, _several(values[name], sides), {}) for name in first]


def seen_values(
    attributes: Iterable[tuple[str, str, str, bool]], batches: Mapping[str, int]
) -> dict[str, dict[str, set[int]]]:
    """Collect what the model saw in each batch, without what a rule tells and what it only generalised.

    Args:
        attributes: Batch id, name, value and whether it is generalised, of every row of `attributes`.
        batches: Number of each batch.
    """
    found: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for batch_id, name, value, generalised in attributes:
        key = normalise(name).casefold()
        if not generalised and key not in _RULES and batch_id in batches:
            found[key][normalise(value)].add(batches[batch_id])
    return {name: dict(values) for name, values in found.items()}


def length_class(query: str) -> str:
    """Return the number of words, in classes.

    Examples:
        >>> length_class("how to sort a list"), length_class("word " * 12), length_class("word " * 40)
        ('5', '11 to 15', '16 or more')
    """
    count = len(words(query))
    return next((label for least, most, label in _LENGTHS if least <= count <= most), _LONGEST if count else "0")


def _digits(query: str) -> str:
    return "with digits" if any(map(str.isdigit, query)) else "without digits"


def _lead(query: str) -> str:
    return lead_of(query) or "none: starts with its subject"


_Rule = tuple[Callable[[str], str], tuple[str, ...] | None]
_RULES: dict[str, _Rule] = {
    "length": (length_class, ("0", *(label for _, _, label in _LENGTHS), _LONGEST)),
    "form": (form_of, ("question", "keywords", "imperative", "statement")),
    "leading words": (_lead, None),
    "capitalisation": (case_of, None),
    "punctuation": (end_of, None),
    "digits": (_digits, None),
}


def _distribution(
    name: str, rule: Callable[[str], str], order: tuple[str, ...] | None, sides: Sequence[Side]
) -> Distribution:
    shares: dict[str, Counter[str]] = {}
    for side in sides:
        values = [rule(text) for text in side.texts]
        for weighting, weights in side.weights.items():
            shares[weighting] = _shares(values, weights)
    every = set().union(*shares.values())
    distances = {
        weighting: sum(abs(shares["real"][value] - mine[value]) for value in every) / 2.0
        for weighting, mine in shares.items()
        if weighting != "real"
    }
    return Distribution(name, _rows(shares, order, every), distances)


def _shares(values: Sequence[str], weights: NDArray[np.float64]) -> Counter[str]:
    found: Counter[str] = Counter()
    for value, weight in zip(values, (weights / weights.sum()).tolist(), strict=True):
        found[value] += weight
    return found


def _rows(shares: Mapping[str, Counter[str]], order: tuple[str, ...] | None, every: set[str]) -> list[Row]:
    """Order values by their own order, or by their largest share, with those beyond the first few in one row."""

    def row(value: str) -> Row:
        return Row(value, {weighting: float(mine[value]) for weighting, mine in shares.items()})

    if order is not None:
        return [row(value) for value in order if value in every]
    ranked = sorted(every, key=lambda value: (-max(mine[value] for mine in shares.values()), value))
    first = sorted(ranked[:MOST_VALUES], key=lambda value: (-shares["real"][value], value))
    rest = Row(REST, {name: float(sum(mine[value] for value in ranked[MOST_VALUES:])) for name, mine in shares.items()})
    return [*map(row, first), *([rest] if len(ranked) > MOST_VALUES else [])]


def _several(values: Mapping[str, set[int]], sides: Sequence[Side]) -> list[Row]:
    """Shares of values that do not exclude each other; the most frequent among real queries."""
    size = 1 + max(max(batches) for batches in values.values())
    size = max(size, *(1 + int(side.batch.max()) for side in sides))
    masses = {
        name: np.bincount(side.batch, weights=weights, minlength=size) / weights.sum()
        for side in sides
        for name, weights in side.weights.items()
    }
    rows = [
        Row(value, {name: float(mass[sorted(batches)].sum()) for name, mass in masses.items()})
        for value, batches in values.items()
    ]
    return sorted(rows, key=lambda row: (-row.shares["real"], row.value))[:MOST_VALUES]
