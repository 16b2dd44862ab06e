"""Lineage of a retriever in a real MLflow on SQLite; every answer worked out by hand."""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from synalign.errors import ArgumentError, RegistryError
from synalign.experiment import ExperimentPlan
from synalign.registry import serving
from synalign.registry.lineage import lineage
from tests.registry.shop import SET, client_of, day, registered_set

Make = Callable[..., ExperimentPlan]


def test_what_served_on_a_day_and_what_it_was_trained_on(plan: Make, second: ExperimentPlan, uri: str) -> None:
    """The whole life of a retriever; every answer worked out by hand."""
    registered_set(uri, "ab" * 32)
    ramp = [{"start": "2026-03-01", "share": 0.1}, {"start": "2026-03-05", "share": 1.0}]
    first = plan(ramp=ramp, treatment_share=0.4)
    serving.register_arms(first, uri, at=day(1))
    serving.reject(first, "ann", day(8), "wait", uri)
    serving.promote(first, "ann", day(10), "+5 %", uri)
    serving.register_arms(second, uri, at=day(32))
    serving.end(second, "bob", day(50), "no difference", uri)
    serving.roll_back("shop", "eve", day(60), "latency", uri)

    def at(when: datetime | date) -> tuple[Any, ...]:
        found = lineage("shop", when, uri)
        trained = found.champion.training_set
        return (found.champion.model_uri[-2:], trained and trained["version"], round(found.share, 4),
                found.experiment, found.event.kind, found.event.by)  # fmt: skip

    assert at(date(2026, 3, 1)) == ("41", None, 0.96, "first", "started", "search")
    assert at(date(2026, 3, 6)) == ("41", None, 0.6, "first", "started", "search")
    assert at(day(10) - timedelta(seconds=1)) == ("41", None, 0.6, "first", "started", "search")
    assert at(day(10)) == ("42", "7", 1.0, None, "promoted", "ann")
    assert at(date(2026, 3, 10)) == ("42", "7", 1.0, None, "promoted", "ann")
    assert at(date(2026, 4, 2)) == ("42", "7", 0.5, "second", "promoted", "ann")
    assert at(day(55)) == ("42", "7", 1.0, None, "promoted", "ann")
    assert at(day(61)) == ("41", None, 1.0, None, "rolled_back", "eve")
    with pytest.raises(RegistryError, match="has nothing before"):
        at(day(1) - timedelta(seconds=1))
    with pytest.raises(ArgumentError, match="time zone"):
        at(datetime(2026, 3, 1))


def test_lineage_reads_as_text_and_as_json(plan: Make, uri: str) -> None:
    registered_set(uri, "ab" * 32)
    made = plan()
    serving.register_arms(made, uri, at=day(1))
    found = lineage("shop", date(2026, 3, 3), uri)
    text = "\n".join(found.lines())
    for part in ("2026-03-03 23:59:59 UTC", "s3://models/shop/41 (version 1), 50.00% of units", "older than SynAlign",
                 "experiment first", made.digest, "shop-training-set version 7 (interval-7)", "ab" * 32):  # fmt: skip
        assert part in text
    data = json.loads(json.dumps(found.as_json()))
    assert data["champion"]["share"] == data["challenger"]["share"] == 0.5
    assert data["challenger"]["training_set"] == {**SET, "interval": "interval-7"}
    assert data["experiment"] == {"id": "first", "plan_digest": made.digest}


def test_lineage_does_not_answer_from_a_record_that_was_altered(plan: Make, uri: str) -> None:
    serving.register_arms(plan(), uri, at=day(1))
    client = client_of(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("record/shop").experiment_id])
    client.set_tag(run.info.run_id, "synalign.event", run.data.tags["synalign.event"].replace("shop/41", "shop/40"))
    with pytest.raises(RegistryError, match="was changed"):
        lineage("shop", day(2), uri)


def test_an_unknown_retriever_has_no_lineage(uri: str) -> None:
    with pytest.raises(RegistryError, match=r"nothing before .* there is none"):
        lineage("shop", day(1), uri)
