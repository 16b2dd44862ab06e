"""A training set as sentence-transformers' trainer takes it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.errors import InputError
from synalign.retriever.dataset import training_dataset
from tests.retriever.library_training import training_set


def test_a_folder_that_is_no_training_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        training_dataset(tmp_path / "nothing")
    with pytest.raises(InputError, match="no column document, weight"):
        training_dataset(pa.table({"query": ["a"], "split": ["train"]}))
    with pytest.raises(InputError, match="no row of the split train"):
        training_dataset(training_set([1.0] * 8).slice(8))


def test_sets_of_versions_without_lineage_give_the_same_examples(tmp_path: Path) -> None:
    old = pa.table({
        "pair_id": ["1", "2"], "query": ["a", "b"], "document_id": ["d", "d"], "document": ["text", "text"],
        "source": ["real", "synthetic"], "weight": [1.0, 0.5], "split": ["train", "train"], "batch_id": [None, "x"],
    })  # fmt: skip
    new = old.append_column("request_id", pa.array([None, "r"])).append_column("interval", pa.array([None, "i"]))
    for name, table in (("old", old), ("new", new)):
        pq.write_table(table, tmp_path / f"{name}.parquet")
    found = [training_dataset(tmp_path / f"{name}.parquet").to_list() for name in ("old", "new")]
    assert found[0] == found[1] == [
        {"anchor": "a", "positive": "text", "label": 1.0}, {"anchor": "b", "positive": "text", "label": 0.5},
    ]  # fmt: skip
