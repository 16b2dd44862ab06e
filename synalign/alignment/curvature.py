"""The matrix A of the objective in the form that its size allows: dense, dense in single precision, or low rank.

A = K + ridge m diag(1 / copies) + coverage D [same document]: the kernel matrix of the distinct candidates and the two
penalties, on their total masses. On the simplex masses sum to one, so D sum_d (mass_d - 1/D)^2 = D sum_d mass_d^2 - 1:
a matrix and a constant.

Sources: Nystrom approximation, Williams and Seeger, NIPS 13, 2001; its diagonal correction, Snelson and Ghahramani,
NIPS 18, 2006 (there for Gaussian processes).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from synalign.alignment.kernels import PANEL_ROWS, gaussian_mixture, kernel_matrix, kernel_product, upper_panels
from synalign.alignment.sampled import SampledKernels
from synalign.alignment.simplex import Quadratic
from synalign.arrays.checks import evenly_spaced
from synalign.arrays.tally import Report, Tally

DOUBLE_BYTES = 2 * 2**30
"""Largest kernel matrix held in float64: 16,384 distinct candidates."""

SINGLE_BYTES = 8 * 2**30
"""Largest kernel matrix held in float32: 46,340 distinct candidates. Above, features take its place."""

EXACT_ROWS = 50_000
"""Most distinct candidates whose certificate is computed with float64 kernels; half a minute on two cores."""

SAMPLED_ROWS = 120_000
"""Most distinct candidates whose kernels are all computed, minutes a product; beyond, a sample of them decides."""

LANDMARKS = 1_024
"""Nystrom landmarks. 4 KiB per candidate."""

JITTER = 1e-10
"""Added to the landmarks' kernel matrix, whose smallest eigenvalues are rounding."""


class Penalties(NamedTuple):
    """The quadratic parts of both penalties.

    Attributes:
        diagonal: (m,) float64, ridge m / copies.
        scale: coverage x D; 0: no coverage term.
        documents: (m,) int64, numbered from 0; None: no coverage term.
    """

    diagonal: Tensor
    scale: float
    documents: Tensor | None

    def product(self, vector: Tensor) -> Tensor:
        """Multiply (m,) float64 by them."""
        found = self.diagonal * vector
        if self.documents is not None and self.scale:
            masses = torch.zeros(int(self.documents.max()) + 1, dtype=vector.dtype, device=vector.device)
            found += self.scale * masses.index_add_(0, self.documents, vector)[self.documents]
        return found

    def add_to(self, matrix: Tensor) -> None:
        """Add them to an (m, m) float64 matrix, in place: there they cost the solver nothing."""
        matrix.diagonal().add_(self.diagonal)
        if self.documents is None or not self.scale:
            return
        for start in range(0, len(matrix), PANEL_ROWS):
            part = slice(start, start + PANEL_ROWS)
            # A boolean times a number would be float32.
            same = (self.documents[part, None] == self.documents).to(matrix.dtype)
            matrix[part] += same.mul_(self.scale)


class Curvature(NamedTuple):
    """A, twice: as it is, and as the solver may use it more cheaply.

    Attributes:
        exact: A as a product; dear unless it is the model too.
        model: What the solver iterates on.
        modelled: Whether the model differs from A.
        certificate: Precision of the kernels in `exact`: `float64` or `float32`; `sampled`: float32 ones of a sample.
        sampled: Certifies on a sample, where `exact` is estimated.
    """

    exact: Quadratic
    model: Quadratic
    modelled: bool
    certificate: str
    sampled: SampledKernels | None = None


