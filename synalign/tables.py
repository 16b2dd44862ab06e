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


_TYPES = {
    "text": pa.string(),
    "int": pa.int64(),
    "real": pa.float64(),
    "bool": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
    "vector": pa.list_(pa.field("element", pa.float32(), nullable=False)),
}


def _schema(columns: str) -> pa.Schema:
    """Return a schema: `name` is text, `name:type` one of `_TYPES`, and a `?` at the end says that it may be null."""
    parts = [column.removesuffix("?").partition(":") for column in columns.split()]
    optional = [column.endswith("?") for column in columns.split()]
    return pa.schema(
        pa.field(name, _TYPES[kind or "text"], nullable=null)
        for (name, _, kind), null in zip(parts, optional, strict=True)
    )


_LINEAGE = "candidate_id batch_id query document_id request_id interval model prompt_version"
"""A candidate with the interval, the model and the prompt that wrote it."""

SCHEMAS: dict[str, pa.Schema] = {
    # `split` is by hash of the query, also for queries without a pair: alignment holds some of them out.
    "queries": _schema("query_id query count:int first_seen:time last_seen:time split label?"),
    "documents": _schema("document_id title text"),
    "pairs": _schema("pair_id query_id query document_id count:int split"),
    # Documents above which people clicked, in how many searches; none where `source.clicks.min_skips` is null.
    "skips": _schema("query_id document_id count:int"),
    "rejected": _schema("source row rule reason"),
    "query_embeddings": _schema("id embedding:vector"),
    "document_embeddings": _schema("id embedding:vector"),
    "carried_embeddings": _schema("id embedding:vector"),
    "candidate_embeddings": _schema("id embedding:vector"),
    "demonstrations": _schema("batch_id position:int query_id role variance:real"),
    # Tokens are empty where the endpoint does not say.
    "requests": _schema(
        "request_id batch_id kind outcome model prompt_version seconds:real tokens_in:int? tokens_out:int?"
    ),
    # A sample of the requests that were sent, as an auditor wants to read them: messages and answer as JSON, redacted.
    "traces": _schema(
        "request_id batch_id kind messages answer? outcome model prompt_version seconds:real tokens_in:int? "
        "tokens_out:int? money:real? currency"
    ),
    # One row per value: the model names other attributes for every batch, so columns by name would differ from run to
    # run. `generalised` tells a value the model inferred from one it saw in the demonstrations; `support` is how many
    # of them show it, where a rule can tell.
    "attributes": _schema("batch_id name value generalised:bool request_id support:int?"),
    # `document_digest` is the content id of title and text that the query was written for: a rewritten document is
    # told by it.
    "candidates": _schema("candidate_id batch_id query document_id request_id document_digest"),
    # What earlier intervals wrote, and then all that is judged today: carried first, oldest first, new last.
    "carried": _schema(f"{_LINEAGE} document_digest"),
    "pool": _schema(_LINEAGE),
    "screening": _schema("candidate_id status reason? score:real?"),
    "weights": _schema("candidate_id scheme weight:real"),
    # A train pair's own document at rank 0, its hard negatives from rank 1; `source` is who proposed each.
    "negatives": _schema("pair_id rank:int document_id source cosine:real"),
    # The same rows with the teacher's scores, empty where nobody teaches; one with an objection is not trained on, a
    # pair's own document with one takes a written pair out.
    "scores": _schema("pair_id rank:int document_id score:real? objection?"),
    # One row per arm, seed and judged query, all arms at the mass of the table `choice`, or at `alignment.mass` where
    # that is 0; `step` is the checkpoint that was best on validation queries, 0 the retriever before training. Of
    # `task: classification`, and there alone: `step` is the classifier's C, `predicted` the most probable label, and
    # `accuracy` whether the text has it; the other measures are of the labels by probability.
    "evaluation": _schema(
        "arm seed:int step:int query_id split segment cold_document:bool "
        "ndcg_at_10:real mrr_at_10:real recall_at_10:real recall_at_100:real accuracy:real? predicted?"
    ),
    # One row: which weights the training set has and how much they sum to over the real train pairs, whether validation
    # queries chose both, and why in words. Scheme `none` with mass 0: the real pairs alone.
    "choice": _schema("scheme mass:real validated:bool reason"),
    # A written row says which batch, request and interval it came from; `score` is the teacher's. Hard negatives stand
    # beside it in columns of their own: see `training_set`.
    "training_set": _schema(
        "pair_id query document_id document source weight:real split batch_id? request_id? interval? score:real?"
    ),
}
"""The schema of every table by name: columns in their order, see `_schema`."""


def schema(table: str) -> pa.Schema:
    """Return the Arrow schema of a table.

    Raises:
        RunError: There is no table of that name.
    """
    if table not in SCHEMAS:
        raise RunError(f"table == {table!r}, must be one of {', '.join(SCHEMAS)}.")
    return SCHEMAS[table]


def training_set(negatives: int) -> pa.Schema:
    """Return the schema of a training set whose pairs have hard negatives: their texts, then their scores.

    Trainers take one column for each negative, in the order of the columns; a pair with fewer has nulls at the end.

    Examples:
        >>> training_set(2).names[-5:]
        ['score', 'negative_1', 'negative_2', 'negative_score_1', 'negative_score_2']
    """
    numbers = range(1, negatives + 1)
    texts = [pa.field(f"negative_{number}", _TYPES["text"]) for number in numbers]
    scores = [pa.field(f"negative_score_{number}", _TYPES["real"]) for number in numbers]
    return pa.schema([*SCHEMAS["training_set"], *texts, *scores])


def content_id(*parts: str) -> str:
    """Return the id of some content: SHA-256 of its parts joined by U+001F, in UTF-8, cut to 16 bytes, in hexadecimal.

    Examples:
        >>> content_id("how to sort a list")
        'd864085eede250f372f38024bff5bf79'
    """
    return hashlib.sha256(SEPARATOR.join(parts).encode()).hexdigest()[:ID_CHARACTERS]


def document_digest(title: str, text: str) -> str:
    """Return the content id of what a document says: another one tells that the document was rewritten."""
    return content_id(title, text)
