"""Which real queries a language model is shown next: one call, two criteria.

Sources: Ren et al., *Few-shot LLM Synthetic Data with Distribution Matching*, WWW 2025, arXiv:2502.08661
(`synalign.sampling.variance`); ours in `synalign.sampling.coverage`, with its sources.
"""

from __future__ import annotations

import warnings
from collections.abc import Sized
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from synalign.arrays.checks import (
    LEAST_WIDTH,
    MEDIAN_ROWS,
    MOST_NUMBER,
    MOST_WIDTH,
    Embeddings,
    Floats,
    Indices,
    Points,
    counts_of,
    embedding_rows,
    evenly_spaced,
    median_distance,
    real_number,
    real_numbers,
    whole_number,
)
from synalign.arrays.tally import Report
from synalign.errors import ArgumentError
from synalign.sampling.coverage import pick_by_coverage
from synalign.sampling.posterior import Observed, Posterior
from synalign.sampling.rows import Rows
from synalign.sampling.threads import own_threads
from synalign.sampling.variance import Picks, pick_by_variance

Criterion = Literal["coverage", "variance"]

LENGTH_SCALE_SHARE = 0.7
"""Default length scale over the median distance. Below 0.4 all rows stay tied at the prior; 0.7 to 1 differ little."""

WATCHED_ROWS = 2_000
"""Rows, evenly spaced, over which `Selection.uncertainty` is the mean."""

NOTHING_LEARNED = 0.999
"""An anchor whose variance stays above this (the prior is 1) was told nothing by all the rows before it."""


EXACT_SHOWN = 4_000
"""Rows shown before that the exact posterior is conditioned on, evenly spaced: of more, its factor alone would take
gigabytes. Fewer conditions make variances larger, never smaller."""

DEAF = 1e30
"""A row shown before with this much noise tells nothing; more of it would overflow in single precision."""


class LengthScaleWarning(UserWarning):
    """The length scale is so short that no row says anything about another: the selection is arbitrary."""


class Selection(NamedTuple):
    """Demonstrations, batch by batch.

    Attributes:
        anchors: (T,) int64, row of each batch's anchor; all different.
        neighbours: (T, k) int64, the other rows of each batch. `variance`: nearest first. `coverage`: in order picked,
            and no row occurs in two batches.
        variance: (T,) float64, exact posterior variance of the anchor when it was picked; the prior is 1.
        uncertainty: (T,) float64, mean exact posterior variance, after each batch, of at most `WATCHED_ROWS` evenly
            spaced rows. It never rises, and says when more batches stop paying.
        length_scale: The kernel's length scale, as given or chosen.
        gain: (T,) float64, what each batch was expected to add when it was picked. `coverage`: the share of all rows'
            weight by which its fixed block lowers the bound of the variance; it never rises. `variance`: as `variance`.
    """

    anchors: Indices
    neighbours: Indices
    variance: Floats
    uncertainty: Floats
    length_scale: float
    gain: Floats


