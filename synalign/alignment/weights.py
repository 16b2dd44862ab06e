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

from synalign.alignment.diagnostics import (
    HeldOut,
    compare_held_out,
    design_effect,
    document_effective_sample_size,
    effective_sample_size,
)
from synalign.alignment.kernels import PANEL_ROWS, kernel_energy, kernel_matrix, kernel_mean, median_distance
from synalign.alignment.simplex import Quadratic, minimise_on_simplex
from synalign.errors import ArgumentError
from synalign.vectors import Floats, Indices, counts_of, real_number, unit_rows

MATRIX_BYTES = 8 * 2**30
"""Largest kernel matrix held, in bytes: 32,768 synthetic rows."""


class Alignment(NamedTuple):
    """Weights of the synthetic rows, with what they gained and cost. `print` shows both in two lines.

    Attributes:
        weights: (m,) float64, >= 0, sums to 1.
        objective: Value of the whole objective, all three terms.
        gap: Certificate: objective - optimum <= gap, with exact float64 kernels.
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

    def __str__(self) -> str:
        gained = f"gained: squared MMD {self.mmd2_uniform:.3g} -> {self.mmd2:.3g}"
        if self.held_out:
            gained += f"; held out {self.held_out.mmd2_uniform:.3g} -> {self.held_out.mmd2:.3g}"
            gained += f" (p = {self.held_out.p_value:.2g})"
        cost = f"cost: effective sample size {self.effective_sample_size:.1f} of {len(self.weights)}"
        if self.document_effective_sample_size is not None:
            cost += f", over documents {self.document_effective_sample_size:.1f}"
        return f"{gained}\n{cost}, design effect {self.design_effect:.2f}"


class _Terms(NamedTuple):
    """The two penalties: `ridge` and `coverage`, and the document of each row, numbered from 0."""

    ridge: float
    coverage: float
    documents: Indices | None


def align(
    synthetic: ArrayLike,
    real: ArrayLike,
    *,
    documents: Iterable[Hashable] | None = None,
    bandwidths: float | Sequence[float] | None = None,
    ridge: float = 3e-4,
    coverage: float = 1e-2,
    tolerance: float = 1e-6,
    real_counts: ArrayLike | None = None,
    held_out: ArrayLike | None = None,
    device: str | torch.device = "cpu",
) -> Alignment:
    """Weight synthetic rows so that they are distributed like the real ones, and certify the weights.

    Deterministic: the same input on the same machine gives the same weights, byte for byte. Rows that nothing tells
    apart (duplicates asking for documents of the same standing) share their weight equally.

    Memory: 8 m^2 bytes for the kernel matrix, on `device`, and panels. Time: (m^2 + m n + n^2) d / 2 multiplications
    for kernels, and m^2 per iteration.

    Args:
        synthetic: (m, d) float32 or float64, rows of norm 1 within 1e-3. Deduplicate first: many copies of a row
            slow the solver down.
        real: (n, d) unit rows, the target.
        documents: (m,) the document each candidate asks for, any hashable values, none missing. None: no coverage term.
        bandwidths: Widths h of Gaussians exp(-|x - y|^2 / 2 h^2), averaged. None: the median distance between real
            rows, alone (over at most 2,000 evenly spaced ones), with which `coverage` was tuned.
        ridge: >= 0, times m |w|^2. That is ridge / ESS share: it is never below `ridge` itself.
        coverage: >= 0, times D sum_d (mass_d - 1/D)^2 over the D documents present. Above 10 the solver is slow; it
            then gives equal mass per document anyway.
        tolerance: In (0, 1). The solver stops at a duality gap <= tolerance x optimum (of the whole objective), or
            <= 1e-12, which stands in where the optimum is zero.
        real_counts: (n,) traffic of each real row, >= 0; weighs the rows in proportion. None: equally.
        held_out: (h, d) unit rows that took no part; reported on only.
        device: Where torch works: `cpu`, `cuda`, ...

    Returns:
        The alignment. Where the solver's iteration limit came first, `converged` is false and `gap` is the truth.

    Raises:
        ArgumentError: Wrong shape, width or dtype; empty; non-finite or non-unit rows; a number out of range; a missing
            document; an unusable device; a kernel matrix above 8 GiB.

    References:
        Ren et al., *Few-shot LLM Synthetic Data with Distribution Matching*, WWW 2025, arXiv:2502.08661.
        Gretton et al., *A Kernel Two-Sample Test*, JMLR 13, 2012.

    Example:
        >>> alignment = align([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0]], bandwidths=1.0, ridge=0.0)
        >>> alignment.weights.round(6).tolist(), round(alignment.mmd2, 9)
        ([1.0, 0.0], 0.0)
    """
    started = time.perf_counter()
    synthetic_rows = unit_rows("synthetic", synthetic)
    _check_memory(len(synthetic_rows))
    real_rows = unit_rows("real", real, width=synthetic_rows.shape[1])
    later = None if held_out is None else unit_rows("held_out", held_out, width=synthetic_rows.shape[1])
    counts = counts_of("real_counts", real_counts, len(real_rows))
    terms = _Terms(
        real_number("ridge", ridge, least=0.0),
        real_number("coverage", coverage, least=0.0),
        None if documents is None else _document_numbers(documents, len(synthetic_rows)),
    )
    tolerance = real_number("tolerance", tolerance)
    if not 0.0 < tolerance < 1.0:
        raise ArgumentError("tolerance", tolerance, "must be > 0 and < 1")
    widths = _widths(bandwidths, real_rows)
    place = _device(device)
    return _solve(
        torch.from_numpy(synthetic_rows).to(place),
        torch.from_numpy(real_rows).to(place),
        torch.from_numpy(counts / counts.sum()).to(place),
        None if later is None else torch.from_numpy(later).to(place),
        widths,
        terms,
        tolerance=tolerance,
        started=started,
    )


def _solve(
    synthetic: Tensor,
    real: Tensor,
    real_masses: Tensor,
    held_out: Tensor | None,
    widths: tuple[float, ...],
    terms: _Terms,
    *,
    tolerance: float,
    started: float,
) -> Alignment:
    """Build the problem, solve it and describe the weights."""
    matrix = kernel_matrix(synthetic, widths)
    linear = kernel_mean(synthetic, real, real_masses, widths)
    own = kernel_energy(real, real_masses, widths)
    uniform = torch.full_like(linear, 1.0 / len(linear))
    energy_uniform = torch.dot(uniform, matrix @ uniform).item()
    constant = own + _add_penalties(matrix, terms)
    solution = minimise_on_simplex(Quadratic(matrix.mv, linear, constant), tolerance=tolerance)
    weights = solution.weights.cpu().numpy()
    energy = torch.dot(solution.weights, solution.image).item() - _penalties(weights, terms)
    comparison = None
    if held_out is not None:
        comparison = compare_held_out(
            synthetic, solution.weights, held_out, energy_uniform=energy_uniform, energy=energy, bandwidths=widths
        )
    return Alignment(
        weights=weights,
        objective=max(solution.objective, 0.0),
        gap=solution.gap,
        converged=solution.converged,
        mmd2_uniform=max(energy_uniform - 2.0 * torch.dot(uniform, linear).item() + own, 0.0),
        mmd2=max(energy - 2.0 * torch.dot(solution.weights, linear).item() + own, 0.0),
        held_out=comparison,
        effective_sample_size=effective_sample_size(weights),
        document_effective_sample_size=(
            None if terms.documents is None else document_effective_sample_size(weights, terms.documents)
        ),
        design_effect=design_effect(weights),
        bandwidths=widths,
        seconds=time.perf_counter() - started,
        iterations=solution.iterations,
    )


def _add_penalties(matrix: Tensor, terms: _Terms) -> float:
    """Add both penalties' quadratic parts to the kernel matrix, in place; return the constant that remains.

    On the simplex the masses sum to one, so D sum_d (mass_d - 1/D)^2 = D sum_d mass_d^2 - 1: a matrix that is D where
    two rows share a document, and a constant. Inside the matrix they cost the solver nothing, and sum in one order.
    """
    matrix.diagonal().add_(terms.ridge * len(matrix))
    if terms.documents is None or terms.coverage == 0.0:
        return 0.0
    documents = torch.from_numpy(terms.documents).to(matrix.device)
    scale = terms.coverage * (int(terms.documents.max()) + 1)
    for start in range(0, len(matrix), PANEL_ROWS):
        part = slice(start, start + PANEL_ROWS)
        # A boolean times a number would be float32.
        matrix[part] += (documents[part, None] == documents).to(matrix.dtype) * scale
    return -terms.coverage


def _penalties(weights: Floats, terms: _Terms) -> float:
    """What `_add_penalties` added to w'Kw."""
    total = terms.ridge * len(weights) * float(np.square(weights).sum())
    if terms.documents is not None:
        masses = np.bincount(terms.documents, weights=weights)
        total += terms.coverage * len(masses) * float(np.square(masses).sum())
    return total


