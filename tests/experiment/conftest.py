"""A plan as people write it, for what reads plans."""

from collections.abc import Callable
from typing import Any

import pytest

from synalign.experiment import ExperimentPlan

Make = Callable[..., ExperimentPlan]


@pytest.fixture
def content(plan: Make) -> dict[str, Any]:
    """A plan as plain data, without what is computed."""
    data = plan().model_dump(mode="json")
    del data["sample_size_per_arm"], data["expected_days"]
    return data
