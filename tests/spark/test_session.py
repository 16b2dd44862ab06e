"""Ids and texts in Spark's terms are those of Python."""

from typing import Any

from synalign import tables
from synalign.spark.session import content_id, document_text, session
from synalign.text import normal

TEXTS = ["how to sort a list", "", "e3 - éß 日本語", "a'b\"c\\d", " two  spaces "]


def test_ids_are_those_of_python(spark: Any) -> None:
    frame = spark.createDataFrame(
        [(first, second) for first in TEXTS for second in TEXTS], "first string, second string"
    )
    found = frame.select(
        "first", "second", content_id("first").alias("one"), content_id("first", "second").alias("two")
    )
    for row in found.collect():
        assert (row["one"], row["two"]) == (
            tables.content_id(row["first"]),
            tables.content_id(row["first"], row["second"]),
        )


def test_a_documents_text_is_that_of_python(spark: Any) -> None:
    frame = spark.createDataFrame([(title, text) for title in TEXTS for text in TEXTS], "title string, text string")
    for row in frame.withColumn("whole", document_text()).collect():
        assert row["whole"] == normal.document_text(row["title"], row["text"])


def test_a_session_that_is_active_is_used_and_left_running(spark: Any) -> None:
    with session("another name") as found:
        assert found is spark
    assert spark.range(3).count() == 3


def test_a_session_of_somebody_elses_has_our_settings_for_the_time_being(spark: Any) -> None:
    zone, ansi = "spark.sql.session.timeZone", "spark.sql.ansi.enabled"
    before = {key: spark.conf.get(key) for key in (zone, ansi)}
    try:
        spark.conf.set(zone, "America/New_York")
        spark.conf.set(ansi, "true")
        with session("another name") as found:
            row = found.sql("SELECT cast(timestamp_seconds(0) AS string) AS epoch, cast('x' AS int) AS number").first()
        assert (row["epoch"], row["number"]) == ("1970-01-01 00:00:00", None)
        assert (spark.conf.get(zone), spark.conf.get(ansi)) == ("America/New_York", "true")
    finally:
        for key, value in before.items():
            spark.conf.set(key, value)
