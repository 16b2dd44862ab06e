"""The step *mine*: hard negatives of every train pair, real and written, in Spark.

Each task has a block of pairs and lets the whole collection pass by, in parts, as it lies in the store: nothing is
shuffled but the pairs, the driver holds neither side, and what a pair gets does not depend on its block.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from synalign.mining.block import Block, Part
from synalign.mining.negatives import OBJECTIONS, POSITIVE
from synalign.mining.negatives import mine as mine_block
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

VECTORS_PER_PART = 65_536
"""Vectors of documents that a task holds at once: 100 MB of width 384."""

TEXTS_PER_PART = 100_000
"""Documents of an index of words. Fixed, for each index has its own idea of which words are rare."""

_BLOCK = (
    "pair_id string, query string, embedding array<float>, document_id string, own array<float>, chosen array<string>"
)


def mine(attempt: Attempt) -> None:
    """Write `negatives`; an empty table where `negatives.per_pair` is 0, and for classification."""
    settings, run = attempt.configuration.negatives, attempt.run
    if not attempt.configuration.negatives_per_pair:
        attempt.write("negatives", schema("negatives").empty_table())
        return
    with session(f"synalign mine {attempt.configuration.retriever}") as spark:
        pairs = _pairs(spark, run).cache()
        count = pairs.count()
        with tallied(attempt.folder / ".progress", "mine", count, "pairs"):
            mined = _mined(pairs, count, attempt, settings).cache()
            sums = _sums(mined, settings)
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


def _mined(pairs: DataFrame, count: int, attempt: Attempt, settings: Negatives) -> DataFrame:
    """Return the rows of `negatives`, with the objections of each block beside its first."""
    least, most = _PAIRS_PER_TASK
    tasks = max(1, -(-count // min(max(count // _TASKS, least), most)))
    columns = [part.split()[0] for part in _BLOCK.split(", ")]
    ordered = pairs.select(*columns).repartition(tasks, "pair_id").sortWithinPartitions("pair_id")
    miner = _miner(
        attempt.run.files("document_embeddings"),
        attempt.run.files("documents"),
        attempt.run.rows("document_embeddings"),
        settings,
        attempt.configuration.seed,
        attempt.folder / ".progress",
    )
    objections = "".join(f", {name} long" for name in OBJECTIONS)
    return ordered.mapInArrow(
        miner, f"pair_id string, rank long, document_id string, source string, cosine double{objections}"
    )


def _sums(mined: DataFrame, settings: Negatives) -> dict[str, Any]:
    """Count negatives by source, objections by rule, and pairs that have fewer than are wanted."""
    negatives = mined.where(F.col("source") != POSITIVE)
    # A row for each source, and one.
    sources = {row["source"]: row["count"] for row in negatives.groupBy("source").count().collect()}
    (refused,) = mined.agg(*(F.sum(name).alias(name) for name in OBJECTIONS)).collect()
    short = mined.groupBy("pair_id").agg(F.max("rank").alias("rank")).where(F.col("rank") < settings.per_pair).count()
    return {
        "sources": dict(sorted(sources.items())),
        "objections": {name: int(refused[name] or 0) for name in OBJECTIONS},
        "short": short,
    }


def _miner(
    vectors: list[Place], texts: list[Place], documents: int, settings: Negatives, seed: int, progress: Place
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return what runs in the workers: a block of pairs in, its negatives out."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # A task may have no pair at all.
        held = [batch for batch in batches if batch.num_rows]
        if not held:
            return
        block = _block(pa.Table.from_batches(held))
        mined = mine_block(block, _vectors(vectors), _texts(texts), documents, settings, seed)
        tally(progress).add(len(block.ids))
        columns: dict[str, Any] = {
            name: [getattr(row, name) for row in mined.rows]
            for name in ("pair_id", "rank", "document_id", "source", "cosine")
        }
        for name in OBJECTIONS:
            columns[name] = [mined.objections[name]] + [0] * (len(mined.rows) - 1)
        yield from pa.table(columns).to_batches(max_chunksize=10_000)

    return run


def _block(table: pa.Table) -> Block:
    return Block(
        table["pair_id"].to_pylist(),
        table["query"].to_pylist(),
        rows_of(table["embedding"].combine_chunks()),
        table["document_id"].to_pylist(),
        rows_of(table["own"].combine_chunks()),
        [frozenset(chosen) for chosen in table["chosen"].to_pylist()],
    )


def _vectors(files: list[Place]) -> Iterator[Part]:
    for table in _parts(files, ["id", "embedding"], VECTORS_PER_PART):
        yield Part(table["id"].to_pylist(), rows_of(table["embedding"].combine_chunks()))


def _texts(files: list[Place]) -> Iterator[Part]:
    for table in _parts(files, ["document_id", "title", "text"], TEXTS_PER_PART):
        rows = zip(table["title"].to_pylist(), table["text"].to_pylist(), strict=True)
        yield Part(table["document_id"].to_pylist(), [document_text(title, text) for title, text in rows])


def _parts(files: list[Place], columns: list[str], rows: int) -> Iterator[pa.Table]:
    """Yield all rows of a table's files in stored order, so many at a time; the last part may have fewer."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in manifests.batches(files, columns):
        while batch.num_rows:
            taken = batch.slice(0, rows - count)
            held.append(taken)
            count, batch = count + taken.num_rows, batch.slice(taken.num_rows)
            if count == rows:
                yield pa.Table.from_batches(held)
                held, count = [], 0
    if count:
        yield pa.Table.from_batches(held)
