"""Tables in and out of Spark: the same bytes whatever the partitions, in folders of any name."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from synalign import tables
from synalign.spark.tables import read_files, write_table
from synalign.storage import Place

ROWS = [(tables.content_id(str(number)), f"title {number}", f"text {number}") for number in range(500)]


@pytest.fixture
def frame(spark: Any) -> Any:
    schema = tables.schema("documents")
    assert schema.names[:3] == ["document_id", "title", "text"]
    return spark.createDataFrame(ROWS, "document_id string, title string, text string")


@pytest.mark.parametrize("name", ["plain", "with space", "a[b]c", "{x,y}", "star*", "q?", "100%", "#é"])
def test_a_folder_of_any_name_is_written_and_read(spark: Any, frame: Any, tmp_path: Path, name: str) -> None:
    folder = Place(tmp_path / name)
    write_table(frame, folder, "documents", rows=len(ROWS))
    files = folder.files()
    found = read_files(spark, files, "documents").select("document_id", "title", "text").collect()
    assert sorted(map(tuple, found)) == sorted(ROWS)


def test_the_bytes_do_not_depend_on_the_partitions(frame: Any, tmp_path: Path) -> None:
    contents = []
    for number in (1, 7):
        folder = Place(tmp_path / str(number))
        write_table(frame.repartition(number, "text"), folder, "documents", rows=len(ROWS))
        contents.append([path.read_bytes() for path in sorted((tmp_path / str(number)).iterdir())])
    assert contents[0] == contents[1]
    (path,) = (tmp_path / "1").iterdir()
    ids = pq.read_table(path)["document_id"].to_pylist()
    assert ids == sorted(ids)
