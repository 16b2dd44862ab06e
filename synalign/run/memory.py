"""Demonstrations of a retriever's earlier intervals, as many as `sampling.memory` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.dataset as pads

from synalign.run import manifests
from synalign.run.matrix import matrix
from synalign.run.run import Run, finished_files

if TYPE_CHECKING:
    from numpy.typing import NDArray


def earlier_demonstrations(run: Run) -> dict[str, str]:
    """Return the digests of the earlier demonstrations that this interval takes into account, by interval."""
    return {table.interval: table.digest for table in run.earlier("demonstrations", _memory(run))}


def shown_earlier(run: Run) -> NDArray[np.float32] | None:
    """Return the vectors of queries that earlier intervals showed, oldest first; None where there are none."""
    found = []
    for table in run.earlier("demonstrations", _memory(run)):
        shown = manifests.read_table(finished_files(table.run, "demonstrations"), ["query_id"])
        ids = list(dict.fromkeys(shown["query_id"].to_pylist()))
        # Of a large interval only what it showed is held.
        embeddings = manifests.dataset(finished_files(table.run, "query_embeddings"))
        found.append(matrix(embeddings.to_table(filter=pads.field("id").isin(ids)), ids))
    return np.concatenate(found) if found else None


def _memory(run: Run) -> int:
    return run.configuration.sampling.memory