def curvature(
    rows: Tensor, bandwidths: Sequence[float], penalties: Penalties, report: Report | None = None
) -> Curvature:
    """Return A in the form that its size allows.

    Args:
        rows: (m, d) float64.
        bandwidths: Widths of the kernel.
        penalties: Both penalties of the m rows.
        report: Called as kernels are computed.
    """
    tally = Tally(report, "panels of candidates' kernels", upper_panels(len(rows)))
    if 8 * len(rows) ** 2 <= DOUBLE_BYTES:
        matrix = kernel_matrix(rows, bandwidths, tally)
        penalties.add_to(matrix)
        whole = dense(matrix)
        return Curvature(whole, whole, False, "float64")
    if len(rows) > SAMPLED_ROWS:
        return _sampled(rows, bandwidths, penalties)
    exact_rows = rows if len(rows) <= EXACT_ROWS else rows.float()

    def exact(vector: Tensor) -> Tensor:
        return kernel_product(exact_rows, vector, bandwidths) + penalties.product(vector)

    small = 4 * len(rows) ** 2 <= SINGLE_BYTES
    model = _single(rows, bandwidths, penalties, tally) if small else _low_rank(rows, bandwidths, penalties)
    return Curvature(Quadratic(exact), model, True, "float64" if exact_rows is rows else "float32")


def dense(matrix: Tensor) -> Quadratic:
    """Return an (m, m) float64 matrix as a quadratic: Newton steps take as much memory again for a factor."""

    def block(which: Tensor) -> Tensor:
        return matrix.clone() if len(which) == len(matrix) else matrix[which][:, which]

    return Quadratic(matrix.mv, block)


def _single(rows: Tensor, bandwidths: Sequence[float], penalties: Penalties, tally: Tally) -> Quadratic:
    """Return K in float32, the penalties in float64.

    Memory: 4 m^2 bytes. For gradient steps only: a factor would take longer.
    """
    matrix = kernel_matrix(rows.float(), bandwidths, tally)
    return Quadratic(lambda vector: matrix.mv(vector.float()).double() + penalties.product(vector))


def _sampled(rows: Tensor, bandwidths: Sequence[float], penalties: Penalties) -> Curvature:
    """Return features, and products whose error a sample of exact kernels corrects."""
    kernels = _features(rows, bandwidths)
    sampled = SampledKernels(rows.float(), bandwidths, kernels, penalties.product)
    model = Quadratic(lambda vector: kernels.product(vector) + penalties.product(vector))
    return Curvature(Quadratic(sampled.product), model, True, "sampled", sampled)


def _low_rank(rows: Tensor, bandwidths: Sequence[float], penalties: Penalties) -> Quadratic:
    """Return features and penalties."""
    kernels = _features(rows, bandwidths)
    return Quadratic(lambda vector: kernels.product(vector) + penalties.product(vector))


def _features(rows: Tensor, bandwidths: Sequence[float]) -> Quadratic:
    """Return K by Nystrom features of evenly spaced landmarks, and what they miss on the diagonal.

    Memory: 4 m `LANDMARKS` bytes.

    K ~ F F' + diag(1 - |f_i|^2), with F = K_mz L^-T and L L' = K_zz. Without the diagonal a solver exploits what the
    features do not see, and its weights are worse the longer it runs.
    """
    landmarks = rows[torch.from_numpy(evenly_spaced(len(rows), LANDMARKS)).to(rows.device)]
    among = kernel_matrix(landmarks, bandwidths)
    among.diagonal().add_(JITTER * len(landmarks))
    factor = torch.linalg.cholesky(among)
    features = torch.empty((len(rows), len(landmarks)), dtype=torch.float32, device=rows.device)
    for start in range(0, len(rows), PANEL_ROWS):
        part = slice(start, start + PANEL_ROWS)
        cross = gaussian_mixture(landmarks, rows[part], bandwidths)
        features[part] = torch.linalg.solve_triangular(factor, cross, upper=False).T.float()
    missed = torch.clamp(1.0 - features.square().sum(1, dtype=torch.float64), min=0.0)

    def product(vector: Tensor) -> Tensor:
        seen = features.mv(features.T.mv(vector.float())).double()
        return seen + missed * vector

    return Quadratic(product)
