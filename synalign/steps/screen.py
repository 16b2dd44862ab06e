"""The step *screen*: one verdict per candidate, the first that applies.

Filters are tried in this order:

1. `personal_data`: whatever else is wrong with a query, that it holds somebody's data must be seen.
2. `copied`: it shares a long run of words with its document.
3. `unreadable`: the encoder does not know its words, so its vector says nothing, and nothing can be said by it. Before
   all that goes by vectors: two such queries would be near duplicates, whatever they ask.
4. `inconsistent`: it does not find its document. For classification: its label is not among those whose real train
   texts are nearest to it. Before deduplication: a query that does not find its document must not push out a near-copy
   that does.
5. `leak`: too near a held-out query. Before the other duplicates, so that what is both is called a leak.
6. `near_real`: too near a real train query; the training set has that one already.
7. `exact_duplicate`, `near_duplicate`: of an earlier candidate that is kept. Last, so that only what passes every other
   filter pushes anything out; and before weighting, which would share one query's weight among its copies.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synalign.arrays.tally import Report, Tally
from synalign.embedding.readable import read
from synalign.errors import EndpointError
from synalign.privacy import redact
from synalign.progress import phases
from synalign.run import Attempt, Run, some_rows
from synalign.run.matrix import matrix
from synalign.screening.copied import copied_spans
from synalign.screening.cosines import COLUMNS, tile_count
from synalign.screening.duplicates import exact_duplicates, near_duplicates, nearest_cosine
from synalign.screening.labels import label_depth, label_places
from synalign.screening.personal import personal_data
from synalign.screening.round_trip import ranks_in_parts, round_trip_ranks
from synalign.text.normal import EXAMPLE_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from synalign.config import Configuration

log = logging.getLogger("synalign")

PART = 4 * COLUMNS
"""Real queries or documents whose vectors are held at once: 100 MB of width 384."""

EXAMPLES = 3

_CAUSES = {
    "personal_data": "they hold what looks like personal data (screening.personal_data, generation.redact)",
    "copied": "they share long runs of words with their documents (screening.copied_words)",
    "unreadable": "the encoder does not know their words (encoder.model)",
    "inconsistent": "they do not find the documents they were written for (screening.round_trip_depth)",
    "leak": "they repeat held-out queries (screening.near_duplicate_cosine)",
    "near_real": "they repeat the demonstrations or other real queries (screening.near_duplicate_cosine)",
    "exact_duplicate": "they repeat each other",
    "near_duplicate": "they repeat each other, nearly (screening.near_duplicate_cosine)",
}


class Pool(NamedTuple):
    """The candidates as filters need them.

    Attributes:
        ids: (m,) candidate ids.
        queries: (m,) queries.
        documents: (m,) ids of their documents.
        vectors: (m, d) float32, unit rows.
    """

    ids: list[str]
    queries: list[str]
    documents: list[str]
    vectors: NDArray[np.float32]

    def texts(self, rows: NDArray[np.int64]) -> list[str]:
        """The queries of some rows."""
        return [self.queries[row] for row in rows]


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

    @property
    def rejected(self) -> dict[str, int]:
        """How many are rejected, by reason, in the order of the filters."""
        counts = {reason: int(np.count_nonzero(self.reasons == reason)) for reason in _CAUSES}
        return {reason: count for reason, count in counts.items() if count}


def screen(attempt: Attempt) -> None:
    """Write `screening`. An accepted row's score is the rank of its document; a rejected one's, what decided it.

    Raises:
        EndpointError: No candidate is left: the same answers would be rejected again.
    """
    pool = _pool(attempt.run)
    with phases("screen") as report:
        verdicts = _judge(attempt.run, pool, report)
    left = len(verdicts.open)
    attempt.metrics.update({"candidates": len(pool.ids), "accepted": left, "rejected": verdicts.rejected})
    attempt.metrics["examples"] = _examples(pool, verdicts, attempt.configuration)
    if not left:
        commonest = max(verdicts.rejected, key=verdicts.rejected.__getitem__, default="inconsistent")
        counts = ", ".join(f"{reason} {count}" for reason, count in sorted(verdicts.rejected.items()))
        raise EndpointError(
            f"none of {len(pool.ids)} written queries passed the screens: {counts}.",
            cause=f"most of them: {_CAUSES[commonest]}",
            remedy="read the table candidates; try another generation.model, or change the setting named above",
        )
    log.info("screen: %d of %d accepted", left, len(pool.ids))
    attempt.write("screening", _table(pool, verdicts))


def _pool(run: Run) -> Pool:
    candidates = run.read("candidates")
    ids, queries, documents = (candidates[name].to_pylist() for name in ("candidate_id", "query", "document_id"))
    return Pool(ids, queries, documents, matrix(run.read("candidate_embeddings"), ids))


def _judge(run: Run, pool: Pool, report: Report) -> Verdicts:
    settings, generation = run.configuration.screening, run.configuration.generation
    verdicts = Verdicts(len(pool.ids))
    if settings.personal_data:
        rows = verdicts.open
        held, kinds = personal_data(pool.texts(rows), generation.redact, generation.phone_regions)
        verdicts.reject(rows, held, "personal_data", kinds)
    rows = verdicts.open
    spans = _spans(run, pool, rows, report)
    verdicts.reject(rows, spans >= settings.copied_words, "copied", spans)
    rows = verdicts.open
    verdicts.reject(rows, _unreadable(run, pool.texts(rows)), "unreadable", np.ones(len(rows)))
    rows = verdicts.open
    ranks = np.zeros(len(pool.ids))
    ranks[rows], depth = _ranks(run, pool, rows, report)
    verdicts.reject(rows, ranks[rows] > depth, "inconsistent", ranks[rows])
    held_out = _held_out(run)
    counts = {"leak": len(held_out), "near_real": run.rows("queries") - len(held_out)}
    for reason, count in counts.items():
        rows = verdicts.open
        vectors = pool.vectors[rows]
        tally = Tally(report, f"tiles of cosines for the reason {reason}", tile_count(len(rows), count))
        cosines = np.full(len(rows), -1.0, dtype=np.float32)
        for part in some_rows.vectors_in_parts(run, "query_embeddings", PART, among=held_out, within=reason == "leak"):
            np.maximum(cosines, nearest_cosine(vectors, part, tally), out=cosines)
        verdicts.reject(rows, cosines >= settings.near_duplicate_cosine, reason, cosines)
    rows = verdicts.open
    verdicts.reject(rows, exact_duplicates(pool.texts(rows)), "exact_duplicate", np.ones(len(rows)))
    rows = verdicts.open
    dropped, cosines = near_duplicates(pool.vectors[rows], settings.near_duplicate_cosine, report)
    verdicts.reject(rows, dropped, "near_duplicate", cosines)
    verdicts.scores[verdicts.open] = ranks[verdicts.open]
    return verdicts


def _unreadable(run: Run, queries: list[str]) -> NDArray[np.bool_]:
    """Return which queries the encoder cannot read: none where its tokenizer does not say."""
    found, lost = read(queries, run.configuration.encoder), np.zeros(len(queries), dtype=bool)
    if found is not None:
        lost[list(found.unreadable)] = True
    return lost


def _spans(run: Run, pool: Pool, rows: NDArray[np.int64], report: Report) -> NDArray[np.float64]:
    """The longest run of words that each query shares with its document."""
    documents = some_rows.having(run, "documents", "document_id", {pool.documents[row] for row in rows})
    place = _places(documents["document_id"].to_pylist())
    parts = list(zip(documents["title"].to_pylist(), documents["text"].to_pylist(), strict=True))
    targets = np.array([place[pool.documents[row]] for row in rows], dtype=np.int64)
    return copied_spans(pool.texts(rows), parts, targets, report)


def _ranks(run: Run, pool: Pool, rows: NDArray[np.int64], report: Report) -> tuple[NDArray[np.int64], int]:
    """The rank of each query's document among all, for the query, and how far down it may be."""
    depth = run.configuration.screening.round_trip_depth
    own = [pool.documents[row] for row in rows]
    if run.configuration.task == "retrieval":
        parts = some_rows.vectors_in_parts(run, "document_embeddings", PART)
        nearest = some_rows.vectors(run, "document_embeddings", own)
        return ranks_in_parts(pool.vectors[rows], nearest, parts, run.rows("documents"), report), depth
    embeddings = run.read("document_embeddings")
    names = embeddings["id"].to_pylist()
    place = _places(names)
    labels = _labels(run, place, matrix(embeddings, names))
    targets = np.array([place[name] for name in own], dtype=np.int64)
    return round_trip_ranks(pool.vectors[rows], labels, targets, report), label_depth(depth, len(labels))


