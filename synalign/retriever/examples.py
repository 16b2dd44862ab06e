"""Rows of a training set as examples to train on, each with as many hard negatives as every other.

A set may have columns `negative_1` to `negative_n`, and a teacher's `score` and `negative_score_1` to
`negative_score_n`. A row of a small collection may have fewer negatives than n, or none.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, cycle, islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from synalign.errors import InputError

REQUIRED = ("query", "document", "weight", "split")
ROWS_AT_ONCE = 1024
_NEAR = 64
_NUMBERED = re.compile(r"negative_([1-9]\d*)")


class Example(NamedTuple):
    """A query, its document and documents that are not relevant to it.

    Attributes:
        query: Text of the query.
        document: Text of its document.
        document_id: Its id; empty where the set was read without ids.
        weight: Of the pair, >= 0.
        score: The teacher's score of the pair; NaN where there is none.
        negatives: Texts of hard negatives, as many as were asked for.
        negative_scores: The teacher's score of each; NaN where there is none.
        own: How many of the negatives are the row's own, and no repetition or fill-in.
    """

    query: str
    document: str
    document_id: str
    weight: float
    score: float
    negatives: tuple[str, ...]
    negative_scores: tuple[float, ...]
    own: int

    @property
    def scores(self) -> tuple[float, ...]:
        """The teacher's scores, of the document first."""
        return self.score, *self.negative_scores

    @property
    def is_scored(self) -> bool:
        """Tell whether the teacher scored the document and every negative."""
        return not any(map(math.isnan, self.scores))


def check_columns(names: Sequence[str], required: Sequence[str] = REQUIRED) -> None:
    """Refuse a table that is no training set.

    Raises:
        InputError: It lacks a column.
    """
    missing = [name for name in required if name not in names]
    if missing:
        raise InputError(
            f"the training set has no column {', '.join(missing)}; it has {', '.join(names)}.",
            remedy="give the table `training_set` of a run, or of a registered version",
        )


def negative_columns(names: Iterable[str], wanted: int | None = None) -> int:
    """Return how many columns of hard negatives there are, of those that are wanted.

    Args:
        names: The columns of a training set.
        wanted: How many at most; None: all.

    Examples:
        >>> negative_columns(["query", "negative_1", "negative_2"]), negative_columns(["negative_1"], 0)
        (2, 0)
    """
    numbers = {int(match[1]) for name in names if (match := _NUMBERED.fullmatch(name))}
    count = next(number for number in range(len(numbers) + 1) if number + 1 not in numbers)
    return count if wanted is None else min(count, wanted)


def columns_for(names: Sequence[str], count: int, *more: str) -> list[str]:
    """Return the columns that examples with this many negatives are made of, as far as a set has them."""
    numbers = range(1, count + 1)
    wanted = [*REQUIRED, "score", *(f"negative_{n}" for n in numbers), *(f"negative_score_{n}" for n in numbers), *more]
    return [name for name in wanted if name in names]


def examples(batches: Iterable[pa.RecordBatch], count: int) -> Iterator[Example]:
    """Yield the rows of the split `train` as examples; some hundred rows are in memory at a time.

    Every example has `count` negatives. Where a row has fewer, its own are repeated in turn. Where it has none, it gets
    documents of the rows near it, which are no documents of the same query there: what in-batch negatives are too.
    These have no score.

    Args:
        batches: Record batches of a training set, in the order of its rows.
        count: Negatives per example; 0: none.

    Raises:
        InputError: A row lacks a text, its weight is no weight, or there is no other document to fill in.
    """
    before: list[str] = []
    for batch in _slices(batches):
        rows = batch.to_pylist()
        documents = defaultdict(set)
        for row in rows:
            check_row(row)
            documents[row["query"]].add(row["document"])
        here = [row["document"] for row in rows]
        for number, row in enumerate(rows):
            own = _own(row, count)
            filled = own
            if count and not own:
                near = chain(here[number + 1 :], here[:number], before)
                filled = [(text, math.nan) for text in _others(near, documents[row["query"]], count)]
            negatives = list(islice(cycle(filled), count)) if filled else []
            yield Example(
                row["query"], row["document"], row.get("document_id") or "", float(row["weight"]), _score(row, "score"),
                tuple(text for text, _ in negatives), tuple(score for _, score in negatives), len(own),
            )  # fmt: skip
        before = list(dict.fromkeys(here[-_NEAR:]))


def _slices(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        train = batch.filter(pc.equal(batch["split"], "train"))
        for start in range(0, train.num_rows, ROWS_AT_ONCE):
            yield train.slice(start, ROWS_AT_ONCE)


def check_row(row: dict[str, Any]) -> None:
    """Refuse a row that cannot be trained on.

    Raises:
        InputError: It lacks a text, or its weight is no weight.
    """
    for name in ("query", "document"):
        if not isinstance(row[name], str):
            raise InputError(
                f"a row of the training set has {name} == {row[name]!r}, must be a text.",
                cause="the file was written by something else than SynAlign",
            )
    weight = row["weight"]
    if not isinstance(weight, int | float) or not math.isfinite(weight) or weight < 0.0:
        raise InputError(
            f"a row of the training set has weight == {weight!r}, must be finite and >= 0.",
            cause="the file was written by something else than SynAlign",
        )


def _own(row: dict[str, Any], count: int) -> list[tuple[str, float]]:
    """Return a row's own negatives with their scores."""
    numbers = range(1, count + 1)
    return [
        (text, _score(row, f"negative_score_{number}"))
        for number in numbers
        if (text := row.get(f"negative_{number}")) is not None
    ]


def _score(row: dict[str, Any], name: str) -> float:
    value = row.get(name)
    return math.nan if value is None else float(value)


def _others(near: Iterable[str], own: set[str], count: int) -> list[str]:
    found = list(islice((text for text in dict.fromkeys(near) if text not in own), count))
    if not found:
        raise InputError(
            "a row of the training set has no hard negative, and no row near it has another document.",
            cause="the collection has a single document, or its rows were sorted so that a document stands alone",
            remedy="leave negatives out: `negatives=0`, or `--negatives 0`",
        )
    return found
