"""Where the logs of an online A/B test are."""

from __future__ import annotations

from pydantic import Field

from synalign.config.closed import Closed
from synalign.config.schedule import Cron


class Experiment(Closed):
    """Where the logs of an online A/B test are; the test itself is a plan of its own (`synalign experiment start`)."""

    exposures: str = Field(
        min_length=1,
        description="Folder of Parquet files: unit_id, arm, exposed_at, plan_digest.",
        examples=["data/shop/exposures"],
    )
    outcomes: str = Field(
        min_length=1,
        description="Folder of Parquet files: unit_id, metric columns, at.",
        examples=["data/shop/outcomes"],
    )
    cron: Cron = Field("0 6 * * *", description="When the day before (UTC) is read out; a cron expression, in UTC.")
    approval_hours: float = Field(24.0, gt=0.0, le=720.0, description="How long a person has to approve `ship`.")
