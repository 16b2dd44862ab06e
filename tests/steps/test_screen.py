"""The screen step on hand-made tables: each reason, the order of filters, and counts that add up."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synalign import flow
from synalign.config import Configuration
from synalign.errors import GenerationError
from synalign.run import Attempt, Interval, Run
from synalign.steps.job import perform
from synalign.steps.screen import screen
from synalign.tables import schema

Make = Callable[..., Configuration]
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
TIME = pa.timestamp("us", tz="UTC")
# Directions in the plane, by angle in degrees; cosine of 10 degrees is .985, of 30 .866.
DOCUMENTS = {"d0": 0, "d90": 90, "d180": 180}
TEXT = "The descaler removes lime from the tank within twenty minutes of a long hot cycle."
QUERIES = {"held out": (45, "test"), "chosen by": (60, "validation"), "shown": (200, "train")}


def vectors(angles: list[float]) -> pa.Array:
    radians = np.deg2rad(angles)
    rows = np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)
    return pa.array(list(rows), pa.list_(pa.float32()))


def run_with(
    configuration: Configuration, candidates: list[tuple[str, float, str]], pairs: tuple[tuple[str, str], ...] = ()
) -> Run:
    """Candidates as (query, angle, document), real pairs as (query, document)."""
    ids = [f"c{row}" for row in range(len(candidates))]
    queries = list(QUERIES)
    rows: dict[str, dict[str, Any]] = {
        "queries": {
            "query_id": queries,
            "query": queries,
            "count": [1] * 3,
            "first_seen": pa.array([0] * 3, TIME),
            "last_seen": pa.array([0] * 3, TIME),
            "split": [split for _, split in QUERIES.values()],
            "label": pa.array([None] * 3, pa.string()),
        },
        "query_embeddings": {"id": queries, "embedding": vectors([angle for angle, _ in QUERIES.values()])},
        "pairs": {
            "pair_id": [f"{query} {document}" for query, document in pairs],
            "query_id": [query for query, _ in pairs],
            "query": [query for query, _ in pairs],
            "document_id": [document for _, document in pairs],
            "count": [1] * len(pairs),
            "split": [QUERIES[query][1] for query, _ in pairs],
        },
        "documents": {
            "document_id": list(DOCUMENTS),
            "title": ["", "A title", ""],
            "text": [TEXT, "Nothing of it.", "Other words."],
        },
        "document_embeddings": {"id": list(DOCUMENTS), "embedding": vectors(list(DOCUMENTS.values()))},
        "candidates": {
            "candidate_id": ids,
            "batch_id": ["b"] * len(ids),
            "query": [query for query, _, _ in candidates],
            "document_id": [document for _, _, document in candidates],
            "request_id": ["r"] * len(ids),
        },
        "candidate_embeddings": {"id": ids, "embedding": vectors([angle for _, angle, _ in candidates])},
    }
    run = Run(configuration, INTERVAL)
    for step in flow.before("screen"):
        attempt = Attempt(run, step)
        attempt.begin()
        for table in step.writes:
            attempt.write(table, pa.table(rows[table]) if table in rows else schema(table).empty_table())
        attempt.commit()
    return run


@pytest.fixture
def strict(configuration: Make) -> Configuration:
    return configuration(screening={"round_trip_depth": 1, "near_duplicate_cosine": 0.999, "copied_words": 6})


def reasons(run: Run) -> dict[str, str | None]:
    queries = dict(zip(*(run.read("candidates")[name].to_pylist() for name in ("candidate_id", "query")), strict=True))
    return {
        f"{row['candidate_id']} {queries[row['candidate_id']]}": row["reason"]
        for row in run.read("screening").to_pylist()
    }


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


def test_what_the_encoder_cannot_read_is_no_near_duplicate_of_anything(strict: Configuration) -> None:
    """Two Chinese queries of different products have one vector: unknown words are not alike, they are unknown."""
    run = run_with(
        strict,
        [
            ("\u7535\u996d\u7172\u6f0f\u6c34", 5, "d0"),
            ("\u5fae\u6ce2\u7089\u6f0f\u6c34", 5, "d0"),
            ("rice cooker leaks", 20, "d0"),
            ("rice cooker leaks \U0001f600", 100, "d90"),
        ],
    )
    perform(run, "screen", screen)
    assert list(reasons(run).values()) == ["unreadable", "unreadable", None, None]
