"""Settings of the schedule: when a refresh runs, and over which data interval."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from synalign.config.closed import Closed, without_credentials
from synalign.config.cron import UTC_NAME, Ticks, clock_change, expression, known_zone

EARLIEST, LATEST = date(1970, 1, 2), date(2099, 12, 31)


def _valid(cron: str) -> str:
    """Return a cron expression unchanged, after checking that it is valid."""
    expression(cron)
    return cron


Cron = Annotated[str, AfterValidator(_valid)]
"""Five fields, or one of the names that Airflow takes for them."""


AssetName = Annotated[str, Field(min_length=1, max_length=1500), AfterValidator(without_credentials)]
"""Name or URI of an asset; Airflow takes 1500 characters."""


class Schedule(Closed):
    """When the refresh runs, and over which data interval."""

    cron: Cron = Field(
        "0 3 * * *",
        description="Cron expression (minute hour day-of-month month day-of-week), or `@daily` and the like; each run "
        "covers the interval between two ticks. With `asset` it starts nothing, and its ticks bound the intervals.",
    )
    asset: AssetName | Annotated[tuple[AssetName, ...], Field(min_length=1, max_length=64)] | None = Field(
        None,
        description="Airflow asset, or list of assets, whose update starts a refresh in place of `cron`; of a list, "
        "all must have been updated. A URI, or the name of an asset that another DAG declares. The run covers the "
        "interval that the update names, else the last one of `cron` that had ended. null: `cron` starts it.",
        examples=["s3://lake/query_log"],
    )
    time_zone: Annotated[str, AfterValidator(known_zone)] = Field(
        UTC_NAME, description="IANA name of the time zone whose clock `cron` and `start` are on, such as Europe/Berlin."
    )
    start: date = Field(
        description="First day of the first data interval: none begins before it.", examples=["2026-01-01"]
    )
    catchup: bool = Field(False, description="Whether intervals missed in the past are run as well.")

    @field_validator("start")
    @classmethod
    def _of_our_time(cls, start: date) -> date:
        if not EARLIEST <= start <= LATEST:
            raise ValueError(f"must be a day from {EARLIEST} to {LATEST}")
        return start

    @model_validator(mode="after")
    def _intervals_join(self) -> Schedule:
        change = clock_change(self.ticks, self.start)
        if change is not None:
            raise ValueError(
                f"cron {self.cron!r} with time_zone {self.time_zone!r} must have no tick in an hour that the clock "
                f"skips or repeats, as it does on {change}: choose another hour, or time_zone UTC"
            )
        return self

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets whose update starts it; none where `cron` does."""
        return (self.asset,) if isinstance(self.asset, str) else self.asset or ()

    @property
    def ticks(self) -> Ticks:
        """The moments at which it runs."""
        return Ticks(expression(self.cron), self.time_zone)
