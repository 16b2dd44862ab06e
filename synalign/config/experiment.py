"""Where the logs of an online A/B test are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from synalign.config.closed import Closed
from synalign.config.home import resolve
from synalign.config.location import TableFiles, is_address
from synalign.config.schedule import Cron

_TABLE, _SQL = "table:", "sql:"

Log = Annotated[str, Field(min_length=1)]


class Experiment(Closed):
    """Where the logs of an online A/B test are; the test itself is a plan of its own (`synalign experiment start`)."""

    exposures: Log = Field(
        description="Parquet files with unit_id, arm, exposed_at, plan_digest: a folder, or an address that Spark "
        "reads; or `table:` and its name, or `sql:` and a query, where `{start}` and `{end}` are the days needed.",
        examples=["data/shop/exposures"],
    )
    outcomes: Log = Field(
        description="Likewise, with unit_id, metric columns, at.",
        examples=["data/shop/outcomes"],
    )
    cron: Cron = Field("0 6 * * *", description="When the day before (UTC) is read out; a cron expression, in UTC.")
    approval_hours: float = Field(24.0, gt=0.0, le=720.0, description="How long a person has to approve `ship`.")

    def logs(self) -> tuple[Path | TableFiles, Path | TableFiles]:
        """Return where exposures and outcomes are: folders here, or what Spark reads."""
        return _located(self.exposures), _located(self.outcomes)


def _located(log: str) -> Path | TableFiles:
    """Return where a log is.

    Examples:
        >>> _located("table: lake.search.exposures").location
        'table lake.search.exposures'
    """
    if log.startswith(_TABLE):
        return TableFiles(table=log.removeprefix(_TABLE))
    if log.startswith(_SQL):
        return TableFiles(sql=log.removeprefix(_SQL))
    return TableFiles(path=log) if is_address(log) else resolve(log)
