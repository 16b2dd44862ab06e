"""Reasons for which rows and queries were left out, with examples."""

from __future__ import annotations

import pyarrow.compute as pc

from synalign.report import flow_table
from synalign.report.material import Material
from tests.report.runs import changed


def test_each_reason_has_three_examples_where_there_are_three(finished: Material) -> None:
    sums = {sum_.title: sum_ for sum_ in flow_table.section(finished).content["sums"]}
    examples = {part.name: part.examples for sum_ in sums.values() for part in sum_.parts if part.fate == "lost"}
    counts = {name: len(found) for name, found in examples.items()}
    assert counts == {
        "empty query": 3, "malformed time": 1, "rejected: over length": 3, "rejected: near duplicate": 3,
        "not written: not returned": 0,
    }  # fmt: skip
    assert examples["rejected: near duplicate"][0].note == "cosine 0.97, for d1"


def test_where_no_query_came_the_requests_are_the_examples(finished: Material) -> None:
    ledger = {**finished.metrics("generate")["ledger"], "rejected": {"refused": 5}}
    other = changed(finished, generate={"ledger": ledger})
    requests = finished.table("requests")
    place = requests.schema.get_field_index("outcome")
    refused = pc.if_else(pc.equal(requests["kind"], "write"), "refused", requests["outcome"])
    other._tables = {**finished._tables, ("requests", None): requests.set_column(place, "outcome", refused)}
    (part,) = [part for part in flow_table.section(other).content["sums"][2].parts if part.name == "rejected: refused"]
    assert len(part.examples) == 3 and all(example.text.startswith("request ") for example in part.examples)
