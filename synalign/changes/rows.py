"""Which rows came, which went and which stayed, and what their weights did."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synalign.alignment.diagnostics import design_effect, effective_sample_size
from synalign.changes.side import Side

SOURCES = ("real", "synthetic")
_EXAMPLES = 5
_SAME_WEIGHT = 1e-9


class Count(NamedTuple):
    """Rows of one source.

    Attributes:
        before: In the first set.
        after: In the second.
        kept: In both.
        came: In the second alone.
        went: In the first alone.
        moved: In both, in another split.
    """

    before: int
    after: int
    kept: int
    came: int
    went: int
    moved: int


class Example(NamedTuple):
    """A row of a training set that is shown."""

    query: str
    document: str
    weight: float


class Weights(NamedTuple):
    """The weights of a set's synthetic rows.

    Attributes:
        scheme: What gave them.
        rows: How many there are.
        total: Their sum, over that of the real rows of the split `train`; None where there is no such row.
        effective: Effective sample size.
        design_effect: How many times the variance of a weighted mean grows.
        largest_share: Share of the heaviest row in their sum.
    """

    scheme: str
    rows: int
    total: float | None
    effective: float
    design_effect: float
    largest_share: float


class Reweighed(NamedTuple):
    """A synthetic row of both sets, and its weight in each."""

    query: str
    document: str
    before: float
    after: float


class Shifted(NamedTuple):
    """A document, and its share of the synthetic weight in each set."""

    document: str
    before: float
    after: float


class Rows(NamedTuple):
    """What became of the rows.

    Attributes:
        counts: By source.
        came_true: Pairs that were synthetic in the first set and are real in the second.
        came: The heaviest synthetic rows that only the second set has.
        went: The heaviest synthetic rows that only the first set had.
        weights: Of both sets; None where there is no synthetic row.
        reweighed: Synthetic rows of both sets whose weights differ most.
        shifted: Documents whose shares of the synthetic weight differ most.
    """

    counts: dict[str, Count]
    came_true: int
    came: tuple[Example, ...]
    went: tuple[Example, ...]
    weights: tuple[Weights | None, Weights | None]
    reweighed: tuple[Reweighed, ...]
    shifted: tuple[Shifted, ...]

    @property
    def moved(self) -> int:
        """How many rows stayed in another split."""
        return sum(count.moved for count in self.counts.values())


def changed_rows(before: Side, after: Side) -> Rows:
    """Compare two training sets row by row; rows are known by the ids of their pairs, which are made of their content.

    Memory: a few strings per row of both sets.
    """
    first, second = ({source: _Part.of(side.rows, source) for source in SOURCES} for side in (before, after))
    written, rewritten = first["synthetic"], second["synthetic"]
    return Rows(
        {source: _count(first[source], second[source]) for source in SOURCES},
        len(written.place.keys() & second["real"].place.keys() - first["real"].place.keys()),
        _heaviest(rewritten, rewritten.place.keys() - written.place.keys()),
        _heaviest(written, written.place.keys() - rewritten.place.keys()),
        (_weights(before, written, first["real"]), _weights(after, rewritten, second["real"])),
        _reweighed(written, rewritten),
        _shifted(written, rewritten),
    )


class _Part(NamedTuple):
    """The rows of one source, and where each pair stands."""

    rows: pa.Table
    place: dict[str, int]
    weight: np.ndarray

    @classmethod
    def of(cls, rows: pa.Table, source: str) -> _Part:
        part = rows.filter(pc.field("source") == source).sort_by("pair_id")
        ids = part["pair_id"].to_pylist()
        return cls(part, {pair: row for row, pair in enumerate(ids)}, part["weight"].to_numpy())

    def text(self, column: str, pair: str) -> str:
        return str(self.rows[column][self.place[pair]].as_py())

    def document(self, pair: str) -> str:
        """Return the first line of a pair's document: its title, where it has one."""
        return self.text("document", pair).split("\n", 1)[0]


def _count(first: _Part, second: _Part) -> Count:
    kept = first.place.keys() & second.place.keys()
    splits = [part.rows["split"].to_pylist() for part in (first, second)]
    moved = sum(splits[0][first.place[pair]] != splits[1][second.place[pair]] for pair in kept)
    before, after = len(first.place), len(second.place)
    return Count(before, after, len(kept), after - len(kept), before - len(kept), moved)


def _heaviest(part: _Part, pairs: set[str]) -> tuple[Example, ...]:
    ordered = sorted(pairs, key=lambda pair: (-part.weight[part.place[pair]], pair))[:_EXAMPLES]
    return tuple(
        Example(part.text("query", pair), part.document(pair), float(part.weight[part.place[pair]])) for pair in ordered
    )


def _weights(side: Side, written: _Part, real: _Part) -> Weights | None:
    weights = written.weight
    if not weights.sum() > 0.0:
        return None
    train = real.weight[np.asarray(real.rows["split"].to_pylist(), dtype=object) == "train"].sum()
    return Weights(
        str(side.metrics("assemble").get("scheme", "unknown")),
        len(weights),
        float(weights.sum() / train) if train else None,
        effective_sample_size(weights),
        design_effect(weights),
        float(weights.max() / weights.sum()),
    )


def _reweighed(first: _Part, second: _Part) -> tuple[Reweighed, ...]:
    kept = [
        (pair, float(first.weight[first.place[pair]]), float(second.weight[second.place[pair]]))
        for pair in first.place.keys() & second.place.keys()
    ]
    # Where weights are equal within both sets, a ratio that all rows have in common is no news of any row.
    ratios = {round(after / before, 6) for _, before, after in kept if before > 0.0}
    if len(ratios) < 2:
        return ()
    kept.sort(key=lambda row: (-abs(row[2] - row[1]), row[0]))
    return tuple(
        Reweighed(second.text("query", pair), second.document(pair), before, after)
        for pair, before, after in kept[:_EXAMPLES]
        if abs(after - before) > _SAME_WEIGHT
    )


def _shifted(first: _Part, second: _Part) -> tuple[Shifted, ...]:
    shares, titles = [], dict[str, str]()
    for part in (first, second):
        documents = part.rows["document_id"].to_pylist()
        found = dict.fromkeys(documents, 0.0)
        total = part.weight.sum()
        for document, weight in zip(documents, part.weight.tolist(), strict=True):
            found[document] += weight / total if total else 0.0
        titles |= {document: pair for pair, document in zip(part.place, documents, strict=True)}
        shares.append(found)
    both = {document: (shares[0].get(document, 0.0), shares[1].get(document, 0.0)) for document in titles}
    ordered = sorted(both, key=lambda document: (-abs(both[document][1] - both[document][0]), document))
    parts = {pair: part for part in (first, second) for pair in part.place}
    return tuple(
        Shifted(parts[titles[document]].document(titles[document]), *both[document])
        for document in ordered[:_EXAMPLES]
        if abs(both[document][1] - both[document][0]) > _SAME_WEIGHT
    )
