"""What a trained retriever is worth on real test queries: beside the model before training, and beside the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synalign.evaluation import gate
from synalign.evaluation.arms import CONTROL
from synalign.evaluation.comparison import LEAST_QUERIES, Resampled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synalign.config import Gate

ZERO_SHOT, CHAMPION, NEW = "zero_shot", "champion", "new"

MISSING = "no real pair is in the split test"


def compare(test: dict[str, NDArray[np.float64]], settings: Gate | None) -> dict[str, Any]:
    """Compare the new retriever with those before it, query by query, and ask the gate of the training set.

    The gate's control is the champion; where there is none, the model before training.

    Args:
        test: nDCG@10 of each test query, by `zero_shot`, `champion` (where there is one) and `new`.
        settings: `evaluation.gate`.

    Returns:
        As plain data: `test` has the mean of each retriever, and `new_minus_...` with interval and p-value; intervals
        are left out below 20 queries. `gate` has `status`, `reason` and `control`.
    """
    control = CHAMPION if CHAMPION in test else ZERO_SHOT
    found: dict[str, Any] = {"test": {}}
    resampled = None
    if len(test[NEW]):
        resampled = Resampled({name: rows[None, :] for name, rows in {**test, CONTROL: test[control]}.items()})
        found["test"] = _figures(resampled, list(test))
    verdict = gate.judge(settings, resampled, NEW, MISSING)
    return {**found, "gate": {**verdict._asdict(), "control": control}}


def _figures(resampled: Resampled, names: list[str]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    telling = resampled.queries >= LEAST_QUERIES
    for name in names:
        mean = resampled.mean(name)
        ends = {"lower": mean.lower, "upper": mean.upper} if telling else {}
        figures[name] = {"ndcg_at_10": mean.value, **ends}
    for name in names:
        if name != NEW:
            compared = resampled.compare(NEW, name)._asdict()
            if not telling:
                del compared["lower"], compared["upper"]
            figures[f"{NEW}_minus_{name}"] = compared
    return figures
