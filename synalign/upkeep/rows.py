"""Which rows of which table have the query: by its text, by its id, or by the id of a candidate or pair that has it.

Tables are read a batch at a time, and only the columns that decide, so memory does not grow with them.
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from synalign.querylog.trace import Trace
from synalign.run.manifests import batches
from synalign.storage import Place
from synalign.tables import content_id
from synalign.text.normal import texts_of
from synalign.upkeep.journals import Shown

_QUERIES = {"queries": "query", "pairs": "query"}
_QUERY_IDS = {"query_embeddings": "id", "demonstrations": "query_id", "evaluation": "query_id", "skips": "query_id"}
_CANDIDATE_IDS = {
    "carried_embeddings": "id",
    "candidate_embeddings": "id",
    "screening": "candidate_id",
    "weights": "candidate_id",
}
_PAIR_IDS = ("negatives", "scores")
_WRITTEN = ("candidates", "carried", "pool")
_COLUMNS = {
    **{table: [column] for table, column in {**_QUERIES, **_QUERY_IDS, **_CANDIDATE_IDS}.items()},
    **{table: ["query"] for table in _WRITTEN},
    **{table: ["pair_id"] for table in _PAIR_IDS},
    "attributes": ["name", "value"],
    "traces": ["batch_id", "messages", "answer"],
    "rejected": ["row"],
    "training_set": ["query", "source"],
}
"""Tables that can have a query, and what tells; documents are the collection's, and no user's."""


class Known(NamedTuple):
    """What tells rows that have no text; sets that grow while runs are looked through.

    Attributes:
        queries: Ids of the query as it was typed, one for each way of writing it in capitals.
        candidates: Ids of written queries that have it.
        texts: Ids of all these texts in the embedding cache.
        batches: Batches of demonstrations that showed it.
        shown: The requests of those batches.
        pairs: Ids of train pairs that have it, real or written.
    """

    queries: set[str]
    candidates: set[str]
    texts: set[str]
    batches: set[str]
    shown: set[Shown]
    pairs: set[str]


def nothing_known(trace: Trace) -> Known:
    """Return what a search begins with: the query itself."""
    return Known({trace.query_id}, set(), {trace.query_id}, set(), set(), set())


def learn(table: str, files: list[Place], trace: Trace, known: Known) -> None:
    """Add what a table tells about others; tables in the order of the flow."""
    if table == "queries":
        for batch in batches(files, ["query_id", "query"]):
            known.queries.update(_where(batch, "query_id", _hits(table, batch, trace, known)))
        known.texts.update(known.queries)
    elif table == "demonstrations":
        for batch in batches(files, ["batch_id", "query_id"]):
            known.batches.update(_where(batch, "batch_id", _hits(table, batch, trace, known)))
    elif table == "requests" and known.batches:
        for batch in batches(files, ["request_id", "batch_id", "kind"]):
            known.shown.update(
                Shown(row["kind"], row["batch_id"], row["request_id"])
                for row in batch.to_pylist()
                if row["batch_id"] in known.batches
            )
    elif table == "pairs":
        for batch in batches(files, ["pair_id", "query"]):
            known.pairs.update(_where(batch, "pair_id", _hits(table, batch, trace, known)))
    elif table in _WRITTEN:
        _learn_written(table, files, trace, known)


def _learn_written(table: str, files: list[Place], trace: Trace, known: Known) -> None:
    for batch in batches(files, ["candidate_id", "query", "document_id"]):
        hits = _hits(table, batch, trace, known)
        both = zip(*(_where(batch, name, hits) for name in ("query", "document_id")), strict=True)
        known.pairs.update(content_id(query, document) for query, document in both)
        known.candidates.update(_where(batch, "candidate_id", hits))
        known.texts.update(content_id(query) for query in _where(batch, "query", hits))


def count(table: str, file: Place, trace: Trace, known: Known) -> int:
    """Count the rows of a table's file that have the query."""
    if table not in _COLUMNS:
        return 0
    return sum(sum(_hits(table, batch, trace, known)) for batch in batches([file], _COLUMNS[table]))


def copy_without(table: str, file: Place, to: Place, trace: Trace, known: Known) -> None:
    """Write a table's file anew without those rows: the same schema, order and compression."""
    with file.open_input() as stream, pq.ParquetFile(stream) as source:
        groups = source.metadata.num_row_groups
        codec = source.metadata.row_group(0).column(0).compression.lower() if groups else "zstd"
        with to.open_output() as out, pq.ParquetWriter(out, source.schema_arrow, compression=_codec(codec)) as writer:
            for group in range(groups):
                rows = source.read_row_group(group)
                hits = [hit for batch in rows.to_batches() for hit in _hits(table, batch, trace, known)]
                writer.write_table(rows.filter(pa.array([not hit for hit in hits], pa.bool_())))


def _codec(name: str) -> str:
    return "none" if name == "uncompressed" else name


def _where(batch: pa.RecordBatch, column: str, hits: list[bool]) -> list[str]:
    return [value for value, hit in zip(batch.column(column).to_pylist(), hits, strict=True) if hit]


def _hits(table: str, batch: pa.RecordBatch, trace: Trace, known: Known) -> list[bool]:
    def texts(column: str) -> list[str]:
        return texts_of(batch.column(column))

    if table in _QUERIES:
        return [trace.is_(text) for text in texts(_QUERIES[table])]
    if table in _QUERY_IDS:
        return [found in known.queries for found in texts(_QUERY_IDS[table])]
    if table in _CANDIDATE_IDS:
        return [found in known.candidates for found in texts(_CANDIDATE_IDS[table])]
    if table in _PAIR_IDS:
        return [found in known.pairs for found in texts("pair_id")]
    if table in _WRITTEN:
        return [trace.in_(text) for text in texts("query")]
    if table == "attributes":
        pairs = zip(texts("name"), texts("value"), strict=True)
        return [trace.in_(name) or trace.in_(value) for name, value in pairs]
    if table == "traces":
        # What was shown is redacted, so its batch tells, too.
        shown = zip(texts("batch_id"), texts("messages"), texts("answer"), strict=True)
        return [batch in known.batches or trace.in_json(sent) or trace.in_json(answer) for batch, sent, answer in shown]
    if table == "rejected":
        return [trace.in_json(row) for row in texts("row")]
    # Of the training set: a user's query counts as a whole, a written one by what it has within it.
    written = zip(texts("query"), texts("source"), strict=True)
    return [trace.in_(query) if source == "synthetic" else trace.is_(query) for query, source in written]
