"""The table of training sets: one partition for each set, replaced and never doubled, in a catalog's own format."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synalign.errors import InputError
from synalign.spark.training_table import replace_partition

MONDAY = {"retriever": "shop", "interval": "20260302T000000Z-20260303T000000Z"}
TUESDAY = {"retriever": "shop", "interval": "20260303T000000Z-20260304T000000Z"}


@pytest.fixture
def table(spark: Any, tmp_path: Path) -> Iterator[str]:
    """A name in a database whose tables lie in the test's folder."""
    spark.sql(f"CREATE DATABASE search LOCATION 'file://{tmp_path}'")
    yield "search.training_sets"
    spark.sql("DROP DATABASE search CASCADE")


def contents(spark: Any, table: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row) for row in spark.table(table).select("interval", "query", "weight").collect())


def rows(spark: Any, *values: tuple[str, float]) -> Any:
    return spark.createDataFrame(list(values), "query string, weight double")


def test_a_set_replaces_its_own_partition_alone(spark: Any, table: str) -> None:
    replace_partition(spark, rows(spark, ("a", 1.0), ("b", 2.0)), table, MONDAY)
    replace_partition(spark, rows(spark, ("c", 3.0)), table, TUESDAY)
    replace_partition(spark, rows(spark, ("d", 4.0)), table, MONDAY)
    replace_partition(spark, rows(spark, ("d", 4.0)), table, MONDAY)
    assert contents(spark, table) == [(MONDAY["interval"], "d", 4.0), (TUESDAY["interval"], "c", 3.0)]
    provider = spark.sql(f"DESCRIBE TABLE EXTENDED {table}").where("col_name = 'Provider'").first()["data_type"]
    assert provider == "parquet"
    assert spark.conf.get("spark.sql.sources.partitionOverwriteMode").lower() == "static"


def test_columns_may_come_and_go(spark: Any, table: str) -> None:
    replace_partition(spark, rows(spark, ("a", 1.0)), table, MONDAY, "orc")
    more = spark.createDataFrame([("hard", "b", 2.0)], "negative_1 string, query string, weight double")
    replace_partition(spark, more, table, TUESDAY)
    replace_partition(spark, rows(spark, ("c", 3.0)), table, {**MONDAY, "retriever": "other"})
    found = {row["query"]: row["negative_1"] for row in spark.table(table).collect()}
    assert found == {"a": None, "b": "hard", "c": None}


def test_a_table_of_something_else_is_refused(spark: Any, table: str) -> None:
    spark.sql(f"CREATE TABLE {table} (query string, weight double) USING parquet")
    with pytest.raises(InputError, match="is partitioned by nothing, must be by retriever, interval"):
        replace_partition(spark, rows(spark, ("a", 1.0)), table, MONDAY)
    assert spark.table(table).count() == 0


def test_a_database_that_is_not_there_is_told(spark: Any) -> None:
    with pytest.raises(InputError, match=r"training table nowhere.sets: Spark refuses it: \[SCHEMA_NOT_FOUND\]"):
        replace_partition(spark, rows(spark, ("a", 1.0)), "nowhere.sets", MONDAY)
