"""Some real queries, documents and pairs: what a preview draws its batches from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synalign.arrays.checks import evenly_spaced
from synalign.embedding import encoder
from synalign.embedding.prompts import Side
from synalign.encoders.encode import encode
from synalign.errors import RunError
from synalign.run import Interval, Run, intervals, manifests, root, some_rows
from synalign.tables import schema
from synalign.text.normal import document_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from synalign.config import Configuration

QUERIES = 1_000
"""Most real queries of a sample: these, and the documents, are embedded while somebody waits."""

DOCUMENTS = 300
"""Most documents of a sample."""

EMBEDDED = 10_000
"""Most queries and most documents of an interval that has their vectors: where it has no more, batches are its own."""


class Tables(NamedTuple):
    """A sample.

    Attributes:
        queries: As the table `queries`.
        documents: As the table `documents`.
        pairs: As the table `pairs`; of these queries and documents alone.
        said: What they are a sample of, in words.
        whole: Whether they are all there is.
        query_vectors: (n, d) float32, unit rows, where they are known.
        document_vectors: The same for the documents.
        journal: The journal of the interval that they are of; empty without one.
    """

    queries: pa.Table
    documents: pa.Table
    pairs: pa.Table
    said: str
    whole: bool
    query_vectors: NDArray[np.float32] | None = None
    document_vectors: NDArray[np.float32] | None = None
    journal: str = ""


def latest(configuration: Configuration) -> Tables | None:
    """Return a sample of the retriever's latest interval that is ingested with these settings; None without one."""
    for folder in reversed(intervals(root() / configuration.retriever)):
        run = Run(configuration, Interval.named(folder.name))
        try:
            if manifests.read(folder / "ingest" / manifests.NAME) is not None and run.require("ingest"):
                return _of_run(run)
        except RunError:
            # Made with other settings, or damaged: the source is read instead.
            continue
    return None


def _of_run(run: Run) -> Tables:
    has_vectors = _is_embedded(run)
    most_queries, most_documents = (EMBEDDED, EMBEDDED) if has_vectors else (QUERIES, DOCUMENTS)
    rows = evenly_spaced(run.rows("queries"), most_queries)
    queries = some_rows.numbered(run, "queries", schema("queries").names, rows)
    pairs = some_rows.having(run, "pairs", "query_id", queries["query_id"].to_pylist())
    total = run.rows("documents")
    most = most_documents if total <= most_documents else most_documents // 2
    named = list(dict.fromkeys([*pairs["document_id"].to_pylist(), *filter(None, queries["label"].to_pylist())]))
    chosen = [named[row] for row in evenly_spaced(len(named), most).tolist()]
    spaced = some_rows.numbered(run, "documents", ["document_id"], evenly_spaced(total, most_documents))
    ids = list(dict.fromkeys([*chosen, *spaced["document_id"].to_pylist()]))[:most_documents]
    documents = some_rows.having(run, "documents", "document_id", ids, schema("documents").names)
    queries, pairs = of_documents(queries, pairs, documents)
    whole = run.rows("queries") <= most_queries and total <= most_documents
    said = f"{len(queries):,} of {run.rows('queries'):,} queries of the interval {run.interval.name}"
    found = Tables(queries, documents, pairs, said, whole, journal=run.journal)
    if has_vectors:
        vectors = _vectors(run, queries, documents)
        found = found._replace(query_vectors=vectors[0], document_vectors=vectors[1])
    return found


def of_documents(queries: pa.Table, pairs: pa.Table, documents: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the queries and pairs of which the documents, or labels, are in a sample; queries without a label stay."""
    known = documents["document_id"].combine_chunks()
    label = queries["label"]
    return (
        queries.filter(pc.or_(pc.is_null(label), pc.is_in(label, known))),
        pairs.filter(pc.is_in(pairs["document_id"], known)),
    )


def _is_embedded(run: Run) -> bool:
    """Return whether the interval has vectors of today's encoder."""
    try:
        return bool(run.require("embed"))
    except RunError:
        return False


def _vectors(run: Run, queries: pa.Table, documents: pa.Table) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the vectors that the interval has."""
    return (
        some_rows.vectors(run, "query_embeddings", queries["query_id"].to_pylist()),
        some_rows.vectors(run, "document_embeddings", documents["document_id"].to_pylist()),
    )


def embedded(tables: Tables, configuration: Configuration) -> Tables:
    """Return a sample with its vectors.

    Raises:
        SetupError: The encoder is missing.
    """
    if tables.query_vectors is not None and tables.document_vectors is not None:
        return tables
    columns = zip(*(tables.documents[name].to_pylist() for name in ("title", "text")), strict=True)
    return tables._replace(
        query_vectors=vectors_of(tables.queries["query"].to_pylist(), configuration),
        document_vectors=vectors_of([document_text(*column) for column in columns], configuration, "document"),
    )


def vectors_of(texts: Sequence[str], configuration: Configuration, side: Side = "query") -> NDArray[np.float32]:
    """Embed some texts as the step *embed* does.

    Raises:
        SetupError: The encoder is missing, or a prompt leaves no room for a text.
        GenerationError: An endpoint cannot be used.
    """
    encoder.check_room(configuration.encoder)
    return encode(texts, configuration, side=side)
