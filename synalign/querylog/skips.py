"""Documents that people passed over: shown above a click of the same search, and not clicked in it.

Who clicks has, as far as eye tracking tells, read what stands above (Joachims et al., *Accurately Interpreting
Clickthrough Data as Implicit Feedback*, SIGIR 2005: "click > skip above"). It is a preference, no judgement: one search
says little, so `source.clicks.min_skips` of them must agree, and a document that anybody clicked for the query is none.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from synalign.querylog.rules import normalise_column


def passed_over(shown: DataFrame, inside: Column, least: int) -> DataFrame:
    """Return `query`, `document_id` and `count`, the searches in which a document was passed over.

    Args:
        shown: What was shown and clicked, as `synalign.querylog.sources.read_shown` gives it.
        inside: Tells which rows are in the window.
        least: Searches in which it must have happened.
    """
    usable = inside & F.col("flaw").isNull() & F.col("raw_query").isNotNull() & (F.trim("document_id") != "")
    rows = shown.where(usable & F.col("search").isNotNull())
    clicked = F.col("relevant") & (F.col("clicks") > 0)
    # A document that is shown twice in a search stands where it stands first.
    seen = rows.groupBy("search", "raw_query", F.trim("document_id").alias("document_id")).agg(
        F.max(clicked).alias("clicked"),
        F.min("position").alias("position"),
        F.max(F.when(clicked, F.col("position"))).alias("clicked_at"),
        F.max(F.col("impressions") > 0).alias("shown"),
    )
    last = F.max("clicked_at").over(Window.partitionBy("search", "raw_query"))
    above = seen.withColumn("last", last).where(
        F.col("clicked") | (F.col("shown") & (F.col("position") < F.col("last")))
    )
    counts = above.groupBy("raw_query", "document_id").agg(
        F.count_if(~F.col("clicked")).alias("count"), F.count_if("clicked").alias("clicks")
    )
    counts = counts.withColumn("query", normalise_column("raw_query")).groupBy("query", "document_id")
    totals = counts.agg(F.sum("count").alias("count"), F.sum("clicks").alias("clicks"))
    return totals.where((F.col("clicks") == 0) & (F.col("count") >= least)).drop("clicks")
