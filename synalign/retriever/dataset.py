"""A training set as sentence-transformers' trainer takes it."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import pyarrow as pa

from synalign.arrays.checks import whole_number
from synalign.errors import InputError, SetupError
from synalign.retriever.examples import Example, check_columns, columns_for, examples, negative_columns
from synalign.retriever.set_files import open_files
from synalign.storage import Place

if TYPE_CHECKING:
    from datasets import Dataset


def training_dataset(
    training_set: PathLike[str] | str | pa.Table, *, negatives: int | None = None, scores: bool = False
) -> Dataset:
    """Return the split `train` of a training set, as columns `anchor`, `positive`, `negative_1` and on, `label`.

    With `WeightedMultipleNegativesRankingLoss` as the loss, or with `weighted_batches` as the sampler and the library's
    own loss, that is all that a trainer needs. `label` is the weight, the one place that the trainer hands on to a loss
    untouched; for the losses that distil it is a list: the weight, the score of the positive, the score of each
    negative, NaN where the teacher gave none.

    The trainer wants as many negatives in every row. A row with fewer has its own repeated in turn; a row with none
    gets documents of rows near it, without scores, as in-batch negatives are. Sets of versions without hard negatives
    give `anchor`, `positive` and `label`.

    Args:
        training_set: The table `training_set`: a Parquet file, a folder of them (also `s3://bucket/...`), or the table
            itself.
        negatives: How many columns of hard negatives at most; None: all that the set has; 0: none.
        scores: Whether `label` has the teacher's scores beside the weight.

    Raises:
        ArgumentError: `negatives` is no whole number >= 0.
        InputError: It is no training set, has no row to train on, or lacks what was asked for.
        SetupError: The package `datasets` is missing.

    Example:
        >>> table = pa.table({"query": ["sort a list"], "document": ["sorted(x)"], "weight": [0.5], "split": ["train"]})
        >>> training_dataset(table)[0]
        {'anchor': 'sort a list', 'positive': 'sorted(x)', 'label': 0.5}
    """
    try:
        from datasets import Dataset
    except ImportError as error:
        raise SetupError("the package `datasets` is missing.", remedy="pip install 'synalign[train]'") from error
    wanted = None if negatives is None else whole_number("negatives", negatives, 0)
    count, found = _examples(training_set, wanted)
    if scores and not count:
        raise InputError(
            "the training set has no hard negatives, so that there is nothing to distil.",
            remedy="train without scores, or on a set of a retriever that has hard negatives and a teacher",
        )
    if not found:
        raise InputError("the training set has no row of the split train.")
    if scores and not any(example.is_scored for example in found):
        raise InputError(
            "the training set has no scores of a teacher.",
            remedy="train without scores, or on a set of a retriever that has a teacher",
        )
    labels = [[example.weight, *example.scores] if scores else example.weight for example in found]
    columns = {f"negative_{n + 1}": [example.negatives[n] for example in found] for n in range(count)}
    return Dataset.from_dict(
        {
            "anchor": [example.query for example in found],
            "positive": [example.document for example in found],
            **columns,
            "label": labels,
        }
    )


def _examples(training_set: PathLike[str] | str | pa.Table, wanted: int | None) -> tuple[int, list[Example]]:
    """Return how many negatives each example has, and the examples."""
    if not isinstance(training_set, pa.Table):
        opened = open_files(Place(training_set))
        check_columns(opened.schema.names)
        return negative_columns(opened.schema.names, wanted), list(opened.examples(wanted))
    check_columns(training_set.column_names)
    count = negative_columns(training_set.column_names, wanted)
    columns = columns_for(training_set.column_names, count)
    return count, list(examples(training_set.select(columns).to_batches(), count))
