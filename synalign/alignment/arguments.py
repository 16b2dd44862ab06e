"""What a caller of `align` passes, checked, and brought to the form in which it is solved."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from synalign.alignment.curvature import Penalties
from synalign.alignment.kernels import median_distance
from synalign.alignment.real_side import RealSide
from synalign.arrays.checks import Distinct, Floats, Indices, counts_of, positive_widths, real_number, real_numbers
from synalign.errors import ArgumentError

MEAN_SLACK = 0.1
"""How far a mean of kernels that was estimated may lie outside [0, 1]."""


class Candidates(NamedTuple):
    """The synthetic rows, copies counted once.

    Rows that nothing tells apart (same bytes and, under a coverage term, same document) share their weight equally at
    an optimum, and the penalties make it the only one: so their common mass is what is solved for. That is exact, and
    it removes the singularity that copies bring.

    Attributes:
        rows: (g, d) float64, on the device.
        distinct: How the m rows map to these.
        uniform: (g,) float64, the masses under equal weights.
        penalties: Ridge and coverage on the masses.
        coverage_constant: What the coverage term adds besides its quadratic part.
    """

    rows: Tensor
    distinct: Distinct
    uniform: Tensor
    penalties: Penalties
    coverage_constant: float

    @classmethod
    def of(
        cls, rows: Floats, documents: Indices | None, *, ridge: float, coverage: float, device: torch.device
    ) -> Candidates:
        """Group (m, d) rows with (m,) documents, numbered from 0."""
        covered = documents is not None and coverage > 0.0
        distinct = Distinct.of(rows, documents if covered else None)
        copies = torch.from_numpy(distinct.copies).to(device)
        penalties = Penalties(ridge * len(rows) / copies.double(), 0.0, None)
        if documents is not None and covered:
            places = torch.from_numpy(documents[distinct.first]).to(device)
            penalties = penalties._replace(scale=coverage * (int(documents.max()) + 1), documents=places)
        return cls(
            torch.from_numpy(rows[distinct.first]).to(device),
            distinct,
            copies.double() / len(rows),
            penalties,
            -coverage if covered else 0.0,
        )

    def gather(self, weights: Floats) -> Tensor:
        """Return (m,) weights of the rows as (g,) masses."""
        masses = np.bincount(self.distinct.group, weights=weights, minlength=len(self.distinct.first))
        return torch.from_numpy(masses).to(self.rows.device)

    def spread(self, masses: Tensor) -> Floats:
        """Return (g,) masses as (m,) float64 weights of the rows."""
        shares: Floats = masses.cpu().numpy() / self.distinct.copies
        return shares[self.distinct.group]


def initial_weights(initial: ArrayLike | None, rows: int) -> Floats | None:
    """Check weights to start from: (m,) finite, >= 0, not all zero; returned with a sum of one."""
    if initial is None:
        return None
    weights = counts_of("initial", initial, rows)
    return weights / weights.sum()


def tolerance_of(tolerance: float) -> float:
    """Check a tolerance: in (0, 1)."""
    tolerance = real_number("tolerance", tolerance)
    if not 0.0 < tolerance < 1.0:
        raise ArgumentError("tolerance", tolerance, "must be > 0 and < 1")
    return tolerance


def widths_of(bandwidths: float | Sequence[float] | None, real: Floats) -> tuple[float, ...]:
    """Check the bandwidths, or return the default ones."""
    return (median_distance(real),) if bandwidths is None else positive_widths(bandwidths)


def check_summary(side: RealSide, rows: int, bandwidths: Any, real_counts: Any) -> None:
    """Refuse a summary of other candidates, or arguments that it has settled already."""
    mean = real_numbers("real.mean", side.mean, f"must be {rows} numbers")
    if mean.shape != (rows,):
        raise ArgumentError("real.mean.shape", mean.shape, f"must be ({rows},), one per synthetic row")
    # Means of kernels are in [0, 1]; an energy that was estimated may be a little outside.
    wrong = np.flatnonzero(~((mean >= -MEAN_SLACK) & (mean <= 1.0 + MEAN_SLACK)))
    if wrong.size:
        raise ArgumentError(
            f"real.mean[{wrong[0]}]", float(mean[wrong[0]]), "must be finite, a mean of kernels in [0, 1]"
        )
    real_number("real.energy", side.energy, least=-MEAN_SLACK, most=1.0 + MEAN_SLACK)
    positive_widths(side.bandwidths)
    if bandwidths is not None and positive_widths(bandwidths) != tuple(side.bandwidths):
        raise ArgumentError("bandwidths", bandwidths, f"must be those of real, {side.bandwidths}, or None")
    if real_counts is not None:
        raise ArgumentError("real_counts", "given", "must be None with a RealSide, which has its counts within it")


def document_numbers(documents: Iterable[Hashable], rows: int) -> Indices:
    """Give each document a number, from 0 in order of appearance: (m,) int64."""
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
            missing = value is None or value is np.ma.masked or bool(value != value)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"documents[{place}]", value, "must be hashable, such as a string") from error
        if missing:
            raise ArgumentError(f"documents[{place}]", value, "must not be missing")
    return found


def usable_device(device: str | torch.device) -> torch.device:
    """Return the torch device, if there is one here."""
    try:
        place = torch.device(device)
        torch.empty(1, dtype=torch.float64, device=place)
    except (RuntimeError, AssertionError, TypeError, ValueError, NotImplementedError) as error:
        raise ArgumentError(
            "device", str(device), "must be a device that torch can use here with float64", remedy="use device='cpu'"
        ) from error
    return place
