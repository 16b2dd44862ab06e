"""Weights that make synthetic queries distributed like real ones, and their certificate.

    minimise over the simplex   |sum_j w_j phi(s_j) - sum_i p_i phi(x_i)|^2        squared MMD, biased form
                              + ridge m |w|^2                                     a floor under the sample size
                              + coverage D sum_d (mass_d(w) - 1/D)^2              a pull to equal mass per document

The first term is that of Ren et al., *Few-shot LLM Synthetic Data with Distribution Matching*, WWW 2025,
arXiv:2502.08661; the squared MMD is Gretton et al., JMLR 13, 2012. The other two are ours: alone, the first lets
mass concentrate until documents lose their queries.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from synalign.alignment import curvature as limits
from synalign.alignment.arguments import (
    Candidates,
    check_summary,
    document_numbers,
    initial_weights,
    tolerance_of,
    usable_device,
    widths_of,
)
from synalign.alignment.curvature import Curvature, curvature
from synalign.alignment.diagnostics import (
    HeldOut,
    compare_held_out,
    design_effect,
    document_effective_sample_size,
    effective_sample_size,
)
from synalign.alignment.kernels import kernel_energy, kernel_mean, panels, upper_panels
from synalign.alignment.real_side import RealSide
from synalign.alignment.simplex import Point, Solution, minimise_on_simplex, minimise_with_model, start_at
from synalign.arrays.checks import MOST_NUMBER, Floats, Indices, counts_of, positive_widths, real_number, unit_rows
from synalign.arrays.tally import Report, Tally

PASSES = 8
"""Most exact products spent on a problem too large for an exact matrix."""

SAMPLED_PASSES = 3
"""The same where products are estimated: what a fourth would add is below their error."""

SAMPLED_STEPS = 100
"""Most steps of such a pass: each reads all features, and later ones fit what those get wrong."""


class Alignment(NamedTuple):
    """Weights of the synthetic rows, with what they gained and cost. `print` shows both in two lines.

    Attributes:
        weights: (m,) float64, >= 0, sums to 1.
        objective: Value of the whole objective, all three terms.
        gap: Certificate: objective - optimum <= gap, with the kernels named by `certificate`.
        converged: Whether gap <= tolerance x optimum (or 1e-12).
        mmd2_uniform: Biased squared MMD of equal weights to the real rows given.
        mmd2: The same of `weights`.
        held_out: The same two on rows the weights never saw, with a p-value; None where none were given.
        effective_sample_size: Kish's, over rows: between 1 and m.
        document_effective_sample_size: Kish's, over documents' masses; None where no documents were given.
        design_effect: m / effective_sample_size.
        bandwidths: Widths of the kernel, as given or chosen.
        seconds: Wall-clock time of the call.
        iterations: Steps of the solver.
        certificate: Precision of the kernels behind `objective`, `gap` and `mmd2`: `float64`, exact; above 50,000
            distinct candidates `float32`, whose entries are good to about 3e-6. Never a model or features. Above
            120,000 `sampled`: `float32` ones of a sample; `gap` is an estimate then.
        energy_error: Standard error of the candidates' part of `objective` and `mmd2`; 0 where it is exact.
    """

    weights: Floats
    objective: float
    gap: float
    converged: bool
    mmd2_uniform: float
    mmd2: float
    held_out: HeldOut | None
    effective_sample_size: float
    document_effective_sample_size: float | None
    design_effect: float
    bandwidths: tuple[float, ...]
    seconds: float
    iterations: int
    certificate: str
    energy_error: float = 0.0

    def __str__(self) -> str:
        gained = f"gained: squared MMD {self.mmd2_uniform:.3g} -> {self.mmd2:.3g}"
        if self.held_out:
            gained += f"; held out {self.held_out.mmd2_uniform:.3g} -> {self.held_out.mmd2:.3g}"
            gained += f" (p = {self.held_out.p_value:.2g})"
        cost = f"cost: effective sample size {self.effective_sample_size:.1f} of {len(self.weights)}"
        if self.document_effective_sample_size is not None:
            cost += f", over documents {self.document_effective_sample_size:.1f}"
        return f"{gained}\n{cost}, design effect {self.design_effect:.2f}"


def align(
    synthetic: ArrayLike,
    real: ArrayLike | RealSide,
    *,
    documents: Iterable[Hashable] | None = None,
    bandwidths: float | Sequence[float] | None = None,
    ridge: float = 3e-4,
    coverage: float = 1e-2,
    tolerance: float = 1e-6,
    real_counts: ArrayLike | None = None,
    held_out: ArrayLike | None = None,
    initial: ArrayLike | None = None,
    device: str | torch.device = "cpu",
    report: Report | None = None,
) -> Alignment:
    """Weight synthetic rows so that they are distributed like the real ones, and certify the weights.

    Deterministic: the same input on the same machine gives the same weights, byte for byte. Rows that nothing tells
    apart (duplicates asking for documents of the same standing) share their weight equally.

    Memory and time, with g distinct candidates:

    - g <= 16,384: the kernel matrix in float64, 8 g^2 bytes, twice while Newton steps are taken. Any tolerance.
    - g <= 46,340: the kernel matrix in float32, 4 g^2 bytes, to iterate on; the gradient is corrected, and the gap
      certified, with float64 kernels in panels, g^2 d multiplications each time. Ask for a `tolerance` of 1e-3 or so.
    - above: low-rank features, 4 KiB per candidate, corrected and certified likewise (in float32 above 50,000). Linear
      memory; ask for a `tolerance` of 1e-2 or more: the gain is found long before the certificate is tight.
    - g > 120,000: linear time too: 8,192 candidates' kernels correct each gradient, and 4,096 certify the gap. Values
      are estimates then, `energy_error` says how good; no gap is promised.

    Args:
        synthetic: (m, d) float32 or float64, rows of norm 1 within 1e-3.
        real: (n, d) unit rows, the target; or their `RealSide`, where they are too many to hold.
        documents: (m,) the document each candidate asks for, any hashable values, none missing. None: no coverage term.
        bandwidths: Widths h of Gaussians exp(-|x - y|^2 / 2 h^2), averaged, each
            from 1e-6 to 1e6. None: the median distance between real
            rows, alone (over at most 2,000 evenly spaced ones), with which `coverage` was tuned; or those of a
            `RealSide`.
        ridge: From 0 to 1e6, times m |w|^2. That is ridge / ESS share: it is never below `ridge` itself.
        coverage: From 0 to 1e6, times D sum_d (mass_d - 1/D)^2 over the D documents present.
        tolerance: In (0, 1). The solver stops at a duality gap <= tolerance x optimum (of the whole objective), or
            <= 1e-12, which stands in where the optimum is zero.
        real_counts: (n,) traffic of each real row, >= 0; weighs the rows in proportion. None: equally.
        held_out: (h, d) unit rows that took no part; reported on only.
        initial: (m,) weights to start from, such as yesterday's, >= 0, not all zero; normalised here. None: equal.
            They change the time, not the meaning.
        device: Where torch works: `cpu`, `cuda`, ...
        report: Called now and then with what is counted (`panels of real kernels`, `panels of candidates' kernels`,
            `steps of the solver`), how many are done and of how many. None: nobody listens.

    Returns:
        The alignment. Where the solver's iteration limit came first, `converged` is false and `gap` is the truth.

    Raises:
        ArgumentError: Wrong shape, width or dtype; empty; non-finite or non-unit rows; a number out of range; a missing
            document; an unusable device.

    References:
        Ren et al., *Few-shot LLM Synthetic Data with Distribution Matching*, WWW 2025, arXiv:2502.08661.
        Gretton et al., *A Kernel Two-Sample Test*, JMLR 13, 2012.

    Example:
        >>> alignment = align([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0]], bandwidths=1.0, ridge=0.0)
        >>> alignment.weights.round(6).tolist(), round(alignment.mmd2, 9)
        ([1.0, 0.0], 0.0)
    """
    started = time.perf_counter()
    rows = unit_rows("synthetic", synthetic)
    numbers = None if documents is None else document_numbers(documents, len(rows))
    ridge = real_number("ridge", ridge, least=0.0, most=MOST_NUMBER)
    coverage = real_number("coverage", coverage, least=0.0, most=MOST_NUMBER)
    tolerance, first = tolerance_of(tolerance), initial_weights(initial, len(rows))
    place = usable_device(device)
    later = None if held_out is None else torch.from_numpy(unit_rows("held_out", held_out, width=rows.shape[1]))
    candidates = Candidates.of(rows, numbers, ridge=ridge, coverage=coverage, device=place)
    target = _target(candidates, rows, real, bandwidths, real_counts, report)
    bent = curvature(candidates.rows, target.bandwidths, candidates.penalties, report)
    constant = target.energy + candidates.coverage_constant
    uniform = start_at(bent.exact.product, target.linear, constant, candidates.uniform)
    begin = uniform
    if first is not None:
        begin = start_at(bent.exact.product, target.linear, constant, candidates.gather(first))
    steps = Tally(report, "steps of the solver", None)
    solution = _solve(bent, target.linear, constant, uniform, begin, tolerance=tolerance, tally=steps)
    found = _describe(candidates, target, numbers, uniform, solution, None if later is None else later.to(place))
    error = bent.sampled.energy_error if bent.sampled else 0.0
    return found._replace(certificate=bent.certificate, energy_error=error, seconds=time.perf_counter() - started)


class _Target(NamedTuple):
    """The real side as the solver sees it: (g,) mean kernels, energy and bandwidths."""

    linear: Tensor
    energy: float
    bandwidths: tuple[float, ...]


def _target(
    candidates: Candidates,
    rows: Floats,
    real: ArrayLike | RealSide,
    bandwidths: float | Sequence[float] | None,
    real_counts: ArrayLike | None,
    report: Report | None,
) -> _Target:
    """Summarise real rows, or take a summary that the caller has."""
    place = candidates.rows.device
    if isinstance(real, RealSide):
        check_summary(real, len(rows), bandwidths, real_counts)
        mean = torch.from_numpy(np.asarray(real.mean, dtype=np.float64)[candidates.distinct.first]).to(place)
        return _Target(mean, float(real.energy), positive_widths(real.bandwidths))
    targets = unit_rows("real", real, width=rows.shape[1])
    counts = counts_of("real_counts", real_counts, len(targets))
    widths = widths_of(bandwidths, targets)
    points, masses = torch.from_numpy(targets).to(place), torch.from_numpy(counts / counts.sum()).to(place)
    work = panels(len(candidates.rows), len(points)) + upper_panels(len(points))
    tally = Tally(report, "panels of real kernels", work)
    left = candidates.rows
    if len(left) > limits.SAMPLED_ROWS:
        # As precise as all else then, and half as dear.
        left, points = left.float(), points.float()
    mean = kernel_mean(left, points, masses, widths, tally)
    return _Target(mean, kernel_energy(points, masses, widths, tally), widths)


def _solve(
    bent: Curvature, linear: Tensor, constant: float, uniform: Point, begin: Point, *, tolerance: float, tally: Tally
) -> Solution:
    """Minimise, never ending above equal weights, and certify afresh with the exact kernels."""
    start = min(begin, uniform, key=lambda point: point.objective)
    if bent.modelled:
        passes, most = (PASSES, None) if bent.sampled is None else (SAMPLED_PASSES, SAMPLED_STEPS)
        solution = minimise_with_model(
            bent.exact.product, linear, bent.model, start, tolerance=tolerance, passes=passes, steps=most, tally=tally
        )
    else:
        ceiling = uniform.objective
        solution = minimise_on_simplex(bent.exact, start, tolerance=tolerance, ceiling=ceiling, tally=tally)
    if not solution.iterations:
        return solution
    # Rounding adds up in a gradient that is carried along: the certificate takes none of it on trust.
    fresh = start_at(bent.exact.product, linear, constant, solution.point.weights)
    found = Solution.of(fresh, tolerance=tolerance, iterations=solution.iterations)
    return found if bent.sampled is None else bent.sampled.certify(found, linear, tolerance=tolerance)


def _describe(
    candidates: Candidates,
    target: _Target,
    documents: Indices | None,
    uniform: Point,
    solution: Solution,
    held_out: Tensor | None,
) -> Alignment:
    """Return what the weights gained and cost."""
    energies, values = [], []
    for point in (uniform, solution.point):
        image = point.half_gradient + target.linear - candidates.penalties.product(point.weights)
        energies.append(torch.dot(point.weights, image).item())
        values.append(energies[-1] - 2.0 * torch.dot(point.weights, target.linear).item() + target.energy)
    weights = candidates.spread(solution.point.weights)
    comparison = None
    if held_out is not None:
        comparison = compare_held_out(
            candidates.rows,
            torch.stack([uniform.weights, solution.point.weights], 1),
            held_out,
            energies=(energies[0], energies[1]),
            bandwidths=target.bandwidths,
        )
    return Alignment(
        weights=weights,
        objective=max(solution.point.objective, 0.0),
        gap=solution.gap,
        converged=solution.converged,
        mmd2_uniform=max(values[0], 0.0),
        mmd2=max(values[1], 0.0),
        held_out=comparison,
        effective_sample_size=effective_sample_size(weights),
        document_effective_sample_size=(
            None if documents is None else document_effective_sample_size(weights, documents)
        ),
        design_effect=design_effect(weights),
        bandwidths=target.bandwidths,
        seconds=0.0,
        iterations=solution.iterations,
        certificate="float64",
    )
