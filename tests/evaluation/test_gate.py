"""Harm that is there is found, harm that is not there is not."""

import numpy as np
import pytest

from synalign.config import Gate
from synalign.evaluation.comparison import Resampled
from synalign.evaluation.gate import judge


def scores(loss: float, queries: int = 400, noise: float = 0.1) -> Resampled:
    """A control of mean 0.5, and a treatment that loses so much of it."""
    control = np.full((3, queries), 0.5)
    moved = np.random.default_rng(0).normal(0.0, noise, (1, queries))
    return Resampled({"control": control, "aligned": control * (1.0 - loss) + moved - moved.mean()})


@pytest.mark.parametrize(
    ("loss", "of_harm", "of_safety"),
    [
        (0.20, "failed", "failed"),  # the interval is about 0.01 wide on either side, 2 % of the control
        (0.01, "passed", "failed"),
        (0.00, "passed", "failed"),
        (-0.05, "passed", "passed"),
    ],
)
def test_the_interval_decides_and_the_kind_of_evidence_how(loss: float, of_harm: str, of_safety: str) -> None:
    found = scores(loss)
    assert judge(Gate(evidence="of_harm"), found, "aligned").status == of_harm
    assert judge(Gate(evidence="of_safety"), found, "aligned").status == of_safety


def test_a_loss_within_the_bound_passes_and_one_beyond_fails() -> None:
    exact = scores(0.02, noise=0.0)
    for evidence in ("of_harm", "of_safety"):
        assert judge(Gate(max_loss=0.021, evidence=evidence), exact, "aligned").status == "passed"
        assert judge(Gate(max_loss=0.019, evidence=evidence), exact, "aligned").status == "failed"


def test_two_retrievers_that_are_the_same_pass_even_without_a_margin() -> None:
    control = np.random.default_rng(0).random((3, 57))
    same = Resampled({"control": control, "equal": control.copy(), "aligned": control.copy()})
    for evidence in ("of_harm", "of_safety"):
        assert judge(Gate(max_loss=0.0, evidence=evidence), same, "aligned").status == "passed"


@pytest.mark.parametrize("evidence", ["of_harm", "of_safety"])
def test_real_pairs_alone_are_the_control_and_pass_whatever_was_seen(evidence: str) -> None:
    for seen in (scores(0.20), None):
        found = judge(Gate(evidence=evidence), seen, "control", "no real pair is in the split test")
        assert found == ("passed", "the training set is the real pairs alone, as the control's is")
    assert judge(None, None, "control").status == "not evaluated"


def test_a_control_that_finds_nothing_cannot_be_lost_to() -> None:
    found = judge(Gate(), Resampled({"control": np.zeros((1, 30)), "aligned": np.zeros((1, 30))}), "aligned")
    assert found.status == "passed"


def test_the_reason_has_figures_bound_and_number_of_queries() -> None:
    reason = judge(Gate(), scores(0.20), "aligned").reason
    assert "shown to lose more than 0.5 % of the control's nDCG@10 at 95 %" in reason
    assert "-0.1000 (-20.00 %)" in reason
    assert "400 test queries" in reason


@pytest.mark.parametrize(("evidence", "status"), [("of_harm", "not evaluated"), ("of_safety", "failed")])
def test_what_too_few_queries_saw_is_no_evidence_of_anything(evidence: str, status: str) -> None:
    few = scores(0.5, queries=19)
    assert judge(Gate(evidence=evidence), few, "aligned").status == status
    assert "19 test queries are fewer than 20" in judge(Gate(evidence=evidence), few, "aligned").reason
    none = judge(Gate(evidence=evidence), None, "aligned", "no retriever was trained")
    assert none.status == status
    assert "no retriever was trained" in none.reason


def test_without_a_gate_nothing_is_held_back() -> None:
    assert judge(None, scores(0.9), "aligned").status == "not evaluated"
