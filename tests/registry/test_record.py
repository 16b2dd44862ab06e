"""The record: a chain that is written at its end only, and that tells when somebody altered it."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mlflow import MlflowClient

from synalign.errors import ArgumentError, RegistryError
from synalign.experiment import ExperimentPlan
from synalign.registry import record
from synalign.registry.record import Event, Served

Make = Callable[..., ExperimentPlan]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD, NEW = Served("1", "s3://old", None), Served("2", "s3://new", {"model": "m", "version": "7", "digest": "ab" * 32})


def client_of(uri: str) -> MlflowClient:
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def happened(plan: ExperimentPlan, kind: Any, hours: int, reason: str = "because") -> Event:
    champion, challenger = (OLD, NEW) if kind == "started" else (NEW, None)
    return record.happening(kind, plan, "ann", NOON + timedelta(hours=hours), reason, champion, challenger)


def write(uri: str, *new: Event) -> list[Event]:
    client = client_of(uri)
    with record.opened(client, "shop") as chain:
        return [record.append(client, "shop", uri, chain, one) for one in new]


def test_a_record_is_a_chain_whose_digests_can_be_computed_by_hand(plan: Make, uri: str) -> None:
    made = plan()
    write(uri, happened(made, "started", 0), happened(made, "rejected", 1), happened(made, "promoted", 2))
    chain = record.events(client_of(uri), "shop")
    assert [(event.number, event.kind, event.by) for event in chain] == [
        (1, "started", "ann"), (2, "rejected", "ann"), (3, "promoted", "ann")]  # fmt: skip
    assert [event.champion_before for event in chain] == [None, "1", "2"]
    assert chain[2].champion == NEW and chain[2].plan_digest == made.digest
    previous = "0" * 64
    for event in chain:
        told = event.as_json()
        digest = told.pop("digest")
        by_hand = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert (told["previous"], digest) == (previous, hashlib.sha256(by_hand.encode()).hexdigest())
        previous = digest


def test_no_record_is_an_empty_one(uri: str) -> None:
    assert record.events(client_of(uri), "shop") == []


def test_the_same_event_is_written_once(plan: Make, uri: str) -> None:
    first = write(uri, happened(plan(), "started", 0))
    assert write(uri, happened(plan(), "started", 5, "another reason")) == first
    rejected = write(
        uri, happened(plan(), "rejected", 6), happened(plan(), "rejected", 7), happened(plan(), "rejected", 6)
    )
    assert [event.number for event in rejected] == [2, 3, 2]
    assert len(record.events(client_of(uri), "shop")) == 3


def test_a_decision_never_comes_before_one_that_was_made_later(plan: Make, uri: str) -> None:
    write(uri, happened(plan(), "started", 5))
    with pytest.raises(RegistryError, match="comes too late"):
        write(uri, happened(plan(), "promoted", 4))
    # A refusal changes nothing, so it may be noted late.
    write(uri, happened(plan(), "rejected", 4))
    write(uri, happened(plan(), "promoted", 5))


@pytest.fixture
def three(plan: Make, uri: str) -> str:
    """Id of the second of three events' runs."""
    made = plan()
    write(uri, happened(made, "started", 0), happened(made, "rejected", 1), happened(made, "promoted", 2))
    client = client_of(uri)
    place = client.get_experiment_by_name("record/shop").experiment_id
    (run,) = client.search_runs([place], "tags.number = '2'")
    return str(run.info.run_id)


def altered(uri: str, expected: str) -> None:
    with pytest.raises(RegistryError, match=expected):
        record.events(client_of(uri), "shop")


def test_a_changed_event_is_found(three: str, uri: str) -> None:
    client = client_of(uri)
    content = client.get_run(three).data.tags["synalign.event"]
    client.set_tag(three, "synalign.event", content.replace('"by":"ann"', '"by":"bob"'))
    altered(uri, r"event 2 \(run .*\) was changed")


