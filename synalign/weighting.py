"""The step *align*: weights of the accepted queries, under each of the schemes that a training set can use.

The mathematics is in `synalign.alignment`; here are only the tables around it, and the two schemes that need none:
`filtered` (all equal) and `equal_mass` (the same total for every document), the controls that would expose harm.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from synalign.alignment import align as solve
from synalign.embedding.matrix import matrix
from synalign.errors import InputError
from synalign.run import Attempt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.alignment import Alignment

log = logging.getLogger("synalign")


def align(attempt: Attempt) -> None:
    """Write `weights`: within a scheme they sum to one.

    Weights are found on real queries of the split `train`, and judged on those of `test`, which they never saw. Every
    distinct query counts once on both sides, as every distinct real pair does in the training set.

    Raises:
        InputError: There is no real train query to align to.
    """
    torch.set_num_threads(attempt.configuration.runtime.torch_threads)
    run, settings = attempt.run, attempt.configuration.alignment
    candidates = run.read("candidates")
    accepted = run.read("screening").filter(pc.field("status") == "accepted")
    candidates = candidates.filter(pc.is_in(candidates["candidate_id"], accepted["candidate_id"].combine_chunks()))
    ids = candidates["candidate_id"].to_pylist()
    documents = candidates["document_id"].to_numpy(zero_copy_only=False).astype(str)
    real = _real(attempt, "train")
    if not len(real):
        raise InputError("there is no train query to align to.", remedy="widen source.window_days")
    held_out = _real(attempt, "test")
    alignment = solve(
        matrix(run.read("candidate_embeddings"), ids),
        real,
        documents=documents,
        ridge=settings.ridge,
        coverage=settings.coverage,
        tolerance=settings.tolerance,
        held_out=held_out if len(held_out) else None,
    )
    schemes = {
        "filtered": np.full(len(ids), 1.0 / len(ids)),
        "equal_mass": equal_mass(documents),
        "aligned": alignment.weights,
    }
    attempt.write("weights", _rows(ids, schemes))
    attempt.metrics.update(_metrics(alignment, len(ids), len(real), len(held_out), len(set(documents))))
    log.info("align: %s", {key: value for key, value in attempt.metrics.items() if key.startswith("mmd2")})


def equal_mass(documents: NDArray[np.str_]) -> NDArray[np.float64]:
    """Weights that give every document the same total, shared equally among its queries.

    Args:
        documents: (m,) the document of each query.

    Returns:
        (m,) float64, sums to 1.
    """
    _, group, sizes = np.unique(documents, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = 1.0 / (len(sizes) * sizes[group])
    return weights


def _real(attempt: Attempt, split: str) -> NDArray[np.float32]:
    """Embeddings of the real queries of a split."""
    queries = attempt.run.read("queries")
    ids = queries.filter(pc.equal(queries["split"], split))["query_id"].to_pylist()
    return matrix(attempt.run.read("query_embeddings"), ids)


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
