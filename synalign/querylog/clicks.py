"""Clicks freed of the bias of their position: which rows are clicks, what was shown where, and what a click counts.

People look at the first results first, so clicks count what stood high as much as what was right. Of the models of
`source.clicks.model`, `position` weighs each click by the inverse of its position's propensity (Joachims et al.,
*Unbiased Learning-to-Rank with Biased Feedback*, WSDM 2017), estimated as `synalign.querylog.propensities` says;
`coec` divides the clicks of a query's document by those that its impressions let expect at the rates of their
positions (Zhang and Jones, *Comparing Click Logs and Editorial Labels for Training Query Rewriting*, WWW 2007), both
with one click more, so that a document that was shown once says little.

What comes of it are shares: the clicks of a query stay as many as they were, and are shared among its documents in
proportion to weighted clicks or clicks over expected clicks, rounded to whole clicks, at least one. So counts stay
counts, in size and type, in the tables and for everybody who reads them; the traffic of a query, which alignment and
sampling go by, is what people typed and not what they clicked; and a query with three clicks does not get an order
that three clicks cannot tell.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from synalign.config import Clicks
from synalign.errors import InputError
from synalign.querylog.propensities import propensities
from synalign.querylog.rules import normalise_column
from synalign.tables import SEPARATOR

log = logging.getLogger("synalign")

COLUMNS = ["position", "impressions", "session_id", "search"]
"""What a frame of a query log has beside the columns of every log: long or null, long, and texts or null."""

MOST_POSITIONS = 100
"""Positions that are told apart; those behind the last of them are taken for one."""


_LOGGED = 10


class Bias(NamedTuple):
    """What positions do to clicks.

    Attributes:
        model: `position` or `coec`.
        first: The log's number of the first position: 1 or 0.
        rates: Of each position from the first on: its propensity, or the share of impressions that were clicked.
        known: Of each position: whether the log tells its rate.
    """

    model: str
    first: int
    rates: tuple[float, ...]
    known: tuple[bool, ...]


def marked(frame: DataFrame, settings: Clicks) -> DataFrame:
    """Return rows of a query log with `COLUMNS`, and `relevant`: false of rows that are no clicks.

    Args:
        frame: Columns of `source.columns`, as far as they are mapped, `raw_query`, `clicks` and `flaw`.
        settings: Which rows are clicks.
    """
    there = frame.columns
    click, impressions = F.lit(True), F.lit(0).cast("long")
    if "action" in there:
        action = F.trim("action")
        click &= F.coalesce(action.isin(*settings.actions), F.lit(False))
        impressions = F.coalesce(action.isin(*settings.shown), F.lit(False)).cast("long")
    if "impressions" in there:
        impressions = F.greatest(F.coalesce("impressions", F.lit(0)), F.lit(0)).cast("long")
        click &= F.coalesce(F.col("clicks") != 0, F.lit(True))
    if settings.min_dwell_seconds and "dwell" in there:
        click &= F.coalesce(F.col("dwell") >= settings.min_dwell_seconds, F.lit(True))
    session = F.trim("session_id") if "session_id" in there else F.lit(None).cast("string")
    return frame.withColumns(
        {
            # What cannot be read is no click and no impression either: it is counted as what it is.
            "relevant": F.col("flaw").isNotNull() | click,
            "impressions": impressions,
            "position": F.when(F.col("position") >= 0, F.col("position"))
            if "position" in there
            else F.lit(None).cast("long"),
            "session_id": session,
            # Who types the same twice in a visit searches once, as far as such a log tells.
            "search": F.when(session != "", F.concat_ws(SEPARATOR, session, "raw_query")),
        }
    )


def seen(log: DataFrame, inside: Column) -> DataFrame:
    """Return what was shown and clicked: a row for each `query`, `document_id` and `position`, with sums of both.

    Args:
        log: A query log, as `synalign.querylog.sources.read_shown` gives it.
        inside: Tells which rows are in the window.
    """
    clicks = F.when(F.col("relevant") & (F.col("clicks") > 0), F.col("clicks")).otherwise(0).cast("double")
    rows = log.where(inside & F.col("flaw").isNull() & F.col("raw_query").isNotNull()).select(
        "raw_query",
        F.trim("document_id").alias("document_id"),
        _capped(F.col("position"), MOST_POSITIONS + 1).alias("position"),
        clicks.alias("clicks"),
        F.col("impressions").cast("double").alias("impressions"),
    )
    rows = rows.where((F.col("document_id") != "") & ((F.col("clicks") > 0) | (F.col("impressions") > 0)))
    sums = (F.sum("clicks").alias("clicks"), F.sum("impressions").alias("impressions"))
    # First as they were typed: normal forms are made in Python, of as few rows as there can be.
    typed = rows.groupBy("raw_query", "document_id", "position").agg(*sums)
    typed = typed.withColumn("query", normalise_column("raw_query"))
    return typed.groupBy("query", "document_id", "position").agg(*sums)


def _capped(number: Column, most: int) -> Column:
    """Return the smaller number; null of null, for which `least` has the other."""
    return F.when(number <= most, number).when(number > most, F.lit(most))


def bias(shown: DataFrame, settings: Clicks) -> Bias:
    """Estimate what positions do to clicks.

    Args:
        shown: What `seen` returns; it is read twice.
        settings: The model.

    Raises:
        InputError: The log does not tell it.
    """
    by_position = shown.where(F.col("position").isNotNull()).groupBy("position")
    totals = {row["position"]: row for row in by_position.agg(F.sum("clicks"), F.sum("impressions")).collect()}
    if not any(row["sum(impressions)"] for row in totals.values()):
        raise InputError(
            "no row of the window says at which position a document was shown.",
            cause="source.columns.position and impressions are mapped wrongly, or no action is one of clicks.shown",
            remedy="map them, name the actions in source.clicks.shown, or set source.clicks.model: none",
        )
    first = 0 if 0 in totals else 1
    last = min(max(totals), MOST_POSITIONS - 1 + first)
    numbers = range(first, last + 1)
    if settings.model == "coec":
        # Behind the last position that is told apart, all are one.
        rates = _rates(totals, numbers)
        return Bias("coec", first, tuple(rates), tuple(number in totals for number in numbers))
    found = propensities(_wins(shown, first, len(numbers)))
    if not found.known.any():
        raise InputError(
            "no query's document was shown at two positions, so the log does not tell what a position does to clicks.",
            cause="one ranker that never changed, or documents whose ids change",
            remedy="a longer source.window_days, or source.clicks.model: coec or none",
        )
    return Bias("position", first, tuple(found.values.tolist()), tuple(found.known.tolist()))


def _rates(totals: dict[int, Any], numbers: range) -> list[float]:
    rates = []
    for number in numbers:
        rows = [row for place, row in totals.items() if place == number or (number == numbers[-1] and place > number)]
        shown = sum(row["sum(impressions)"] for row in rows)
        rates.append(sum(row["sum(clicks)"] for row in rows) / shown if shown else 0.0)
    return rates


def _wins(shown: DataFrame, first: int, positions: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the weighted clicks of every two positions that share a document; NaN of others."""
    place = _capped(F.col("position") - first, positions - 1).cast("int")
    at = F.struct(place.alias("place"), F.col("clicks"), F.col("impressions"))
    usable = shown.where((F.col("impressions") > 0) & F.col("position").isNotNull())
    lists = usable.groupBy("query", "document_id").agg(F.collect_list(at).alias("at")).where(F.size("at") > 1)
    pairs = lists.select(F.explode("at").alias("here"), "at").select("here", F.explode("at").alias("there"))
    weighted = F.col("here.clicks") * F.col("there.impressions")
    weighted = weighted / (F.col("here.impressions") + F.col("there.impressions"))
    wins = np.full((positions, positions), np.nan)
    # At most as many rows as there are two positions.
    for row in (
        pairs.where(F.col("here.place") != F.col("there.place"))
        .groupBy(F.col("here.place").alias("here"), F.col("there.place").alias("there"))
        .agg(F.sum(weighted).alias("wins"))
        .collect()
    ):
        wins[row["here"], row["there"]] = row["wins"]
    return wins


