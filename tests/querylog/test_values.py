"""Clicks and times of files as whole numbers and timestamps."""

from __future__ import annotations

from pathlib import Path

import pytest

from synalign.errors import InputError
from tests.querylog.trial import (
    CLICKS,
    JSONL,
    MOMENT,
    PARQUET,
    event,
    ingested,
    parquet,
    queries,
    rejected,
)

pytestmark = pytest.mark.usefixtures("spark")


def test_clicks_are_whole_numbers_however_they_are_written(home: Path) -> None:
    clicks = [1e7, 3.0, 2.5, float("nan"), float("inf"), -1.0, 0.0, None]
    run = ingested(home, {**PARQUET, **CLICKS}, {"log.parquet": parquet(clicks=clicks, query=list("abcdefgh"))})
    assert queries(run) == {"a": 10_000_000, "b": 3}
    assert rejected(run) == {"malformed_clicks": 6}


def test_clicks_of_eighteen_digits_are_exact(home: Path) -> None:
    clicks = {"a": 10**18 - 1, "b": "999999999999999998", "c": 10**18, "d": "10,000", "e": True, "f": "+5"}
    lines = [event(query=query, clicks=number) for query, number in clicks.items()]
    lines.append(event(query="g", clicks="N").replace('"N"', "12e2"))
    run = ingested(home, {**JSONL, **CLICKS}, {"log.jsonl": "".join(lines)})
    assert queries(run) == {"a": 10**18 - 1, "b": 10**18 - 2, "g": 1200}
    assert rejected(run) == {"malformed_clicks": 4}


@pytest.mark.parametrize(
    ("value", "settings"),
    [
        (1_772_269_200, {}),
        (1_772_269_200_000, {}),
        (1_772_269_200.5, {}),
        ("1772269200000000", {}),
        ("28/Feb/2026:10:00:00 +0100", {}),
        ("02/28/2026 09:00", {}),
        ("28.02.26 09:00", {"time_format": "%d.%m.%y %H:%M"}),
        ("5", {"time_format": "epoch_seconds"}),
    ],
)
def test_times_of_other_formats_are_read(home: Path, value: object, settings: dict[str, str]) -> None:
    if value == "5":
        with pytest.raises(InputError, match="the log's times go from 1970-01-01 00:00 to 1970-01-01 00:00 UTC"):
            ingested(home, {**JSONL, **settings}, {"log.jsonl": event(event_time=value)})
        return
    run = ingested(home, {**JSONL, **settings}, {"log.jsonl": event(event_time=value)})
    (seen,) = run.read("queries")["first_seen"].to_pylist()
    assert seen.replace(microsecond=0) == MOMENT


def test_numbers_and_texts_of_parquet_are_times_too(home: Path) -> None:
    rows = {"event_time": [1_772_269_200_123.0, 1_772_269_200_000.0, float("nan")], "query": ["a", "b", "c"],
            "document_id": ["0"] * 3}  # fmt: skip
    run = ingested(home, PARQUET, {"log.parquet": parquet(**rows)})
    assert {row["query"]: row["first_seen"].microsecond for row in run.read("queries").to_pylist()} == {
        "a": 123_000,
        "b": 0,
    }
    assert rejected(run) == {"malformed_time": 1}
    other = ingested(
        home, {"path": "day.parquet"}, {"day.parquet": parquet(event_time=[20_260_228, 20_250_101], query=["a", "b"])}
    )
    assert queries(other) == {"a": 1}
