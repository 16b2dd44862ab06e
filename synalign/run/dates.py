"""Which data interval a date stands for: what `synalign refresh --date` and `synalign check --data` mean by it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from synalign.config import Schedule
from synalign.errors import ConfigurationError
from synalign.run.interval import Interval

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def interval_of(schedule: Schedule, asked: str | None, now: datetime) -> Interval:
    """Return the data interval that a date stands for.

    Nothing: the last interval that is over. A day: the one that the first run scheduled on that day covers, or where
    none is scheduled on it, the last run before. A time: the last one that ends by then.

    Args:
        schedule: The retriever's schedule.
        asked: A day or a time in ISO 8601, on the schedule's clock where it names no zone of its own.
        now: The present; must have a time zone.

    Raises:
        ConfigurationError: It is no date, or the interval is not over yet, or begins before `schedule.start`.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    ticks = schedule.ticks
    if asked is None:
        end = ticks.until(now)
    else:
        asked = asked.strip()
        moment = _moment(asked, schedule)
        _must_be_over(asked, moment, now, schedule)
        if moment < ticks.midnight(schedule.start):
            raise _too_early(asked, f"it is before schedule.start ({schedule.start})", schedule)
        end = _run_of_the_day(date.fromisoformat(asked), schedule) if _DAY.fullmatch(asked) else ticks.until(moment)
        _must_be_over(asked, end, now, schedule)
    interval = Interval(ticks.before(end), end)
    if interval.start < ticks.midnight(schedule.start):
        raise _too_early(
            asked or "now",
            f"the interval that ends by then begins on {_told(interval.start, schedule)}, before schedule.start "
            f"({schedule.start})",
            schedule,
        )
    return interval


def _moment(asked: str, schedule: Schedule) -> datetime:
    """Return a date or time as a moment in UTC, to the second."""
    try:
        found = datetime.fromisoformat(asked)
        zoned = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(schedule.time_zone))
        return zoned.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"date == {asked[:100]!r}, must be a day such as 2026-03-01, or a time such as 2026-03-01T05:00 "
            f"({schedule.time_zone}) or 2026-03-01T05:00Z.",
            remedy="give --date so, or leave it out: then it is the last data interval that is over",
        ) from error


def _run_of_the_day(day: date, schedule: Schedule) -> datetime:
    ticks, second = schedule.ticks, timedelta(seconds=1)
    first = ticks.after(ticks.midnight(day) - second)
    return first if first < ticks.midnight(day + timedelta(days=1)) else ticks.before(first)


def _must_be_over(asked: str, end: datetime, now: datetime, schedule: Schedule) -> None:
    if end > now:
        raise ConfigurationError(
            f"date == {asked!r}, must not be in the future: that is {_told(end, schedule)}, and it is "
            f"{_told(now, schedule)} now.",
            remedy="give an earlier --date, or leave it out: then it is the last data interval that is over",
        )


def _too_early(asked: str, why: str, schedule: Schedule) -> ConfigurationError:
    ticks = schedule.ticks
    first = ticks.after(ticks.after(ticks.midnight(schedule.start) - timedelta(seconds=1)))
    return ConfigurationError(
        f"date == {asked!r}, must be of an interval from schedule.start on: {why}.",
        remedy=f"give --date {_typed(first, schedule)} or a later one, or an earlier schedule.start",
    )


def _told(moment: datetime, schedule: Schedule) -> str:
    return f"{moment.astimezone(ZoneInfo(schedule.time_zone)):%Y-%m-%d %H:%M} {schedule.time_zone}"


def _typed(moment: datetime, schedule: Schedule) -> str:
    return f"{moment.astimezone(ZoneInfo(schedule.time_zone)):%Y-%m-%dT%H:%M}"