def counted(shown: DataFrame, found: Bias, settings: Clicks) -> DataFrame:
    """Return how many of its query's clicks each clicked document gets: `query`, `document_id`, `weighted` (long).

    Args:
        shown: What `seen` returns.
        found: What positions do to clicks.
        settings: The largest weight.
    """
    rates = F.array(*(F.lit(rate) for rate in found.rates))
    rate = F.get(rates, _capped(F.col("position") - found.first, len(found.rates) - 1).cast("int"))
    if found.model == "position":
        # A click of which nobody knows the position is taken for one at the first.
        weight = F.least(1.0 / F.greatest(rate, F.lit(1e-9)), F.lit(settings.max_weight))
        score = F.sum(F.col("clicks") * F.coalesce(weight, F.lit(1.0)))
    else:
        expected = F.sum(F.col("impressions") * F.coalesce(rate, F.lit(0.0)))
        score = F.least((F.sum("clicks") + 1.0) / (expected + 1.0), F.lit(settings.max_weight))
    documents = shown.groupBy("query", "document_id").agg(F.sum("clicks").alias("clicks"), score.alias("score"))
    documents = documents.where(F.col("clicks") > 0)
    sums = documents.groupBy("query").agg(F.sum("clicks").alias("of_query"), F.sum("score").alias("of_scores"))
    share = F.round(F.col("of_query") * F.col("score") / F.col("of_scores")).cast("long")
    return documents.join(sums, "query").select("query", "document_id", F.greatest(share, F.lit(1)).alias("weighted"))


def told(found: Bias, settings: Clicks) -> dict[str, Any]:
    """Return what positions do to clicks as plain data, for the manifest, and log it."""
    clipped = sum(rate < 1 / settings.max_weight for rate in found.rates) if found.model == "position" else 0
    log.info(
        "clicks: %s, %d of %d positions are known; from position %d on: %s",
        found.model,
        sum(found.known),
        len(found.rates),
        found.first,
        ", ".join(f"{rate:.3f}" for rate in found.rates[:_LOGGED]),
    )
    return {
        "model": found.model,
        "first_position": found.first,
        "propensities" if found.model == "position" else "click_rates": [round(rate, 6) for rate in found.rates],
        "known_positions": sum(found.known),
        "clipped_positions": clipped,
    }