def sample_demonstrations(
    embeddings: ArrayLike,
    batches: int,
    neighbours: int = 7,
    *,
    length_scale: float | None = None,
    noise: float = 1e-2,
    criterion: Criterion = "coverage",
    breadth: int = 16,
    counts: ArrayLike | None = None,
    shown: ArrayLike | None = None,
    shown_noise: ArrayLike | None = None,
    report: Report | None = None,
) -> Selection:
    """Pick batches of real queries to show, each an anchor with rows near it, so that together they cover the log.

    A Gaussian process with kernel exp(-|x - y|^2 / 2 l^2) and observation variance `noise` stands for what the writer
    has been shown. Nothing is random: the same input gives the same bytes.

    * `coverage` takes the anchor whose fixed block (it and its k nearest rows) most lowers an upper bound of all
      rows' variance, weighted by the square root of their counts, and members by the same gain among its
      `breadth` nearest rows not yet shown; where fewer than k of those are left, the nearest unshown rows beyond them
      join. Ties, within 1e-13 of the total weight, go to the lowest index. Lazy evaluation, exact.
    * `variance` takes the row of largest posterior variance among those not yet observed (ties within 1e-10 to the
      lowest index), with its k nearest rows, shown before or not. It seeks outliers.

    Single precision finds the few rows that may be next, double precision decides: picks are those of double
    precision throughout, up to rounding. A float32 array is never copied; a float64 one gets a float32 copy beside it.

    Of more than 4,000 rows shown before, exact variances (`variance` and `uncertainty` of the selection, and the
    criterion `variance`) know of 4,000 evenly spaced ones, and are upper bounds then; `coverage` picks by all.

    Memory beside the embeddings: `variance` 6 M^2 bytes, M = s + T (k + 1), and some 40 bytes a row; `coverage` 4 n^2
    bytes for the gains up to 20,000 rows. Beyond that gains are evaluated on 10,000 landmarks drawn by weight, for as
    many candidates (drawn likewise) as 512 MiB hold, never fewer than T (k + 1), and the rows of their blocks are
    copied. Time: `coverage` n_c n d for the neighbours of the n_c candidates plus n_c m (d + k) for their gains on m
    landmarks; `variance` n d T for the neighbours plus M (M + d) for each evaluation, 5 to 10 per row in all.
    Within the call BLAS has one thread, and as many threads as it had before share the work.

    Args:
        embeddings: (n, d) float32 or float64, rows of norm 1 within 1e-3.
        batches: T >= 1.
        neighbours: k >= 0, at most n - 1. All rows count, the anchor excluded, ties to the lowest index.
        length_scale: l, from 1e-6 to 1e6. None: 0.7 x the median distance over the pairs of at most 2,000 evenly
            spaced rows.
        noise: Observation variance, > 0, at most 1e6.
        criterion: `coverage` or `variance`.
        breadth: `coverage` only: how many nearest rows members are picked among, >= neighbours. Equal to
            `neighbours`: tight batches; larger: more coverage, looser batches.
        counts: (n,) traffic of each row, >= 0; `coverage` only. None: one each.
        shown: (s, d) unit rows shown by earlier runs; observed first, with the same kernel.
        shown_noise: (s,) observation variance of each row of `shown`, > 0. None: `noise` for all. With noise that
            grows with age, such as `noise * 2 ** (days / 30)`, old rows tell less and less, and what they covered is
            shown again some day; q(x, b) is divided by 1 + the row's own noise.
        report: Called now and then, from any thread, with what is counted (`rows compared`, `landmarks`, `batches`),
            how many are done and of how many. None: nobody listens.

    Returns:
        The selection.

    Raises:
        ArgumentError: Wrong shape, width or dtype; empty; non-finite or non-unit rows; a number out of range; too few
            rows. `coverage` shows each row once and needs n >= T (k + 1). `variance` needs n >= max(T, k + 1), and
            rows not yet observed at every round: T (k + 1) rows always suffice.

    Warns:
        LengthScaleWarning: Every anchor that came after another row kept a variance above 0.999 of the prior.

    References:
        Ren et al., *Few-shot LLM Synthetic Data with Distribution Matching*, WWW 2025, arXiv:2502.08661.

    Example:
        >>> angles = np.radians([0, 1, 2.5, 120, 121, 122.5, 124.5, 240, 241])
        >>> rows = np.column_stack([np.cos(angles), np.sin(angles)])
        >>> selection = sample_demonstrations(rows, 3, 1, breadth=1)
        >>> selection.anchors.tolist(), selection.neighbours.tolist()
        ([5, 2, 7], [[4], [1], [8]])
        >>> selection.uncertainty.round(2).tolist()
        [0.49, 0.18, 0.01]
    """
    given = embedding_rows("embeddings", embeddings)
    batches, neighbours = whole_number("batches", batches, 1), whole_number("neighbours", neighbours, 0)
    _check_enough_rows(len(given), batches, neighbours, criterion)
    traffic = counts_of("counts", counts, len(given))
    noise = real_number("noise", noise, above=0.0, most=MOST_NUMBER)
    earlier = _earlier(shown, shown_noise, given.shape[1], noise)
    scale = _length_scale(given, length_scale)
    watched, rows = evenly_spaced(len(given), WATCHED_ROWS), Rows.of(given)
    try:
        with own_threads():
            if criterion == "variance":
                picks = pick_by_variance(
                    rows,
                    batches,
                    neighbours,
                    length_scale=scale,
                    noise=noise,
                    shown=_some(earlier),
                    watched=watched,
                    report=report,
                )
                gain = picks.variance
            else:
                anchors, members, gain = pick_by_coverage(
                    rows,
                    batches,
                    neighbours,
                    breadth=_breadth(breadth, neighbours),
                    length_scale=scale,
                    noise=noise,
                    weights=np.sqrt(traffic),
                    shown=earlier,
                    report=report,
                )
                picks = _with_posterior(rows, anchors, members, _some(earlier), watched, scale, noise)
    except np.linalg.LinAlgError as error:
        raise ArgumentError(
            "noise", noise, "must be larger for rows this alike", remedy="use the default, 1e-2"
        ) from error
    _warn_if_nothing_learned(picks.variance if len(earlier.noise) else picks.variance[1:], scale)
    return Selection(*picks, length_scale=scale, gain=gain)