def test_an_event_changed_with_its_digest_is_found_by_the_next_one(three: str, uri: str) -> None:
    client = client_of(uri)
    content = client.get_run(three).data.tags["synalign.event"].replace('"by":"ann"', '"by":"bob"')
    client.set_tag(three, "synalign.event", content)
    client.set_tag(three, "digest", hashlib.sha256(content.encode()).hexdigest())
    altered(uri, "event 3 does not follow the one before it")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"at":"noon"}'])
def test_an_event_that_cannot_be_read_is_found(three: str, uri: str, content: str) -> None:
    client_of(uri).set_tag(three, "synalign.event", content)
    altered(uri, "cannot be read")


def test_an_event_whose_content_was_removed_is_found(three: str, uri: str) -> None:
    client_of(uri).delete_tag(three, "synalign.event")
    altered(uri, "cannot be read")


def test_a_deleted_run_hides_nothing(three: str, uri: str) -> None:
    before = record.events(client_of(uri), "shop")
    client_of(uri).delete_run(three)
    assert record.events(client_of(uri), "shop") == before


def test_an_event_that_is_gone_is_found_even_the_last(three: str, uri: str) -> None:
    client = client_of(uri)
    place = client.get_experiment_by_name("record/shop").experiment_id
    (last,) = client.search_runs([place], "tags.number = '3'")
    for key in ("number", "synalign.event"):
        client.delete_tag(last.info.run_id, key)
    altered(uri, "its end was event 3")
    for key in ("number", "synalign.event"):
        client.delete_tag(three, key)
    altered(uri, "its end was event 3")


def test_an_event_slipped_in_is_found_until_one_of_both_is_deleted(three: str, uri: str) -> None:
    client = client_of(uri)
    run = client.get_run(three)
    before = record.events(client, "shop")
    content = run.data.tags["synalign.event"].replace('"by":"ann"', '"by":"bob"')
    other = {"synalign.event": content, "digest": hashlib.sha256(content.encode()).hexdigest()}
    twin = client.create_run(run.info.experiment_id, tags={**run.data.tags, **other})
    altered(uri, "two machines wrote at once")
    client.delete_run(twin.info.run_id)
    assert record.events(client, "shop") == before


def test_an_event_that_was_sent_twice_is_one_event(three: str, uri: str) -> None:
    """As MLflow's client does when the answer to the first was lost."""
    client = client_of(uri)
    before = record.events(client, "shop")
    run = client.get_run(three)
    client.create_run(run.info.experiment_id, tags=run.data.tags)
    assert record.events(client, "shop") == before


@pytest.mark.parametrize(
    ("by", "reason", "expected"),
    [
        ("", "r", "by == ''"),
        (" ", "r", "by == ' '"),
        ("a", "", "reason == ''"),
        ("a", "x" * 2001, "reason == "),
        ("b" * 201, "r", "by =="),
    ],
)
def test_who_and_why_are_never_missing(plan: Make, by: str, reason: str, expected: str) -> None:
    with pytest.raises(ArgumentError, match=expected):
        record.happening("started", plan(), by, NOON, reason, OLD, NEW)


def test_a_time_without_zone_is_refused(plan: Make) -> None:
    with pytest.raises(ArgumentError, match="time zone"):
        record.happening("started", plan(), "ann", datetime(2026, 3, 1), "why", OLD, NEW)


def test_hostile_and_foreign_text_comes_back_as_it_was(plan: Make, uri: str) -> None:
    reason = 'Größer, "besser" \n\u202e 用户 \\ \' ; drop table'
    write(uri, record.happening("started", plan(), "Zoë 👩🏽‍🔬", NOON, reason, OLD, NEW))
    (event,) = record.events(client_of(uri), "shop")
    assert (event.by, event.reason) == ("Zoë 👩🏽‍🔬", reason)


def test_many_writers_at_once_make_one_chain(plan: Make, uri: str) -> None:
    made = plan()
    write(uri, happened(made, "started", 0))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda hours: write(uri, happened(made, "rejected", hours)), range(1, 7)))
    chain = record.events(client_of(uri), "shop")
    assert [event.number for event in chain] == [1, 2, 3, 4, 5, 6, 7]
    assert {event.at.hour for event in chain} == set(range(12, 19))
