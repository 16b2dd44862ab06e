"""Whether the numbers of units agree with the plan's split, by a test that may be read every day.

Pearson's chi-square holds for one look. Read daily for 20 days at a threshold of 0.1 %, it voids 0.8 % of sound
experiments. The test here is Lindon and Malek's: units come to the arms one by one, each to the treatment with the
planned probability whatever the traffic of that day, so the likelihood of all assignments so far under a mixture of
other splits, divided by that under the plan's, is a martingale that starts at 1. That it ever exceeds `1 / threshold`
has a chance of at most `threshold` (Ville), over all looks together, of however many units, and under any ramp.

The mixture is of Beta distributions around the plan's split, which makes the ratio that of a beta-binomial and a
binomial probability. Three of them, from wide to narrow, find a loss of a half in dozens of units and one of 2 % in
tens of thousands.

References:
    Lindon, M., & Malek, A. (2022). Anytime-valid inference for multinomial count data. NeurIPS 2022. arXiv:2011.03567.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaln, logsumexp

from synalign.errors import ArgumentError

CONCENTRATIONS = (10.0, 1_000.0, 100_000.0)
"""Of the Beta distributions: each is worth as much as so many units that were split as planned."""


def p_value(control: int, treatment: int, treatment_share: float) -> float:
    """Return an anytime-valid p-value of two arms' numbers of units under a planned split.

    Args:
        control: Units in the control, from the start of the experiment on.
        treatment: Units in the treatment.
        treatment_share: The plan's share of the treatment, in (0, 1).

    Returns:
        In (0, 1]. With a sound split it is ever below `p` in at most a share `p` of experiments.

    Raises:
        ArgumentError: A number is negative, or the share is not between 0 and 1.

    Examples:
        >>> [round(p_value(10_000, count, 0.5), 4) for count in (10_000, 9_600, 9_200)]
        [1.0, 0.2174, 0.0]
    """
    if min(control, treatment) < 0:
        raise ArgumentError("units", min(control, treatment), "must be >= 0")
    if not 0.0 < treatment_share < 1.0:
        raise ArgumentError("treatment_share", treatment_share, "must be > 0 and < 1")
    planned = treatment * np.log(treatment_share) + control * np.log1p(-treatment_share)
    treated = np.multiply(CONCENTRATIONS, treatment_share)
    rest = np.multiply(CONCENTRATIONS, 1.0 - treatment_share)
    ratios = betaln(treated + treatment, rest + control) - betaln(treated, rest) - planned
    evidence = float(logsumexp(ratios)) - float(np.log(len(CONCENTRATIONS)))
    return float(np.exp(min(0.0, -evidence)))