def _check_memory(rows: int) -> None:
    """Refuse a kernel matrix larger than `MATRIX_BYTES`."""
    needed = 8 * rows * rows
    if needed > MATRIX_BYTES:
        raise ArgumentError(
            "len(synthetic)",
            rows,
            f"needs a kernel matrix of {needed} bytes, must be <= {MATRIX_BYTES}",
            remedy="remove near-duplicates, or align candidates in several parts",
        )


def _document_numbers(documents: Iterable[Hashable], rows: int) -> Indices:
    """Number the documents from 0 in order of appearance: (m,) int64."""
    if isinstance(documents, str | bytes) or not isinstance(documents, Iterable):
        raise ArgumentError("documents", documents, f"must be {rows} values, one per synthetic row")
    values = list(documents)
    if len(values) != rows:
        raise ArgumentError("len(documents)", len(values), f"must be {rows}, one per synthetic row")
    numbers: dict[Hashable, int] = {}
    found = np.empty(rows, dtype=np.int64)
    for place, value in enumerate(values):
        try:
            found[place] = numbers.setdefault(value, len(numbers))
            # NaN and NaT are the values that differ from themselves; pandas' NA refuses to say, with a TypeError.
            missing = value is None or bool(value != value)
        except TypeError as error:
            raise ArgumentError(f"documents[{place}]", value, "must be hashable, such as a string") from error
        if missing:
            raise ArgumentError(f"documents[{place}]", value, "must not be missing")
    return found


def _widths(bandwidths: float | Sequence[float] | None, real: Floats) -> tuple[float, ...]:
    """The bandwidths given, or the default, checked."""
    if bandwidths is None:
        return (median_distance(real),)
    widths = np.atleast_1d(np.asarray(bandwidths, dtype=object))
    if widths.ndim != 1 or not widths.size:
        raise ArgumentError("bandwidths", bandwidths, "must be one or more widths")
    return tuple(real_number(f"bandwidths[{place}]", width, above=0.0) for place, width in enumerate(widths))


def _device(device: str | torch.device) -> torch.device:
    """The torch device, if there is one here."""
    try:
        place = torch.device(device)
        torch.empty(1, dtype=torch.float64, device=place)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ArgumentError(
            "device", str(device), "must be a device that torch can use here with float64", remedy="use device='cpu'"
        ) from error
    return place
