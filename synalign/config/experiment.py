"""Where the logs of an online A/B test are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from synalign.config.closed import Closed
from synalign.config.home import resolve
from synalign.config.location import TableFiles
from synalign.config.schedule import Cron

Folder = Annotated[str, Field(min_length=1)]


class Experiment(Closed):
    """Where the logs of an online A/B test are; the test itself is a plan of its own (`synalign experiment start`)."""

    exposures: Folder | TableFiles = Field(
        description="Folder of Parquet files, or a section with the settings of such a table, table and sql among "
        "them: unit_id, arm, exposed_at, plan_digest.",
        examples=["data/shop/exposures"],
    )
    outcomes: Folder | TableFiles = Field(
        description="Likewise: unit_id, metric columns, at.",
        examples=["data/shop/outcomes"],
    )
    cron: Cron = Field("0 6 * * *", description="When the day before (UTC) is read out; a cron expression, in UTC.")
    approval_hours: float = Field(24.0, gt=0.0, le=720.0, description="How long a person has to approve `ship`.")

    def logs(self) -> tuple[Path | TableFiles, Path | TableFiles]:
        """Return where exposures and outcomes are: folders here, or what Spark reads."""
        exposures, outcomes = (_located(log) for log in (self.exposures, self.outcomes))
        return exposures, outcomes


def _located(log: str | TableFiles) -> Path | TableFiles:
    if isinstance(log, TableFiles):
        return log if log.by_spark else resolve(log.path or "")
    return resolve(log)
