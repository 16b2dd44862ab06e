"""What a teacher's scores object to: negatives that may be right answers, and pairs that its own document loses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FALSE_NEGATIVE, LOSES = "false_negative", "loses"


def false_negatives(positive: float, negatives: NDArray[np.float64], margin: float) -> NDArray[np.bool_]:
    """Find the negatives that a teacher scores too near the pair's own document.

    The rule of `mine_hard_negatives` in sentence-transformers: score > positive - margin |positive|.

    Args:
        positive: Score of the pair's own document.
        negatives: (n,) scores.
        margin: >= 0.

    Returns:
        (n,) bool.

    Examples:
        >>> false_negatives(10.0, np.array([9.6, 9.4]), 0.05).tolist()
        [True, False]
    """
    return negatives > positive - abs(positive) * margin


def loses(positive: float, negatives: NDArray[np.float64]) -> bool:
    """Tell whether a pair's own document is worse than all of its negatives: then it is hardly the answer.

    >>> loses(1.0, np.array([2.0, 3.0])), loses(1.0, np.array([2.0, 0.0])), loses(1.0, np.array([]))
    (True, False, False)
    """
    return bool(len(negatives)) and bool((negatives > positive).all())
