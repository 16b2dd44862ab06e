"""Cron expressions: which ones a schedule takes, and the ticks between which its data intervals lie.

Airflow's timetable works its ticks out of croniter on the clock of a time zone. The same is done here, with the same
library, so that `synalign check` refuses what Airflow could not run, and a refresh at a terminal covers the intervals
that Airflow would. croniter is small and is imported where it is needed: this module belongs to the configuration.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

if TYPE_CHECKING:
    from croniter import croniter

UTC_NAME = "UTC"

PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""Names that Airflow takes for an expression, and what they stand for."""


class _Field(NamedTuple):
    """One of the five fields: its name, the range of its numbers, and what else it may say."""

    name: str
    low: int
    high: int
    also: str = ""


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31, "L for the last day"),
    _Field("month", 1, 12, "jan to dec"),
    _Field("day of week", 0, 7, "sun to sat; 0 and 7 are Sunday"),
)
_ORDER = "minute hour day-of-month month day-of-week"
_STEP = re.compile(r"/(\d+)")
# Years of clock changes that a schedule in a time zone is tried on, and ticks after which a dense one is believed.
_YEARS, _MOST_TICKS = 12, 1500
_MARGIN = timedelta(hours=3)


def expression(cron: str) -> str:
    """Return the five fields that a cron setting stands for.

    Raises:
        ValueError: It has another number of fields, one of them is not valid, or no day has such a tick.

    Examples:
        >>> expression("@daily"), expression(" 0  3 * * * ")
        ('0 0 * * *', '0 3 * * *')
    """
    text = " ".join(cron.split())
    if text.startswith("@"):
        if text.lower() not in PRESETS:
            raise ValueError(f"must be one of {', '.join(PRESETS)}, or five fields: {_ORDER}")
        return PRESETS[text.lower()]
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"must have five fields: {_ORDER}; it has {len(fields)}")
    for written, field in zip(fields, _FIELDS, strict=True):
        _check_field(written, field)
    try:
        _croniter(text).get_next()
    except ValueError as error:
        raise ValueError("must have a tick: no year has a day like that") from error
    return text


def _check_field(written: str, field: _Field) -> None:
    """Raise ValueError for a field that croniter refuses, or that it reads in another way than people mean it."""
    place = _FIELDS.index(field)
    alone = " ".join(written if place == other else "*" for other in range(len(_FIELDS)))
    # `R` is another random number each time, `H` one by the hash of a name that there is none of.
    taken = not re.search(r"\b[rh]\b|[rh]\(", written, re.IGNORECASE)
    try:
        _croniter(alone)
    except ValueError:
        taken = False
    if not taken:
        raise ValueError(
            f"{field.name} {written!r} must be `*` or numbers from {field.low} to {field.high}"
            f"{f' ({field.also})' if field.also else ''}, as a list 1,2, a range 1-3 or a step */2"
        )
    for step in map(int, _STEP.findall(written)):
        if step > field.high:
            raise ValueError(f"{field.name} {written!r} must have a step up to {field.high}, or it ticks only once")


def known_zone(name: str) -> str:
    """Return the name of a time zone, after checking that there is such a zone.

    Raises:
        ValueError: It is none.
    """
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        known = {zone.lower(): zone for zone in available_timezones()}
        near = difflib.get_close_matches(name.lower(), known, 1, 0.6)
        # People name the city.
        near = near or [zone for zone in known if name and zone.endswith(f"/{name.lower().replace(' ', '_')}")]
        hint = f"; did you mean {known[near[0]]}?" if near else ""
        raise ValueError(f"must be the IANA name of a time zone, such as Europe/Berlin or UTC{hint}") from None
    return name


