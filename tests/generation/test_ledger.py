"""The ledger: any mix of answers adds up, each query in the one state that it should be in."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.config import Configuration
from synalign.errors import RunError
from synalign.generation import outcomes
from synalign.generation.client import Answer
from synalign.generation.demonstration_batches import Batch, Document
from synalign.generation.ledger import (
    carried_figures,
    carried_ledger,
    carried_lines,
    generation_ledger,
    ledger_figures,
    ledger_lines,
    whole_ledger,
)
from synalign.generation.schemas import DocumentQueries, LatentAttributes, WrittenQueries
from synalign.generation.writing import Written, asked_for, read_answer
from synalign.screening.reasons import LEAVING, REASONS, REJECTING
from synalign.steps.generate import Result

CONFIGURATION = Configuration.model_validate(
    {
        "retriever": "r",
        "schedule": {"start": "2026-01-01"},
        "source": {"kind": "beir", "path": "x"},
        "ingest": {"max_query_characters": 12},
        "generation": {"queries_per_document": 2, "redact": []},
    }
)
FAILED = sorted(
    {*outcomes.RETRIED, *outcomes.FINAL, outcomes.REFUSED, outcomes.TRUNCATED, outcomes.REJECTED, "over_budget"}
)
IN_VAIN = {outcomes.REFUSED: "refused", outcomes.TRUNCATED: "truncated", outcomes.INVALID_OUTPUT: "invalid"}


def batch(documents: int) -> Batch:
    return Batch("b", ("shown",), tuple(Document(f"d{n}", "", "text") for n in range(documents)))


def answer(outcome: str, content: Any = None) -> Answer:
    return Answer("id", outcome, content, "model", 1, 1, 0.0, False, Counter())


def result(documents: int, outcome: str, entries: list[tuple[int, list[str]]], reason: str) -> tuple[Result, Written]:
    """What the step makes of an answer that ended so."""
    shown = batch(documents)
    named = answer(reason, LatentAttributes.model_construct(attributes=[]) if reason == outcomes.OK else None)
    if reason != outcomes.OK:
        outcome = outcomes.NOT_SENT
    if outcome != outcomes.OK:
        return Result(shown, named, answer(outcome)), Written([], 0, Counter(), asked_for(shown, CONFIGURATION))
    content = WrittenQueries(documents=[DocumentQueries(document=n, queries=texts) for n, texts in entries])
    return Result(shown, named, answer(outcome, content)), read_answer(shown, "id", content, CONFIGURATION)


texts = st.sampled_from(["good", "Good", "  ", "", "far too long for it", "a\ufffdb", "b\x07", "東京"]) | st.text(
    max_size=20
)
entries = st.lists(st.tuples(st.integers(-2, 6), st.lists(texts, max_size=5)), max_size=6)
results = st.builds(
    result,
    st.integers(1, 4),
    st.sampled_from([outcomes.OK, outcomes.OK, *FAILED]),
    entries,
    st.sampled_from([outcomes.OK, outcomes.OK, outcomes.OK, *FAILED]),
)


@settings(max_examples=60)
@given(st.lists(results, max_size=8), st.data())
def test_any_mix_of_answers_adds_up_to_what_was_asked_for(mix: list[tuple[Result, Written]], data: Any) -> None:
    done, written = [part[0] for part in mix], [part[1] for part in mix]
    ledger = generation_ledger(done, written, CONFIGURATION)
    asked = sum(2 * len(one.batch.documents) for one in done)
    returned = sum(
        len(entry.queries) for one in done if one.write.content is not None for entry in one.write.content.documents
    )
    assert ledger["asked_for"] == asked
    assert ledger["returned"] == returned
    assert ledger["accepted"] == sum(len(part.candidates) for part in written)
    assert asked == ledger["accepted"] + sum(ledger["rejected"].values()) + sum(ledger["not_written"].values())
    assert ledger["rejected"].get("invalid", 0) == sum(ledger["invalid"].values())
    in_vain = sum(2 * len(one.batch.documents) for one in done if one.write.outcome in IN_VAIN)
    in_answers = sum(ledger["rejected"].values()) - in_vain
    assert returned == ledger["accepted"] + in_answers + sum(ledger["surplus"].values())

    left, rejected = ledger["accepted"], {}
    for reason in data.draw(st.lists(st.sampled_from(REJECTING), unique=True)):
        rejected[reason] = data.draw(st.integers(0, left))
        left -= rejected[reason]
    whole = whole_ledger({"ledger": ledger}, {"candidates": ledger["accepted"], "accepted": left, "rejected": rejected})
    assert asked == whole["accepted"] + sum(whole["rejected"].values()) + sum(whole["not_written"].values())
    assert set(whole["rejected"]) <= set(REJECTING)
    figures = ledger_figures(whole)
    assert figures["asked_for"] == figures["accepted"] + figures["rejected"] + figures["not_written"]
    assert {f"rejected.{reason}" for reason in REJECTING} <= set(figures)
    assert not {f"rejected.{reason}" for reason in set(REASONS) - set(REJECTING)} & set(figures)


@pytest.mark.parametrize("outcome", FAILED)
def test_each_way_to_fail_has_its_state(outcome: str) -> None:
    done, written = result(3, outcome, [], outcomes.OK)
    ledger = generation_ledger([done], [written], CONFIGURATION)
    if outcome in IN_VAIN:
        assert (ledger["rejected"], ledger["not_written"]) == ({IN_VAIN[outcome]: 6}, {})
    else:
        name = "over_budget" if outcome == "over_budget" else f"request_{outcome}"
        assert (ledger["rejected"], ledger["not_written"]) == ({}, {name: 6})


def test_a_second_request_that_was_not_sent_says_whether_the_money_did_not_reach_for_the_first() -> None:
    poor, refused = (result(1, outcomes.OK, [], reason) for reason in ("over_budget", outcomes.REFUSED))
    ledger = generation_ledger([poor[0], refused[0]], [poor[1], refused[1]], CONFIGURATION)
    assert ledger["not_written"] == {"not_sent": 2, "over_budget": 2}


def test_one_answer_with_everything_in_it_by_hand() -> None:
    # Asked: 2 documents x 2. Document 0: one good, one too long, one too many. Document 1: one empty. 9: nobody's.
    mixed = result(2, "ok", [(0, ["good", "far too long for it", "more"]), (1, [" "]), (9, ["x", "y"])], "ok")
    ledger = generation_ledger([mixed[0]], [mixed[1]], CONFIGURATION)
    assert ledger == {
        "asked_for": 4,
        "returned": 6,
        "accepted": 1,
        "rejected": {"invalid": 1, "over_length": 1},
        "not_written": {"not_returned": 1},
        "surplus": {"too_many": 1, "unknown_document": 2},
        "invalid": {"empty": 1},
    }
    whole = whole_ledger({"ledger": ledger}, {"candidates": 1, "accepted": 0, "rejected": {"leak": 1}})
    assert ledger_lines(whole) == [
        " 0  accepted",
        " 1  rejected: invalid",
        " 1  rejected: over length",
        " 1  rejected: leak",
        " 1  not written: not returned",
        "--",
        " 4  asked for",
        "(1  surplus: too many)",
        "(2  surplus: unknown document)",
    ]


@pytest.mark.parametrize(
    ("generate", "screen", "message"),
    [
        ({"asked_for": 5}, {}, r"does not add up: 5 queries were asked for, but 2 accepted \+ 1 rejected"),
        ({}, {"candidates": 4}, "generate handed on 3 candidates, screen judged 4"),
        ({}, {"accepted": 3}, "does not add up: 4 queries"),
        ({}, {"rejected": {}}, "does not add up"),
    ],
)
def test_manifests_that_contradict_each_other_are_an_error(
    generate: dict[str, Any], screen: dict[str, Any], message: str
) -> None:
    ledger = {"asked_for": 4, "accepted": 3, "rejected": {}, "not_written": {"not_returned": 1}, "surplus": {}}
    with pytest.raises(RunError, match=message):
        whole_ledger({"ledger": ledger | generate}, {"candidates": 3, "accepted": 2, "rejected": {"leak": 1}} | screen)


def test_a_manifest_of_an_earlier_version_is_named_as_such() -> None:
    with pytest.raises(RunError, match="no 'ledger'"):
        whole_ledger({}, {"candidates": 1, "accepted": 1, "rejected": {}})


counts = st.dictionaries(st.sampled_from(LEAVING), st.integers(1, 50))
verdicts = st.dictionaries(
    st.sampled_from([name for name in REJECTING if REASONS[name].step == "screen"]), st.integers(1, 50)
)


@given(counts, verdicts, st.integers(0, 50), st.integers(0, 50))
def test_any_mix_of_carried_queries_adds_up_to_what_was_found(
    left: dict[str, int], rejected: dict[str, int], accepted: int, again: int
) -> None:
    judged = accepted + sum(rejected.values())
    carried = judged + again
    found = carried + sum(left.values())
    ledger = carried_ledger(
        {"found": found, "carried": carried, "left": left, "intervals": 3},
        {"carried": {"candidates": judged, "accepted": accepted, "rejected": rejected, "written_again": again}},
    )
    assert found == ledger["accepted"] + sum(ledger["left"].values()) + sum(ledger["rejected"].values())
    assert ledger["left"].get("written_again", 0) == left.get("written_again", 0) + again
    assert list(ledger["left"]) == [name for name in REASONS if name in ledger["left"]]
    figures = carried_figures(ledger)
    assert figures["found"] == figures["accepted"] + figures["left"] + figures["rejected"]
    assert figures["left"] == sum(figures[f"left.{reason}"] for reason in LEAVING)
    lines = carried_lines(ledger)
    assert sum(int(line.split()[0]) for line in lines[:-2]) == found
    assert bool(lines) == bool(found)


CARRIED = {"candidates": 3, "accepted": 2, "rejected": {"leak": 1}, "written_again": 1}


@pytest.mark.parametrize(
    ("carry", "carried", "message"),
    [
        (
            {"found": 7},
            {},
            r"carried queries does not add up: 7 were found in earlier intervals, but 2 accepted \+ 3 left",
        ),
        ({"carried": 5}, {}, "carry handed on 5 candidates, screen judged 3 and found 1 written again"),
        ({}, {"accepted": 3}, "does not add up: 6 were found"),
        ({}, {"rejected": {}}, "does not add up"),
        ({"left": {}}, {}, "does not add up"),
    ],
)
def test_manifests_of_carried_queries_that_contradict_each_other_are_an_error(
    carry: dict[str, Any], carried: dict[str, Any], message: str
) -> None:
    before = {"found": 6, "carried": 4, "left": {"retired": 2}, "intervals": 1}
    assert carried_ledger(before, {"carried": CARRIED})["left"] == {"written_again": 1, "retired": 2}
    with pytest.raises(RunError, match=message):
        carried_ledger(before | carry, {"carried": CARRIED | carried})


def test_a_manifest_from_before_the_pool_is_named_as_such() -> None:
    with pytest.raises(RunError, match="carry and screen have no 'carried'"):
        carried_ledger({}, {"candidates": 1, "accepted": 1, "rejected": {}})
    with pytest.raises(RunError, match="have no 'found'"):
        carried_ledger({"carried": 4, "left": {}}, {"carried": CARRIED})


def test_a_first_interval_has_no_lines_of_carried_queries() -> None:
    nothing = {"candidates": 0, "accepted": 0, "rejected": {}, "written_again": 0}
    ledger = carried_ledger({"found": 0, "carried": 0, "left": {}, "intervals": 0}, {"carried": nothing})
    assert carried_lines(ledger) == []
    assert set(carried_figures(ledger).values()) == {0}
