"""The gate: whether the test queries show that the training set harms a retriever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from synalign.evaluation.arms import CONTROL
from synalign.evaluation.comparison import LEAST_QUERIES, ROUNDING
from synalign.evaluation.measured import RETRIEVAL

if TYPE_CHECKING:
    from synalign.config import Gate
    from synalign.evaluation.comparison import Resampled

Status = Literal["passed", "failed", "not evaluated"]


class Verdict(NamedTuple):
    """What the gate says.

    Attributes:
        status: `failed` keeps the alias `current` from the training set.
        reason: In words.
    """

    status: Status
    reason: str


def judge(
    gate: Gate | None, scores: Resampled | None, treatment: str, missing: str = "", words: str = RETRIEVAL.words
) -> Verdict:
    """Tell whether a training set passes.

    What is looked at is nDCG@10, or a classifier's accuracy, of the treatment minus (1 - max_loss) times that of the
    control: below 0, the loss is beyond the bound. Under `of_harm` the whole interval has to lie there for a set to
    fail, under `of_safety` none of it may for a set to pass.

    Args:
        gate: Its settings; None: there is no gate.
        scores: That measure on test queries; None: there are none.
        treatment: The arm whose weights the training set has; the control where it is the real pairs alone, which
            passes on no evidence at all: there is nothing that could be lost.
        missing: Why there are none.
        words: The measure's name.
    """
    if gate is None:
        return Verdict("not evaluated", "evaluation.gate is off")
    if treatment == CONTROL:
        return Verdict("passed", "the training set is the real pairs alone, as the control's is")
    if scores is None or scores.queries < LEAST_QUERIES:
        why = missing if scores is None else f"{scores.queries} test queries are fewer than {LEAST_QUERIES}"
        unsafe = gate.evidence == "of_safety"
        return Verdict("failed", f"not shown to be safe: {why}") if unsafe else Verdict("not evaluated", why)
    margin = scores.combination({treatment: 1.0, CONTROL: gate.max_loss - 1.0}, gate.confidence)
    harmful = (margin.upper if gate.evidence == "of_harm" else margin.lower) < -ROUNDING
    return Verdict("failed" if harmful else "passed", _sentence(gate, scores, treatment, harmful, words))


def _sentence(gate: Gate, scores: Resampled, treatment: str, harmful: bool, words: str) -> str:
    change = scores.combination({treatment: 1.0, CONTROL: -1.0}, gate.confidence)
    control = scores.mean(CONTROL).value
    relative = f" ({100 * change.value / control:+.2f} %)" if control else ""
    shown = {
        ("of_harm", True): "shown to lose more than",
        ("of_harm", False): "not shown to lose more than",
        ("of_safety", True): "not shown to lose less than",
        ("of_safety", False): "shown to lose less than",
    }[gate.evidence, harmful]
    return (
        f"{shown} {100 * gate.max_loss:g} % of the control's {words} at {100 * gate.confidence:g} %: "
        f"{change.value:+.4f}{relative}, interval {change.lower:+.4f} to {change.upper:+.4f}, "
        f"on {scores.queries} test queries"
    )
