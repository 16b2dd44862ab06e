"""A data interval: what a run is of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from synalign.errors import RunError

_NAME = "%Y%m%dT%H%M%SZ"


class Interval(NamedTuple):
    """A data interval, start inclusive, end exclusive, both in UTC."""

    start: datetime
    end: datetime

    @classmethod
    def parse(cls, start: str, end: str) -> Interval:
        """Read two ISO 8601 times; one without a zone is UTC.

        Raises:
            RunError: One is malformed, or the end is not after the start.
        """
        try:
            first, last = (_utc(datetime.fromisoformat(text)) for text in (start, end))
        except (ValueError, OverflowError) as error:
            raise RunError(f"interval == {start!r} to {end!r}, must be two ISO 8601 times: {error}.") from error
        if last <= first:
            raise RunError(
                f"interval == {start} to {end}, its end must be after its start.",
                cause="an Airflow trigger timetable, whose data interval is empty",
                remedy="use a data-interval timetable, or give a later --end",
            )
        return cls(first, last)

    @classmethod
    def named(cls, name: str) -> Interval:
        """Return the interval whose run's folder has a name.

        Raises:
            RunError: No interval has it.

        Examples:
            >>> Interval.named("20260228T000000Z-20260301T000000Z").start.date().isoformat()
            '2026-02-28'
        """
        try:
            start, end = (datetime.strptime(part, _NAME).replace(tzinfo=UTC) for part in name.split("-"))
        except ValueError as error:
            raise RunError(
                f"run folder == {name!r}, must be named after its interval, like 20260228T000000Z-20260301T000000Z."
            ) from error
        return cls(start, end)

    @property
    def name(self) -> str:
        """Name of the run's folder; sorts by time."""
        return f"{self.start:{_NAME}}-{self.end:{_NAME}}"


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
