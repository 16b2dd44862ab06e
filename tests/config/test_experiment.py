"""Settings of an online A/B test's logs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from synalign.config import Configuration
from synalign.config.location import TableFiles


def test_the_cron_of_read_outs_is_checked_alike(configuration: Callable[..., Configuration]) -> None:
    with pytest.raises(ValidationError, match="hour '25' must be"):
        configuration(experiment={"exposures": "e", "outcomes": "o", "cron": "0 25 * * *"})


@pytest.mark.parametrize(
    ("log", "location"),
    [
        ("table: lake.search.outcomes", "table lake.search.outcomes"),
        ("sql: SELECT 1", "the query of sql"),
        ("s3a://bucket/outcomes", "s3a://bucket/outcomes"),
    ],
)
def test_a_log_is_a_folder_here_or_what_spark_reads(
    home: Path, configuration: Callable[..., Configuration], log: str, location: str
) -> None:
    made = configuration(experiment={"exposures": "data/exposures", "outcomes": log}).experiment
    assert made is not None
    exposures, outcomes = made.logs()
    assert exposures == home / "data" / "exposures"
    assert isinstance(outcomes, TableFiles)
    assert (outcomes.by_spark, outcomes.location) == (True, location)
