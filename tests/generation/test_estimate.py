"""The estimate against what a refresh then really asks for, at a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from typer.testing import CliRunner

from synalign import cli, tables
from synalign.config import Configuration
from synalign.embedding import encoder
from synalign.generation.estimate import Amount, as_json, estimate
from synalign.generation.estimate_table import as_table
from synalign.run import Interval, Run, manifests
from synalign.steps.generate import generate
from synalign.steps.job import perform
from synalign.tables import content_id
from tests.pool import world

INTERVAL = Interval.parse("2026-01-01", "2026-01-02")
QUERIES = [f"how long does the {animal} sleep in {season}" for animal in ("fox", "owl", "elk", "bee", "ant")
           for season in ("spring", "summer", "autumn", "winter")]  # fmt: skip
HELD_OUT = "held-out query that no prompt may show " * 7
PRICES = {"input_price": 1.0, "output_price": 4.0}


def settings(*, budget: dict[str, Any] | None = None, **sections: Any) -> Configuration:
    content = {
        "retriever": "r",
        "schedule": {"start": "2026-01-01"},
        "source": {"kind": "beir", "path": "x"},
        "sampling": {"batches": 4, "neighbours": 3},
        "generation": {
            "documents_per_batch": 3,
            "queries_per_document": 2,
            "max_output_tokens": 1000,
            "budget": budget or {},
        },
    }
    return Configuration.model_validate(content | sections)


def rows(table: str, content: list[dict[str, Any]]) -> Any:
    return pa.Table.from_pylist(content, schema=tables.schema(table))


def vectors(ids: list[str], seed: int) -> list[dict[str, Any]]:
    found = np.random.default_rng(seed).normal(size=(len(ids), 6)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return [{"id": name, "embedding": row.tolist()} for name, row in zip(ids, found, strict=True)]


def ingested(configuration: Configuration, commit: Callable[..., Run], *, held_out: bool = True) -> Run:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    queries = [
        {"query_id": content_id(text), "query": text, "count": 1, "first_seen": now, "last_seen": now,
         "split": "test" if text == HELD_OUT else "train"}
        for text in [HELD_OUT] * held_out + QUERIES
    ]  # fmt: skip
    documents = [
        {"document_id": f"d{n}", "title": f"Animal {n}", "text": f"The animal number {n} sleeps in a burrow or a nest."}
        for n in range(8)
    ]
    empty = {table: rows(table, []) for table in ("pairs", "rejected")}
    return commit(
        Run(configuration, INTERVAL),
        queries=rows("queries", queries),
        documents=rows("documents", documents),
        **empty,
    )


def sampled(configuration: Configuration, commit: Callable[..., Run]) -> Run:
    run = ingested(configuration, commit)
    ids = [content_id(text) for text in QUERIES]
    commit(
        run,
        query_embeddings=rows("query_embeddings", vectors([*ids, content_id(HELD_OUT)], 0)),
        document_embeddings=rows("document_embeddings", vectors([f"d{n}" for n in range(8)], 1)),
    )
    shown = [
        {"batch_id": f"b{n // 4}", "position": n % 4, "query_id": ids[n], "role": "anchor", "variance": 1.0}
        for n in range(16)
    ]
    return commit(run, demonstrations=rows("demonstrations", shown))


def test_a_small_model_is_asked_for_one_query_at_a_time() -> None:
    large, small = (
        estimate(settings(generation={"queries_per_document": 3, "prompts": {"family": family}}))
        for family in ("large", "small")
    )
    assert large.requests == 2 * large.batches
    # Twelve documents a batch, three queries for each, and no request for attributes.
    assert small.requests == 36 * small.batches and small.queries == large.queries
    most = settings(generation={}).generation.max_output_tokens
    assert small.tokens_out.at_most == small.requests * most and large.tokens_out.at_most == large.requests * most
    assert 0 < small.tokens_in.estimate <= small.tokens_in.at_most


def test_with_nothing_ingested_the_settings_bound_every_text() -> None:
    found = estimate(settings(budget=PRICES))
    assert (found.basis, found.interval, found.answers) == ("configuration", None, "usual")
    assert (found.batches, found.queries) == (4, 4 * 3 * 2)
    assert found.tokens_out.at_most == 4 * 2 * 1000
    # 4 queries of 300 characters and 3 documents of 1,500 cannot be fewer than a token for every eight characters.
    assert found.tokens_in.estimate > 4 * (2 * 4 * 300 + 3 * 1500) / 8
    assert found.tokens_in.at_most > found.tokens_in.estimate
    assert found.money == Amount(
        *(
            pytest.approx((sent * 1.0 + received * 4.0) / 1e6)
            for sent, received in zip(found.tokens_in, found.tokens_out, strict=True)
        )
    )


def test_the_batch_api_costs_what_its_discount_leaves() -> None:
    online = estimate(settings(budget=PRICES))
    batch = settings(budget=PRICES)
    batch = batch.model_copy(update={"generation": batch.generation.model_copy(update={"mode": "batch"})})
    assert estimate(batch).money == Amount(*(pytest.approx(money / 2) for money in online.money or ()))


def test_a_label_is_asked_for_as_many_texts_as_all_documents_of_a_batch() -> None:
    labels = settings(task="classification", source={"kind": "labelled", "path": "x"})
    found, documents = estimate(labels), estimate(settings())
    assert found.queries == documents.queries == 4 * 3 * 2
    assert found.tokens_in.estimate < documents.tokens_in.estimate


def test_texts_of_an_interval_stand_in_until_it_is_sampled(commit: Callable[..., Run]) -> None:
    configuration = settings(sampling={"batches": 100, "neighbours": 3})
    bound = estimate(configuration)
    ingested(configuration, commit)
    found = estimate(configuration)
    assert (found.basis, found.interval) == ("texts", INTERVAL.name)
    assert found.batches == len(QUERIES) // 4
    per_batch = [each.tokens_in.estimate / each.batches for each in (found, bound)]
    assert per_batch[0] < 0.7 * per_batch[1]


def test_held_out_queries_do_not_count(commit: Callable[..., Run]) -> None:
    with_them, without = settings(retriever="with"), settings(retriever="without")
    ingested(with_them, commit)
    ingested(without, commit, held_out=False)
    assert estimate(with_them)._replace(retriever="without") == estimate(without)


def test_other_sampling_settings_fall_back_to_the_texts(commit: Callable[..., Run]) -> None:
    sampled(settings(), commit)
    assert estimate(settings()).basis == "batches"
    assert estimate(settings(sampling={"batches": 3, "neighbours": 3})).basis == "texts"
    assert estimate(settings(ingest={"split_salt": "other"})).basis == "configuration"


def test_of_many_batches_some_are_rendered_and_stand_for_all(
    commit: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled(settings(), commit)
    whole = estimate(settings())
    monkeypatch.setattr("synalign.generation.estimate.RENDERED", 2)
    some = estimate(settings())
    assert (whole.rendered, some.rendered, some.batches) == (4, 2, 4)
    assert some.tokens_in.estimate == pytest.approx(whole.tokens_in.estimate, rel=0.1)
    assert any("2 of its 4 batches" in line for line in as_table(some))


def test_a_refresh_stays_below_at_most_and_teaches_the_next_estimate(
    commit: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SYNALIGN_WRITER_URL", raising=False)
    configuration = settings(budget=PRICES)
    run = sampled(configuration, commit)
    before = estimate(configuration)
    perform(run, "generate", generate)
    metrics = run.require("generate")["metrics"]
    assert (before.basis, before.batches, before.queries) == ("batches", 4, metrics["ledger"]["asked_for"])
    assert metrics["tokens_in"] <= before.tokens_in.at_most
    assert metrics["tokens_out"] <= before.tokens_out.at_most
    assert before.answers == "usual"
    after = estimate(configuration)
    assert after.answers == "measured"
    assert after.tokens_out.estimate == pytest.approx(metrics["tokens_out"], abs=4)
    assert after.tokens_out.at_most == before.tokens_out.at_most
    # The writer's own way to count is known now; attributes are a little longer as JSON than they were as an answer.
    assert after.tokens_in.estimate == pytest.approx(metrics["tokens_in"], rel=0.15)
    other = configuration.generation.model_copy(update={"model": "another"})
    assert estimate(configuration.model_copy(update={"generation": other})).answers == "usual"


def test_the_command_prints_a_table_or_json(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(yaml.safe_dump(settings(budget={**PRICES, "max_money": 0.01}).model_dump(mode="json")))
    shown = CliRunner().invoke(cli.application, ["estimate", str(file)])
    assert shown.exit_code == 0
    for expected in ("estimate", "at most", "requests", "money, USD", "DOES NOT FIT", "no interval is ingested"):
        assert expected in shown.output
    content = json.loads(CliRunner().invoke(cli.application, ["estimate", str(file), "--json"]).output)
    assert content["requests"] == 8
    assert content["money"]["at_most"] > content["money"]["estimate"] > 0.01
    assert content["verdict"] == "stops"
    taught = CliRunner().invoke(cli.application, ["estimate", "--help"]).output
    assert "Sends nothing" in " ".join(taught.split())


def nights(count: int) -> None:
    """Nights of a small world, with a carried pool."""
    for number in range(count):
        world.night(world.run_of(number))


def test_before_anything_is_ingested_nothing_is_said_of_the_pool() -> None:
    assert estimate(world.settings()).pool is None


def test_what_the_next_refresh_takes_up_is_what_the_estimate_says(home: Path) -> None:
    nights(2)
    found = estimate(world.settings()).pool
    assert found is not None
    metrics = world.night(world.run_of(2), until="carry").require("carry")["metrics"]
    assert (found.found, found.carried, found.left, found.intervals) == tuple(
        metrics[name] for name in ("found", "carried", "left", "intervals")
    )
    assert found.documents_of == world.run_of(1).interval.name
    assert (found.embedded_anew, found.batches_left_out) == (0, 0)
    assert estimate(world.settings(pool={"nights": 0})).pool is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"ingest": {"split_salt": "another"}}, "held_out_shown"),
        ({"ingest": {"max_query_characters": 5}}, "over_length"),
        ({"generation": {"model": "another"}, "pool": {"writer": "current"}}, "other_writer"),
    ],
)
def test_a_change_of_settings_says_what_it_voids_before_anything_is_paid(
    changed: dict[str, Any], reason: str, home: Path
) -> None:
    nights(1)
    today = world.settings(**changed)
    found = estimate(today)
    assert found.pool is not None
    voided = found.pool.left[reason]
    assert found.pool.carried == found.pool.found - voided < found.pool.found
    assert any(line.strip() == f"Left behind: {reason} {voided}." for line in as_table(found))
    assert as_json(found)["pool"]["left"] == {reason: voided}


@pytest.mark.parametrize(
    ("changed", "is_another"),
    [
        ({}, False),
        ({"max_tokens": 64}, True),
        ({"model": "/nowhere/another"}, True),
        ({"precision": "float32"}, False),
        ({"precision": "bfloat16"}, True),
        ({"query_prompt": "query: "}, True),
        ({"document_prompt": ""}, False),
        ({"device": "cpu"}, False),
    ],
)
def test_another_encoder_embeds_and_judges_all_that_is_carried_anew(
    changed: dict[str, Any], is_another: bool, home: Path
) -> None:
    nights(1)
    claim(world.run_of(0), "embed", revision=encoder.EMBEDDED_WEIGHTS, precision="float32")
    found = estimate(world.settings(encoder=changed))
    assert found.pool is not None
    assert found.pool.embedded_anew == (found.pool.carried if is_another else 0)
    assert any("Another encoder" in line for line in as_table(found)) == is_another


def test_other_weights_under_the_same_name_are_another_encoder(home: Path) -> None:
    nights(1)
    claim(world.run_of(0), "embed", revision="0" * 64, precision="float32")
    found = estimate(world.settings())
    assert found.pool is not None
    assert found.pool.embedded_anew == found.pool.carried > 0


def test_batches_that_were_not_worth_asking_are_those_of_the_latest_refresh(home: Path) -> None:
    nights(2)
    claim(world.run_of(0), "sample", batches_not_worth_asking=5)
    claim(world.run_of(1), "sample", batches_not_worth_asking=3)
    found = estimate(world.settings())
    assert found.pool is not None
    assert found.pool.batches_left_out == 3
    assert any("3 batches in the latest refresh" in line for line in as_table(found))
    all_asked = estimate(world.settings(sampling={"stop_gain": 0}))
    assert all_asked.pool == found.pool._replace(batches_left_out=None)


def claim(run: Run, step: str, **metrics: Any) -> None:
    """Let a finished step have these figures."""
    place = run.folder / step / manifests.NAME
    content = json.loads(place.read_bytes())
    content["metrics"].update(metrics)
    place.write_bytes(json.dumps(content).encode())
