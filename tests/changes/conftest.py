"""Two sets that differ in everything, for whatever tells of changes."""

from collections.abc import Callable
from typing import Any

import pytest

from synalign.config import Configuration
from synalign.run import Run
from tests.changes.sets import FIRST, SECOND, Row, finished, real

Make = Callable[..., Configuration]
SCORED: dict[str, Any] = {
    "scheme": "aligned",
    "gate": {"status": "passed", "reason": "no harm shown"},
    "test": {
        "control": {"ndcg_at_10": 0.5},
        "treatment": {"ndcg_at_10": 0.52},
        "treatment_minus_control": {"difference": 0.02, "queries": 40},
    },
}


@pytest.fixture
def pair(configuration: Make) -> tuple[Run, Run]:
    """Two sets: settings, rows, weights and figures differ, traffic moved to the other end of the space."""
    old, new = [f"how to sort list {n}" for n in range(20)], [f"buy a boat {n}" for n in range(20)]
    return (
        finished(
            configuration(), FIRST, [*real(*old), Row("x", "one"), Row("y", "two")],
            vectors={query: (1.0, 0.02 * n, 0.0, 0.0) for n, query in enumerate(old)}, metrics={"evaluate": SCORED},
        ),
        finished(
            configuration(seed=7, owner="ads"), SECOND, [*real(*new), Row("x", "one", 3.0), Row("z", "two")],
            vectors={query: (0.0, 0.0, 1.0, 0.02 * n) for n, query in enumerate(new)},
            metrics={"evaluate": {**SCORED, "gate": {"status": "failed", "reason": "it loses 3 %"}}},
        ),
    )  # fmt: skip
