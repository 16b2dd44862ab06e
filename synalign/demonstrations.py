"""The step *sample*: picks batches of real queries, and remembers what earlier intervals showed.

The mathematics is in `synalign.sampling`; here are only the tables around it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synalign.embedding.matrix import matrix
from synalign.errors import InputError
from synalign.run import Attempt, Run
from synalign.sampling import sample_demonstrations
from synalign.tables import content_id

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.sampling import Selection

log = logging.getLogger("synalign")


def earlier_demonstrations(run: Run) -> dict[str, str]:
    """Digests of the demonstrations of earlier intervals that this one takes into account."""
    return {folder.parent.parent.name: digest for folder, digest in run.earlier("demonstrations", _memory(run))}


def sample(attempt: Attempt) -> None:
    """Write `demonstrations`.

    Only queries of the split `train` are shown: what a model has seen must not be what it is judged on.

    Raises:
        InputError: There are too few queries for one batch.
    """
    settings = attempt.configuration.sampling
    queries = attempt.run.read("queries")
    queries = queries.filter(pc.equal(queries["split"], "train"))
    ids = queries["query_id"].to_pylist()
    if len(ids) <= settings.neighbours:
        raise InputError(
            f"{len(ids)} distinct train queries are too few for a batch of {settings.neighbours + 1}.",
            remedy="widen source.window_days, or lower sampling.neighbours",
        )
    batches = min(settings.batches, len(ids) // (settings.neighbours + 1))
    if batches < settings.batches:
        log.warning("sample: %d train queries give %d batches, not %d", len(ids), batches, settings.batches)
    shown = _shown(attempt.run)
    selection = sample_demonstrations(
        matrix(attempt.run.read("query_embeddings"), ids),
        batches,
        settings.neighbours,
        length_scale=settings.length_scale,
        noise=settings.noise,
        criterion=settings.criterion,
        breadth=settings.breadth,
        counts=np.asarray(queries["count"]),
        shown=shown,
    )
    attempt.write("demonstrations", _rows(ids, selection))
    attempt.metrics.update(
        {
            "batches": batches,
            "batches_asked_for": settings.batches,
            "train_queries": len(ids),
            "shown_earlier": 0 if shown is None else len(shown),
            "first_variance": float(selection.variance[0]),
            "last_variance": float(selection.variance[-1]),
        }
    )


def _memory(run: Run) -> int:
    return run.configuration.sampling.memory


def _shown(run: Run) -> NDArray[np.float32] | None:
    """Embeddings of what earlier intervals showed, oldest first; None when there is nothing."""
    found = []
    for folder, _ in run.earlier("demonstrations", _memory(run)):
        ids = list(dict.fromkeys(pq.read_table(folder)["query_id"].to_pylist()))
        embeddings = folder.parent.parent / "embed" / "query_embeddings"
        found.append(matrix(pq.read_table(embeddings), ids))
    return np.concatenate(found) if found else None


def _rows(ids: list[str], selection: Selection) -> pa.Table:
    rows = []
    for anchor, neighbours, variance in zip(*selection[:3], strict=True):
        members = [ids[anchor], *(ids[row] for row in neighbours)]
        batch_id = content_id(*members)
        for position, query_id in enumerate(members):
            role = "neighbour" if position else "anchor"
            rows.append((batch_id, position, query_id, role, float(variance)))
    names = ("batch_id", "position", "query_id", "role", "variance")
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
