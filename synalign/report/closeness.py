"""How close written queries are to real ones that the weights never saw, under each scheme."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synalign.arrays.checks import evenly_spaced, median_distance
from synalign.config.schemes import ALIGNED, EQUAL, NONE
from synalign.report.material import Material
from synalign.report.population import weights
from synalign.run import some_rows

MOST_ROWS = 5_000
"""Most written queries for which the report measures what the run did not: 25 million kernel entries, some seconds."""


class Closeness(NamedTuple):
    """Squared MMD to held-out real queries.

    Attributes:
        before: Of equally weighted written queries.
        after: Of weighted ones.
        p_value: One-sided, see `synalign.alignment.diagnostics.sign_flip_p_value`.
        queries: How many real queries were held out.
    """

    before: float
    after: float
    p_value: float
    queries: int


def chosen_scheme(material: Material) -> str:
    """Name the weights that the training set has, `none` where it has no written query.

    Before that is decided, the aligned ones stand for them.
    """
    return str(material.metrics("evaluate").get("scheme", ALIGNED))


def of_aligned(material: Material) -> Closeness | None:
    """Return the closeness of the aligned weights, as the run measured it; None where no query was held out."""
    found = material.metrics("align")
    if "mmd2_held_out_before" not in found:
        return None
    before, after, p_value = (found[f"mmd2_held_out_{name}"] for name in ("before", "after", "p_value"))
    return Closeness(before, after, p_value, found["real_held_out"])


def of_chosen(material: Material) -> Closeness | None:
    """Return the closeness of the training set's weights; None where it was not, and here cannot be, measured.

    Of a set without written queries there is none. Before weights are chosen it is that of the aligned ones.
    """
    scheme = chosen_scheme(material)
    aligned = of_aligned(material)
    if scheme == NONE:
        return None
    if scheme == ALIGNED or aligned is None:
        return aligned
    if scheme == EQUAL:
        return aligned._replace(after=aligned.before, p_value=1.0)
    if material.metrics("align")["synthetic"] > MOST_ROWS:
        return None
    return measured(material, scheme)


def measured(material: Material, scheme: str) -> Closeness:
    """Measure the closeness of any scheme, from the run's embeddings, as the step *align* measures it.

    Memory: 8 bytes times written queries squared.
    """
    # Loaded where it is needed: a verdict seldom is.
    import torch

    from synalign.alignment.diagnostics import compare_held_out
    from synalign.alignment.kernels import kernel_energy
    from synalign.alignment.real_side import HELD_OUT_ROWS, REAL_ROWS

    ids, weighted = weights(material, scheme)
    rows = some_rows.pool_vectors(material.run, ids).astype(np.float64)
    synthetic = torch.from_numpy(rows)
    train, test = _real(material, "train", REAL_ROWS), _real(material, "test", HELD_OUT_ROWS)
    width = (median_distance(train),)
    equal = np.full(len(rows), 1.0 / len(rows))
    masses = torch.from_numpy(np.stack([equal, weighted], axis=1))
    energies = (kernel_energy(synthetic, masses[:, 0], width), kernel_energy(synthetic, masses[:, 1], width))
    found = compare_held_out(synthetic, masses, torch.from_numpy(test), energies=energies, bandwidths=width)
    return Closeness(found.mmd2_uniform, found.mmd2, found.p_value, len(test))


def _real(material: Material, split: str, most: int) -> NDArray[np.float64]:
    rows = some_rows.of_split(material.run, "queries", split)
    rows = rows[evenly_spaced(len(rows), most)]
    ids = some_rows.numbered(material.run, "queries", ["query_id"], rows)["query_id"].to_pylist()
    return some_rows.vectors(material.run, "query_embeddings", ids).astype(np.float64)
