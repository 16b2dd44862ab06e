import hashlib
from typing import Any

import pytest

from synalign.config import Ingest
from synalign.querylog.splits import split_column, split_of
from synalign.tables import content_id

IDS = [content_id(f"query {number}") for number in range(2000)]


def test_a_split_is_the_hash_of_the_query_and_nothing_else() -> None:
    settings = Ingest()
    for query_id in IDS[:200]:
        digest = hashlib.sha256(f"synalign\x1f{query_id}".encode()).digest()
        fraction = (int.from_bytes(digest[:8]) >> 12) / 2**52
        expected = "validation" if fraction < 0.1 else "test" if fraction < 0.1 + 0.2 else "train"
        assert split_of(query_id, settings) == expected


def test_shares_are_near_what_was_asked_for() -> None:
    found = [split_of(query_id, Ingest()) for query_id in IDS]
    assert found.count("validation") / len(IDS) == pytest.approx(0.1, abs=0.03)
    assert found.count("test") / len(IDS) == pytest.approx(0.2, abs=0.03)


def test_another_salt_draws_another_split() -> None:
    other = Ingest(split_salt="other")
    assert [split_of(query_id, Ingest()) for query_id in IDS] != [split_of(query_id, other) for query_id in IDS]


def test_spark_agrees_with_python(spark: Any) -> None:
    for settings in (Ingest(), Ingest(validation_fraction=0.0, test_fraction=0.0), Ingest(split_salt="日本")):
        frame = spark.createDataFrame([(query_id,) for query_id in IDS[:500]], "query_id string")
        rows = frame.withColumn("split", split_column(frame.query_id, settings)).collect()
        assert [row["split"] for row in rows] == [split_of(row["query_id"], settings) for row in rows]
