"""The steps *embed* and *embed_candidates*: tables with an id and a text in, unit vectors out, in Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from synalign.config import Encoder
from synalign.embedding import encoder
from synalign.run import Attempt
from synalign.spark import document_text, session, write_table

if TYPE_CHECKING:
    from pathlib import Path

# Texts per Spark task: enough to sort by length, few enough to spread a small table over the cores.
_TEXTS_PER_TASK = 2_000


class _Source(NamedTuple):
    table: str
    id: str
    text: Column | str


def _sources() -> dict[str, _Source]:
    """Which table's ids and texts each table of embeddings is made from."""
    return {
        "query_embeddings": _Source("queries", "query_id", "query"),
        "document_embeddings": _Source("documents", "document_id", document_text()),
        "candidate_embeddings": _Source("candidates", "candidate_id", "query"),
    }


def embed(attempt: Attempt) -> None:
    """Write every table of embeddings that the attempt's step promises.

    Raises:
        SetupError: The encoder is missing or not the published one.
    """
    settings = attempt.configuration.encoder
    revision = encoder.revision(settings.model)
    attempt.metrics.update({"model": settings.model, "revision": revision})
    with session(f"synalign {attempt.step.name} {attempt.configuration.retriever}") as spark:
        for target in attempt.step.writes:
            source = _sources()[target]
            frame = _read(spark, attempt.run.table_folder(source.table), source)
            vectors, distinct = _embedded(frame, settings)
            made_by = {"model": settings.model, "revision": revision}
            rows = attempt.run.rows(source.table)
            write_table(vectors, attempt.output(target), target, rows=rows, metadata=made_by)
            attempt.metrics[f"{target}_distinct_texts"] = distinct


def _read(spark: SparkSession, folder: Path, source: _Source) -> DataFrame:
    text = F.col(source.text) if isinstance(source.text, str) else source.text
    return spark.read.parquet(str(folder)).select(F.col(source.id).alias("id"), text.alias("text"))


def _embedded(frame: DataFrame, settings: Encoder) -> tuple[DataFrame, int]:
    """Ids with their vectors, each distinct text embedded once; and how many distinct texts there are.

    Texts go to tasks by their hash and are sorted within one, so that the batches, and with them the last bits of
    every vector, are the same on any number of machines.
    """
    texts = frame.groupBy("text").agg(F.sort_array(F.collect_list("id")).alias("ids")).cache()
    distinct = texts.count()
    tasks = max(1, -(-distinct // _TEXTS_PER_TASK))
    ordered = texts.repartition(tasks, "text").sortWithinPartitions(F.length("text"), "text")
    vectors = ordered.mapInArrow(_embedder(settings), "ids array<string>, embedding array<float>")
    return vectors.select(F.explode("ids").alias("id"), "embedding"), distinct


def _embedder(settings: Encoder) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What runs in the workers. It closes over plain settings; the model is cached by the encoder's own module."""

    def embed_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            vectors = encoder.encode(batch.column("text").to_pylist(), settings)
            flat = pa.array(vectors.ravel(), pa.float32())
            offsets = pa.array(range(0, vectors.size + 1, vectors.shape[1] or 1), pa.int32())
            yield pa.RecordBatch.from_arrays(
                [batch.column("ids"), pa.ListArray.from_arrays(offsets, flat)], names=["ids", "embedding"]
            )

    return embed_batches
