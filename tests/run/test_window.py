"""The window of a log: its ends, and the advice where no row is inside."""

from datetime import UTC, datetime, timedelta

import pytest

from synalign.run import Interval
from synalign.run.window import nothing_inside, nothing_read, window

MARCH = Interval.parse("2026-02-28", "2026-03-01")


def test_it_is_the_last_days_up_to_the_end_of_the_interval() -> None:
    found = window(MARCH, 28)
    assert found.end == MARCH.end
    assert found.end - found.start == timedelta(days=28)


@pytest.mark.parametrize("aware", [True, False])
def test_an_older_log_needs_as_many_days_as_are_said(aware: bool) -> None:
    last = datetime(2025, 12, 24, 18, 30, tzinfo=UTC if aware else None)
    facts, remedy = nothing_inside(MARCH, 28, last - timedelta(days=3), last)
    assert "2026-02-01 00:00 to 2026-03-01 00:00 UTC" in facts and "2025-12-24 18:30 UTC: all of it is earlier" in facts
    assert "--date 2025-12-25" in remedy and "source.window_days to 67 or more" in remedy
    # The number is the smallest that reaches it.
    moment = last.replace(tzinfo=UTC)
    assert window(MARCH, 67).start <= moment < window(MARCH, 66).start


def test_a_log_that_begins_at_the_end_is_later() -> None:
    facts, remedy = nothing_inside(MARCH, 28, MARCH.end, MARCH.end + timedelta(hours=5))
    assert facts.endswith("all of it is later") and "--date 2026-03-02" in remedy


def test_a_gap_in_the_log_asks_for_more_days() -> None:
    facts, remedy = nothing_inside(MARCH, 1, MARCH.start - timedelta(days=9), MARCH.end + timedelta(days=9))
    assert facts.endswith("no time is in between") and "larger source.window_days" in remedy


def test_a_log_without_times_asks_for_its_column() -> None:
    facts, remedy = nothing_inside(MARCH, 1, None, None)
    assert facts.endswith("no row of the log has a time that can be read") and "event_time" in remedy


def test_a_table_without_rows_in_the_windows_partitions_asks_for_another_interval() -> None:
    facts, remedy = nothing_read(MARCH, 28)
    assert "2026-02-01 00:00 to 2026-03-01 00:00 UTC" in facts and facts.endswith("no row in its partitions")
    assert "--date DAY" in remedy and "source.partition" in remedy
