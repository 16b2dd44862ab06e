"""What a date means: the same interval that Airflow would run, and a sentence at once for one that cannot be."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pendulum
import pytest
from airflow.timetables.interval import CronDataIntervalTimetable

from synalign.config import Schedule
from synalign.errors import ConfigurationError
from synalign.run.dates import interval_of

NOW = datetime(2026, 6, 15, 12, 30, 30, 500_000, tzinfo=UTC)


def asked(day: str | None, cron: str = "0 3 * * *", zone: str = "UTC", start: str = "2025-01-01") -> tuple[str, str]:
    """The interval of a date, its ends to the minute."""
    schedule = Schedule(cron=cron, time_zone=zone, start=date.fromisoformat(start))
    found = interval_of(schedule, day, NOW)
    return f"{found.start:%m-%dT%H:%M}", f"{found.end:%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("day", "cron", "expected"),
    [
        # The recipe of docs/your-logs.md: lines after 09:00 on 28 February are in it.
        ("2026-03-01", "0 3 * * *", ("02-28T03:00", "03-01T03:00")),
        ("2026-03-01", "0 0 * * *", ("02-28T00:00", "03-01T00:00")),
        ("2026-03-01", "@daily", ("02-28T00:00", "03-01T00:00")),
        (None, "0 3 * * *", ("06-14T03:00", "06-15T03:00")),
        (None, "0 * * * *", ("06-15T11:00", "06-15T12:00")),
        ("2026-03-01T05:00", "0 * * * *", ("03-01T04:00", "03-01T05:00")),
        ("2026-03-01 05:59", "0 * * * *", ("03-01T04:00", "03-01T05:00")),
        ("2026-03-01T05:00+01:00", "0 * * * *", ("03-01T03:00", "03-01T04:00")),
        ("2026-03-01", "0 * * * *", ("02-28T23:00", "03-01T00:00")),
        ("2026-06-15T12:30:30", "*/30 * * * *", ("06-15T12:00", "06-15T12:30")),
        # Monday the 8th; a Wednesday has no run of its own.
        ("2026-06-08", "0 3 * * 1", ("06-01T03:00", "06-08T03:00")),
        ("2026-06-10", "0 3 * * 1", ("06-01T03:00", "06-08T03:00")),
        ("2026-06-07", "0 3 * * 1", ("05-25T03:00", "06-01T03:00")),
        ("2026-06-15", "@monthly", ("05-01T00:00", "06-01T00:00")),
        ("2026-06-01", "@monthly", ("05-01T00:00", "06-01T00:00")),
        (" 2026-03-01 ", "@daily", ("02-28T00:00", "03-01T00:00")),
    ],
)
def test_a_date_is_the_run_of_that_day_and_a_time_the_last_that_ended(
    day: str | None, cron: str, expected: tuple[str, str]
) -> None:
    assert asked(day, cron) == expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        # The days of the change have 23 and 25 hours.
        ("2026-03-29", ("03-28T02:00", "03-29T01:00")),
        ("2026-03-30", ("03-29T01:00", "03-30T01:00")),
        ("2025-10-26", ("10-25T01:00", "10-26T02:00")),
        ("2026-01-05T03:00", ("01-04T02:00", "01-05T02:00")),
        ("2026-01-05T02:59", ("01-03T02:00", "01-04T02:00")),
    ],
)
def test_days_and_times_are_on_the_clock_of_the_time_zone(day: str, expected: tuple[str, str]) -> None:
    assert asked(day, zone="Europe/Berlin") == expected


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize("cron", ["0 3 * * *", "0 * * * *", "0 4 * * 1", "@monthly"])
@pytest.mark.airflow
def test_airflow_comes_to_the_same_interval_from_its_end(cron: str, zone: str) -> None:
    timetable = CronDataIntervalTimetable(Schedule(cron=cron, start=date(2025, 1, 1)).ticks.expression, timezone=zone)
    for days in range(0, 400, 3):
        schedule = Schedule(cron=cron, time_zone=zone, start=date(2025, 1, 1))
        found = interval_of(schedule, f"{date(2025, 4, 1) + timedelta(days=days)}", datetime(2026, 12, 1, tzinfo=UTC))
        theirs = timetable.infer_manual_data_interval(run_after=pendulum.instance(found.end))
        assert (theirs.start, theirs.end) == (found.start, found.end)


@pytest.mark.parametrize(
    ("day", "message"),
    [
        ("2026-06-16", "must not be in the future"),
        ("2027-01-01", "must not be in the future"),
        ("9999-12-31", "must not be in the future"),
        ("2026-06-15T12:31", "must not be in the future"),
        # Today's run is at 23:00.
        ("2026-06-15", "must not be in the future: that is 2026-06-15 23:00 UTC, and it is 2026-06-15 12:30 UTC now"),
        ("2024-12-31", "is before schedule.start"),
        ("0001-01-01", "is before schedule.start"),
        ("2025-01-01", "begins on 2024-12-31 23:00 UTC, before schedule.start"),
        ("2026-13-01", "must be a day such as 2026-03-01, or a time such as 2026-03-01T05:00 "),
        ("2026-02-30", "must be a day such as"),
        ("01.03.2026", "must be a day such as"),
        ("yesterday", "must be a day such as"),
        ("", "must be a day such as"),
        ("2026-03-01T25:00", "must be a day such as"),
        ("--date", "must be a day such as"),
        ("\uff12\uff10\uff12\uff16-03-01", "must be a day such as"),
        ("2026-03-01\x00", "must be a day such as"),
    ],
)
def test_a_date_that_cannot_be_is_refused_in_a_sentence(day: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as error:
        asked(day, "0 23 * * *")
    assert error.value.remedy


def test_the_first_date_that_is_offered_is_taken() -> None:
    with pytest.raises(ConfigurationError) as error:
        asked("2025-01-01", "0 23 * * *")
    assert "--date 2025-01-02T23:00 or a later one" in error.value.remedy
    assert asked("2025-01-02T23:00", "0 23 * * *") == ("01-01T23:00", "01-02T23:00")
