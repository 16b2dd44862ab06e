"""A training set as sentence-transformers' trainer takes it."""

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.errors import ArgumentError, InputError
from synalign.retriever.dataset import training_dataset
from tests.retriever.library_training import training_set, with_negatives


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


def test_negatives_and_scores_become_columns_and_labels(tmp_path: Path) -> None:
    table = with_negatives([0.5] * 7 + [2.0])
    pq.write_table(table, tmp_path / "set.parquet")
    for given in (table, tmp_path / "set.parquet"):
        first = training_dataset(given)[0]
        assert first == {
            "anchor": "find bat", "positive": "about tab", "negative_1": "not 1 of 0", "negative_2": "not 2 of 0",
            "label": 0.5,
        }  # fmt: skip
        assert training_dataset(given, scores=True)[7]["label"] == [2.0, 2.0, 3.5, 0.0]
        assert training_dataset(given, negatives=1, scores=True)[7]["label"] == [2.0, 2.0, 3.5]
        assert training_dataset(given, negatives=0).column_names == ["anchor", "positive", "label"]
        assert training_dataset(given, negatives=9).column_names == training_dataset(given).column_names


def test_a_row_without_score_has_nan_in_its_label() -> None:
    table = with_negatives([0.5] * 8)
    scores = table["negative_score_2"].to_pylist()
    changed = table.set_column(table.column_names.index("negative_score_2"), "negative_score_2", [[None, *scores[1:]]])
    labels = training_dataset(changed, scores=True)["label"]
    assert [math.isnan(number) for number in labels[0]] == [False, False, False, True]
    assert not any(map(math.isnan, labels[1]))


def test_what_cannot_be_distilled_says_so() -> None:
    with pytest.raises(InputError, match="no hard negatives"):
        training_dataset(training_set([1.0] * 8), scores=True)
    with pytest.raises(InputError, match="no hard negatives"):
        training_dataset(with_negatives([1.0] * 8), negatives=0, scores=True)
    silent = with_negatives([1.0] * 8).drop_columns(["score", "negative_score_1", "negative_score_2"])
    with pytest.raises(InputError, match="no scores of a teacher"):
        training_dataset(silent, scores=True)
    for wrong in (-1, 1.5, "all"):
        with pytest.raises(ArgumentError, match="negatives"):
            training_dataset(silent, negatives=wrong)
