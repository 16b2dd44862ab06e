"""What went in and what came out: every sum adds up."""

from __future__ import annotations

from synalign.report import flow_table
from synalign.report.material import Material
from tests.report.runs import changed, without


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


CARRIED = {
    "candidates": 8, "accepted": 6, "rejected": {"leak": 2}, "written_again": 1,
    "examples": {"leak": [{"query": "carried leak", "document_id": "d", "score": 0.99}]},
}  # fmt: skip


def test_queries_of_earlier_intervals_are_a_sum_of_their_own(finished: Material) -> None:
    carry = {"found": 15, "carried": 9, "left": {"over_limit": 1, "document_gone": 4, "written_again": 1}}
    carried = changed(finished, carry=carry, screen={"carried": CARRIED})
    sums = {each.title: each for each in flow_table.section(carried).content["sums"]}
    pool = sums["Queries of earlier intervals"]
    assert [(part.name, part.number, part.fate) for part in pool.parts] == [
        ("accepted again", 6, "kept"), ("left behind: written again", 2, "lost"),
        ("left behind: document gone", 4, "lost"), ("left behind: over limit", 1, "lost"),
        ("rejected: leak", 2, "lost"),
    ]  # fmt: skip
    assert pool.balanced and pool.total == 15
    assert [(example.text, example.note) for example in pool.parts[4].examples] == [
        ("carried leak", "cosine 0.99, for d")
    ]
    assert pool.parts[2].why == "its document is not in the collection any more"
    wrong = changed(carried, carry={"found": 16})
    assert not flow_table.section(wrong).content["sums"][3].balanced


def test_before_screening_what_is_carried_is_handed_on(finished: Material) -> None:
    carry = {"found": 5, "carried": 3, "left": {"retired": 2}}
    begun = without(changed(finished, carry=carry), "screen", "align", "evaluate", "assemble", "register")
    pool = next(each for each in flow_table.section(begun).content["sums"] if each.title.startswith("Queries of ear"))
    assert [(part.name, part.number) for part in pool.parts] == [
        ("handed on to screening", 3), ("left behind: retired", 2)
    ]  # fmt: skip
    assert pool.balanced


def test_what_was_proposed_as_a_negative_is_a_sum_by_who_proposed_it_and_what_refused_it(finished: Material) -> None:
    mine = {
        "pairs": 30, "sources": {"bm25": 40, "encoder": 80}, "short": 0,
        "objections": {"chosen": 3, "duplicate": 0, "too_near": 9},
    }  # fmt: skip
    sums = {each.title: each for each in flow_table.section(changed(finished, mine=mine)).content["sums"]}
    negatives = sums["Hard negatives"]
    assert [(part.name, part.number, part.fate) for part in negatives.parts] == [
        ("proposed by bm25", 40, "kept"), ("proposed by encoder", 80, "kept"),
        ("refused: chosen", 3, "lost"), ("refused: too near", 9, "lost"),
    ]  # fmt: skip
    assert negatives.balanced and negatives.total == 132
