"""What a trial is made of, read from a run's tables.

Retrievers rank all documents of the run, up to `DOCUMENTS`. Beyond that, those that a pair or a judged query needs are
ranked together with hard negatives of train pairs and with others, evenly spaced: scores are then higher than they
would be among all, in every arm alike, and the manifest says among how many they were found. Negatives that are not
among them are not trained on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synalign.arrays.checks import evenly_spaced
from synalign.config.schemes import SCHEMES
from synalign.errors import InputError
from synalign.evaluation.arms import Pool
from synalign.evaluation.segments import cold_documents, traffic_segments
from synalign.evaluation.taught import Taught
from synalign.retriever.collection import Collection, Pairs
from synalign.run import some_rows
from synalign.screening.reasons import ROUND_TRIP
from synalign.text.normal import document_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.run import Run

DOCUMENTS = 100_000
"""Most documents that are ranked, if pairs and judged queries need no more."""

REAL_PAIRS = 200_000
"""Most real train pairs, evenly spaced: more than the batches of a training draw."""

JUDGED = {"validation": 5_000, "test": 20_000}
"""Most judged queries by split, evenly spaced: they fix a mean nDCG@10 to about 0.005 and 0.003."""


class Judged(NamedTuple):
    """Queries that retrievers are judged on.

    Attributes:
        ids: (q,) query ids.
        places: (q,) int64, their places in the collection.
        relevant: (q,) the places of each one's relevant documents.
        segments: (q,) `head`, `torso` or `tail`.
        cold: (q,) bool, whether no real train pair has any of its documents.
    """

    ids: list[str]
    places: NDArray[np.int64]
    relevant: list[set[int]]
    segments: NDArray[np.str_]
    cold: NDArray[np.bool_]

    @property
    def pairs(self) -> Pairs:
        """Query and document of every relevance, of weight 1."""
        query = np.repeat(self.places, [len(documents) for documents in self.relevant])
        document = [place for documents in self.relevant for place in sorted(documents)]
        return Pairs(query, np.array(document, dtype=np.int64), np.ones(len(query)))


class Material(NamedTuple):
    """What a trial is made of.

    Attributes:
        collection: Texts and vectors.
        real: Real train pairs, of weight 1.
        written: (m,) written pairs in the pool's order; their weights are the arms' to give.
        pool: Which of them were accepted, and the weights of every scheme.
        judged: Real queries by split, `validation` and `test`; either may be empty.
        document_ids: Ids of the collection's documents.
    """

    collection: Collection
    real: Pairs
    written: Pairs
    pool: Pool
    judged: dict[str, Judged]
    document_ids: Sequence[str] = ()


def read(run: Run) -> Material:
    """Read all that retrievers are trained and judged on.

    Raises:
        InputError: There is no real pair in the split `train`.
    """
    pairs = run.read("pairs", ["query_id", "query", "document_id", "split"])
    real = split_of(pairs, "train")
    if not real.num_rows:
        raise InputError("no real pair is in the split train.", remedy="widen source.window_days")
    real = real.take(evenly_spaced(real.num_rows, REAL_PAIRS))
    asked = {split: some_queries(split_of(pairs, split), most) for split, most in JUDGED.items()}
    taught = Taught(run)
    written, pool = _written(run, taught)
    used = pa.concat_tables([real, *asked.values()])
    needed = {*used["document_id"].to_pylist(), *written["document_id"].to_pylist()}
    documents, texts = ranked_documents(run, needed, taught.documents)
    queries = dict(zip(used["query_id"].to_pylist(), used["query"].to_pylist(), strict=True))
    collection = _collection(run, queries, written, documents, texts)
    query, document = _places(queries), _places(documents)
    real_pairs = taught.beside(_pairs(_at(query, real["query_id"]), _at(document, real["document_id"])), real, document)
    new = np.arange(len(queries), len(collection.queries), dtype=np.int64)
    written_pairs = taught.beside(_pairs(new, _at(document, written["document_id"])), written, document)
    judged = {split: _judged(run, rows, query, document, real_pairs) for split, rows in asked.items()}
    return Material(collection, real_pairs, written_pairs, pool, judged, documents)


def split_of(pairs: pa.Table, split: str) -> pa.Table:
    """Return the pairs of a split."""
    return pairs.filter(pc.equal(pairs["split"], split))


def some_queries(pairs: pa.Table, most: int) -> pa.Table:
    """Return all pairs of at most so many queries, evenly spaced by id."""
    ids = sorted(set(pairs["query_id"].to_pylist()))
    chosen = pa.array([ids[place] for place in evenly_spaced(len(ids), most)], pa.string())
    return pairs.filter(pc.is_in(pairs["query_id"], chosen))


def _written(run: Run, taught: Taught) -> tuple[pa.Table, Pool]:
    """Return the candidates that at least one arm trains on, and the pool that arms are made of."""
    screening = run.read("screening", ["candidate_id", "status", "reason"]).to_pylist()
    accepted = {row["candidate_id"] for row in screening if row["status"] == "accepted"}
    kept = accepted | {row["candidate_id"] for row in screening if row["reason"] == ROUND_TRIP}
    candidates = run.read("pool", ["candidate_id", "query", "document_id"])
    candidates = candidates.filter(pc.is_in(candidates["candidate_id"], pa.array(sorted(kept), pa.string())))
    candidates = taught.left(candidates)
    ids = candidates["candidate_id"].to_pylist()
    weights: dict[str, dict[str, float]] = {scheme: {} for scheme in SCHEMES}
    for row in run.read("weights").to_pylist():
        weights[row["scheme"]][row["candidate_id"]] = row["weight"]
    by_scheme = {scheme: np.array([weights[scheme][id] for id in ids if id in accepted]) for scheme in SCHEMES}
    if taught.lost:
        # What a teacher took out leaves its weight to the others.
        by_scheme = {scheme: found / found.sum() for scheme, found in by_scheme.items()}
    return candidates, Pool(np.array([id in accepted for id in ids], dtype=bool), by_scheme)


def ranked_documents(run: Run, needed: set[str], negatives: list[str]) -> tuple[list[str], list[str]]:
    """Return ids and texts of the documents that are ranked."""
    names = ["document_id", "title", "text"]
    if run.rows("documents") > DOCUMENTS:
        ids = run.read("documents", ["document_id"])["document_id"].to_pylist()
        needed |= set(negatives[: max(0, DOCUMENTS - len(needed))])
        others = [identifier for identifier in ids if identifier not in needed]
        more = evenly_spaced(len(others), max(1, DOCUMENTS - len(needed)))
        documents = some_rows.having(run, "documents", "document_id", needed | {others[place] for place in more}, names)
    else:
        documents = run.read("documents", names)
    columns = (documents[name].to_pylist() for name in ("document_id", "title", "text"))
    rows = list(zip(*columns, strict=True))
    return [identifier for identifier, _, _ in rows], [document_text(title, text) for _, title, text in rows]


def _collection(
    run: Run, queries: dict[str, str], written: pa.Table, documents: list[str], texts: list[str]
) -> Collection:
    """Collect real queries, then written ones, with documents and all their vectors."""
    vectors = [
        some_rows.vectors(run, "query_embeddings", list(queries)),
        some_rows.pool_vectors(run, written["candidate_id"].to_pylist()),
    ]
    return Collection(
        [*queries.values(), *written["query"].to_pylist()],
        texts,
        np.concatenate(vectors),
        some_rows.vectors(run, "document_embeddings", documents),
    )


def _judged(run: Run, rows: pa.Table, query: dict[str, int], document: dict[str, int], real: Pairs) -> Judged:
    relevant: dict[str, set[int]] = {}
    for identifier, found in zip(rows["query_id"].to_pylist(), rows["document_id"].to_pylist(), strict=True):
        relevant.setdefault(identifier, set()).add(document[found])
    queries = run.read("queries", ["query_id", "count"])
    judged = pc.index_in(pa.array(list(relevant), pa.string()), queries["query_id"].combine_chunks())
    segments = traffic_segments(queries["count"])[judged.to_numpy()] if relevant else np.empty(0, np.str_)
    return Judged(
        list(relevant),
        np.array([query[identifier] for identifier in relevant], dtype=np.int64),
        list(relevant.values()),
        segments,
        cold_documents(list(relevant.values()), set(real.document.tolist())),
    )


def _pairs(query: NDArray[np.int64], document: NDArray[np.int64]) -> Pairs:
    return Pairs(query, document, np.ones(len(query)))


def _places(ids: Iterable[str]) -> dict[str, int]:
    return {identifier: place for place, identifier in enumerate(ids)}


def _at(places: dict[str, int], ids: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.array([places[identifier] for identifier in ids.to_pylist()], dtype=np.int64)
