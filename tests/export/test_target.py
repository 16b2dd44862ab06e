"""Where an export is written: never over something else, in a folder and in object storage alike."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.errors import ConfigurationError, StorageError
from synalign.export.target import CARD, Target
from synalign.storage import Place
from tests.storage.conftest import bucket as bucket
from tests.storage.conftest import place as place
from tests.storage.conftest import s3_server as s3_server


def filled(place: Place) -> None:
    """Write one file of each kind."""
    target = Target(place)
    with target.objects("a/b.jsonl") as add:
        add({"text": "ß\u2028\n"})
    with target.table("c.parquet", pa.schema([("n", pa.int64())])) as row:
        for number in range(2500):
            row({"n": number})
    target.finish("# A card")


def test_files_of_each_kind_are_written_in_folders_and_buckets(place: Place) -> None:
    filled(place)
    assert (place / "a/b.jsonl").read_text() == '{"text": "ß\u2028\\n"}\n'
    with (place / "c.parquet").open_input() as file:
        table = pq.read_table(pa.BufferReader(file.read()))
    assert table["n"].to_pylist() == list(range(2500))
    assert (place / CARD).read_text().startswith("# A card")


def test_an_earlier_export_is_replaced_where_asked(place: Place) -> None:
    filled(place)
    with pytest.raises(ConfigurationError, match="is not empty"):
        Target(place)
    Target(place, overwrite=True)
    assert [found.name for found, _ in place.tree()] == [CARD]
    # What a killed export leaves may be replaced too.
    Target(place, overwrite=True)


def test_something_else_is_never_replaced(place: Place, tmp_path: Path) -> None:
    (place / "thesis.txt").write_text("years of work")
    (place / CARD).write_text("# My own")
    with pytest.raises(ConfigurationError, match="holds no export of SynAlign"):
        Target(place, overwrite=True)
    assert (place / "thesis.txt").read_text() == "years of work"
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigurationError, match="is a file"):
        Target(Place(tmp_path / "file"), overwrite=True)


def test_an_empty_folder_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    filled(Place(tmp_path / "empty"))


def test_a_place_that_cannot_be_written_is_an_error_of_storage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot be written"):
        Target(Place(tmp_path / "file" / "below"))


def test_what_breaks_off_leaves_no_half_file(tmp_path: Path) -> None:
    target = Target(Place(tmp_path / "out"))
    with pytest.raises(ValueError, match="JSON"), target.objects("a.jsonl") as add:
        add({"n": 1})
        add({"n": float("nan")})
    assert not (tmp_path / "out" / "a.jsonl").exists()
