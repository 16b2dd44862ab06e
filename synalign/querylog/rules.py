"""Rules that reject a row of a query log or a document table: each has a name, a condition and a reason.

Rules are tried in order; the first that holds names the row in the table `rejected`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import BooleanType, StringType

from synalign.querylog.tombstones import Tombstones
from synalign.text.normal import normalise

# Control characters that are left once runs of white space have become one space, and the mark of a decoding error.
_CONTROL = r"[\x00-\x1f\x7f-\x9f\ufffd]"

MOST = 2**63 - 1
"""Clicks of a query, at most: what a count can hold."""


class Rule(NamedTuple):
    """One reason to reject a row.

    Attributes:
        name: Short, stable: reports group by it.
        condition: True where the row is rejected.
        reason: For the person who reads the table.
    """

    name: str
    condition: Column
    reason: str


def normalise_column(name: str) -> Column:
    """Normalise a Spark column; null stays null."""

    # Made when it is asked for: a function made on import is none of a Spark Connect server's.
    @pandas_udf(StringType())
    def normalised(texts: pd.Series) -> pd.Series:
        return pd.Series([None if text is None else normalise(text) for text in texts], dtype=object)

    return normalised(name)


def forgotten_column(query: str, lists: Sequence[Tombstones]) -> Column:
    """Tell whether a column's normalised query is on a list of forgotten ones; null is not."""
    if not lists:
        return F.lit(False)

    @pandas_udf(BooleanType())
    def forgotten(queries: pd.Series) -> pd.Series:
        return queries.map(lambda text: isinstance(text, str) and any(one.has(text) for one in lists)).astype(bool)

    return forgotten(query)


def log_rules(max_characters: int, keep_unclicked: bool) -> list[Rule]:
    """Return the rules for `flaw, event_time, raw_query, query, forgotten, document_id, known_document, clicks`."""
    query, document = F.col("query"), F.col("document_id")
    without_document = document.isNull() | (F.trim(document) == "")
    rules = [
        # First of all: what another rule rejects is kept, row and all.
        Rule("forgotten", F.col("forgotten"), "the query was forgotten on request (synalign forget)"),
        *_row_rules(),
        Rule("duplicate_query_id", _has("duplicate_query_id"), "another query of the folder has the same id"),
        Rule("malformed_time", F.col("event_time").isNull(), "event_time is missing or not a time"),
        Rule("null_query", F.col("raw_query").isNull(), "the query is missing"),
        Rule("empty_query", query == "", "the query is empty"),
        Rule("control_characters", query.rlike(_CONTROL), "the query has control or undecodable characters"),
        Rule("long_query", F.length(query) > max_characters, f"the query has more than {max_characters} characters"),
        Rule("malformed_clicks", F.coalesce(F.col("clicks") < 1, F.lit(True)), "clicks is not a whole number >= 1"),
        Rule("undecodable", _has("undecodable"), "the row has bytes that are not in its encoding"),
        Rule("null_document", without_document, "the row names no document"),
        Rule(
            "unknown_document",
            ~without_document & F.col("known_document").isNull(),
            "the document is not in the collection",
        ),
    ]
    return [rule for rule in rules if not (keep_unclicked and rule.name == "null_document")]


def overflow_rule(over: str) -> Rule:
    """Return the rule for rows whose query has more clicks than a count can hold, as a column says."""
    return Rule("too_many_clicks", F.col(over), f"the clicks of the query add up to more than {MOST:,}")


def document_rules() -> list[Rule]:
    """Return the rules for the columns `flaw, document_id, text, copy` (`copy`: how many of its id came before)."""
    return [
        *_row_rules(),
        Rule("undecodable", _has("undecodable"), "the row has bytes that are not in its encoding"),
        Rule("null_document_id", F.coalesce(F.col("document_id") == "", F.lit(True)), "the document has no id"),
        Rule("empty_document", F.coalesce(F.trim(F.col("text")) == "", F.lit(True)), "the document has no text"),
        Rule("duplicate_document_id", F.col("copy") > 1, "another document has the same id"),
    ]


def _row_rules() -> list[Rule]:
    """Return the rules that any row can break by itself."""
    return [
        Rule("malformed_row", _has("malformed_row"), "the line cannot be parsed"),
        Rule("unclosed_quote", _has("unclosed_quote"), "a quote is not closed where its field ends; see source.quote"),
        Rule("not_text", _has("not_text"), "a column of text holds an object, a list, true, false or NaN"),
    ]


def _has(flaw: str) -> Column:
    return F.coalesce(F.col("flaw") == flaw, F.lit(False))


def first_broken(rules: list[Rule]) -> Column:
    """Return a struct `(rule, reason)` of the first rule that holds, or null for a usable row."""
    return F.coalesce(
        *(
            F.when(rule.condition, F.struct(F.lit(rule.name).alias("rule"), F.lit(rule.reason).alias("reason")))
            for rule in rules
        )
    )
