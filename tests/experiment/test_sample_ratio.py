"""The sample ratio against SciPy's beta-binomial, by simulation of daily looks, and what it finds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from synalign.errors import ArgumentError
from synalign.experiment import ExperimentPlan
from synalign.experiment.sample_ratio import CONCENTRATIONS, p_value
from synalign.experiment.validity import void_reasons
from tests.experiment.test_validity import log

DAYS = 20


@pytest.mark.parametrize(("control", "treatment", "share"), [(0, 0, 0.5), (11, 0, 0.5), (480, 520, 0.5), (60, 3, 0.1)])
def test_it_is_the_plans_probability_over_that_of_a_mixture_of_splits(
    control: int, treatment: int, share: float
) -> None:
    units = control + treatment
    planned = stats.binom.pmf(treatment, units, share)
    others = [stats.betabinom.pmf(treatment, units, k * share, k * (1.0 - share)) for k in CONCENTRATIONS]
    assert p_value(control, treatment, share) == pytest.approx(min(1.0, planned / np.mean(others)), rel=1e-6)


def test_it_needs_more_than_a_single_look_does_and_finds_what_is_broken() -> None:
    # Kohavi, Tang and Xu (2020), chapter 21: p = 1.8e-6 by chi-square, at one look.
    assert 1.8e-6 < p_value(821_588, 815_482, 0.5) < 1e-3
    # A fifth of the treatment lost, or half of a tenth.
    assert p_value(6_000, 4_800, 0.5) < 1e-9
    assert p_value(9_000, 500, 0.1) < 1e-9
    assert p_value(10_000, 10_000, 0.5) == 1.0


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize("ramp", [[1.0] * DAYS, [0.01] * 5 + [0.1] * 5 + [1.0] * 10])
def test_4000_sound_splits_looked_at_for_20_days_are_void_as_seldom_as_the_threshold_says(
    share: float, ramp: list[float]
) -> None:
    rng, tests = np.random.default_rng(7), 4_000
    arriving = rng.poisson(np.multiply(ramp, 1_000.0), (tests, DAYS))
    treated = np.cumsum(rng.binomial(arriving, share), axis=1)
    units = np.cumsum(arriving, axis=1)
    # The test is a function of two numbers: each pair is asked once.
    pairs, place = np.unique(np.stack([units - treated, treated], -1).reshape(-1, 2), axis=0, return_inverse=True)
    far = abs(pairs[:, 1] - pairs.sum(1) * share) > 2.0 * np.sqrt(pairs.sum(1) * share * (1.0 - share))
    p = np.ones(len(pairs))
    p[far] = [p_value(int(control), int(treatment), share) for control, treatment in pairs[far]]
    looks = p[place].reshape(tests, DAYS)
    for threshold in (1e-3, 0.05):
        voided = (looks < threshold).any(axis=1).mean()
        assert voided <= threshold + 3.0 * np.sqrt(threshold / tests)
    # The simulation would notice: chi-square is not for daily looks.
    square = (treated - units * share) ** 2 / np.maximum(units * share * (1.0 - share), 1e-9)
    assert (stats.chi2.sf(square, 1) < 0.05).any(axis=1).mean() > 0.15


@pytest.mark.parametrize("threshold", [1e-3, 1e-6])
def test_the_plans_threshold_decides(plan: Callable[..., ExperimentPlan], threshold: float) -> None:
    units = {"control": 10_350, "treatment": 9_650}
    assert 1e-6 < p_value(**units, treatment_share=0.5) < 1e-3
    reasons = void_reasons(plan(srm_threshold=threshold), log(units=units))
    assert len(reasons) == (1 if threshold == 1e-3 else 0)


@pytest.mark.parametrize("arguments", [(-1, 5, 0.5), (5, -1, 0.5), (1, 1, 0.0), (1, 1, 1.0), (1, 1, float("nan"))])
def test_numbers_without_a_meaning_are_refused(arguments: Any) -> None:
    with pytest.raises(ArgumentError):
        p_value(*arguments)