class Ticks(NamedTuple):
    """The moments at which a schedule runs; a data interval lies between two of them.

    Attributes:
        expression: Five fields, or one of `PRESETS`.
        zone: IANA name of the time zone whose clock they are on.
    """

    expression: str
    zone: str = UTC_NAME

    def after(self, moment: datetime) -> datetime:
        """Return the first tick after a moment, in UTC."""
        return self._step(moment, 1)

    def before(self, moment: datetime) -> datetime:
        """Return the last tick before a moment, in UTC."""
        return self._step(moment, -1)

    def until(self, moment: datetime) -> datetime:
        """Return the last tick before or at a moment, in UTC."""
        earlier = self.before(moment)
        later = self.after(earlier)
        return later if later == moment else earlier

    def midnight(self, day: date) -> datetime:
        """Return the beginning of a day on the schedule's clock, in UTC."""
        return datetime.combine(day, datetime.min.time(), ZoneInfo(self.zone)).astimezone(UTC)

    def _step(self, moment: datetime, way: int) -> datetime:
        """Step as Airflow's `CronMixin` does: on the zone's clock, by elapsed time where it ticks every hour."""
        zone = ZoneInfo(self.zone)
        local = moment.astimezone(zone).replace(tzinfo=None, fold=0)
        cron = _croniter(self.expression, local)
        found: datetime = (cron.get_next if way > 0 else cron.get_prev)(datetime)
        if cron.expanded[1] == ["*"]:
            return moment.astimezone(UTC) + (found - local)
        return _on_clock(found, zone)


def _on_clock(local: datetime, zone: ZoneInfo) -> datetime:
    """Return a local time in UTC: of a repeated one the second, a skipped one as much later as the clock skips."""
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    skipped = max(second - first, timedelta())
    return (local + skipped).replace(tzinfo=zone, fold=1).astimezone(UTC)


def clock_change(ticks: Ticks, start: date) -> str | None:
    """Return why a schedule does not work in its time zone: a clock change at which its intervals would not join.

    Every tick must be the one after the tick before it, and the other way round; where a tick falls into an hour that
    the clock skips, Airflow's timetable comes to an empty interval, or to two that overlap.

    Args:
        ticks: The schedule.
        start: The first day; the twelve years from then on are tried.

    Returns:
        The moment of the change on the zone's clock, such as `2027-03-28 02:00`; None where all intervals join.
    """
    if ticks.zone == UTC_NAME:
        return None
    seen = 0
    for change in _changes(ticks.zone, start):
        tick = ticks.until(change - _MARGIN)
        around = [tick]
        while tick < change + _MARGIN and seen < _MOST_TICKS:
            tick, seen = ticks.after(tick), seen + 1
            around.append(tick)
        if any(later <= earlier or ticks.before(later) != earlier for earlier, later in pairwise(around)):
            before = change - timedelta(microseconds=1)
            local = before.astimezone(ZoneInfo(ticks.zone)).replace(tzinfo=None) + timedelta(microseconds=1)
            return f"{local:%Y-%m-%d %H:%M}"
        if seen >= _MOST_TICKS:
            break
    return None


@lru_cache(maxsize=64)
def _changes(name: str, start: date) -> tuple[datetime, ...]:
    """Return the clock changes of a zone within the years that are tried, in UTC, to the minute."""
    return tuple(_changes_of(ZoneInfo(name), datetime.combine(start, datetime.min.time(), UTC)))


def _changes_of(zone: ZoneInfo, start: datetime) -> Iterator[datetime]:
    week = timedelta(days=7)
    for _ in range(_YEARS * 52):
        low, high = start, start + week
        while high - low > timedelta(minutes=1) and _offset(low, zone) != _offset(high, zone):
            middle = low + timedelta(minutes=int((high - low).total_seconds()) // 120)
            low, high = (middle, high) if _offset(middle, zone) == _offset(low, zone) else (low, middle)
        if _offset(low, zone) != _offset(high, zone):
            yield high
        start += week


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


def _croniter(text: str, start: datetime = datetime(2024, 1, 1)) -> croniter:
    from croniter import croniter as parsed

    return parsed(PRESETS.get(text.lower(), text), start)
