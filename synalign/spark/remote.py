"""Spark Connect: a job sends its plans to a server that runs Spark, and starts no Java of its own.

A session of such a server has no Spark context: what a context tells of the cluster is asked for here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

REMOTE = "SPARK_REMOTE"
"""Environment variable with the address of a Spark Connect server, such as `sc://host:15002`. Spark's own name."""

PARTITIONS = "spark.sql.shuffle.partitions"


def is_remote(spark: SparkSession) -> bool:
    """Return whether a session is one of a Spark Connect server."""
    return not hasattr(spark, "_jsparkSession")


def local(spark: SparkSession) -> bool:
    """Return whether all tasks run on the machine of Spark's driver."""
    return (spark.conf.get("spark.master", "") or "").startswith("local")


def parallelism(spark: SparkSession) -> int:
    """Return how many tasks run at once; of a server, which does not tell, half its partitions of a shuffle."""
    if is_remote(spark):
        return max(1, int(spark.conf.get(PARTITIONS, "2") or 2) // 2)
    return spark.sparkContext.defaultParallelism
