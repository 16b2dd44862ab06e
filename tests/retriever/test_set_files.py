"""Files of a training set: read in parts, in the order of the rows, or refused by name."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.errors import InputError
from synalign.retriever.set_files import open_files
from synalign.storage import Place
from tests.retriever.library_training import training_set, with_negatives
from tests.storage.conftest import bucket as bucket
from tests.storage.conftest import s3_server as s3_server


def test_rows_come_in_order_and_in_parts(tmp_path: Path) -> None:
    table = training_set([0.5] * 8)
    long = pa.concat_tables([table] * 400)
    for name in ("part-00000", "part-00001"):
        pq.write_table(long, tmp_path / f"{name}.parquet", row_group_size=1500)
    opened = open_files(Place(tmp_path))
    assert opened.rows == 2 * 9 * 400
    batches = list(opened.batches(["query"]))
    assert max(batch.num_rows for batch in batches) <= 1024
    assert pa.Table.from_batches(batches)["query"].to_pylist() == long["query"].to_pylist() * 2
    assert sum(1 for _ in opened.examples()) == 2 * 8 * 400


def test_a_bucket_is_read_as_a_folder_is(bucket: Place, tmp_path: Path) -> None:
    pq.write_table(with_negatives([0.5] * 8), tmp_path / "part-00000.parquet")
    (bucket / "set" / "part-00000.parquet").write_bytes((tmp_path / "part-00000.parquet").read_bytes())
    found = [open_files(place) for place in (bucket / "set", bucket / "set" / "part-00000.parquet", Place(tmp_path))]
    assert [list(each.examples()) for each in found[:2]] == [list(found[2].examples())] * 2


def test_what_is_no_training_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no Parquet file"):
        open_files(Place(tmp_path))
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(InputError, match="cannot be read as a training set"):
        open_files(Place(tmp_path))
    pq.write_table(training_set([1.0] * 8), tmp_path / "a.parquet")
    pq.write_table(with_negatives([1.0] * 8), tmp_path / "b.parquet")
    with pytest.raises(InputError, match="other columns"):
        open_files(Place(tmp_path))
