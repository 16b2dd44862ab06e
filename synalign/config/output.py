"""Where the training set goes beside the run's folder and MLflow."""

from __future__ import annotations

from pydantic import Field

from synalign.config.closed import Closed


class Output(Closed):
    """Where the training set goes beside the run's folder and MLflow."""

    table: str | None = Field(
        None,
        min_length=1,
        description="A table of Spark's catalogs, such as catalog.schema.name, that the training set is written to as "
        "well, each interval in its own partition; made where it is not there. null: none.",
        examples=["search.training_sets"],
    )
    format: str | None = Field(
        None,
        pattern=r"^[A-Za-z][\w.-]*$",
        description="Of the table, where it is made: delta, iceberg, parquet ... null: the catalog's default.",
    )
