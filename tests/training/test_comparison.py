"""What came of a training: paired differences against a naive mean, and the gate of the training set."""

import numpy as np
import pytest

from synalign.config import Gate
from synalign.training.comparison import MISSING, compare

RANDOM = np.random.default_rng(3)


def arms(gain: float, queries: int = 60) -> dict[str, np.ndarray]:
    zero = RANDOM.uniform(0.2, 0.8, queries)
    return {"zero_shot": zero - 0.1, "champion": zero, "new": zero + gain + RANDOM.normal(0.0, 0.01, queries)}


def test_differences_are_paired_and_the_champion_is_the_control() -> None:
    test = arms(0.05)
    found = compare(test, Gate())
    for other in ("zero_shot", "champion"):
        figures = found["test"][f"new_minus_{other}"]
        assert figures["difference"] == pytest.approx(np.mean(test["new"] - test[other]))
        assert figures["lower"] < figures["difference"] < figures["upper"]
        assert figures["p_value"] < 0.01
        assert found["test"][other]["ndcg_at_10"] == pytest.approx(test[other].mean())
    assert (found["gate"]["status"], found["gate"]["control"]) == ("passed", "champion")


def test_a_loss_fails_at_the_gate() -> None:
    assert compare(arms(-0.1), Gate())["gate"]["status"] == "failed"


def test_without_a_champion_the_model_before_training_is_the_control() -> None:
    test = arms(-0.05)
    del test["champion"]
    # Better than before training, worse than a champion would be.
    assert compare(test, Gate())["gate"] | {"reason": ""} == {"status": "passed", "reason": "", "control": "zero_shot"}


def test_few_queries_have_no_intervals_and_none_have_no_figures() -> None:
    few = compare(arms(0.1, queries=5), Gate())
    assert "lower" not in few["test"]["new_minus_champion"] and "lower" not in few["test"]["new"]
    assert few["gate"]["status"] == "not evaluated"
    none = compare({"zero_shot": np.zeros(0), "new": np.zeros(0)}, Gate())
    assert none["test"] == {} and none["gate"]["reason"] == MISSING
    assert compare(arms(0.1), None)["gate"]["status"] == "not evaluated"
