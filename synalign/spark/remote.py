"""Spark Connect: a job sends its plans to a server that runs Spark, and starts no Java of its own.

A session of such a server has no Spark context: what a context tells of the cluster is asked for here.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

REMOTE = "SPARK_REMOTE"
"""Environment variable with the address of a Spark Connect server, such as `sc://host:15002`. Spark's own name."""

PARTITIONS = "spark.sql.shuffle.partitions"


_PORT = 15002
"""Of Spark Connect, where an address names none."""

_SECONDS = 20.0
"""Time that a server has to take a connection."""


def require_listening(address: str) -> None:
    """Connect to a server, and hang up.

    Args:
        address: `sc://host:port/;parameters`.

    Raises:
        ValueError: It is no such address.
        OSError: Nobody listens there.
    """
    parts = urlsplit(address)
    if parts.scheme != "sc" or not parts.hostname:
        raise ValueError("must look like sc://host:15002")
    socket.create_connection((parts.hostname, parts.port or _PORT), _SECONDS).close()


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
