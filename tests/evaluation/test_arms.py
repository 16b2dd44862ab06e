"""What each arm is trained on, by hand."""

import numpy as np
import pytest

from synalign.config.schemes import SCHEMES
from synalign.errors import ArgumentError
from synalign.evaluation.arms import ARMS, Pool, arms, effective_sample_size
from synalign.steps.align import equal_mass

ACCEPTED = np.array([True, False, True, True, True])


def pool(**changed: np.ndarray) -> Pool:
    weights = {
        "equal": np.full(4, 0.25),
        "equal_mass": equal_mass(np.array(["a", "a", "a", "b"])),
        "aligned": np.array([0.5, 0.5, 0.0, 0.0]),
    }
    return Pool(ACCEPTED, weights | changed)  # type: ignore[arg-type]


def test_every_arm_by_hand() -> None:
    found = arms(pool(), mass=12.0, seed=0)
    assert tuple(found) == ARMS
    assert found["control"].tolist() == [0.0] * 5
    np.testing.assert_allclose(found["unweighted"], [2.4] * 5)
    np.testing.assert_allclose(found["equal"], [3, 0, 3, 3, 3])
    np.testing.assert_allclose(found["equal_mass"], [2, 0, 2, 2, 6])
    np.testing.assert_allclose(found["aligned"], [6, 0, 6, 0, 0])
    assert sorted(found["random_subset"].tolist()) == [0.0, 0.0, 0.0, 6.0, 6.0]


def test_all_arms_but_the_control_have_the_same_mass() -> None:
    found = arms(pool(), mass=7.0, seed=3)
    assert {name: pytest.approx(7.0) for name in ARMS[1:]} == {name: found[name].sum() for name in ARMS[1:]}


def test_the_random_subset_is_as_large_as_the_aligned_weights_are_worth_and_new_for_every_seed() -> None:
    rng = np.random.default_rng(0)
    aligned = rng.dirichlet(np.ones(300))
    many = Pool(rng.random(400) < 2.0, dict.fromkeys(SCHEMES, np.full(400, 1 / 400)))
    many = Pool(np.arange(400) < 300, {**dict.fromkeys(SCHEMES, np.full(300, 1 / 300)), "aligned": aligned})
    subsets = [np.flatnonzero(arms(many, 1.0, seed)["random_subset"]) for seed in (0, 1, 0)]
    assert {len(rows) for rows in subsets} == {round(1.0 / np.square(aligned).sum())}
    assert max(rows.max() for rows in subsets) < 300
    assert subsets[0].tolist() == subsets[2].tolist() != subsets[1].tolist()


def test_effective_sample_size_by_hand() -> None:
    assert effective_sample_size(np.array([3.0, 1.0])) == pytest.approx(16 / 10)


@pytest.mark.parametrize(
    ("weights", "rule"),
    [
        (np.array([0.5, 0.5]), "one per accepted"),
        (np.array([0.5, 0.6, 0.0, -0.1]), ">= 0"),
        (np.array([0.5, 0.5, 0.5, 0.5]), "sum to 1"),
        (np.array([0.5, 0.5, 0.0, np.nan]), ">= 0"),
    ],
)
def test_weights_that_are_none_are_refused(weights: np.ndarray, rule: str) -> None:
    with pytest.raises(ArgumentError, match=rule):
        arms(pool(aligned=weights), 1.0, 0)


def test_a_missing_scheme_is_named() -> None:
    with pytest.raises(ArgumentError, match="'equal_mass'"):
        arms(Pool(ACCEPTED, {"equal": np.full(4, 0.25)}), 1.0, 0)
