"""Demonstrations in the report: some batches in full, and a comparison where queries are held out."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from synalign.config import Configuration
from synalign.report import demonstrations
from synalign.report.material import Material
from tests.report.runs import made_run

Make = Callable[..., Configuration]


def test_without_held_out_queries_nothing_is_compared(configuration: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Material(made_run(configuration(), until="generate"))
    queries = made.table("queries")
    train = pa.array(["train"] * queries.num_rows)
    changed = queries.set_column(queries.schema.get_field_index("split"), "split", train)
    monkeypatch.setattr(
        made, "table", lambda name, columns=None: changed if name == "queries" else made.run.read(name, columns)
    )
    section = demonstrations.section(made)
    assert section is not None
    assert section.content["comparison"] is None and section.content["distance"] is None


def test_batches_are_shown_with_what_was_written_from_each(configuration: Make) -> None:
    made = Material(made_run(configuration()))
    section = demonstrations.section(made)
    assert section is not None
    batches = section.content["batches"]
    assert [batch.number for batch in batches] == [1, 2, 4, 5, 6]
    candidates = made.table("candidates").to_pylist()
    first = made.table("demonstrations")["batch_id"][0].as_py()
    mine = [row["query"] for row in candidates if row["batch_id"] == first]
    assert batches[0].total == len(mine)
    assert {one.query for one in batches[0].written} <= set(mine)
    assert {one.verdict for batch in batches for one in batch.written} == {"accepted", "near_duplicate"}
    assert all((one.weight is None) == (one.verdict != "accepted") for batch in batches for one in batch.written)
