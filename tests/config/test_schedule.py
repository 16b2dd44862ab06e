"""Settings of the schedule: its time zone, its first day, and hours that a clock skips."""

from datetime import date

import pytest
from pydantic import ValidationError

from synalign.config import Schedule


def test_hours_that_a_clock_skips_are_refused_with_the_day() -> None:
    with pytest.raises(ValidationError, match="as it does on 2026-03-29 02:00: choose another hour, or time_zone UTC"):
        Schedule(cron="30 2 * * *", time_zone="Europe/Berlin", start=date(2026, 1, 1))
    assert Schedule(cron="30 2 * * *", start=date(2026, 1, 1)).time_zone == "UTC"
    assert Schedule(cron="30 3 * * *", time_zone="Europe/Berlin", start=date(2026, 1, 1))


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Berln", "did you mean Europe/Berlin"),
        ("europe/berlin", "did you mean Europe/Berlin"),
        ("Berlin", "did you mean Europe/Berlin"),
        ("New York", "did you mean America/New_York"),
        ("", "IANA"),
        ("../etc/passwd", "IANA"),
        ("/etc/localtime", "IANA"),
        ("+02:00", "IANA"),
        ("Middle\x00Earth", "IANA"),
        ("x" * 5000, "IANA"),
    ],
)
def test_a_time_zone_is_a_name_of_iana(zone: str, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        Schedule(time_zone=zone, start=date(2026, 1, 1))


@pytest.mark.parametrize("start", ["0001-01-01", "1969-12-31", "2100-01-01", "9999-12-31"])
def test_a_start_beyond_any_schedule_is_refused(start: str) -> None:
    with pytest.raises(ValidationError, match="must be a day from 1970-01-02 to 2099-12-31"):
        Schedule.model_validate({"start": start, "time_zone": "Asia/Kolkata"})
