"""Embeddings twice: in single precision to screen, in double precision, a few rows at a time, to decide."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synalign.arrays.checks import Embeddings, Floats, Indices, Points, squared_norms
from synalign.sampling.threads import each

Singles = NDArray[np.float32]

CLOSENESS_ROWS = 512
"""Rows compared together with all that follow: a tile of as many columns is mirrored within the cache."""


class Rows(NamedTuple):
    """Embeddings as given, and in the form that screens them.

    Attributes:
        given: (n, d) float32 or float64, C-contiguous, never copied as a whole.
        single: (n, d) float32: `given` itself where that is float32.
        halves: (n,) float32, half the squared norms: x.y - |y|^2 / 2 orders the rows y by their distance to x.
    """

    given: Embeddings
    single: Singles
    halves: Singles

    @classmethod
    def of(cls, given: Embeddings) -> Rows:
        """Hold the rows of an (n, d) array of float32 or float64."""
        return cls(given, given.astype(np.float32, copy=False), (squared_norms(given) / 2.0).astype(np.float32))

    def exact(self, which: Indices | slice) -> Points:
        """Return the rows at these indices in double precision, copied."""
        return Points.of(self.given[which].astype(np.float64))

    def likeness(self, left: Indices | slice, right: slice, out: Singles | None = None) -> Singles:
        """Return x.y - |y|^2 / 2 of rows `left` and `right`: (a, b) float32, within `likeness_error` of the truth."""
        found = np.matmul(self.single[left], self.single[right].T, out=out)
        found -= self.halves[right]
        return found

    def closeness(self, out: Singles) -> None:
        """Fill (n, n) with -|x - y|^2 / 2 of all rows, within `likeness_error`: half of the products, mirrored.

        It is `likeness` less half the squared norm of x, which changes no order of the rows y.
        """

        def fill(part: slice) -> None:
            strip = np.matmul(self.single[part], self.single[part.start :].T, out=out[part, part.start :])
            strip -= self.halves[part.start :]
            strip -= self.halves[part, None]
            for other in panels(len(out) - part.stop, CLOSENESS_ROWS):
                below = slice(part.stop + other.start, part.stop + other.stop)
                out[below, part] = out[part, below].T

        each(fill, panels(len(out), CLOSENESS_ROWS))

    @property
    def likeness_error(self) -> float:
        """A bound on the error of `likeness` that holds for every order of summation.

        A product of unit rows summed in any order errs by at most d u |x|.|y|, u = 2^-24 (Higham, *Accuracy and
        Stability of Numerical Algorithms*, SIAM 2002, section 3.1); rounding the rows themselves and the
        subtractions add a few u. In practice the error is some fifty times less.
        """
        return (self.given.shape[1] + 8) * 2.0**-24


def panels(count: int, height: int) -> list[slice]:
    """Return slices of at most `height` that cover `range(count)`.

    >>> panels(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(start, min(start + height, count)) for start in range(0, count, height)]


def paired_distances(rows: Embeddings, left: Indices, right: Indices) -> Floats:
    """Return squared distances of pairs of rows, from their differences in double precision: (p,) float64.

    Bitwise the same for identical rows, which a matrix product is not; so duplicates tie.
    """
    distances = np.empty(len(left))
    for part in panels(len(left), max(1, 2**21 // rows.shape[1])):
        differences = rows[left[part]].astype(np.float64)
        differences -= rows[right[part]]
        np.einsum("ij,ij->i", differences, differences, out=distances[part])
    return distances
