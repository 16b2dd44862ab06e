"""Some rows of a table in several files against the same rows of the whole table."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from synalign import flow
from synalign.config import Configuration
from synalign.errors import RunError
from synalign.run import Attempt, Interval, Run, some_rows
from synalign.run.matrix import matrix
from synalign.tables import schema

ROWS = 1000


@pytest.fixture
def run(configuration: Callable[..., Configuration]) -> Run:
    """A run whose queries lie in three files, in another order than their vectors do in two."""
    rng = np.random.default_rng(0)
    ids = [f"q{row:04d}" for row in range(ROWS)]
    splits = rng.choice(["train", "validation", "test"], ROWS, p=[0.8, 0.1, 0.1])
    queries = {"query_id": ids, "query": [f"ask {row}" for row in range(ROWS)], "count": rng.integers(1, 9, ROWS)}
    now = pa.array([0] * ROWS, pa.timestamp("us", tz="UTC"))
    queries |= {"first_seen": now, "last_seen": now, "split": splits, "label": pa.nulls(ROWS, pa.string())}
    order = rng.permutation(ROWS)
    vectors = pa.array(list(rng.normal(size=(ROWS, 4)).astype(np.float32)), pa.list_(pa.float32()))
    embeddings = pa.table({"id": [ids[row] for row in order], "embedding": vectors})
    made = Run(configuration(), Interval.parse("2026-02-28", "2026-03-01"))
    contents = {"queries": (pa.table(queries), 3), "query_embeddings": (embeddings, 2)}
    for step in flow.before("sample"):
        attempt = Attempt(made, step)
        attempt.begin()
        for table in step.writes:
            content, files = contents.get(table, (schema(table).empty_table(), 1))
            _write(attempt, table, content, files)
        attempt.commit()
    return made


def _write(attempt: Attempt, table: str, content: pa.Table, files: int) -> None:
    names = schema(table).names
    for number, rows in enumerate(np.array_split(np.arange(content.num_rows), files)):
        with (attempt.output(table) / f"part-{number:05d}.parquet").open_output() as stream:
            # Row groups that end in the middle of everything.
            pq.write_table(content.take(rows).select(names).cast(schema(table)), stream, row_group_size=77)


def test_rows_of_a_split_are_those_of_the_whole_table(run: Run) -> None:
    whole = run.read("queries")
    for split in ("train", "validation", "test", "none"):
        rows = some_rows.of_split(run, "queries", split)
        assert rows.tolist() == np.flatnonzero(np.array(whole["split"].to_pylist()) == split).tolist()
        assert some_rows.numbered(run, "queries", ["query"], rows).equals(whole.take(pa.array(rows)).select(["query"]))


def test_rows_having_a_value_come_in_stored_order(run: Run) -> None:
    wanted = ["q0007", "q0990", "q0003", "nobody"]
    found = some_rows.having(run, "queries", "query_id", wanted, ["query_id", "query"])
    assert found["query_id"].to_pylist() == ["q0003", "q0007", "q0990"]


def test_vectors_of_some_ids_are_those_of_the_whole_table(run: Run) -> None:
    ids = ["q0500", "q0001", "q0500", "q0999"]
    expected = matrix(run.read("query_embeddings"), ids)
    np.testing.assert_array_equal(some_rows.vectors(run, "query_embeddings", ids), expected)
    with pytest.raises(RunError, match="1 ids have no embedding"):
        some_rows.vectors(run, "query_embeddings", ["q0001", "nobody"])


@pytest.mark.parametrize("rows", [1, 64, 333, 5000])
@pytest.mark.parametrize("within", [None, True, False])
def test_parts_together_are_all_vectors_in_stored_order(run: Run, rows: int, within: bool | None) -> None:
    table = run.read("query_embeddings")
    among: Any = pa.array([f"q{row:04d}" for row in range(0, ROWS, 3)])
    if within is not None:
        inside = pc.is_in(table["id"], among)
        table = table.filter(inside if within else pc.invert(inside))
    parts = list(
        some_rows.vectors_in_parts(
            run, "query_embeddings", rows, among=None if within is None else among, within=bool(within)
        )
    )
    assert {len(part) for part in parts[:-1]} <= {rows}
    np.testing.assert_array_equal(np.concatenate(parts), matrix(table, table["id"].to_pylist()))


def test_of_no_vectors_there_is_no_part(run: Run) -> None:
    assert list(some_rows.vectors_in_parts(run, "document_embeddings", 10)) == []


@pytest.mark.slow
def test_a_reader_that_takes_its_time_holds_a_part_and_not_the_table(
    configuration: Callable[..., Configuration],
) -> None:
    made = Run(configuration(), Interval.parse("2026-02-28", "2026-03-01"))
    contents = {"query_embeddings": _many_vectors()}
    for step in flow.before("sample"):
        attempt = Attempt(made, step)
        attempt.begin()
        for table in step.writes:
            attempt.write(table, schema(table).empty_table())
        for table in contents.keys() & set(step.writes):
            for number, content in enumerate(contents[table]):
                with (attempt.output(table) / f"part-{number:05d}.parquet").open_output() as stream:
                    pq.write_table(content, stream, row_group_size=1000)
        attempt.commit()
    whole = sum(content.nbytes for content in contents["query_embeddings"])
    before, most = pa.total_allocated_bytes(), 0
    for part in some_rows.vectors_in_parts(made, "query_embeddings", 1000):
        time.sleep(0.05)
        most = max(most, pa.total_allocated_bytes() - before)
        assert len(part) == 1000
    assert most < whole / 4


def _many_vectors() -> list[pa.Table]:
    """Ten files of four row groups: 62 MB."""
    vectors = np.random.default_rng(0).normal(size=(4000, 384)).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(vectors.ravel(), 384).cast(pa.list_(pa.float32()))
    return [
        pa.table({"id": [f"q{file}-{row:04d}" for row in range(4000)], "embedding": column}).cast(
            schema("query_embeddings")
        )
        for file in range(10)
    ]
