"""Hugging Face's `datasets` loads the folder, all columns, by split."""

from pathlib import Path

from tests.export.sets import ROWS, exported, table


def test_the_folder_loads_as_the_set_it_was(tmp_path: Path) -> None:
    from datasets import load_dataset

    out, written = exported(tmp_path, "hf")
    found = load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert set(found) == {"train", "validation", "test"}
    rows = [row for split in ("train", "validation", "test") for row in found[split].to_list()]
    assert rows == table().to_pylist()
    assert sum(written.rows.values()) == len(ROWS)


def test_negatives_can_be_fewer_and_splits_missing(tmp_path: Path) -> None:
    from datasets import load_dataset

    out, written = exported(tmp_path, "hf", ROWS[:3], negatives=1)
    found = load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert list(found) == ["train"] and list(written.rows) == ["data/train.parquet"]
    names = table().column_names
    assert found["train"].column_names == [name for name in names if not name.endswith("_2")]
