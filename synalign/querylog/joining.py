"""Ids of the log that no document has: an example beside one of the documents, and the change that joins them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

log = logging.getLogger("synalign")

ID_COLUMNS = {
    "log": "document_id of source.columns and of source.documents.columns",
    "ubi": "document_id of source.columns and of source.documents.columns",
    "beir": "corpus-id of the judgements and _id of the corpus",
    "labelled": "label of source.columns",
}
"""Which columns hold the ids, in words, by the kind of source."""

_FEW = 0.1
_SAMPLE = 200

# What people write in one place and not in the other; in words, and as a change of the log's id.
_CHANGES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("without .0 at its end", lambda text: re.sub(r"\.0+$", "", text)),
    ("without zeros at its beginning", lambda text: re.sub(r"^0+(?=.)", "", text)),
    ("in lower case", str.lower),
    ("in upper case", str.upper),
    ("with .0 at its end", lambda text: f"{text}.0"),
    ("without a slash at its end", lambda text: text.rstrip("/")),
    ("without quotes around it", lambda text: text.strip("\"'")),
    ("without what stands before its last slash, colon or hash", lambda text: re.split(r"[/:#]", text.rstrip("/"))[-1]),
    ("as a whole number", lambda text: str(int(float(text))) if re.fullmatch(r"[\d.]+[eE]\+?\d{1,2}", text) else text),
)


def warn(metrics: Mapping[str, int], groups: DataFrame, documents: DataFrame, where: str) -> None:
    """Warn where few of the log's ids are those of documents."""
    unknown = metrics.get("log_rejected_unknown_document", 0)
    known = metrics.get("log_rows_usable", 0)
    if unknown and known < _FEW * (unknown + known) and (told := of(groups, documents, where)):
        log.warning("%d of %d rows name a document that is not there: %s; %s", unknown, unknown + known, *told)


def of(groups: DataFrame, documents: DataFrame, where: str) -> tuple[str, str] | None:
    """Return likely cause and remedy for ids that do not join; None where no id is unknown.

    Args:
        groups: Rows of the log with their `broken` rule.
        documents: Documents with theirs.
        where: Which columns hold the ids, in words.
    """
    unknown = groups.where((F.col("broken.rule") == "unknown_document") & F.col("inside"))
    ids = [row[0] for row in unknown.select("document_id").distinct().orderBy("document_id").limit(_SAMPLE).collect()]
    usable = documents.where(F.col("broken").isNull()).select("document_id")
    there = [row[0] for row in usable.limit(1).collect()]
    if not ids or not there:
        return None
    changed = {change(one): (one, words) for words, change in reversed(_CHANGES) for one in ids if change(one) != one}
    also = {turned: (one, words) for one in ids for words, turned in _padded(one, there[0])}
    changed = {**also, **changed}
    joined = usable.where(F.col("document_id").isin(list(changed))).limit(1).collect() if changed else []
    if joined:
        theirs = joined[0][0]
        ours, words = changed[theirs]
        return (
            f"ids are written in two ways: {ours!r} in the log is {theirs!r} in the documents",
            f"write the log's ids as the documents have them, here {words}: {theirs!r} for {ours!r}",
        )
    return (
        f"other ids: the log has such as {ids[0]!r}, the documents such as {there[0]!r}",
        f"check which columns hold the ids: {where}",
    )


def _padded(one: str, like: str) -> list[tuple[str, str]]:
    """Return an id of digits with zeros before it, as long as one of the documents'."""
    if one.isdigit() and like.isdigit() and len(like) > len(one):
        return [("with zeros at its beginning", one.zfill(len(like)))]
    return []
