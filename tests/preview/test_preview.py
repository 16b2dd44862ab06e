"""A whole preview: what is sent, what comes back, what becomes of it, and what is paid a second time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synalign import flow
from synalign.config import Configuration
from synalign.errors import ArgumentError, EndpointError, GenerationError, InputError
from synalign.preview import preview
from synalign.preview.findings import Preview
from synalign.preview.preview import problem
from synalign.preview.sample_run import vector_table
from synalign.run import root
from synalign.steps.generate import generate
from synalign.steps.job import perform
from synalign.steps.sample import sample
from synalign.upkeep.previews import forget
from synalign.writer.server import MODEL, complete
from tests.handmade import finish
from tests.preview.conftest import INTERVAL, ingested, words_as_vectors, writer, writes

Make = Callable[..., Configuration]
NO_FILE = Path("shop.yaml")


def previewed(configuration: Configuration, batches: int = 2) -> Preview:
    return preview(NO_FILE, configuration, INTERVAL, batches)


def test_batches_of_an_ingested_interval_are_asked_shown_and_judged(retriever: Make) -> None:
    run = ingested(retriever())
    before = sorted(path for path in Path(root()).rglob("*"))
    found = previewed(retriever())
    assert (found.retriever, found.model, found.endpoint, found.family) == ("shop", MODEL, "embedded", "large")
    assert found.sample == f"30 of 30 queries of the interval {INTERVAL.name}"
    assert (found.whole, found.documents, len(found.batches)) == (True, 10, 2)
    train = {row["query"] for row in run.read("queries").to_pylist() if row["split"] == "train"}
    for batch in found.batches:
        assert len(batch.demonstrations) == 3 and set(batch.demonstrations) <= train
        assert [asked.kind for asked in batch.requests] == ["reason", "write"]
        assert (batch.asked_for, len(batch.queries), batch.shots) == (6, 6, ())
        assert {attribute.name for attribute in batch.attributes if attribute.measured} >= {"length", "form"}
        for asked in batch.requests:
            assert [role for role, _ in asked.messages] == ["system", "user"]
            assert (asked.outcome, asked.reused) == ("ok", False)
        answer = json.loads(batch.requests[1].answer)
        raw = {query for document in answer["documents"] for query in document["queries"]}
        assert {query.query for query in batch.queries} == raw
        assert all(demonstration in batch.requests[1].messages[1][1] for demonstration in batch.demonstrations)
    assert sum(found.verdicts.values()) == 12 and problem(found) is None
    # Nothing is registered, and no table stays.
    assert sorted(path for path in Path(root()).rglob("*")) == before


def test_the_same_preview_again_costs_nothing_and_shows_the_same(
    retriever: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(retriever())
    with writer(monkeypatch, lambda request: (200, complete(request))) as asked:
        first = previewed(retriever())
        assert len(asked) == 4
        second = previewed(retriever())
        assert len(asked) == 4
    assert all(one.reused for batch in second.batches for one in batch.requests)
    assert [batch.queries for batch in first.batches] == [batch.queries for batch in second.batches]
    assert first.rate == second.rate


def test_shots_are_shown_with_the_documents_that_users_chose(retriever: Make) -> None:
    ingested(retriever())
    found = previewed(retriever(prompts={"family": "small"}), 1)
    (batch,) = found.batches
    assert found.family == "small"
    assert {query for query, _ in batch.shots} == set(batch.demonstrations)
    assert all(document.startswith("The ") and "forest" in document for _, document in batch.shots)
    assert {asked.kind for asked in batch.requests} == {"write"} and len(batch.requests) == 6 == batch.asked_for
    roles = [role for role, _ in batch.requests[0].messages]
    assert roles == ["system", *["user", "assistant"] * 3, "user"]


def test_provider_batches_are_asked_at_once_and_a_refresh_is_priced_as_it_will_be(retriever: Make) -> None:
    budget = {"input_price": 1000.0, "output_price": 0.0, "batch_discount": 0.5, "max_tokens": 200_000}
    priced = retriever(mode="batch", endpoint="embedded", budget=budget)
    ingested(priced)
    rate = previewed(priced).rate
    # 27 train queries are 9 batches of 3.
    assert (rate.batches, rate.refresh_batches, rate.requests, rate.known) == (2, 9, 4, True)
    assert rate.money == pytest.approx(rate.whole(rate.tokens_in) * 1000.0 / 1e6 * 0.5)
    assert rate.ceiling == ""


def test_a_ceiling_holds_for_a_preview_too(retriever: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    poor = retriever(budget={"max_tokens": 100})
    ingested(poor)
    with writer(monkeypatch, lambda request: (200, complete(request))) as asked:
        found = previewed(poor)
    assert not asked
    error = problem(found)
    assert isinstance(error, GenerationError) and "over budget" in str(error).replace("_", " ")


def test_copies_are_warned_of_and_judged(retriever: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ingested(retriever())
    with writer(monkeypatch, writes("what the fox eats is food", "FOX food")):
        found = previewed(retriever())
    assert {warning.name for warning in found.warnings} >= {"copies", "inconsistent"}
    assert found.verdicts["inconsistent"] >= 6
    assert all(query.why for batch in found.batches for query in batch.queries)


def test_too_few_queries_and_too_many_batches_are_said(retriever: Make, configuration: Make) -> None:
    ingested(retriever())
    for batches in (0, 21):
        with pytest.raises(ArgumentError, match="must be from 1 to 20"):
            previewed(retriever(), batches)
    wide = configuration(sampling={"neighbours": 60, "breadth": 60})
    with pytest.raises(InputError, match="too few for a batch of 61"):
        previewed(wide)


def test_an_endpoint_that_is_away_ends_it_and_says_what_to_do(retriever: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ingested(retriever())
    with writer(monkeypatch, writes()):
        gone = os.environ["SYNALIGN_WRITER_URL"]
    monkeypatch.setenv("SYNALIGN_WRITER_URL", gone)
    with pytest.raises(GenerationError, match="nobody answers") as raised:
        previewed(retriever())
    assert raised.value.exit_code == 6 and raised.value.remedy


def test_answers_that_cannot_be_read_are_shown_with_what_was_said(
    retriever: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nonsense(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        completion = complete(request)
        completion["choices"][0]["message"]["content"] = "<b>I am sorry</b>"
        return 200, completion

    ingested(retriever())
    with writer(monkeypatch, nonsense):
        found = previewed(retriever(runtime={"max_failure_rate": 1.0}, structured_output="json_schema"))
    assert all(len(batch.requests) == 1 and not batch.queries for batch in found.batches)
    assert {asked.outcome for batch in found.batches for asked in batch.requests} == {"invalid_output"}
    assert isinstance(problem(found), EndpointError)


@pytest.mark.slow
def test_with_the_real_encoder(retriever: Make) -> None:
    ingested(retriever())
    found = previewed(retriever(), 1)
    assert sum(found.verdicts.values()) == 6


def test_a_refresh_of_the_same_batches_pays_for_none_of_them_again_and_the_other_way_round(
    retriever: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = retriever()
    run = ingested(shop)
    finish(run, flow.step("carry"), {})
    texts = {
        "query_embeddings": ("queries", "query_id", "query"),
        "document_embeddings": ("documents", "document_id", "text"),
    }
    vectors = {}
    for name, (table, key, text) in texts.items():
        rows = run.read(table)
        vectors[name] = vector_table(rows[key].to_pylist(), words_as_vectors(rows[text].to_pylist()))
    finish(run, flow.step("embed"), vectors)
    with writer(monkeypatch, lambda request: (200, complete(request))) as asked:
        found = previewed(shop)
        assert (found.whole, len(asked)) == (True, 4)
        perform(run, "sample", sample)
        perform(run, "generate", generate)
        # 27 train queries are 9 batches of two requests, of which the first two batches are known.
        assert len(asked) == 2 * 9
        manifest = run.require("generate")
        assert manifest["metrics"]["journal_hits"] == 4
        forget("shop", dry=False)
        assert all(one.reused for batch in previewed(shop, 4).batches for one in batch.requests)
        assert len(asked) == 2 * 9
