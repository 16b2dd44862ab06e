"""When a refresh runs, and over which data interval."""

from __future__ import annotations

from datetime import date

from pydantic import Field, field_validator

from synalign.config.closed import Closed


class Schedule(Closed):
    """When the refresh runs, and over which data interval."""

    cron: str = Field("0 3 * * *", description="Cron expression; each run covers the interval between two ticks.")
    start: date = Field(description="First day of the first data interval (UTC).", examples=["2026-01-01"])
    catchup: bool = Field(False, description="Whether intervals missed in the past are run as well.")

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, cron: str) -> str:
        if len(cron.split()) != 5:
            raise ValueError("must have five fields: minute hour day-of-month month day-of-week")
        return cron
