"""The step *screen*: one verdict per candidate.

Order matters: a query that does not find its document must not push out a near-copy that does, so the round trip
comes before deduplication; and what is too near a held-out query is called a leak even when it is a copy as well.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synalign.embedding.matrix import matrix
from synalign.errors import GenerationError
from synalign.run import Attempt
from synalign.screening.duplicates import exact_duplicates, near_duplicates, nearest_cosine
from synalign.screening.round_trip import round_trip_ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger("synalign")


class Verdicts:
    """Verdicts while filters are tried one after another; a candidate keeps the first reason it is rejected for."""

    def __init__(self, count: int) -> None:
        self.reasons = np.full(count, None, dtype=object)
        self.scores = np.full(count, np.nan)

    @property
    def open(self) -> NDArray[np.int64]:
        """Rows that no filter has rejected yet, in order."""
        return np.flatnonzero(np.array([reason is None for reason in self.reasons], dtype=bool))

    def reject(
        self, rows: NDArray[np.int64], rejected: NDArray[np.bool_], reason: str, scores: NDArray[np.floating]
    ) -> None:
        """Reject some of `rows`, each with the score that decided it."""
        self.reasons[rows[rejected]] = reason
        self.scores[rows[rejected]] = scores[rejected]


def screen(attempt: Attempt) -> None:
    """Write `screening`.

    Raises:
        GenerationError: No candidate is left.
    """
    run, settings = attempt.run, attempt.configuration.screening
    candidates, queries = run.read("candidates"), run.read("queries")
    ids = candidates["candidate_id"].to_pylist()
    vectors = matrix(run.read("candidate_embeddings"), ids)
    real_vectors = matrix(run.read("query_embeddings"), queries["query_id"].to_pylist())
    in_train = np.asarray(pc.equal(queries["split"], "train"))

    verdicts = Verdicts(len(ids))
    ranks = _ranks(attempt, candidates, vectors)
    verdicts.reject(verdicts.open, ranks > settings.round_trip_depth, "inconsistent", ranks.astype(float))
    for reason, others in (("leak", real_vectors[~in_train]), ("near_real", real_vectors[in_train])):
        rows = verdicts.open
        cosines = nearest_cosine(vectors[rows], others)
        verdicts.reject(rows, cosines >= settings.near_duplicate_cosine, reason, cosines)
    rows = verdicts.open
    texts = [candidates["query"][int(row)].as_py() for row in rows]
    verdicts.reject(rows, exact_duplicates(texts), "exact_duplicate", np.ones(len(rows)))
    rows = verdicts.open
    dropped, cosines = near_duplicates(vectors[rows], settings.near_duplicate_cosine)
    verdicts.reject(rows, dropped, "near_duplicate", cosines)
    verdicts.scores[verdicts.open] = ranks[verdicts.open]

    _write(attempt, ids, verdicts)


def _ranks(attempt: Attempt, candidates: pa.Table, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    embeddings = attempt.run.read("document_embeddings")
    document_ids = embeddings["id"].to_pylist()
    place = {document: row for row, document in enumerate(document_ids)}
    targets = np.array([place[document] for document in candidates["document_id"].to_pylist()], dtype=np.int64)
    return round_trip_ranks(vectors, matrix(embeddings, document_ids), targets)


def _write(attempt: Attempt, ids: list[str], verdicts: Verdicts) -> None:
    reasons, counts = np.unique([reason or "accepted" for reason in verdicts.reasons], return_counts=True)
    attempt.metrics.update({"candidates": len(ids), "accepted": 0})
    attempt.metrics.update({str(reason): int(count) for reason, count in zip(reasons, counts, strict=True)})
    if not len(verdicts.open):
        raise GenerationError(
            f"none of {len(ids)} written queries passed the screens: {dict(zip(reasons, counts, strict=True))}.",
            cause="the writer's queries do not find their documents",
            remedy="read the table candidates; try another generation.model, or raise screening.round_trip_depth",
        )
    log.info("screen: %d of %d accepted", len(verdicts.open), len(ids))
    attempt.write(
        "screening",
        pa.table(
            {
                "candidate_id": ids,
                "status": ["rejected" if reason else "accepted" for reason in verdicts.reasons],
                "reason": pa.array(verdicts.reasons.tolist(), pa.string()),
                "score": verdicts.scores,
            }
        ),
    )