def _check_enough_rows(rows: int, batches: int, neighbours: int, criterion: str) -> None:
    """Refuse an unknown criterion, and more rows asked for than there are."""
    if criterion not in get_args(Criterion):
        raise ArgumentError("criterion", criterion, f"must be one of {', '.join(get_args(Criterion))}")
    if neighbours > rows - 1:
        raise ArgumentError("neighbours", neighbours, f"must be <= {rows - 1}: there are {rows} rows")
    most = rows if criterion == "variance" else rows // (neighbours + 1)
    if batches > most:
        raise ArgumentError(
            "batches",
            batches,
            f"must be <= {most}: there are {rows} rows, and a batch takes {neighbours + 1}",
            remedy="ask for fewer or smaller batches, or collect more queries",
        )


def _breadth(breadth: int, neighbours: int) -> int:
    """Check the breadth against the members it must hold."""
    if whole_number("breadth", breadth, 0) < neighbours:
        raise ArgumentError("breadth", breadth, f"must be >= neighbours == {neighbours}")
    return breadth


def _earlier(shown: ArrayLike | None, shown_noise: ArrayLike | None, width: int, noise: float) -> Observed:
    """Return what earlier runs showed, in double precision; no rows where there is nothing."""
    if shown is None or (isinstance(shown, Sized) and len(shown) == 0):
        rows = np.empty((0, width))
    else:
        rows = embedding_rows("shown", shown, width=width).astype(np.float64)
    return Observed(Points.of(rows), _noise_of(shown_noise, len(rows), noise))


def _some(earlier: Observed) -> Observed:
    """Return what earlier runs showed, or `EXACT_SHOWN` rows of it."""
    if len(earlier.noise) <= EXACT_SHOWN:
        return earlier
    rows = evenly_spaced(len(earlier.noise), EXACT_SHOWN)
    return Observed(earlier.points.take(rows), earlier.noise[rows])


def _noise_of(shown_noise: ArrayLike | None, rows: int, noise: float) -> Floats:
    """Return (rows,) noise of what was shown before, each > 0."""
    if shown_noise is None:
        return np.full(rows, noise)
    found = real_numbers("shown_noise", shown_noise, f"must be {rows} numbers")
    if found.shape != (rows,):
        raise ArgumentError("shown_noise.shape", found.shape, f"must be ({rows},), one noise per row of shown")
    wrong = np.flatnonzero(~(np.isfinite(found) & (found > 0.0)))
    if wrong.size:
        raise ArgumentError(f"shown_noise[{wrong[0]}]", float(found[wrong[0]]), "must be finite and > 0")
    return np.minimum(found, DEAF)


def _length_scale(rows: Embeddings, length_scale: float | None) -> float:
    """Return the length scale given, or the default share of the median distance."""
    if length_scale is None:
        typical = median_distance(rows[evenly_spaced(len(rows), MEDIAN_ROWS)].astype(np.float64))
        return max(LENGTH_SCALE_SHARE * typical, LEAST_WIDTH)
    return real_number("length_scale", length_scale, above=0.0, least=LEAST_WIDTH, most=MOST_WIDTH)


def _with_posterior(
    rows: Rows, anchors: Indices, members: Indices, earlier: Observed, watched: Indices, scale: float, noise: float
) -> Picks:
    """Add the exact posterior, followed through the batches in order, to picks made by another criterion."""
    order = np.column_stack([anchors, members])
    posterior = Posterior(len(earlier.noise) + order.size, rows.given.shape[1], scale)
    posterior.observe(*earlier)
    variance = posterior.observe(rows.exact(order.ravel()), np.full(order.size, noise))
    ends = len(earlier.noise) + order.shape[1] * np.arange(1, len(order) + 1)
    return Picks(anchors, members, variance[:: order.shape[1]], posterior.mean_variance(rows, watched, ends))


def _warn_if_nothing_learned(variance: Floats, scale: float) -> None:
    """Warn where anchors that had rows before them are all still at the prior."""
    if variance.size and variance.min() > NOTHING_LEARNED:
        warnings.warn(
            f"length_scale == {scale:g}: every anchor's variance stayed above {NOTHING_LEARNED} of the prior, so no "
            "row says anything about another and the selection is arbitrary. Leave length_scale out to have "
            f"{LENGTH_SCALE_SHARE} x the median distance.",
            LengthScaleWarning,
            stacklevel=3,
        )
