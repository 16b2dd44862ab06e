"""User Behavior Insights as a query log: events and searches, joined by the id of the search.

By version 1.3 of the schema (https://github.com/o19s/ubi), which OpenSearch and Elasticsearch write to the indices
`ubi_events` and `ubi_queries`. A click is an event of one of the actions of `source.clicks`; it has the query of its
search. A search without a click is a row without a document. What a search returned, `query_response_hit_ids`, was
shown at these positions; only of a search without hits events say what was shown.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from synalign.config import Clicks, UbiColumns
from synalign.querylog import clicks
from synalign.querylog.columns import Column
from synalign.querylog.reading import Opened, read
from synalign.querylog.spark_table import SparkTable

Read = Opened | SparkTable
"""A table that is read, from files or by Spark."""

_COLUMNS = ["flaw", "relevant", "event_time", "raw_query", "document_id", "clicks", "label", *clicks.COLUMNS]


def event_columns(names: UbiColumns) -> list[Column]:
    """Return the columns of events; only what makes an event of a search must be there."""
    columns = [
        Column("query_id", names.query_id, "text"),
        Column("event_time", names.event_time, "time"),
        Column("action", names.action, "text"),
        Column("document_id", names.document_id, "text"),
    ]
    columns += [Column("position", names.position, "count", required=False)] if names.position else []
    columns += [Column("dwell", names.dwell, "number")] if names.dwell else []
    return columns + ([Column("session_id", names.session_id, "text", required=False)] if names.session_id else [])


def query_columns(names: UbiColumns) -> list[Column]:
    """Return the columns of searches."""
    columns = [
        Column("query_id", names.query_id, "text"),
        Column("event_time", names.event_time, "time"),
        Column("query", names.query, "text"),
    ]
    return columns + ([Column("hits", names.hits, "list", required=False)] if names.hits else [])


def log(spark: SparkSession, events: Read, queries: Read, settings: Clicks, *, rows: bool) -> DataFrame:
    """Return a row for each event, and one without a document for each search that no click followed.

    Args:
        spark: The session.
        events: The events.
        queries: The searches; of several with one id, as pages of one search have, the first counts.
        settings: Which events are clicks.
        rows: Whether the rows themselves are wanted, as JSON.
    """
    searches = _searches(read(spark, queries, rows=rows))
    happened = _events(read(spark, events, rows=rows), searches, settings)
    clicked = happened.where(F.col("relevant") & F.col("flaw").isNull()).select(F.col("search").alias("query_id"))
    unclicked = searches.join(clicked.distinct(), "query_id", "left_anti").withColumns(
        {
            "relevant": F.lit(True),
            "raw_query": F.col("query"),
            "document_id": F.lit(None).cast("string"),
            "clicks": F.lit(1).cast("long"),
            "label": F.lit(None).cast("string"),
            "position": F.lit(None).cast("long"),
            "impressions": F.lit(0).cast("long"),
            "search": F.col("query_id"),
        }
    )
    if settings.reformulation_seconds:
        unclicked = unclicked.join(_visits(happened), "query_id", "left")
    else:
        unclicked = unclicked.withColumn("session_id", F.lit(None).cast("string"))
    columns = [*(["row"] if rows else []), *_COLUMNS]
    return happened.select(*columns).unionByName(unclicked.select(*columns))


def shown(spark: SparkSession, events: Read, queries: Read, settings: Clicks) -> DataFrame:
    """Return the events, and a row for each document that a search returned. Arguments as of `log`."""
    searches = _searches(read(spark, queries, rows=False))
    happened = _events(read(spark, events, rows=False), searches, settings).select(*_COLUMNS)
    returned = searches.where(F.col("flaw").isNull() & F.col("query_id").isNotNull())
    returned = returned.join(_visits(happened), "query_id", "left")
    listed = returned.select("*", F.posexplode("hits").alias("place", "document_id")).withColumns(
        {
            "relevant": F.lit(False),
            "raw_query": F.col("query"),
            "clicks": F.lit(0).cast("long"),
            "label": F.lit(None).cast("string"),
            "position": (F.col("place") + 1).cast("long"),
            "impressions": F.lit(1).cast("long"),
            "search": F.col("query_id"),
        }
    )
    return happened.unionByName(listed.select(*_COLUMNS))


def _visits(events: DataFrame) -> DataFrame:
    """Return `query_id` and `session_id` of searches: they have a session only where an event says so."""
    known = events.where((F.col("session_id") != "") & F.col("search").isNotNull())
    return known.groupBy(F.col("search").alias("query_id")).agg(F.min("session_id").alias("session_id"))


def _searches(searches: DataFrame) -> DataFrame:
    """Return searches, each id once; those that cannot be read, or have no id, as they are."""
    if "hits" not in searches.columns:
        searches = searches.withColumn("hits", F.lit(None).cast("array<string>"))
    searches = searches.withColumn("query_id", F.trim("query_id"))
    order = Window.partitionBy("query_id").orderBy(F.col("flaw").isNotNull(), "event_time", "query", "hits")
    copies = searches.withColumn("copy", F.row_number().over(order))
    alone = F.col("flaw").isNotNull() | F.col("query_id").isNull() | (F.col("copy") == 1)
    return copies.where(alone).drop("copy")


def _events(events: DataFrame, searches: DataFrame, settings: Clicks) -> DataFrame:
    """Return events with the query of their search, marked as clicks or as what is none."""
    known = searches.where(F.col("flaw").isNull() & F.col("query_id").isNotNull()).select(
        "query_id", F.col("query").alias("raw_query"), F.transform("hits", lambda hit: F.trim(hit)).alias("hits")
    )
    events = events.withColumns({"query_id": F.trim("query_id"), "document_id": F.trim("document_id")})
    events = events.join(known, "query_id", "left")
    events = events.withColumns({"clicks": F.lit(1).cast("long"), "label": F.lit(None).cast("string")})
    happened = clicks.marked(events, settings)
    among = F.array_position("hits", F.col("document_id"))
    return happened.withColumns(
        {
            "position": F.coalesce(F.when(among > 0, among), "position"),
            "impressions": F.when(F.coalesce(F.size("hits"), F.lit(0)) > 0, 0).otherwise(F.col("impressions")),
            "search": F.col("query_id"),
        }
    )
