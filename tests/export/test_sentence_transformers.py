"""The library's own trainer takes what is written for it."""

import math
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from synalign.errors import InputError
from synalign.retriever.dataset import training_dataset
from synalign.retriever.loss import WeightedListwiseDistillationLoss, WeightedMultipleNegativesRankingLoss
from tests.export.sets import ODD, ROWS, exported, table
from tests.retriever.conftest import static_model as static_model
from tests.retriever.library_training import trained


@pytest.mark.parametrize("scores", [False, True])
def test_the_library_loads_and_trains_on_it(tmp_path: Path, static_model: str, scores: bool) -> None:
    from datasets import load_dataset

    out, written = exported(tmp_path, "sentence-transformers", scores=scores)
    found = load_dataset(
        "parquet", data_files=str(out / "train.parquet"), split="train", cache_dir=str(tmp_path / "hf")
    )
    assert found.to_list() == training_dataset(table(), scores=scores).to_list()
    assert written.rows == {"train.parquet": 3, "validation.parquet": 1, "test.parquet": 1}
    loss = WeightedListwiseDistillationLoss if scores else WeightedMultipleNegativesRankingLoss
    assert math.isfinite(trained(static_model, tmp_path, loss, found).sum())
    assert pq.read_table(out / "test.parquet").to_pylist() == [{"anchor": "held out too", "positive": "only here"}]
    # The card's head tells `datasets` which file is which split.
    splits = load_dataset(str(out), cache_dir=str(tmp_path / "hf2"), data_files=None, split="train").column_names
    assert splits == found.column_names


def test_sets_without_negatives_give_pairs(tmp_path: Path) -> None:
    out, _ = exported(tmp_path, "sentence-transformers", count=0)
    rows = pq.read_table(out / "train.parquet").to_pylist()
    assert rows[1] == {"anchor": ODD, "positive": "read(f)", "label": 2.0}
    assert [row["label"] for row in rows] == [row.weight for row in ROWS[:3]]


def test_a_teacher_that_said_nothing_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    silent = tuple(row._replace(score=None) for row in ROWS)
    with pytest.raises(InputError, match="no scores of a teacher"):
        exported(tmp_path, "sentence-transformers", silent, scores=True)
    assert not (tmp_path / "out").exists()
