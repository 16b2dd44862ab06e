"""Clicks freed of the bias of their position: on logs whose users are simulated, and on rows of every kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synalign.config import Configuration
from synalign.errors import InputError
from synalign.run import Interval, Run
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform
from tests.querylog.simulated import TIME, Simulated, simulate, write

Make = Callable[..., Configuration]
pytestmark = pytest.mark.usefixtures("spark")
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
AGGREGATED = {"clicks": "clicks", "position": "position", "impressions": "impressions"}


def ingested(configuration: Make, name: str, clicks: dict[str, Any], columns: dict[str, str], **more: Any) -> Run:
    source = {
        "kind": "log", "path": "log.jsonl", "format": "jsonl", "columns": columns, "clicks": clicks,
        "documents": {"path": "d.jsonl", "format": "jsonl"}, **more,
    }  # fmt: skip
    run = Run(configuration(retriever=name, source=source), INTERVAL)
    perform(run, "ingest", ingest, source_files(run))
    return run


def counts(run: Run) -> dict[tuple[str, str], float]:
    return {(row["query"], row["document_id"]): row["count"] for row in run.read("pairs").to_pylist()}


def totals(run: Run) -> dict[str, int]:
    return {row["query"]: row["count"] for row in run.read("queries").to_pylist()}


@pytest.fixture
def log(home: Path) -> Simulated:
    made = simulate()
    write(home, made.rows, made.relevance.shape[1])
    return made


def test_known_propensities_are_recovered_and_order_documents_better_than_counting(
    log: Simulated, configuration: Make
) -> None:
    runs = {
        model: ingested(configuration, model, {"model": model}, AGGREGATED) for model in ("none", "position", "coec")
    }
    told = runs["position"].require("ingest")["metrics"]["clicks"]
    found = told["propensities"]
    assert found == pytest.approx(log.propensities.tolist(), rel=0.1)
    assert (told["known_positions"], told["clipped_positions"]) == (10, sum(value < 0.1 for value in found))
    ndcg = {model: log.ndcg(counts(run)) for model, run in runs.items()}
    print({model: round(value, 4) for model, value in ndcg.items()})
    assert ndcg["position"] > ndcg["none"] + 0.04
    assert ndcg["coec"] > ndcg["none"] + 0.01
    # Traffic is what it was, and counts are clicks.
    assert totals(runs["position"]) == totals(runs["coec"]) == totals(runs["none"])
    of_queries: dict[str, float] = {}
    for (query, _), count in counts(runs["position"]).items():
        of_queries[query] = of_queries.get(query, 0) + count
    assert of_queries == pytest.approx(totals(runs["none"]), rel=0.03)
    assert "clicks" not in runs["none"].require("ingest")["metrics"]


def test_click_rates_of_coec_are_clicks_over_impressions(log: Simulated, configuration: Make) -> None:
    told = ingested(configuration, "coec", {"model": "coec"}, AGGREGATED).require("ingest")["metrics"]["clicks"]
    for position in range(1, 11):
        rows = [row for row in log.rows if row["position"] == position]
        rate = sum(row["clicks"] for row in rows) / sum(row["impressions"] for row in rows)
        assert told["click_rates"][position - 1] == pytest.approx(rate, abs=1e-5)


def test_events_of_single_searches_say_the_same_as_sums_of_them(home: Path, configuration: Make) -> None:
    made = simulate(queries=6, searches=20)
    write(home, made.rows, 10)
    summed = ingested(configuration, "summed", {"model": "position"}, AGGREGATED)
    events = []
    for row in made.rows:
        # Positions from 0.
        event = {**row, "position": row["position"] - 1}
        clicks, shown = event.pop("clicks"), event.pop("impressions")
        events += [{**event, "action": "impression"}] * shown + [{**event, "action": "click"}] * clicks
        events += [{**event, "action": "hover"}]
    write(home, events, 10)
    single = ingested(configuration, "single", {"model": "position"}, {"position": "position", "action": "action"})
    assert counts(single) == counts(summed)
    assert totals(single) == totals(summed)
    metrics = single.require("ingest")["metrics"]
    clicks = sum(row["clicks"] for row in made.rows)
    assert (metrics["log_rows_usable"], metrics["log_rows_not_relevant"]) == (clicks, len(events) - clicks)
    # The log has a position 0, so its positions are from 0 on.
    assert metrics["clicks"] == {**summed.require("ingest")["metrics"]["clicks"], "first_position": 0}


def test_only_clicks_of_the_named_actions_that_people_stayed_with_count(home: Path, configuration: Make) -> None:
    def event(action: str | None, document: str, dwell: Any) -> dict[str, Any]:
        return {"event_time": TIME, "query": "q", "document_id": document, "what": action, "stayed": dwell}

    rows = [
        event("click", "d0", 30), event("click", "d0", "29.5"), event("purchase", "d1", None), event("view", "d2", 99),
        event(None, "d2", 99), event("click", "d3", 2.5), event("click", "d4", "soon"),
    ]  # fmt: skip
    write(home, rows, 5)
    clicks = {"actions": ["click", "purchase"], "min_dwell_seconds": 29.5}
    run = ingested(configuration, "shop", clicks, {"action": "what", "dwell": "stayed"})
    assert counts(run) == {("q", "d0"): 2, ("q", "d1"): 1, ("q", "d4"): 1}
    assert run.require("ingest")["metrics"]["log_rows_not_relevant"] == 3
    assert run.read("rejected").num_rows == 0


def test_rows_that_cannot_be_read_are_rejected_and_not_taken_for_what_is_no_click(
    home: Path, configuration: Make
) -> None:
    row = {"event_time": TIME, "query": "q", "document_id": "d0", "position": 1, "impressions": 3, "clicks": 1}
    write(home, [row, {**row, "clicks": "many"}, {**row, "clicks": 0, "query": {"a": 1}}], 1)
    (home / "log.jsonl").open("a").write('{"torn')
    run = ingested(configuration, "shop", {}, AGGREGATED)
    assert sorted(run.read("rejected")["rule"].to_pylist()) == ["malformed_clicks", "malformed_row", "not_text"]


@pytest.mark.parametrize(
    ("change", "model", "message"),
    [
        ({"impressions": 0}, "coec", "no row of the window says at which position"),
        ({"position": None}, "position", "no row of the window says at which position"),
        ({"position": 3}, "position", "no query's document was shown at two positions"),
    ],
)
def test_a_log_that_does_not_tell_the_bias_is_refused(
    home: Path, configuration: Make, change: dict[str, Any], model: str, message: str
) -> None:
    write(home, [{**row, **change} for row in simulate(queries=2, searches=5).rows], 10)
    with pytest.raises(InputError, match=message):
        ingested(configuration, "shop", {"model": model}, AGGREGATED)
