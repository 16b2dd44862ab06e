"""The data interval of a refresh that an asset's update has started: Airflow gives such a run none.

Rendered in each task, from what Airflow keeps with the run: so all tasks of a run, and every try, have the same.
Imported by DAG files: nothing heavy here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from synalign.config.cron import Ticks
from synalign.errors import RunError

MACRO = "covered"
START = "{{ covered(dag_run, triggering_asset_events).start.isoformat() }}"
END = "{{ covered(dag_run, triggering_asset_events).end.isoformat() }}"

PARTITION, FIRST, LAST = "partition", "interval_start", "interval_end"
"""Keys of an event's extra that say of when the rows are: a day, or two times."""


class Covered(NamedTuple):
    """A data interval, start inclusive, end exclusive, in UTC."""

    start: datetime
    end: datetime


def covered(ticks: Ticks, dag_run: Any, events: Mapping[Any, Iterable[Any]]) -> Covered:
    """Return the interval that a run covers.

    Args:
        ticks: Of the retriever's schedule.
        dag_run: Airflow's run.
        events: Airflow's `triggering_asset_events`: the updates that started the run, by asset.

    Returns:
        From the earliest start to the latest end that these updates name; where none names any, or a person started the
        run, the last interval of the schedule that had ended when it was to start.

    Raises:
        RunError: An update names what is no interval.
    """
    named = [interval for event in _all(events) if (interval := _named(ticks, event.extra or {})) is not None]
    if named:
        return Covered(min(each.start for each in named), max(each.end for each in named))
    # A person may have given a date.
    end = ticks.until((dag_run.logical_date or dag_run.run_after).astimezone(UTC))
    return Covered(ticks.before(end), end)


def _all(events: Mapping[Any, Iterable[Any]]) -> Iterator[Any]:
    for asset in events:
        yield from events[asset]


def _named(ticks: Ticks, extra: Mapping[str, Any]) -> Covered | None:
    """Return the interval that an update names; None where it names none."""
    if not {PARTITION, FIRST, LAST} & set(extra):
        return None
    try:
        if PARTITION in extra:
            day = date.fromisoformat(str(extra[PARTITION]))
            found = Covered(ticks.midnight(day), ticks.midnight(day + timedelta(days=1)))
        else:
            found = Covered(_moment(ticks, extra[FIRST]), _moment(ticks, extra[LAST]))
    except (KeyError, ValueError, OverflowError) as error:
        raise _no_interval(extra) from error
    if found.end <= found.start:
        raise _no_interval(extra)
    return found


def _moment(ticks: Ticks, text: Any) -> datetime:
    """Return a time in UTC; one without a zone is on the schedule's clock."""
    moment = datetime.fromisoformat(str(text))
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(ticks.zone))).astimezone(UTC)


def _no_interval(extra: Mapping[str, Any]) -> RunError:
    given = {name: extra[name] for name in (PARTITION, FIRST, LAST) if name in extra}
    return RunError(
        f"the asset's update names no interval: {given}.",
        cause="the DAG that updates the asset writes another format into the event's extra",
        remedy=f"write {{'{PARTITION}': '2026-03-01'}}, or both {FIRST} and {LAST} as ISO 8601 times, the end after "
        "the start",
    )
