"""Searches that people typed again in other words: the document that they clicked then answers the first words, too.

*ketle* finds nothing, *kettle* does: of the two, the click teaches only what the retriever knows already. A search
without a click carries the next click of its session, if that came soon, and its query is a reformulation of the
first (Huang and Efthimiadis, *Analyzing and Evaluating Query Reformulation Strategies in Web Search Logs*, CIKM 2009):
half of the words of the shorter query stand in the other, or they differ in at most a third of their characters.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

_SHARED_WORDS, _CHANGED_CHARACTERS = 0.5, 1 / 3
_LONGEST = 300
"""Characters that are compared: the work grows with their square."""


def carried(log: DataFrame, seconds: int) -> DataFrame:
    """Return a log in which searches without a click have the document of the reformulation that followed them.

    Args:
        log: A query log, as `synalign.querylog.sources.read_log` gives it.
        seconds: How soon the click must have come.
    """
    named = F.coalesce(F.trim("document_id") != "", F.lit(False))
    usable = F.col("flaw").isNull() & F.col("event_time").isNotNull() & F.col("raw_query").isNotNull()
    click = F.when(
        usable & named & F.col("relevant") & (F.col("clicks") > 0),
        F.struct("event_time", "raw_query", "document_id"),
    )
    visit = Window.partitionBy("session_id").orderBy("event_time", "raw_query", "document_id")
    following = visit.rowsBetween(1, Window.unboundedFollowing)
    # Rows without a session would all be one.
    visits, others = log.where(F.col("session_id") != ""), log.where(F.coalesce(F.col("session_id") == "", F.lit(True)))
    visits = visits.withColumn("later", F.first(click, ignorenulls=True).over(following))
    waited = F.unix_micros("later.event_time") - F.unix_micros("event_time")
    taken = usable & ~named & (waited <= seconds * 1_000_000) & _alike(F.col("raw_query"), F.col("later.raw_query"))
    taken = F.coalesce(taken, F.lit(False))
    filled = visits.withColumns(
        {
            "document_id": F.when(taken, F.col("later.document_id")).otherwise(F.col("document_id")),
            "relevant": F.col("relevant") | taken,
        }
    )
    return filled.drop("later").unionByName(others)


def _alike(one: Column, other: Column) -> Column:
    """Tell whether a query is another's reformulation; equal queries are one."""
    one, other = (F.lower(F.trim(F.substring(text, 1, _LONGEST))) for text in (one, other))
    words = [F.array_distinct(F.split(text, r"\s+")) for text in (one, other)]
    shorter = F.least(F.size(words[0]), F.size(words[1]))
    shared = F.size(F.array_intersect(*words)) >= _SHARED_WORDS * shorter
    changed = F.levenshtein(one, other) <= _CHANGED_CHARACTERS * F.greatest(F.length(one), F.length(other))
    return (one != other) & (one != "") & (shared | changed)
