"""Macro-F1 and its intervals against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from synalign.errors import ArgumentError
from synalign.evaluation.macro_f1 import MacroF1, _Counts, true_labels


def theirs(true: np.ndarray, predicted: np.ndarray) -> float:
    """Macro-F1 over the labels that texts have."""
    return float(f1_score(true, predicted, labels=np.unique(true), average="macro", zero_division=0.0))


def answers(texts: int = 200, seeds: int = 2, wrong: float = 0.3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = np.tile(rng.integers(0, 7, texts), (seeds, 1))
    # Label 9 is predicted and never true.
    return np.where(rng.uniform(size=true.shape) < wrong, rng.choice([0, 1, 2, 9], true.shape), true), true


def test_it_is_scikit_learns_averaged_over_seeds() -> None:
    predicted, true = answers()
    found = MacroF1({"control": predicted}, {"control": true}, resamples=10)
    assert found.values["control"] == pytest.approx(
        np.mean([theirs(t, p) for t, p in zip(true, predicted, strict=True)])
    )


@pytest.mark.parametrize("texts", [5, 60])
def test_a_resample_has_the_f1_of_its_own_texts(texts: int) -> None:
    predicted, true = answers(texts, 1)
    rng = np.random.default_rng(1)
    counts = np.stack([np.bincount(rng.integers(0, texts, texts), minlength=texts) for _ in range(20)])
    found = _Counts(predicted[0], true[0]).of(counts.astype(float))
    expected = [theirs(np.repeat(true[0], row), np.repeat(predicted[0], row)) for row in counts]
    assert found == pytest.approx(expected)


def test_intervals_are_those_of_a_plain_bootstrap() -> None:
    (control, true), (arm, _) = answers(seeds=1), answers(seeds=1, wrong=0.2)
    found = MacroF1({"control": control, "arm": arm}, {"control": true, "arm": true})
    rng = np.random.default_rng(5)
    apart = []
    for _ in range(1000):
        rows = rng.integers(0, 200, 200)
        apart.append(theirs(true[0, rows], arm[0, rows]) - theirs(true[0, rows], control[0, rows]))
    value, lower, upper = found.difference("arm", "control")
    assert value == pytest.approx(theirs(true[0], arm[0]) - theirs(true[0], control[0]))
    assert (lower, upper) == pytest.approx(np.quantile(apart, [0.025, 0.975]), abs=0.012)


def test_trainings_that_differ_widen_the_interval_and_equal_arms_have_none() -> None:
    good, true = answers(seeds=1, wrong=0.0)
    bad, _ = answers(seeds=1, wrong=0.6)
    mixed, both = np.concatenate([good, bad]), np.concatenate([true, true])
    found = MacroF1({"mixed": mixed, "same": mixed}, {"mixed": both, "same": both})
    value, lower, upper = found.mean("mixed")
    assert upper == pytest.approx(1.0) and lower < value - 0.1
    assert found.difference("mixed", "same") == (0.0, 0.0, 0.0)


def test_a_text_with_several_labels_is_right_with_any_of_them() -> None:
    assert true_labels(np.array([3, 0, 1]), [{1, 3}, {1, 3}, {1}]).tolist() == [3, 1, 1]


@pytest.mark.parametrize(
    ("predicted", "true"),
    [
        ({}, {}),
        ({"a": np.zeros((1, 0), int)}, {"a": np.zeros((1, 0), int)}),
        ({"a": np.zeros((1, 3), int)}, {"a": np.zeros((1, 4), int)}),
        ({"a": np.zeros((1, 3), int)}, {"b": np.zeros((1, 3), int)}),
        ({"a": np.zeros(3, int)}, {"a": np.zeros(3, int)}),
    ],
)
def test_predictions_that_do_not_fit_together_are_refused(predicted: dict, true: dict) -> None:
    with pytest.raises(ArgumentError, match="must have one shape"):
        MacroF1(predicted, true)
