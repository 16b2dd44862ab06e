"""What the next night would take up is what it takes up, if nothing changes; and what a change of settings voids."""

from __future__ import annotations

from typing import Any

import pytest

from synalign.pool.uptake import forecast, take_up
from tests.pool.world import DOCUMENTS, Day, accepted, night, run_of, settings


def test_before_the_first_interval_there_is_nothing_to_say() -> None:
    assert forecast(settings()) is None
    night(run_of(0), until="ingest")
    assert forecast(settings())[1:] == (0, {}, 0)  # type: ignore[index]


def test_the_next_night_takes_up_what_was_said() -> None:
    for number in range(2):
        night(run_of(number))
    said = forecast(settings())
    assert said is not None
    found = take_up(night(run_of(2), until="ingest"))
    assert said.rows.equals(found.rows)
    assert said[1:] == found[1:]
    assert said.found == sum(len(accepted(run_of(number))) for number in range(2))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"ingest": {"split_salt": "another"}}, "held_out_shown"),
        ({"ingest": {"max_query_characters": 5}}, "over_length"),
        ({"generation": {"model": "another"}, "pool": {"writer": "current"}}, "other_writer"),
        ({"pool": {"max_candidates": 1}}, "over_limit"),
    ],
)
def test_a_change_of_settings_says_what_it_voids_and_then_voids_it(changed: dict[str, Any], reason: str) -> None:
    night(run_of(0), until="generate")
    today = settings(**changed)
    said = forecast(today)
    assert said is not None
    assert said.left[reason] > 0
    found = take_up(night(run_of(1, today), until="ingest"))
    assert said.rows.equals(found.rows)
    assert said[1:] == found[1:]


def test_documents_are_as_the_latest_interval_ingested_them() -> None:
    night(run_of(0), until="generate")
    night(run_of(1), Day(documents={**DOCUMENTS, "d1": "revised"}), until="ingest")
    said = forecast(settings())
    assert said is not None
    assert said.left == {"document_changed": 2}


def test_without_an_ingested_interval_nothing_can_be_said() -> None:
    run = night(run_of(0), until="generate")
    (run.folder / "ingest").remove()
    assert forecast(settings()) is None
