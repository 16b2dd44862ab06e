"""A training set as sentence-transformers' trainer takes it."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from synalign.errors import InputError, SetupError
from synalign.run.manifests import read_table
from synalign.storage import Place

if TYPE_CHECKING:
    from datasets import Dataset

_COLUMNS = ("query", "document", "weight", "split")


def training_dataset(training_set: PathLike[str] | str | pa.Table) -> Dataset:
    """Return the split `train` of a training set, as columns `anchor`, `positive` and `label` (the weight).

    With `WeightedMultipleNegativesRankingLoss` as the loss, or with `weighted_batches` as the sampler and the library's
    own loss, that is all that a trainer needs.

    Args:
        training_set: The table `training_set`: a Parquet file, a folder of them (also `s3://bucket/...`), or the table
            itself.

    Raises:
        InputError: It is no training set, or has no row to train on.
        SetupError: The package `datasets` is missing.

    Example:
        >>> table = pa.table({"query": ["sort a list"], "document": ["sorted(x)"], "weight": [0.5], "split": ["train"]})
        >>> training_dataset(table)[0]
        {'anchor': 'sort a list', 'positive': 'sorted(x)', 'label': 0.5}
    """
    try:
        from datasets import Dataset
    except ImportError as error:
        raise SetupError(
            "the package `datasets` is missing.", remedy="pip install 'sentence-transformers[train]'"
        ) from error
    table = training_set if isinstance(training_set, pa.Table) else _read(Place(training_set))
    missing = [name for name in _COLUMNS if name not in table.column_names]
    if missing:
        raise InputError(
            f"the training set has no column {', '.join(missing)}; it has {', '.join(table.column_names)}.",
            remedy="give the table `training_set` of a run, or of a registered version",
        )
    rows = table.filter(pc.equal(table["split"], "train"))
    if not rows.num_rows:
        raise InputError("the training set has no row of the split train.")
    return Dataset.from_dict(
        {
            "anchor": rows["query"].to_pylist(),
            "positive": rows["document"].to_pylist(),
            "label": rows["weight"].to_pylist(),
        }
    )


def _read(place: Place) -> pa.Table:
    try:
        files = [place] if place.is_file() else place.files("*.parquet")
        if not files:
            raise InputError(f"{place} does not exist.")
        return read_table(files, list(_COLUMNS))
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{place} cannot be read as a training set: {error}.") from error
