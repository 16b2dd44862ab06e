"""The paper's criterion: the row with the largest posterior variance is the next anchor.

Source: Ren et al., *Few-shot LLM Synthetic Data with Distribution Matching*, WWW 2025, arXiv:2502.08661, section on
exploration-aware sampling. The refit of the process at each round is replaced by rows added to its Cholesky factor,
and the variance of every row by lazy evaluation: a posterior variance never rises, so old values bound new ones.
Nothing is approximated.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from synalign.arrays.checks import Floats, Indices
from synalign.arrays.tally import Report, Tally
from synalign.errors import ArgumentError
from synalign.sampling.lazy import LazyLargest
from synalign.sampling.neighbours import nearest_rows
from synalign.sampling.posterior import Observed, Posterior
from synalign.sampling.rows import Rows
from synalign.sampling.whitened import Whitened

TIE = 1e-10
"""Variances this close are tied; the lowest index wins. Rounding in double precision stays well below it."""

SCREEN_MARGIN = 2e-6
"""First margin of single-precision variances at l = 1, four times their measured error; it grows where that is small.

The error is that of the kernel's exponent, x.y / l^2, so the margin is taken over l^2.
"""


class Picks(NamedTuple):
    """Anchors, members and variances of a whole run, with the mean variance of the watched rows after each round."""

    anchors: Indices
    neighbours: Indices
    variance: Floats
    uncertainty: Floats


def pick_by_variance(
    rows: Rows,
    batches: int,
    neighbours: int,
    *,
    length_scale: float,
    noise: float,
    shown: Observed,
    watched: Indices,
    report: Report | None = None,
) -> Picks:
    """Pick anchors by largest posterior variance, each with its nearest rows.

    Args:
        rows: n rows on the unit sphere.
        batches: T.
        neighbours: k, at most n - 1.
        length_scale: Length scale of the kernel.
        noise: Variance of the noise of every row picked.
        shown: What was observed before.
        watched: Indices of the rows whose mean variance is reported.
        report: Called as batches are picked.

    Raises:
        ArgumentError: Every row was observed before the last round.

    Memory: 6 M^2 bytes, M = s + T (k + 1), some 20 bytes a row, and up to 64 MiB for `Whitened`. Time: of order n d T
    for the nearest rows; of order n M (M + d) where `Whitened` fits; else M (M + d) for each evaluation, of which there
    are some 6 per row in all, most of them while M is small.
    """
    total = len(rows.single)
    capacity = min(total, batches * (neighbours + 1)) + len(shown.noise)
    whitened = Whitened(rows, capacity, length_scale) if Whitened.fits(rows, capacity) else None
    posterior = Posterior(capacity, rows.given.shape[1], length_scale, single=whitened is None, whitened=whitened)
    posterior.observe(*shown)
    largest = LazyLargest(
        total,
        1.0,
        screen=whitened.screen if whitened else lambda which: posterior.screen(rows, which),
        exact=lambda which: posterior.variance(rows, which),
        margin=SCREEN_MARGIN * max(1.0, length_scale**-2),
        tie=TIE,
        always_exact=False,
    )
    anchors, members = np.empty(batches, np.int64), np.empty((batches, neighbours), np.int64)
    variance, ends = np.empty(batches), np.empty(batches, np.int64)
    free = np.ones(total, dtype=bool)
    tally = Tally(report, "batches", batches)
    for batch in range(batches):
        if not free.any():
            raise ArgumentError(
                "batches", batches, f"must be <= {batch} here: after {batch} rounds all {total} rows are observed"
            )
        anchors[batch], _ = largest.best()
        members[batch] = nearest_rows(rows, anchors[batch : batch + 1], neighbours)[0]
        block = np.concatenate([anchors[batch : batch + 1], members[batch]])
        fresh = block[free[block]]
        # The anchor comes first.
        variance[batch] = posterior.observe(rows.exact(fresh), np.full(len(fresh), noise))[0]
        free[fresh], ends[batch] = False, posterior.observed
        largest.close(fresh)
        tally.add()
    return Picks(anchors, members, variance, posterior.mean_variance(rows, watched, ends))
