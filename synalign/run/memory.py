"""Demonstrations of a retriever's earlier intervals, as many as `sampling.memory` says."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.dataset as pads

from synalign.run import manifests
from synalign.run.matrix import matrix
from synalign.run.run import Run, finished_files

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from synalign.storage import Place

log = logging.getLogger("synalign")


def earlier_demonstrations(run: Run) -> dict[str, str]:
    """Return the digests of the earlier demonstrations that this interval takes into account, by interval."""
    return {table.interval: table.digest for table in run.earlier("demonstrations", _memory(run))}


def members_of(demonstrations: pa.Table) -> dict[str, list[str]]:
    """Return the query ids of each batch by position, batches in the order of the table."""
    rows: dict[str, list[tuple[int, str]]] = defaultdict(list)
    columns = (demonstrations[name].to_pylist() for name in ("batch_id", "position", "query_id"))
    for batch_id, position, query_id in zip(*columns, strict=True):
        rows[batch_id].append((position, query_id))
    return {batch_id: [query_id for _, query_id in sorted(members)] for batch_id, members in rows.items()}


def shown_earlier(run: Run) -> NDArray[np.float32] | None:
    """Return the vectors of queries that earlier intervals showed, oldest first; None where there are none.

    Vectors of another encoder are of another space: what such an interval showed does not count.
    """
    found, mine, strangers = [], _encoder(run.folder), 0
    for table in run.earlier("demonstrations", _memory(run)):
        if mine is not None and _encoder(table.run) not in (mine, None):
            strangers += 1
            continue
        shown = manifests.read_table(finished_files(table.run, "demonstrations"), ["query_id"])
        ids = list(dict.fromkeys(shown["query_id"].to_pylist()))
        # Of a large interval only what it showed is held.
        embeddings = manifests.dataset(finished_files(table.run, "query_embeddings"))
        found.append(matrix(embeddings.to_table(filter=pads.field("id").isin(ids)), ids))
    if strangers:
        log.warning("sample: %d earlier intervals have another encoder: what they showed does not count", strangers)
    return np.concatenate(found) if found else None


def _encoder(run: Place) -> tuple[Any, ...] | None:
    """Return what tells the space of queries' vectors: model, weights, prompt. Precision moves them but slightly."""
    manifest = manifests.read(run / "embed" / manifests.NAME)
    if manifest is None:
        return None
    metrics = manifest["metrics"]
    return manifest["settings"]["encoder"]["model"], metrics.get("revision"), metrics.get("query_prompt", "")


def _memory(run: Run) -> int:
    """Return how many intervals are remembered: those whose queries the pool may hold, too.

    What is written for cold documents lies apart from what was shown for it. Forgotten sooner, the same queries would
    be shown again, and paid for again, though what came of them is still there.
    """
    pool, memory = run.configuration.pool, run.configuration.sampling.memory
    return max(memory, pool.nights) if pool.explored else memory
