"""How far an endpoint's own token counts pass the bounds that requests were sent with.

An endpoint may count in a way of its own: hidden reasoning beyond `max_output_tokens`, a preamble that it adds. From
the first such report on, every request is taken to need the worst ratio seen of *reported* to *bound*, each way by
itself. The bound is that of the request, never one that was corrected already, so the correction cannot compound.
"""

from __future__ import annotations

import math

UNBELIEVABLE = 1000
"""A count so many times the bound is a fault of the endpoint's counter, and is taken as no report at all."""


class Correction:
    """The worst ratios seen; at least 1.

    Attributes:
        ratio_in: Of tokens sent.
        ratio_out: Of tokens received.

    Examples:
        >>> correction = Correction()
        >>> correction.learn(100, 50, 90, 75), correction.learn(100, 50, 90, 60)
        (True, False)
        >>> correction.most(100, 50)
        (100, 75)
    """

    def __init__(self) -> None:
        self.ratio_in = self.ratio_out = 1.0

    def most(self, bound_in: int, bound_out: int) -> tuple[int, int]:
        """Return the most tokens that a request with these bounds is taken to need, sent and received."""
        return _times(bound_in, self.ratio_in), _times(bound_out, self.ratio_out)

    def learn(self, bound_in: int, bound_out: int, reported_in: int, reported_out: int) -> bool:
        """Take a report into account; returns whether a ratio grew."""
        before = (self.ratio_in, self.ratio_out)
        self.ratio_in = max(self.ratio_in, reported_in / max(1, bound_in))
        self.ratio_out = max(self.ratio_out, reported_out / max(1, bound_out))
        return before != (self.ratio_in, self.ratio_out)


def believed(reported: int | float | None, bound: int) -> int | None:
    """Return a reported count of tokens, or None where it cannot be one.

    Examples:
        >>> believed(12, 10), believed(-1, 10), believed(float("nan"), 10), believed(1e15, 10)
        (12, None, None, None)
    """
    if reported is None or not 0 <= reported <= UNBELIEVABLE * max(1, bound):
        return None
    return int(reported)


def _times(bound: int, ratio: float) -> int:
    # The quotient of two integers, multiplied again, can come out a hair above the integer it stands for.
    return math.ceil(bound * ratio - 1e-6)
