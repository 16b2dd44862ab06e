"""Splits of queries: the Spark expression against the definition, computed in another way."""

import hashlib
from collections import Counter
from typing import Any

import pytest

from synalign.config import Ingest
from synalign.querylog.splits import split_column
from synalign.tables import content_id

IDS = [content_id(f"query {number}") for number in range(2000)]


def split_of(query_id: str, settings: Ingest) -> str:
    """The split by the first 52 bits of the hash, taken from its bytes rather than its digits."""
    digest = hashlib.sha256(f"{settings.split_salt}\x1f{query_id}".encode()).digest()
    fraction = (int.from_bytes(digest[:8]) >> 12) / 2**52
    if fraction < settings.validation_fraction:
        return "validation"
    return "test" if fraction < settings.validation_fraction + settings.test_fraction else "train"


def splits(spark: Any, settings: Ingest) -> dict[str, str]:
    frame = spark.createDataFrame([(query_id,) for query_id in IDS], "query_id string")
    rows = frame.withColumn("split", split_column(frame.query_id, settings)).collect()
    return {row["query_id"]: row["split"] for row in rows}


def test_a_split_is_the_hash_of_the_query_and_nothing_else(spark: Any) -> None:
    for settings in (Ingest(), Ingest(validation_fraction=0.0, test_fraction=0.0), Ingest(split_salt="日本")):
        assert splits(spark, settings) == {query_id: split_of(query_id, settings) for query_id in IDS}


def test_shares_are_near_what_was_asked_for_and_another_salt_draws_another_split(spark: Any) -> None:
    found = splits(spark, Ingest())
    counts = Counter(found.values())
    assert counts["validation"] / len(IDS) == pytest.approx(0.1, abs=0.03)
    assert counts["test"] / len(IDS) == pytest.approx(0.2, abs=0.03)
    assert splits(spark, Ingest(split_salt="other")) != found
