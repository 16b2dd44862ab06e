"""What says that a table has changed: its provider's version, its files, or a checksum of its rows.

Delta and Iceberg have no jar here. `Tables` is a double of what their documentation says that Spark answers: `DESCRIBE
TABLE EXTENDED`, Delta's `DESCRIBE HISTORY` and Iceberg's metadata table `snapshots`.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from synalign.config.location import TableFiles
from synalign.querylog import versions
from synalign.querylog.columns import Column
from synalign.querylog.files import Table
from synalign.querylog.versions import stamp, version

WANTED = [Column("query", "q", "text"), Column("clicks", "absent", "count", required=False)]


class Tables:
    """A double of Spark with one Delta and one Iceberg table; other statements fail."""

    def __init__(self, spark: Any) -> None:
        self._spark = spark
        self.delta_version = 3

    def table(self, name: str) -> Any:
        return self._spark.sql("SELECT 'a' AS q")

    def sql(self, statement: str) -> Any:
        answers = {
            "DESCRIBE TABLE EXTENDED lake.delta_log": ("col_name, data_type", [("q", "string"), ("Provider", "delta")]),
            "DESCRIBE TABLE EXTENDED lake.ice_log": ("col_name, data_type", [("Provider", "iceberg"), ("Owner", "me")]),
            "DESCRIBE HISTORY lake.delta_log LIMIT 1": ("version, operation", [(self.delta_version, "WRITE")]),
            "SELECT snapshot_id FROM lake.ice_log.snapshots ORDER BY committed_at DESC LIMIT 1": (
                "snapshot_id", [(5937117119577207079,)],
            ),
        }  # fmt: skip
        names, rows = answers[statement]
        return self._spark.createDataFrame(rows, names.split(", "))


def table(**settings: Any) -> Table:
    return Table("query log", "source", TableFiles.model_validate(settings))


def test_delta_has_a_version_and_iceberg_a_snapshot(spark: Any) -> None:
    double = Tables(spark)
    assert version(double, table(table="lake.delta_log"), WANTED, None) == "delta version 3"  # type: ignore[arg-type]
    double.delta_version = 4
    assert version(double, table(table="lake.delta_log"), WANTED, None) == "delta version 4"  # type: ignore[arg-type]
    snapshot = version(double, table(table="lake.ice_log"), WANTED, None)  # type: ignore[arg-type]
    assert snapshot == "iceberg snapshot id 5937117119577207079"


def test_rows_without_files_are_known_by_a_checksum_of_what_is_wanted_in_any_order(spark: Any) -> None:
    def of(sql: str) -> str:
        return version(spark, table(sql=sql), WANTED, None)

    rows = of("SELECT * FROM VALUES ('a', 1), ('b', 2), ('b', 2) AS t(q, other)")
    assert rows.startswith("3 rows, checksum ")
    assert rows == of("SELECT * FROM VALUES ('b', 7), ('b', 8), ('a', 9) AS t(q, other)")
    assert rows != of("SELECT * FROM VALUES ('a', 1), ('a', 1), ('b', 2) AS t(q, other)")
    assert rows != of("SELECT * FROM VALUES ('a', 1), ('b', 2) AS t(q, other)")


def test_files_of_strange_names_are_listed(spark: Any, tmp_path: Path) -> None:
    # Without brackets: Spark itself takes those of a table's folder for a pattern.
    folder = tmp_path / "a b%20c 木"
    spark.sql("SELECT 'a' AS q").write.parquet(f"{tmp_path}/plain")
    folder.mkdir()
    for file in (tmp_path / "plain").glob("*.parquet"):
        file.rename(folder / file.name)
    # Spark unquotes nothing here.
    spark.sql(f"CREATE TABLE strange (q string) USING parquet LOCATION 'file://{folder}'")
    try:
        seen = version(spark, table(table="strange"), WANTED, None)
        (file,) = folder.glob("*.parquet")
        assert seen.startswith(f"1 files, {file.stat().st_size} bytes")
        os.utime(file, (1, 1))
        assert version(spark, table(table="strange"), WANTED, None) != seen
    finally:
        spark.sql("DROP TABLE strange")


def test_a_stamp_is_the_size_and_the_time_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_bytes(b"12345")
    os.utime(file, ns=(0, 1_767_225_600_000_000_042))
    assert stamp(file) == "5 bytes, changed 2026-01-01T00:00:00.000000042Z"


@pytest.mark.parametrize("provider", versions.VERSIONS)
def test_a_table_that_was_never_written_has_no_version_yet(spark: Any, provider: str) -> None:
    statement, column = versions.VERSIONS[provider]

    class Empty:
        def table(self, name: str) -> Any:
            return spark.sql("SELECT 'a' AS q")

        def sql(self, asked: str) -> Any:
            if asked.startswith("DESCRIBE TABLE"):
                return spark.createDataFrame([("Provider", provider)], ["col_name", "data_type"])
            assert asked == statement.format(table="t")
            return spark.createDataFrame([], f"{column} long")

    assert version(Empty(), table(table="t"), WANTED, None).endswith(" none")  # type: ignore[arg-type]
