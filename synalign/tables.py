"""The schema of every table that crosses a step, as Arrow schemas, and how identifiers are made.

Ids are content hashes: the first 16 bytes of a SHA-256 in hexadecimal (32 characters), so a rerun gives the same ids.
Parts are joined by the unit separator U+001F, which no normalised query contains.
"""

from __future__ import annotations

import hashlib

import pyarrow as pa

from synalign.errors import RunError

SEPARATOR = "\x1f"
ID_CHARACTERS = 32
SPLITS = ("train", "validation", "test")


def _schema(*required: tuple[str, pa.DataType], nullable: tuple[tuple[str, pa.DataType], ...] = ()) -> pa.Schema:
    fields = [pa.field(name, kind, nullable=False) for name, kind in required]
    return pa.schema(fields + [pa.field(name, kind) for name, kind in nullable])


_TEXT, _INTEGER, _REAL = pa.string(), pa.int64(), pa.float64()
_TIME = pa.timestamp("us", tz="UTC")
_EMBEDDING = _schema(("id", _TEXT), ("embedding", pa.list_(pa.field("element", pa.float32(), nullable=False))))

SCHEMAS: dict[str, pa.Schema] = {
    # `split` is by hash of the query, also for queries without a pair: alignment holds some of them out.
    "queries": _schema(
        ("query_id", _TEXT),
        ("query", _TEXT),
        ("count", _INTEGER),
        ("first_seen", _TIME),
        ("last_seen", _TIME),
        ("split", _TEXT),
        nullable=(("label", _TEXT),),
    ),
    "documents": _schema(("document_id", _TEXT), ("title", _TEXT), ("text", _TEXT)),
    "pairs": _schema(
        ("pair_id", _TEXT),
        ("query_id", _TEXT),
        ("query", _TEXT),
        ("document_id", _TEXT),
        ("count", _INTEGER),
        ("split", _TEXT),
    ),
    "rejected": _schema(("source", _TEXT), ("row", _TEXT), ("rule", _TEXT), ("reason", _TEXT)),
    "query_embeddings": _EMBEDDING,
    "document_embeddings": _EMBEDDING,
    "candidate_embeddings": _EMBEDDING,
    "demonstrations": _schema(
        ("batch_id", _TEXT), ("position", _INTEGER), ("query_id", _TEXT), ("role", _TEXT), ("variance", _REAL)
    ),
    "requests": _schema(
        ("request_id", _TEXT),
        ("batch_id", _TEXT),
        ("kind", _TEXT),
        ("outcome", _TEXT),
        ("model", _TEXT),
        ("prompt_version", _TEXT),
        ("seconds", _REAL),
        # Empty where the endpoint does not say.
        nullable=(("tokens_in", _INTEGER), ("tokens_out", _INTEGER)),
    ),
    # One row per value: the model names other attributes for every batch, so columns by name would differ from run to
    # run. `generalised` tells a value the model inferred from one it saw in the demonstrations; `support` is how many
    # of them show it, where a rule can tell.
    "attributes": _schema(
        ("batch_id", _TEXT),
        ("name", _TEXT),
        ("value", _TEXT),
        ("generalised", pa.bool_()),
        ("request_id", _TEXT),
        nullable=(("support", _INTEGER),),
    ),
    "candidates": _schema(
        ("candidate_id", _TEXT),
        ("batch_id", _TEXT),
        ("query", _TEXT),
        ("document_id", _TEXT),
        ("request_id", _TEXT),
    ),
    "screening": _schema(("candidate_id", _TEXT), ("status", _TEXT), nullable=(("reason", _TEXT), ("score", _REAL))),
    "weights": _schema(("candidate_id", _TEXT), ("scheme", _TEXT), ("weight", _REAL)),
    # One row per arm, seed and judged query; `step` is the checkpoint that was best on validation queries, 0 the
    # retriever before training.
    "evaluation": _schema(
        ("arm", _TEXT),
        ("seed", _INTEGER),
        ("step", _INTEGER),
        ("query_id", _TEXT),
        ("split", _TEXT),
        ("segment", _TEXT),
        ("cold_document", pa.bool_()),
        ("ndcg_at_10", _REAL),
        ("mrr_at_10", _REAL),
        ("recall_at_10", _REAL),
        ("recall_at_100", _REAL),
    ),
    # One row: which weights the training set has, whether validation queries chose them, and why in words.
    "choice": _schema(("scheme", _TEXT), ("validated", pa.bool_()), ("reason", _TEXT)),
    "training_set": _schema(
        ("pair_id", _TEXT),
        ("query", _TEXT),
        ("document_id", _TEXT),
        ("document", _TEXT),
        ("source", _TEXT),
        ("weight", _REAL),
        ("split", _TEXT),
        nullable=(("batch_id", _TEXT),),
    ),
}


def schema(table: str) -> pa.Schema:
    """Return the Arrow schema of a table.

    Raises:
        RunError: There is no table of that name.
    """
    if table not in SCHEMAS:
        raise RunError(f"table == {table!r}, must be one of {', '.join(SCHEMAS)}.")
    return SCHEMAS[table]


def content_id(*parts: str) -> str:
    """Return the id of some content: SHA-256 of its parts joined by U+001F, in UTF-8, cut to 16 bytes, in hexadecimal.

    Examples:
        >>> content_id("how to sort a list")
        'd864085eede250f372f38024bff5bf79'
    """
    return hashlib.sha256(SEPARATOR.join(parts).encode()).hexdigest()[:ID_CHARACTERS]
