"""Settings of an online A/B test's logs."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from synalign.config import Configuration


def test_the_cron_of_read_outs_is_checked_alike(configuration: Callable[..., Configuration]) -> None:
    with pytest.raises(ValidationError, match="hour '25' must be"):
        configuration(experiment={"exposures": "e", "outcomes": "o", "cron": "0 25 * * *"})
