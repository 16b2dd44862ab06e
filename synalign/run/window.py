"""The window of a log that a run reads: its ends, and what to say where the log has nothing in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from synalign.run.interval import Interval


def window(interval: Interval, days: int) -> Interval:
    """Return the days of log that a run of an interval uses: the last ones up to the interval's end."""
    return Interval(interval.end - timedelta(days=days), interval.end)


def nothing_inside(interval: Interval, days: int, first: datetime | None, last: datetime | None) -> tuple[str, str]:
    """Say why no row of a log is in the window, and what to do.

    Args:
        interval: The data interval.
        days: The setting `source.window_days`.
        first: The first time in the log (aware, or naive in UTC); None where no row has a time.
        last: The last time in the log.

    Returns:
        The facts, with both ends of the window and both ends of the log; and the remedy. Neither ends with a full stop.
    """
    frame = window(interval, days)
    seen = f"the window is {told(frame.start)} to {told(frame.end)} UTC ({days} days up to the end of the interval)"
    if first is None or last is None:
        return f"{seen}, and no row of the log has a time that can be read", "check source.columns.event_time"
    first, last = _utc(first), _utc(last)
    seen = f"{seen}, the log's times go from {told(first)} to {told(last)} UTC"
    if first >= frame.end:
        later = (last + timedelta(days=1)).date()
        return (
            f"{seen}: all of it is later",
            f"refresh a later interval (`synalign refresh FILE --date {later}`), or check the year and the time zone "
            "of source.columns.event_time",
        )
    if last < frame.start:
        needed = -(-(interval.end - last) // timedelta(days=1))
        return (
            f"{seen}: all of it is earlier",
            f"refresh an earlier interval (`synalign refresh FILE --date {(last + timedelta(days=1)).date()}`), or set "
            f"source.window_days to {needed} or more; or bring a newer log",
        )
    return f"{seen}, and no time is in between", "set a larger source.window_days, or refresh another interval"


def nothing_read(interval: Interval, days: int) -> tuple[str, str]:
    """Say that no partition of a table has rows of the window, and what to do. Arguments as of `nothing_inside`."""
    frame = window(interval, days)
    return (
        f"the window is {told(frame.start)} to {told(frame.end)} UTC ({days} days up to the end of the interval), and "
        "the table has no row in its partitions",
        "refresh an interval that the table has (`synalign refresh FILE --date DAY`), set a larger source.window_days, "
        "or check source.partition",
    )


def told(moment: datetime) -> str:
    """Return a moment (UTC) as people read it, to the minute."""
    return f"{_utc(moment):%Y-%m-%d %H:%M}"


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
