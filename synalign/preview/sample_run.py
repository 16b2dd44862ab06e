"""A run made of a sample: the tables of *ingest* and *embed*, so that the real steps draw, ask and judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from synalign import flow
from synalign.preview.tables import Tables, vectors_of
from synalign.run import Attempt, Interval, Run
from synalign.steps.sample import sample
from synalign.tables import schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from synalign.config import Configuration


def settings_of(configuration: Configuration, batches: int) -> Configuration:
    """Return the settings of a preview: so many batches, asked at once, and nothing carried from earlier intervals."""
    return configuration.model_copy(
        update={
            "sampling": configuration.sampling.model_copy(update={"batches": batches}),
            "pool": configuration.pool.model_copy(update={"nights": 0}),
            # A provider's batch takes hours.
            "generation": configuration.generation.model_copy(update={"mode": "online"}),
        }
    )


def sample_run(configuration: Configuration, interval: Interval, tables: Tables, folder: Path) -> Run:
    """Return a run whose demonstrations are drawn from a sample.

    Args:
        configuration: The settings of the preview.
        interval: The data interval.
        tables: The sample, with its vectors.
        folder: Where its tables lie for the time of the preview.

    Raises:
        InputError: There are too few train queries for one batch.
    """
    run = Run(configuration, interval, folder)
    documents = {
        "document_embeddings": vector_table(tables.documents["document_id"].to_pylist(), tables.document_vectors),
        "query_embeddings": vector_table(tables.queries["query_id"].to_pylist(), tables.query_vectors),
    }
    put(run, "ingest", {"queries": tables.queries, "documents": tables.documents, "pairs": tables.pairs})
    put(run, "carry", {})
    put(run, "embed", documents)
    attempt = _begun(run, "sample")
    sample(attempt)
    attempt.commit()
    return run


def put(run: Run, step: str, tables: Mapping[str, pa.Table]) -> None:
    """Finish a step with some tables; those that are not given are empty."""
    attempt = _begun(run, step)
    for name in attempt.step.writes:
        attempt.write(name, tables[name] if name in tables else schema(name).empty_table())
    attempt.commit()


def embed_candidates(run: Run) -> None:
    """Finish the step *embed_candidates*."""
    candidates = run.read("candidates", ["candidate_id", "query"])
    vectors = vectors_of(candidates["query"].to_pylist(), run.configuration)
    put(
        run, "embed_candidates", {"candidate_embeddings": vector_table(candidates["candidate_id"].to_pylist(), vectors)}
    )


def vector_table(ids: Sequence[str], vectors: NDArray[np.float32] | None) -> pa.Table:
    """Return a table of embeddings."""
    rows = [] if vectors is None else list(vectors)
    return pa.table({"id": pa.array(ids, pa.string()), "embedding": pa.array(rows, pa.list_(pa.float32()))})


def _begun(run: Run, step: str) -> Attempt:
    attempt = Attempt(run, flow.step(step))
    attempt.begin()
    return attempt
