"""The step *align*: weights of the accepted queries, under each of the schemes that a training set can use.

The mathematics is in `synalign.alignment`; here are only the tables around it, and the two schemes that need none:
`equal` (all the same) and `equal_mass` (the same total for every document), the controls that would expose harm.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from synalign.alignment import RealSide
from synalign.alignment import align as solve
from synalign.alignment.curvature import SINGLE_BYTES
from synalign.alignment.real_side import HELD_OUT_ROWS, REAL_ROWS
from synalign.arrays.checks import evenly_spaced, median_distance
from synalign.config.schemes import ALIGNED, EQUAL, EQUAL_MASS
from synalign.errors import InputError
from synalign.progress import phases
from synalign.run import Attempt, Run, some_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.alignment import Alignment

log = logging.getLogger("synalign")

LARGE_TOLERANCE = 1e-2
"""Least tolerance where candidates are too many for a kernel matrix: a tighter certificate would take hours."""


def align(attempt: Attempt) -> None:
    """Write `weights`: within a scheme they sum to one.

    Weights are found on real queries of the split `train`, and judged on those of `test`, which they never saw. Every
    distinct query counts once on both sides, as every distinct real pair does in the training set.

    Raises:
        InputError: There is no real train query to align to.
    """
    torch.set_num_threads(attempt.configuration.runtime.torch_threads)
    run, settings = attempt.run, attempt.configuration.alignment
    candidates = run.read("pool", ["candidate_id", "document_id"])
    accepted = run.read("screening").filter(pc.field("status") == "accepted")
    candidates = candidates.filter(pc.is_in(candidates["candidate_id"], accepted["candidate_id"].combine_chunks()))
    ids = candidates["candidate_id"].to_pylist()
    documents = candidates["document_id"].to_numpy(zero_copy_only=False).astype(str)
    vectors = some_rows.pool_vectors(run, ids)
    train, test = (some_rows.of_split(run, "queries", split) for split in ("train", "test"))
    if not len(train):
        raise InputError("there is no train query to align to.", remedy="widen source.window_days")
    held_out = _real(run, test[evenly_spaced(len(test), HELD_OUT_ROWS)])
    small = 4 * len(ids) ** 2 <= SINGLE_BYTES
    with phases("align") as report:
        alignment = solve(
            vectors,
            _real(run, train) if small and len(train) <= REAL_ROWS else _summed(attempt, vectors, train),
            documents=documents,
            ridge=settings.ridge,
            coverage=settings.coverage,
            tolerance=settings.tolerance if small else max(settings.tolerance, LARGE_TOLERANCE),
            held_out=held_out if len(held_out) else None,
            report=report,
        )
    schemes = {
        EQUAL: np.full(len(ids), 1.0 / len(ids)),
        EQUAL_MASS: equal_mass(documents),
        ALIGNED: alignment.weights,
    }
    attempt.write("weights", _rows(ids, schemes))
    attempt.metrics.update(_metrics(alignment, len(ids), len(train), len(held_out), len(set(documents))))
    log.info("align: %s", _gain(alignment))


def _gain(alignment: Alignment) -> str:
    """Say in a line what weighting gained."""
    found = alignment.held_out
    if found is None:
        return f"MMD² {alignment.mmd2_uniform:.3e} -> {alignment.mmd2:.3e} on train queries; none is held out"
    return f"MMD² {found.mmd2_uniform:.3e} -> {found.mmd2:.3e} on held-out queries, p = {found.p_value:.3g}"


def equal_mass(documents: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return weights that give every document the same total, shared equally among its queries.

    Args:
        documents: (m,) the document of each query.

    Returns:
        (m,) float64, sums to 1.
    """
    _, group, sizes = np.unique(documents, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = 1.0 / (len(sizes) * sizes[group])
    return weights


def _real(run: Run, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return embeddings of some real queries, by their rows."""
    return some_rows.vectors(
        run, "query_embeddings", some_rows.numbered(run, "queries", ["query_id"], rows)["query_id"].to_pylist()
    )


def _summed(attempt: Attempt, candidates: NDArray[np.float32], train: NDArray[np.int64]) -> RealSide:
    """Sum up the train queries with Spark, as alignment sees them."""
    # Spark is loaded only where it is needed: most runs align on the driver alone.
    from pyspark.sql import functions as F

    from synalign.spark.kernel_means import spark_real_side
    from synalign.spark.progress import tasks
    from synalign.spark.session import session
    from synalign.spark.tables import read_table

    some = _real(attempt.run, train[evenly_spaced(len(train), REAL_ROWS)])
    width = median_distance(some.astype(np.float64))
    with session(f"synalign align {attempt.configuration.retriever}") as spark:
        queries = read_table(spark, attempt.run, "queries").where(F.col("split") == "train")
        vectors = read_table(spark, attempt.run, "query_embeddings")
        with tasks(spark, "align", "summing real kernels"):
            return spark_real_side(candidates, vectors.join(queries, vectors["id"] == queries["query_id"]), width)


def _rows(ids: list[str], schemes: dict[str, NDArray[np.float64]]) -> pa.Table:
    return pa.table(
        {
            "candidate_id": ids * len(schemes),
            "scheme": [scheme for scheme in schemes for _ in ids],
            "weight": np.concatenate(list(schemes.values())),
        }
    )


def _metrics(alignment: Alignment, synthetic: int, real: int, held_out: int, documents: int) -> dict[str, Any]:
    metrics = {
        "synthetic": synthetic,
        "real": real,
        "real_held_out": held_out,
        "documents": documents,
        "objective": alignment.objective,
        "gap": alignment.gap,
        "converged": bool(alignment.converged),
        "certificate": alignment.certificate,
        "energy_error": alignment.energy_error,
        "iterations": alignment.iterations,
        "solver_seconds": alignment.seconds,
        "mmd2_before": alignment.mmd2_uniform,
        "mmd2_after": alignment.mmd2,
        "effective_sample_size": alignment.effective_sample_size,
        "document_effective_sample_size": alignment.document_effective_sample_size,
        "design_effect": alignment.design_effect,
    }
    if alignment.held_out is not None:
        metrics["mmd2_held_out_before"] = alignment.held_out.mmd2_uniform
        metrics["mmd2_held_out_after"] = alignment.held_out.mmd2
        metrics["mmd2_held_out_p_value"] = alignment.held_out.p_value
    return metrics
