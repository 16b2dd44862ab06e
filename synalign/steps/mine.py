"""The step *mine*: hard negatives of every train pair, real and written, in Spark.

BM25 proposes first: each task indexes a part of the documents once, and asks it all queries. Then each task has a block
of pairs and lets the vectors of the whole collection pass by, in parts, as they lie in the store. Nothing is shuffled
but pairs and proposals, the driver holds neither side, and what a pair gets does not depend on its block.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import reduce
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from synalign.mining import lexical
from synalign.mining.block import Block, Part
from synalign.mining.lexical import Found
from synalign.mining.negatives import OBJECTIONS
from synalign.mining.negatives import mine as mine_block
from synalign.mining.proposals import BM25, SOURCES
from synalign.run import Attempt, Run, manifests
from synalign.run.matrix import rows_of
from synalign.spark.progress import tallied, tally
from synalign.spark.session import content_id, session
from synalign.spark.tables import read_table, write_table
from synalign.tables import schema
from synalign.text.normal import document_text

if TYPE_CHECKING:
    from synalign.config import Negatives
    from synalign.storage import Place

log = logging.getLogger("synalign")

_PAIRS_PER_TASK = (500, 5_000)
"""Few enough to spread a small set over the cores; enough that reading the collection is little beside comparing it."""

_TASKS = 20

VECTORS_PER_PART = 32_768
"""Vectors of documents that a task takes at once: 50 MB of width 384. It holds three times as many while it reads."""

TEXTS_PER_PART = 100_000
"""Documents of an index of words. Fixed, for each index has its own idea of which words are rare."""

QUERIES_AT_ONCE = 10_000
"""Queries whose proposals by words a task holds at once."""

_FOUND = "query string, part int, ids array<string>, scores array<float>"

_BLOCK = ("pair_id", "query", "embedding", "document_id", "own", "chosen")
"""Columns of a block; `found` beside them where BM25 proposes, and `skipped` where people passed over documents."""


def mine(attempt: Attempt) -> None:
    """Write `negatives`; an empty table where `negatives.per_pair` is 0, and for classification."""
    settings, run = attempt.configuration.negatives, attempt.run
    if not attempt.configuration.negatives_per_pair:
        attempt.write("negatives", schema("negatives").empty_table())
        return
    with session(f"synalign mine {attempt.configuration.retriever}") as spark:
        pairs = _pairs(spark, run)
        if BM25 in settings.sources:
            pairs = pairs.join(_worded(spark, run, settings.depth), "query", "left")
        if run.rows("skips"):
            pairs = pairs.join(_skipped(spark, run, settings.depth), "query", "left")
        pairs = pairs.cache()
        count = pairs.count()
        with tallied(attempt.folder / ".progress", "mine", count, "pairs"):
            mined = _mined(pairs, count, attempt, settings).cache()
            sums = _sums(mined, count, settings)
        most = count * (settings.per_pair + 1)
        write_table(mined, attempt.output("negatives"), "negatives", rows=most)
    attempt.metrics.update({"pairs": count, **sums})
    refused = ", ".join(f"{number:,} {name}" for name, number in sums["objections"].items())
    log.info("mine: %d negatives of %d pairs; refused: %s", sum(sums["sources"].values()), count, refused)


def _pairs(spark: SparkSession, run: Run) -> DataFrame:
    """Return every train pair with its vectors and the documents that are right for its query."""
    clicked = read_table(spark, run, "pairs")
    accepted = read_table(spark, run, "screening").where(F.col("status") == "accepted").select("candidate_id")
    written = read_table(spark, run, "pool").join(accepted, "candidate_id")
    vectors = [read_table(spark, run, table) for table in ("carried_embeddings", "candidate_embeddings")]
    columns = ["pair_id", "query", "embedding", "document_id"]
    real = clicked.where(F.col("split") == "train").join(
        read_table(spark, run, "query_embeddings").withColumnRenamed("id", "query_id"), "query_id"
    )
    synthetic = written.withColumn("pair_id", content_id("query", "document_id")).join(
        reduce(DataFrame.unionByName, vectors).withColumnRenamed("id", "candidate_id"), "candidate_id"
    )
    # Clicks of other splits count as well: a query is in one split, and what it found is right for it.
    right = clicked.select("query", "document_id").unionByName(written.select("query", "document_id"))
    chosen = right.groupBy("query").agg(F.collect_set("document_id").alias("chosen"))
    own = read_table(spark, run, "document_embeddings").select(
        F.col("id").alias("document_id"), F.col("embedding").alias("own")
    )
    pairs = real.select(*columns).unionByName(synthetic.select(*columns)).dropDuplicates(["pair_id"])
    return pairs.join(own, "document_id").join(chosen, "query")


def _worded(spark: SparkSession, run: Run, depth: int) -> DataFrame:
    """Return for each query the documents that share its words: as `found` a list for each part of the collection."""
    parts = -(-run.rows("documents") // TEXTS_PER_PART)
    numbers = spark.range(parts).repartition(parts, "id") if parts > 1 else spark.range(parts).coalesce(1)
    searcher = _searcher(run.files("documents"), run.files("pairs"), run.files("pool"), depth)
    by_part = numbers.mapInArrow(searcher, _FOUND)
    lists = F.sort_array(F.collect_list(F.struct("part", "ids", "scores")))
    return by_part.groupBy("query").agg(lists.alias("found"))


def _skipped(spark: SparkSession, run: Run, depth: int) -> DataFrame:
    """Return for each query the documents that people passed over, those most often first."""
    queries = read_table(spark, run, "pairs").select("query_id", "query").distinct()
    listed = F.sort_array(F.collect_list(F.struct((-F.col("count")).alias("rank"), "document_id")))
    lists = read_table(spark, run, "skips").join(queries, "query_id").groupBy("query").agg(listed.alias("listed"))
    return lists.select("query", F.slice("listed.document_id", 1, depth).alias("skipped"))


def _searcher(
    texts: list[Place], pairs: list[Place], pool: list[Place], depth: int
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return what runs in the workers: numbers of parts in, what each has for every query out."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        wanted = {number for batch in batches for number in batch["id"].to_pylist()}
        for number, part in enumerate(_texts(texts) if wanted else ()):
            if number in wanted:
                found = lexical.search(_queries(pairs, pool), part, depth)
                while some := list(islice(found, QUERIES_AT_ONCE)):
                    names, ids, scores = zip(*some, strict=True)
                    columns = [names, [number] * len(some), ids, scores]
                    types = (pa.string(), pa.int32(), pa.list_(pa.string()), pa.list_(pa.float32()))
                    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
                    yield pa.RecordBatch.from_arrays(arrays, names=["query", "part", "ids", "scores"])

    return run


def _queries(pairs: list[Place], pool: list[Place]) -> Iterator[list[str]]:
    """Yield the distinct queries of real train pairs and of the pool, some at a time."""
    seen: dict[str, None] = {}
    for batch in manifests.batches(pairs, ["query", "split"]):
        seen.update(dict.fromkeys(batch.filter(pc.equal(batch["split"], "train"))["query"].to_pylist()))
    for batch in manifests.batches(pool, ["query"]):
        seen.update(dict.fromkeys(batch["query"].to_pylist()))
    queries = iter(seen)
    while some := list(islice(queries, QUERIES_AT_ONCE)):
        yield some


def _mined(pairs: DataFrame, count: int, attempt: Attempt, settings: Negatives) -> DataFrame:
    """Return the rows of `negatives`, with the objections of each block beside its first."""
    least, most = _PAIRS_PER_TASK
    tasks = max(1, -(-count // min(max(count // _TASKS, least), most)))
    ordered = (
        pairs.select(*_BLOCK, *(name for name in ("found", "skipped") if name in pairs.columns))
        .repartition(tasks, "pair_id")
        .sortWithinPartitions("pair_id")
    )
    miner = _miner(
        attempt.run.files("document_embeddings"),
        attempt.run.rows("document_embeddings"),
        settings,
        attempt.configuration.seed,
        attempt.folder / ".progress",
    )
    objections = "".join(f", {name} long" for name in OBJECTIONS)
    return ordered.mapInArrow(
        miner, f"pair_id string, rank long, document_id string, source string, cosine double{objections}"
    )


def _sums(mined: DataFrame, pairs: int, settings: Negatives) -> dict[str, Any]:
    """Count negatives by source, objections by rule, and pairs that have fewer than are wanted."""
    counts = {name: F.col("source") == name for name in sorted(SOURCES)}
    # Ranks have no gaps.
    full = F.col("rank") == settings.per_pair
    # One row, of one pass.
    (row,) = mined.agg(
        *(F.sum(name).alias(name) for name in OBJECTIONS),
        *(F.count_if(condition).alias(name) for name, condition in {**counts, "full": full}.items()),
    ).collect()
    return {
        "sources": {name: row[name] for name in counts if row[name]},
        "objections": {name: int(row[name] or 0) for name in OBJECTIONS},
        "short": pairs - row["full"],
    }


def _miner(
    vectors: list[Place], documents: int, settings: Negatives, seed: int, progress: Place
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return what runs in the workers: a block of pairs in, its negatives out."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # A task may have no pair at all.
        held = [batch for batch in batches if batch.num_rows]
        if not held:
            return
        block = _block(pa.Table.from_batches(held), settings.depth)
        mined = mine_block(block, _vectors(vectors), documents, settings, seed)
        tally(progress).add(len(block.ids))
        rows = mined.table
        for name in OBJECTIONS:
            beside = np.zeros(len(rows), dtype=np.int64)
            beside[0] = mined.objections[name]
            rows = rows.append_column(name, pa.array(beside))
        yield from rows.combine_chunks().to_batches(max_chunksize=10_000)

    return run


def _block(table: pa.Table, depth: int) -> Block:
    worded: list[list[str]] = []
    if "found" in table.column_names:
        for parts in table["found"].to_pylist():
            found = (Found("", part["ids"], part["scores"]) for part in parts or ())
            worded.append(lexical.merged(found, depth))
    skipped: list[list[str]] = []
    if "skipped" in table.column_names:
        skipped = [ids or [] for ids in table["skipped"].to_pylist()]
    return Block(
        table["pair_id"].to_pylist(),
        table["query"].to_pylist(),
        rows_of(table["embedding"].combine_chunks()),
        table["document_id"].to_pylist(),
        rows_of(table["own"].combine_chunks()),
        [frozenset(chosen) for chosen in table["chosen"].to_pylist()],
        worded,
        skipped,
    )


def _vectors(files: list[Place]) -> Iterator[Part]:
    for table in manifests.tables(files, ["id", "embedding"], VECTORS_PER_PART):
        rows = np.concatenate([rows_of(chunk) for chunk in table["embedding"].chunks])
        yield Part(table["id"].combine_chunks(), rows)


def _texts(files: list[Place]) -> Iterator[Part]:
    for table in manifests.tables(files, ["document_id", "title", "text"], TEXTS_PER_PART):
        rows = zip(table["title"].to_pylist(), table["text"].to_pylist(), strict=True)
        yield Part(table["document_id"].to_pylist(), [document_text(title, text) for title, text in rows])
