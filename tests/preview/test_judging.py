"""Verdicts on the queries of a preview are those of a refresh's screens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from synalign.config import Configuration
from synalign.generation.demonstration_batches import Document
from synalign.preview import preview
from synalign.preview.judging import title_of
from synalign.writer.server import complete
from tests.preview.conftest import INTERVAL, Answer, ingested, writer, writes

Make = Callable[..., Configuration]


def judged(configuration: Configuration, monkeypatch: pytest.MonkeyPatch, answer: Answer) -> dict[str, tuple[str, str]]:
    """Verdict and reason in words of each query of one batch."""
    ingested(configuration)
    with writer(monkeypatch, answer):
        found = preview(Path("shop.yaml"), configuration, INTERVAL, 1)
    return {query.query: (query.verdict, query.why) for batch in found.batches for query in batch.queries}


def test_each_reason_is_told_in_words_with_its_score(retriever: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = "lives in the forest what it eats is food of the"
    queries = (copy, "ask jane.roe@example.org", "x" * 600, "", "\x07bell", "six of them")
    found = judged(retriever(documents_per_batch=1, queries_per_document=6), monkeypatch, writes(*queries, "too many"))
    reasons = {query: verdict for query, (verdict, _) in found.items()}
    assert reasons[copy] == "copied" and found[copy][1].endswith(": 11 words in a row")
    assert reasons[""] == "empty" and reasons["x" * 600] == "over_length" and reasons["too many"] == "too_many"
    assert reasons["\x07bell"] == "control_characters"
    # Personal data is not shown.
    assert [query for query, reason in reasons.items() if reason == "personal_data"] == ["ask [EMAIL]"]
    assert "jane" not in str(found)
    assert all(why for _, why in found.values())


def test_copies_of_real_queries_and_of_each_other_are_told(retriever: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    found = judged(
        retriever(documents_per_batch=1, queries_per_document=3), monkeypatch, lambda request: (200, complete(request))
    )
    assert set(found) and {verdict for verdict, _ in found.values()} <= {
        "accepted", "near_real", "near_duplicate", "exact_duplicate", "inconsistent", "leak", "copied",
    }  # fmt: skip


def test_a_document_is_named_by_its_title_its_beginning_or_its_id() -> None:
    assert title_of(Document("d1", "Mixer", "text")) == "Mixer"
    assert title_of(Document("d1", "", "a\n b  " + "c" * 200)) == "a b " + "c" * 74
    assert title_of(Document("d1", "", "")) == "d1"