def _labels(run: Run, place: dict[str, int], names: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where each label is, by its train texts."""
    pairs = run.read("pairs", ["query_id", "document_id", "split"])
    pairs = pairs.filter(pc.equal(pairs["split"], "train"))
    texts = some_rows.vectors(run, "query_embeddings", pairs["query_id"].to_pylist())
    return label_places(texts, np.array([place[label] for label in pairs["document_id"].to_pylist()], np.int64), names)


def _held_out(run: Run) -> pa.Array:
    """Ids of the real queries that no candidate may give away: those of the splits validation and test."""
    queries = run.read("queries", ["query_id", "split"])
    return queries.filter(pc.not_equal(queries["split"], "train"))["query_id"].combine_chunks()


def _places(ids: Sequence[str]) -> dict[str, int]:
    return {identifier: row for row, identifier in enumerate(ids)}


def _examples(pool: Pool, verdicts: Verdicts, configuration: Configuration) -> dict[str, list[dict[str, Any]]]:
    """Three rejected queries for each reason, those of the lowest ids; no personal data goes into a manifest."""
    settings = configuration.generation
    examples = {}
    for reason in verdicts.rejected:
        rows = sorted(np.flatnonzero(verdicts.reasons == reason).tolist(), key=pool.ids.__getitem__)[:EXAMPLES]
        texts = pool.texts(np.array(rows))
        if reason == "personal_data":
            texts = [redact(text, settings.redact, settings.phone_regions) for text in texts]
        examples[reason] = [
            {
                "query": text[:EXAMPLE_CHARACTERS],
                "document_id": pool.documents[row],
                "score": float(verdicts.scores[row]),
            }
            for row, text in zip(rows, texts, strict=True)
        ]
    return examples


def _table(pool: Pool, verdicts: Verdicts) -> pa.Table:
    return pa.table(
        {
            "candidate_id": pool.ids,
            "status": ["rejected" if reason else "accepted" for reason in verdicts.reasons],
            "reason": pa.array(verdicts.reasons.tolist(), pa.string()),
            "score": verdicts.scores,
        }
    )
