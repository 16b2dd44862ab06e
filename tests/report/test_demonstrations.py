"""Demonstrations in the report: some batches in full, and a comparison where queries are held out."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from synalign.config import Configuration
from synalign.report import demonstrations
from synalign.report.material import Material
from synalign.report.page import render
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


def test_every_verdict_of_a_batch_is_counted_and_attributes_say_where_they_are_from(configuration: Make) -> None:
    made = Material(made_run(configuration()))
    section = demonstrations.section(made)
    assert section is not None
    batches = section.content["batches"]
    assert all(sum(number for _, number in batch.verdicts) == batch.total for batch in batches)
    assert ["accepted", "near_duplicate"] in [[verdict for verdict, _ in batch.verdicts] for batch in batches]
    batch = batches[0]
    # `form` is measured by a rule, `tone` is for a reader.
    assert {attribute.name: attribute.measured for attribute in batch.attributes} == {"tone": False, "form": True}
    assert batch.shots == []


def test_shots_are_shown_with_the_beginning_of_the_document_that_users_chose(configuration: Make) -> None:
    texts = ("how to sort a list", "read a <b>file</b>", "what is a closure", "merge two dicts 7 times")
    made = Material(made_run(configuration(generation={"prompts": {"shots": 2}}), texts=texts))
    section = demonstrations.section(made)
    assert section is not None
    batch = section.content["batches"][0]
    assert [shot.query for shot in batch.shots] == batch.demonstrations
    pairs = {row["query_id"]: row["document_id"] for row in made.table("pairs").to_pylist()}
    documents = {row["document_id"]: row for row in made.table("documents").to_pylist()}
    first = documents[pairs[made.table("demonstrations")["query_id"][0].as_py()]]
    assert batch.shots[0][1:] == (first["title"], first["text"])
    page = render(made)
    assert "With their documents" in page and "read a &lt;b&gt;file&lt;/b&gt;" in page and "<b>file" not in page
    assert "With their documents" not in render(Material(made_run(configuration(), texts=texts)))
