"""Intervals: in UTC, forward, named so that names sort as times do."""

import pytest

from synalign.errors import RunError
from synalign.run import Interval


@pytest.mark.parametrize(("start", "end"), [("2026-03-01", "2026-03-01"), ("2026-03-01", "2026-02-01"), ("x", "y")])
def test_an_interval_must_go_forward(start: str, end: str) -> None:
    with pytest.raises(RunError, match="interval == "):
        Interval.parse(start, end)


def test_an_interval_is_in_utc_whatever_zone_it_came_in() -> None:
    assert Interval.parse("2026-02-28T02:00:00+02:00", "2026-03-01").name == "20260228T000000Z-20260301T000000Z"


@pytest.mark.parametrize("name", ["", "20260228T000000Z", "2026-02-28-2026-03-01"])
def test_a_folder_of_another_name_is_no_interval(name: str) -> None:
    with pytest.raises(RunError):
        Interval.named(name)


def test_a_name_gives_its_interval_back() -> None:
    interval = Interval.parse("2026-02-28T02:30:00+02:00", "2026-03-01T05:00:00+00:00")
    assert Interval.named(interval.name) == interval
