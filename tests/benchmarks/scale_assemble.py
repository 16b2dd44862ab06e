"""CPU seconds that joining so many pairs with their documents, and writing them as a training set, takes Spark."""

from __future__ import annotations

import json
import sys
import tempfile

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from synalign.spark.session import content_id, session
from synalign.spark.tables import write_table
from synalign.steps.assemble import _real
from synalign.storage import Place
from tests.benchmarks.processes import tree_cpu_seconds

DOCUMENTS, WORDS = 20_000, 100
_WARM = 20_000


def write(spark: SparkSession, rows: int, folder: Place) -> None:
    """Write a training set of so many real pairs."""
    text = " ".join(f"word{number}" for number in range(WORDS))
    document_id = F.concat(F.lit("d"), "id").alias("document_id")
    documents = spark.range(DOCUMENTS).select(document_id, F.lit(text).alias("document"))
    pairs = spark.range(rows).select(
        F.concat(F.lit("how to do "), "id").alias("query"),
        F.concat(F.lit("d"), F.col("id") % DOCUMENTS).alias("document_id"),
        F.lit("train").alias("split"),
    )
    pairs = pairs.withColumn("pair_id", content_id("query", "document_id"))
    pairs = _real(pairs).withColumn("score", F.lit(None).cast("double"))
    write_table(pairs.join(documents, "document_id"), folder, "training_set", rows=rows)


def main(*numbers: str) -> None:
    """Measure so many rows, each number in turn; print seconds per row of each."""
    sizes = [int(number) for number in numbers]
    found = []
    with tempfile.TemporaryDirectory() as folder, session("assemble") as spark:
        place = Place(folder)
        write(spark, min(_WARM, *sizes), place / "warm")
        for rows in sizes:
            before = tree_cpu_seconds()
            write(spark, rows, place / str(rows))
            found.append((tree_cpu_seconds() - before) / rows)
    print(json.dumps({"seconds": found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
