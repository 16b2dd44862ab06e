"""Statistics against SciPy's exact test, textbook intervals and simulation."""

import numpy as np
import pytest
from scipy import stats

from synalign.errors import ArgumentError
from synalign.evaluation.comparison import Resampled, p_value


def normal(shape: tuple[int, ...], seed: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.0, shape)


@pytest.mark.parametrize("mean", [0.0, 0.4, -0.8])
def test_the_p_value_is_that_of_all_sign_flips(mean: float) -> None:
    differences = normal((14,), 3, mean)
    exact = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=2**14).pvalue
    assert p_value(differences) == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 9_999) + 1e-4)


def test_queries_without_a_difference_have_no_say() -> None:
    differences = normal((12,), 5, 0.5)
    assert p_value(np.concatenate([differences, np.zeros(1000)])) == p_value(differences)
    assert p_value(np.zeros(40)) == 1.0


def test_the_p_value_is_uniform_where_nothing_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synalign.evaluation.comparison.FLIPS", 999)
    found = [p_value(normal((30,), seed), seed) for seed in range(100)]
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_with_one_training_the_interval_is_that_of_a_paired_mean() -> None:
    control, arm = normal((1, 400), 0), normal((1, 400), 1, 0.2)
    found = Resampled({"control": control, "arm": arm}, resamples=10_000).compare("arm", "control")
    differences = (arm - control)[0]
    expected = stats.norm.interval(0.95, differences.mean(), stats.sem(differences))
    assert found.difference == pytest.approx(differences.mean())
    assert (found.lower, found.upper) == pytest.approx(expected, abs=0.01)
    assert found.relative == pytest.approx(differences.mean() / control.mean())
    assert (found.queries, found.seeds) == (400, 1)


def test_the_interval_covers_trainings_and_queries_both() -> None:
    """Made scores with a part per query, one per training and one of their own; the truth is 0."""
    covered, by_queries_alone = 0, 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        scores = 0.2 * rng.normal(size=(8, 1)) + rng.normal(size=(1, 60)) + 0.5 * rng.normal(size=(8, 60))
        arms = {"control": np.zeros((8, 60)), "arm": scores}
        found = Resampled(arms, resamples=300, seed=seed).mean("arm")
        covered += found.lower <= 0.0 <= found.upper
        alone = Resampled({"arm": scores.mean(axis=0, keepdims=True)}, resamples=300, seed=seed).mean("arm")
        by_queries_alone += alone.upper - alone.lower < found.upper - found.lower
    assert covered >= 90
    assert by_queries_alone >= 97


def test_pairing_takes_out_what_both_arms_share() -> None:
    shared = normal((1, 300), 0)
    arms = {"control": np.repeat(shared, 3, axis=0), "arm": shared + 0.05 + 0.01 * normal((3, 300), 1)}
    found = Resampled(arms)
    compared = found.compare("arm", "control")
    assert compared.lower > 0.0
    assert compared.p_value == pytest.approx(2e-4)
    assert found.mean("arm").lower < 0.0 < found.mean("arm").upper


def test_the_same_arm_twice_does_not_differ_to_the_last_bit() -> None:
    scores = normal((3, 50), 0)
    found = Resampled({"control": scores, "equal": scores.copy(), "aligned": scores.copy()})
    for arm in ("equal", "aligned", "control"):
        compared = found.compare(arm, "control")
        assert (compared.difference, compared.p_value) == (0.0, 1.0)
        assert (compared.lower, compared.upper) == pytest.approx((0.0, 0.0), abs=1e-13)


def test_a_control_that_finds_nothing_has_no_relative_difference() -> None:
    found = Resampled({"control": np.zeros((2, 30)), "arm": np.ones((2, 30))}).compare("arm", "control")
    assert found.relative is None
    assert found.difference == found.lower == found.upper == 1.0


def test_it_is_the_same_however_much_is_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    arms = {"control": normal((2, 70), 0), "arm": normal((2, 70), 1)}
    whole = Resampled(arms)
    monkeypatch.setattr("synalign.evaluation.comparison.ENTRIES", 70 * 400)
    blocks = Resampled(arms)
    # Other draws, the same distribution.
    assert blocks.mean("arm").lower == pytest.approx(whole.mean("arm").lower, abs=0.05)
    assert blocks._means.shape == whole._means.shape


@pytest.mark.parametrize(
    ("scores", "rule"),
    [
        ({}, "one shape"),
        ({"control": np.zeros((2, 0))}, "no side of 0"),
        ({"control": np.zeros((2, 5)), "arm": np.zeros((2, 6))}, "one shape"),
        ({"control": np.zeros(5)}, "one shape"),
        ({"control": np.array([[0.0, np.nan]])}, "must be finite"),
    ],
)
def test_scores_that_do_not_fit_together_are_refused(scores: dict[str, np.ndarray], rule: str) -> None:
    with pytest.raises(ArgumentError, match=rule):
        Resampled(scores)
