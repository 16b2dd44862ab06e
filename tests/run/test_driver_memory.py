"""What a table would take of the driver, and that one too large is refused before it is read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.config import Configuration
from synalign.errors import RunError
from synalign.run import Interval, Run, driver_memory
from synalign.storage import Place
from synalign.tables import schema

ROWS = 5000


@pytest.fixture
def run(configuration: Callable[..., Configuration], commit: Callable[..., Run]) -> Run:
    """A run with many documents."""
    tables = {name: schema(name).empty_table() for name in ("queries", "pairs", "rejected")}
    documents = {"document_id": [f"d{row:05d}" for row in range(ROWS)], "title": [""] * ROWS, "text": ["a text"] * ROWS}
    small = configuration(runtime={"driver_memory_gib": 1e-4})
    run = Run(small, Interval.parse("2026-02-28", "2026-03-01"))
    return commit(run, **tables, documents=pa.table(documents))


def test_a_table_that_is_too_large_is_refused_with_its_bytes_and_the_setting(run: Run) -> None:
    bytes_ = driver_memory.needed(run.files("documents"), None)
    with pytest.raises(RunError, match=rf"table 'documents' .* takes {bytes_} bytes .*, more than 107374\.") as error:
        run.read("documents")
    assert "runtime.driver_memory_gib" in str(error.value)
    assert run.read("documents", ["title"]).num_rows == ROWS


def test_what_is_counted_is_near_what_arrow_holds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = pa.array(list(rng.normal(size=(2000, 32)).astype(np.float32)), pa.list_(pa.float32()))
    table = pa.table({"id": [f"{row:032x}" for row in range(2000)], "embedding": vectors, "count": range(2000)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=300)
    pq.write_table(table, tmp_path / "b.parquet", compression="zstd")
    files = Place(tmp_path).files("*.parquet")
    for columns in (None, ["embedding"], ["id", "count"]):
        held = 2 * table.select(columns or table.schema.names).nbytes
        # What a dictionary took before it was given up lies there as well.
        assert 0.8 * held < driver_memory.needed(files, columns) < 1.6 * held


def test_without_the_setting_half_of_the_memory_is_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container = tmp_path / "memory.max"
    monkeypatch.setattr(driver_memory, "_CONTAINER", (container, tmp_path / "none"))
    assert driver_memory.limit(None) == psutil.virtual_memory().total // 2
    container.write_text("max\n")
    assert driver_memory.limit(None) == psutil.virtual_memory().total // 2
    container.write_text("1000000\n")
    assert driver_memory.limit(None) == 500_000
    assert driver_memory.limit(2.0) == 2 * 2**30
