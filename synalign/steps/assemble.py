"""The step *assemble*: real pairs and weighted synthetic pairs as one training set.

The weight rule. A real row has weight 1. Synthetic rows share, in proportion to the weights of the scheme that was
chosen, a total of the chosen mass times the number of real rows of the split `train`, so their mean weight is mass x
real / synthetic; where mass 0 was chosen there are none. Real rows of the other splits are carried along for judging
and, being no training rows, do not count in that total.

Beside each train pair stand its hard negatives as texts, and the teacher's scores; what the teacher objected to is left
out, as `evaluate` left it out when it chose.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from synalign.config.schemes import written_as
from synalign.errors import InputError
from synalign.evaluation.choice import mass_of
from synalign.run import Attempt
from synalign.spark.progress import tasks
from synalign.spark.session import content_id, document_text, session
from synalign.spark.tables import read_files, read_table, write_table
from synalign.spark.training_table import replace_partition
from synalign.tables import training_set

if TYPE_CHECKING:
    from synalign.run import Run

log = logging.getLogger("synalign")

_LINEAGE = ("batch_id", "request_id", "interval")
"""Where a written row came from; a real one has none."""


def assemble(attempt: Attempt) -> None:
    """Write `training_set`.

    Raises:
        InputError: There is no real pair in the split `train`, so there is nothing to scale the weights by.
    """
    with session(f"synalign assemble {attempt.configuration.retriever}") as spark:
        pairs = read_table(spark, attempt.run, "pairs")
        documents = read_table(spark, attempt.run, "documents")
        documents = documents.select("document_id", document_text().alias("document"))
        real_train = pairs.where(F.col("split") == "train").count()
        if real_train == 0:
            raise InputError("no real pair is in the split train.", remedy="widen source.window_days")
        count = attempt.configuration.negatives_per_pair
        rows = _real(pairs).unionByName(_synthetic(spark, attempt, real_train)).join(documents, "document_id")
        rows = _taught(rows, read_table(spark, attempt.run, "scores"), documents, count)
        most = attempt.run.rows("pairs") + attempt.run.rows("pool")
        with tasks(spark, "assemble", "writing training_set"):
            output = attempt.output("training_set")
            write_table(rows, output, "training_set", rows=most, schema=training_set(count))
        attempt.metrics.update(_totals(spark, attempt))
        _write_table(spark, attempt)


def _write_table(spark: SparkSession, attempt: Attempt) -> None:
    """Write the training set to the catalog's table as well, where there is one."""
    output = attempt.configuration.output
    if output.table is None:
        return
    rows = read_files(spark, attempt.output("training_set").files("*.parquet"), "training_set")
    partition = {"retriever": attempt.configuration.retriever, "interval": attempt.run.interval.name}
    with tasks(spark, "assemble", f"writing {output.table}"):
        # Its own column `interval` says which night wrote a row; the partition is the night that the set is of.
        rows = rows.withColumnRenamed("interval", "written_in")
        replace_partition(spark, rows, output.table, partition, output.format)
    attempt.metrics["table"] = output.table
    log.info("assemble: %s holds the set, retriever %s, interval %s", output.table, *partition.values())


def _real(pairs: DataFrame) -> DataFrame:
    return pairs.select(
        "pair_id",
        "query",
        "document_id",
        F.lit("real").alias("source"),
        F.lit(1.0).alias("weight"),
        "split",
        *(F.lit(None).cast("string").alias(name) for name in _LINEAGE),
    )


def _synthetic(spark: SparkSession, attempt: Attempt, real_train: int) -> DataFrame:
    chosen = _choice(attempt.run)
    mass = mass_of(chosen, attempt.configuration.alignment)
    # Of the scheme `none` there are no weights, so no rows.
    weights = read_table(spark, attempt.run, "weights").where(F.col("scheme").isin(*written_as(chosen["scheme"])))
    pool = read_table(spark, attempt.run, "pool").withColumn("pair_id", content_id("query", "document_id"))
    scores = read_table(spark, attempt.run, "scores")
    lost = scores.where((F.col("rank") == 0) & F.col("objection").isNotNull()).select("pair_id")
    written = weights.join(pool, "candidate_id").join(lost, "pair_id", "left_anti")
    # What a teacher took out leaves its weight to the others; where it took out nothing this is 1, but for rounding.
    if not lost.isEmpty():
        left = written.agg(F.sum("weight")).first()
        written = written.withColumn("weight", F.col("weight") / F.lit(left[0] if left else None))
    return written.select(
        "pair_id",
        "query",
        "document_id",
        F.lit("synthetic").alias("source"),
        (F.col("weight") * F.lit(mass * real_train)).alias("weight"),
        F.lit("train").alias("split"),
        *_LINEAGE,
    )


def _taught(rows: DataFrame, scores: DataFrame, documents: DataFrame, count: int) -> DataFrame:
    """Join to each train pair the teacher's scores and its hard negatives, the hardest first."""
    own = scores.where(F.col("rank") == 0).select("pair_id", "score")
    kept = scores.where((F.col("rank") > 0) & F.col("objection").isNull())
    # What a teacher objects to leaves no gap.
    place = F.row_number().over(Window.partitionBy("pair_id").orderBy("rank"))
    texts = documents.withColumnRenamed("document", "negative")
    kept = kept.withColumn("place", place).withColumnRenamed("score", "negative_score").join(texts, "document_id")

    def at(column: str, number: int) -> Column:
        return F.max(F.when(F.col("place") == number, F.col(column))).alias(f"{column}_{number}")

    columns = [at(column, number) for column in ("negative", "negative_score") for number in range(1, count + 1)]
    rows = rows.join(own, "pair_id", "left")
    return rows.join(kept.groupBy("pair_id").agg(*columns), "pair_id", "left") if columns else rows


def _choice(run: Run) -> dict[str, Any]:
    """Return scheme and mass that were chosen, and why."""
    (row,) = run.read("choice").to_pylist()
    return dict(row)


def _totals(spark: SparkSession, attempt: Attempt) -> dict[str, Any]:
    """Return rows and total weight by source and split, read back from what was written."""
    rows = read_files(spark, attempt.output("training_set").files("*.parquet"), "training_set")
    sums = rows.groupBy("source", "split").agg(F.count("*").alias("rows"), F.sum("weight").alias("weight"))
    chosen = _choice(attempt.run)
    mass = mass_of(chosen, attempt.configuration.alignment)
    totals: dict[str, Any] = {"scheme": chosen["scheme"], "mass": mass}
    # Two sources, three splits.
    for row in sums.collect():
        totals[f"{row['source']}_{row['split']}_rows"] = row["rows"]
        totals[f"{row['source']}_{row['split']}_weight"] = row["weight"]
    return totals
