"""Cron expressions against Airflow's own timetable: which are taken, their ticks, and changes of the clock."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pendulum
import pytest
from airflow.timetables.interval import CronDataIntervalTimetable
from pydantic import ValidationError

from synalign.config import Schedule
from synalign.config.cron import PRESETS, Ticks, clock_change, expression

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca")
CRONS = (
    "0 3 * * *", "30 2 * * *", "0 * * * *", "*/15 * * * *", "0 */2 * * *", "0 0 * * *", "0 3 * * 1", "0 0 1 * *",
    "0 0 1 */3 *", "0 0 L * *", "*/30 1-3 * * *", "59 23 * * sun", "0 9 * * mon-fri", "0 0 29 2 *",
)  # fmt: skip
# Changes of the clock in Berlin and New York.
CHANGES = ("2026-03-29T01:00", "2026-10-25T01:00", "2026-03-08T07:00", "2026-11-01T06:00")
WRONG = {
    "0 25 * * *": "hour '25' must be `*` or numbers from 0 to 23",
    "60 * * * *": "minute '60' must be `*` or numbers from 0 to 59",
    "a b c d e": "minute 'a' must be",
    "0 0 * * funday": "day of week 'funday' must be",
    "0 0 0 * *": "day of month '0' must be",
    "0 0 * 13 *": "month '13' must be",
    "0 0 30 2 *": "no year has a day like that",
    "0 0 31 4,6 *": "no year has a day like that",
    "*/0 * * * *": "minute '*/0' must be",
    "*/90 * * * *": "minute '*/90' must have a step up to 59",
    "0 */25 * * *": "hour '*/25' must have a step up to 23",
    "* * * *": "must have five fields: minute hour day-of-month month day-of-week; it has 4",
    "0 0 3 * * *": "it has 6",
    "": "it has 0",
    "@reboot": "must be one of @hourly, @daily",
    "@every 5m": "must be one of @hourly, @daily",
    "-1 * * * *": "minute '-1' must be",
    "1,, * * * *": "minute '1,,' must be",
    "1e1 * * * *": "minute '1e1' must be",
    "٣ * * * *": "minute '٣' must be",
    "R R * * *": "minute 'R' must be",
    "0 R(1-5) * * *": "hour 'R(1-5)' must be",
    "H * * * *": "minute 'H' must be",
    "0 3 * * *; rm": "it has 6",
}


@pytest.mark.parametrize("cron", WRONG)
def test_a_cron_that_cannot_run_is_refused_with_the_field_and_its_rule(cron: str) -> None:
    with pytest.raises(ValidationError) as error:
        Schedule(cron=cron, start=date(2026, 1, 1))
    assert WRONG[cron] in error.value.errors()[0]["msg"]


@pytest.mark.parametrize("cron", [*CRONS, *PRESETS, "0 3 * * 7", "0 0 15W * *", "0 0 * * 1#2", "0 22-2 * * *"])
@pytest.mark.airflow
def test_what_is_taken_airflow_takes_and_can_schedule(cron: str) -> None:
    timetable = CronDataIntervalTimetable(expression(cron), timezone="UTC")
    timetable.validate()
    assert timetable._get_next(pendulum.datetime(2026, 1, 1)) > pendulum.datetime(2026, 1, 1)


@pytest.mark.parametrize("preset", ["@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"])
@pytest.mark.airflow
def test_presets_stand_for_what_they_do_in_airflow(preset: str) -> None:
    from airflow.utils.dates import cron_presets

    assert PRESETS[preset] == cron_presets[preset]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.airflow
def test_ticks_are_those_of_airflows_timetable(zone: str) -> None:
    rng, start = random.Random(zone), datetime(2026, 1, 1, tzinfo=UTC)
    moments = [start + timedelta(minutes=rng.randrange(60 * 24 * 500)) for _ in range(12)]
    for change in CHANGES:
        moments += [
            datetime.fromisoformat(change).replace(tzinfo=UTC) + timedelta(minutes=30 * n) for n in range(-6, 7)
        ]
    for cron in CRONS:
        ours, theirs = Ticks(cron, zone), CronDataIntervalTimetable(cron, timezone=zone)
        for moment in moments:
            then = pendulum.instance(moment)
            assert ours.after(moment) == theirs._get_next(then)
            assert ours.before(moment) == theirs._get_prev(then)
            assert ours.until(moment) == theirs._align_to_prev(then)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
@pytest.mark.airflow
def test_a_zone_is_taken_only_where_airflows_intervals_join_over_its_changes(zone: str) -> None:
    """Scheduled one after another, and each asked for by hand: both give the same intervals, or it is refused."""
    refused = set()
    for cron in CRONS:
        ticks = Ticks(cron, zone)
        if clock_change(ticks, date(2026, 1, 1)) is not None:
            refused.add(cron)
            continue
        timetable = CronDataIntervalTimetable(cron, timezone=zone)
        for change in (datetime.fromisoformat(f"{change}+00:00") for change in CHANGES):
            near = [pendulum.instance(ticks.until(change - timedelta(hours=4)))]
            while near[-1] < change + timedelta(hours=4):
                near.append(timetable._get_next(near[-1]))
            assert follow(timetable, near)
    expected = {"30 2 * * *", "0 */2 * * *", "*/30 1-3 * * *"} if zone != "Asia/Kolkata" else set()
    assert expected - refused <= {"30 2 * * *"}  # In Lord Howe half an hour is skipped.
    assert refused <= expected | {"0 * * * *"}


def follow(timetable: CronDataIntervalTimetable, ticks: list[pendulum.DateTime]) -> bool:
    """Whether the interval that Airflow infers for each tick is the one from the tick before."""
    asked = [
        (timetable.infer_manual_data_interval(run_after=pendulum.instance(end)), start, end)
        for start, end in pairwise(ticks)
    ]
    return all((found.start, found.end) == (start, end) and start < end for found, start, end in asked)
