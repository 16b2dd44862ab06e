from typing import Any

import pytest

from synalign.config import Checks
from synalign.steps.register import failed_checks


def manifests(**changes: Any) -> dict[str, dict[str, Any]]:
    figures = {"converged": True, "gap": 1e-9, "effective_sample_size": 50.0, "synthetic": 100, "mmd2_before": 0.02,
               "mmd2_after": 0.01, "mmd2_held_out_before": 0.02, "mmd2_held_out_after": 0.01, **changes}  # fmt: skip
    gate = {"status": figures.get("gate", "passed"), "reason": "it loses 3 %"}
    return {
        "align": {"metrics": figures},
        "evaluate": {"metrics": {"scheme": figures.get("scheme", "aligned"), "gate": gate}},
        "assemble": {"metrics": {"synthetic_train_rows": figures.get("rows", 100)}},
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"converged": False}, "did not converge"),
        ({"effective_sample_size": 5.0}, "effective share 0.050 is below 0.1"),
        ({"mmd2_held_out_after": 0.021}, "squared MMD 2.10e-02 is above 1.0 x 2.00e-02"),
        ({"rows": 0}, "0 synthetic rows are fewer than 1"),
        ({"gate": "failed"}, "gate: it loses 3 %"),
        ({"gate": "not evaluated"}, None),
        # Validation queries preferred real pairs alone: there is no synthetic part to hold against the set.
        ({"scheme": "none", "rows": 0, "converged": False, "effective_sample_size": 5.0}, None),
        ({"scheme": "none", "rows": 0, "gate": "failed"}, "gate: it loses 3 %"),
        ({"scheme": "equal", "converged": False, "effective_sample_size": 5.0, "mmd2_held_out_after": 9.0}, None),
    ],
)
def test_each_check_fails_with_its_figure_and_bound(changes: dict[str, Any], expected: str | None) -> None:
    failures = failed_checks(Checks(), manifests(**changes))
    assert len(failures) == (0 if expected is None else 1)
    assert expected is None or expected in failures[0]


def test_without_held_out_queries_the_train_figures_are_checked() -> None:
    content = manifests(mmd2_after=0.03)
    for key in ("mmd2_held_out_before", "mmd2_held_out_after"):
        del content["align"]["metrics"][key]
    assert "3.00e-02" in failed_checks(Checks(), content)[0]
