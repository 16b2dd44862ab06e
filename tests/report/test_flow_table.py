"""What went in and what came out: every sum adds up."""

from __future__ import annotations

from synalign.report import flow_table
from synalign.report.material import Material
from tests.report.runs import changed


def test_every_sum_adds_up_and_an_edited_one_says_so(finished: Material) -> None:
    sums = flow_table.section(finished).content["sums"]
    assert [sum_.title for sum_ in sums] == [
        "Rows of the log", "Distinct real queries", "Queries asked of the model", "Rows of the training set",
    ]  # fmt: skip
    assert all(sum_.balanced for sum_ in sums)
    ledger = sums[2]
    assert {part.name: part.number for part in ledger.parts} == {
        "accepted": 180, "rejected: over length": 5, "rejected: near duplicate": 20, "not written: not returned": 4,
    }  # fmt: skip
    assert (ledger.total, ledger.beside[0].number) == (209, 1)
    wrong = changed(finished, screen={"accepted": 179})
    assert not flow_table.section(wrong).content["sums"][2].balanced
