"""The screen step on hand-made tables: each reason, the order of filters, and counts that add up."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from synalign.config import Configuration
from synalign.errors import GenerationError
from synalign.steps.job import perform
from synalign.steps.screen import screen
from tests.screening.runs import TEXT, reasons, run_with

Make = Callable[..., Configuration]


@pytest.fixture
def strict(configuration: Make) -> Configuration:
    return configuration(screening={"round_trip_depth": 1, "near_duplicate_cosine": 0.999, "copied_words": 6})


def test_verdicts_do_not_depend_on_how_many_vectors_are_held_at_once(
    strict: Configuration, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates = [(f"query {angle}", float(angle), "d0" if angle < 50 else "d180") for angle in range(0, 140, 5)]
    found = []
    for part in (65_536, 1, 2):
        monkeypatch.setenv("SYNALIGN_HOME", str(home / str(part)))
        for filters in ("round_trip", "real_queries"):
            monkeypatch.setattr(f"synalign.screening.{filters}.PART", part)
        run = run_with(strict, candidates)
        perform(run, "screen", screen)
        found.append(run.read("screening").to_pylist())
    assert found[0] == found[1] == found[2]
    assert {"leak", "inconsistent", None} <= {row["reason"] for row in found[0]}


def test_each_candidate_has_one_verdict_with_its_reason(strict: Configuration) -> None:
    run = run_with(
        strict,
        [
            ("good", 5, "d0"),
            ("of another document", 80, "d0"),
            ("like a held-out one", 45, "d0"),
            ("like one that chooses", 60.5, "d90"),
            ("like a shown one", 200, "d180"),
            ("GOOD", 20, "d0"),
            ("nearly good", 5.5, "d0"),
            ("another good", 100, "d90"),
            ("it REMOVES lime, from the tank within days", 20, "d0"),
            ("write to jane.roe@example.org", 20, "d0"),
        ],
    )
    metrics = perform(run, "screen", screen)["metrics"]
    assert list(reasons(run).values()) == [
        None, "inconsistent", "leak", "leak", "near_real", "exact_duplicate", "near_duplicate", None, "copied",
        "personal_data",
    ]  # fmt: skip
    assert (metrics["candidates"], metrics["accepted"]) == (10, 2)
    assert metrics["rejected"] == Counter(reason for reason in reasons(run).values() if reason)
    assert list(metrics["rejected"]) == [
        "personal_data", "copied", "inconsistent", "leak", "near_real", "exact_duplicate", "near_duplicate",
    ]  # fmt: skip


def test_the_first_filter_that_applies_gives_the_reason(strict: Configuration) -> None:
    run = run_with(
        strict,
        [
            ("good", 5, "d0"),
            (f"{TEXT} a@example.org", 45, "d90"),
            (TEXT.upper(), 80, "d0"),
            ("far away and held out", 45.01, "d180"),
            ("good", 45.02, "d90"),
        ],
    )
    perform(run, "screen", screen)
    assert list(reasons(run).values()) == [None, "personal_data", "copied", "inconsistent", "leak"]


def test_scores_say_what_decided(strict: Configuration) -> None:
    run = run_with(strict, [("good", 5, "d0"), ("Removes lime from the tank within minutes", 20, "d0")])
    perform(run, "screen", screen)
    assert run.read("screening")["score"].to_pylist() == [1.0, 6.0]


def test_three_examples_of_each_reason_are_those_of_the_lowest_ids_and_hold_no_personal_data(
    strict: Configuration,
) -> None:
    long = "wrong " * 60
    run = run_with(
        strict,
        [("good", 5, "d0"), ("ask a@example.org", 8, "d0"), *((f"{n} {long}", 80, "d0") for n in range(4))],
    )
    perform(run, "screen", screen)
    examples = run.require("screen")["metrics"]["examples"]
    assert [example["query"] for example in examples["inconsistent"]] == [f"{n} {long}"[:200] for n in range(3)]
    assert examples["inconsistent"][0] | {"query": ""} == {"query": "", "document_id": "d0", "score": 2.0}
    assert len(examples["personal_data"]) == 1
    assert "a@example.org" not in str(examples)
    assert set(examples) == {"inconsistent", "personal_data"}


def test_personal_data_passes_where_the_settings_say_so(configuration: Make) -> None:
    run = run_with(configuration(screening={"personal_data": False}), [("ask a@example.org", 5, "d0")])
    perform(run, "screen", screen)
    assert list(reasons(run).values()) == [None]


def test_an_inconsistent_query_does_not_push_out_its_consistent_twin(strict: Configuration) -> None:
    run = run_with(strict, [("same words", 2, "d90"), ("same words", 2, "d0")])
    perform(run, "screen", screen)
    assert reasons(run) == {"c0 same words": "inconsistent", "c1 same words": None}


def test_accepted_rows_carry_the_rank_of_their_document(configuration: Make) -> None:
    run = run_with(configuration(), [("first", 5, "d0"), ("second", 80, "d0")])
    perform(run, "screen", screen)
    assert run.read("screening")["score"].to_pylist() == [1.0, 2.0]


def test_nothing_left_is_an_error_that_counts_why(strict: Configuration) -> None:
    run = run_with(strict, [("wrong", 80, "d0"), ("leak", 45, "d0")])
    with pytest.raises(
        GenerationError, match=r"none of 2 written queries passed.*inconsistent.*1.*leak.*1.*\n.*most of them: they do"
    ):
        perform(run, "screen", screen)
    assert run.manifest("screen") is None


def test_a_text_must_be_near_the_real_texts_of_its_label_not_near_its_name(configuration: Make) -> None:
    # The label d0 is used for what lies at 200 degrees; held-out texts do not move it.
    pairs = (("shown", "d0"), ("held out", "d0"), ("chosen by", "d0"))
    candidates = [("like its texts", 220, "d0"), ("like its name", 5, "d0"), ("no text yet", 95, "d90")]
    source = {"kind": "labelled", "path": "texts"}
    run = run_with(configuration(task="classification", source=source), candidates, pairs)
    perform(run, "screen", screen)
    assert list(reasons(run).values()) == [None, "inconsistent", None]
    # As a retrieval of documents, all three of them are in the top 10.
    other = run_with(configuration(retriever="other"), candidates, pairs)
    perform(other, "screen", screen)
    assert list(reasons(other).values()) == [None, None, None]
