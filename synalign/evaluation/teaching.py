"""Whether hard negatives and a teacher are used: validation queries can object to them.

Retrievers are trained on the real pairs, with negatives and teacher and without either. Both ways have the same pairs,
queries and seeds, so that nothing but the way differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from synalign.evaluation.comparison import ROUNDING
from synalign.evaluation.ladder import mean, standard_error
from synalign.evaluation.measured import RETRIEVAL, Measured

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Teaching(NamedTuple):
    """What validation queries say of training with negatives and teacher.

    Attributes:
        used: Whether the arms are trained so.
        difference: Mean on validation queries, with negatives and teacher minus on pairs alone.
        standard_error: Of the difference, see `synalign.evaluation.ladder.standard_error`.
        queries: Validation queries behind it.
        measured: What the difference is of.
    """

    used: bool
    difference: float
    standard_error: float
    queries: int
    measured: Measured = RETRIEVAL

    @property
    def reason(self) -> str:
        """Say for people why it is used, or not.

        >>> Teaching(False, -0.0312, 0.0101, 154).reason
        'real pairs train a better retriever without hard negatives and teacher: nDCG@10 +0.0312 ± 0.0101 on 154 \
validation queries'
        """
        gain = self.difference if self.used else -self.difference
        figures = f"{self.measured.words} {gain:+.4f} ± {self.standard_error:.4f} on {self.queries} validation queries"
        if self.used:
            return f"not shown to harm a retriever trained on real pairs: {figures}"
        return f"real pairs train a better retriever without hard negatives and teacher: {figures}"

    def figures(self) -> dict[str, Any]:
        """Return plain values for the manifest."""
        return {
            "used": self.used, "difference": self.difference, "standard_error": self.standard_error,
            "queries": self.queries, "reason": self.reason,
        }  # fmt: skip


def weigh(taught: NDArray[np.float64], alone: NDArray[np.float64], measured: Measured = RETRIEVAL) -> Teaching:
    """Compare both ways to train on the real pairs.

    Negatives and teacher are used unless pairs alone are better by more than one standard error: over twelve
    cells of public collections they were worth 5.9 points (docs/method.md), so a tie is theirs.

    Args:
        taught: (s, q) float64, the measure by training and validation query.
        alone: The same of pairs alone.
        measured: What it is.

    Examples:
        >>> import numpy as np
        >>> weigh(np.array([[0.5, 0.6, 0.4]]), np.array([[0.9, 0.9, 0.9]])).used
        False
    """
    apart = taught - alone
    difference, error = mean(apart), standard_error(apart)
    return Teaching(not -difference > error + ROUNDING, difference, error, apart.shape[1], measured)
