"""Closeness to held-out queries: measured again, it is what the step *align* measured."""

from __future__ import annotations

import numpy as np
import pytest

from synalign.report import closeness, population, verdict
from synalign.report.material import Material
from tests.report.runs import evaluated


def test_equal_mass_is_measured_as_alignment_measures_itself(finished: Material) -> None:
    """The same measurement on the aligned weights gives back what the step wrote; on others, its own."""
    aligned = closeness.of_aligned(finished)
    assert aligned is not None
    again = closeness.measured(finished, "aligned")
    assert again == pytest.approx(aligned, rel=1e-9)
    fair = closeness.of_chosen(evaluated(finished, "equal_mass"))
    assert fair is not None and fair.before == pytest.approx(aligned.before, rel=1e-9)
    assert fair.after != pytest.approx(aligned.after, rel=1e-3)
    _, weights = population.weights(finished, "equal_mass")
    size, rows = verdict.effective_size(evaluated(finished, "equal_mass"))
    assert (size, rows) == (pytest.approx(1.0 / np.square(weights).sum()), 180)


def test_equal_weights_measured_afresh_are_where_they_began(finished: Material) -> None:
    found = closeness.measured(finished, "equal")
    assert found.after == pytest.approx(found.before) and found.p_value == 1.0
