"""Tables, views, queries and addresses that Spark reads, against the same log as files; every wrong name is told."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from synalign.config import Configuration
from synalign.doctor import sample
from synalign.errors import InputError, SetupError
from synalign.querylog import sources
from synalign.querylog.spark_table import SparkTable, bounded
from synalign.run import Interval, Run
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform
from tests.querylog.trial import INTERVAL, configured, ingested, metrics_of

COLUMNS = {"event_time": "ts", "query": "q", "document_id": "doc"}
DOCUMENTS = {
    "table": "shop_documents",
    "columns": {"document_id": "sku", "title": "name", "text": "concat_ws(' ', brand, body)"},
}
FEBRUARY = Interval.parse("2026-02-27", "2026-02-28")


@pytest.fixture(scope="module")
def lake(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A log of 60 days in a partition each, as a table, a view and files; and documents as a table."""
    folder = tmp_path_factory.mktemp("lake")
    day = "timestamp'2026-01-01 09:00:00' + make_interval(0, 0, 0, cast(id % 60 as int))"
    log = spark.sql(
        f"SELECT {day} AS ts, concat('query ', id % 40) AS q, cast(id % 5 AS string) AS doc, "
        f"date_format({day}, 'yyyy-MM-dd') AS dt FROM range(1200)"
    )
    log.write.partitionBy("dt").option("path", str(folder / "log")).mode("overwrite").saveAsTable("shop_log")
    spark.sql("CREATE OR REPLACE VIEW shop_view AS SELECT ts AS event_time, q AS query, doc, dt FROM shop_log")
    documents = spark.sql(
        "SELECT cast(id AS string) AS sku, concat('name ', id) AS name, 'Acme' AS brand, concat('body ', id) AS body "
        "FROM range(5)"
    )
    documents.write.option("path", str(folder / "documents")).mode("overwrite").saveAsTable("shop_documents")
    yield folder
    for kind, name in (("VIEW", "shop_view"), ("TABLE", "shop_log"), ("TABLE", "shop_documents")):
        spark.sql(f"DROP {kind} IF EXISTS {name}")


def shop(**source: Any) -> Configuration:
    return configured({"path": None, "columns": COLUMNS, "documents": DOCUMENTS, "window_days": 7, **source})


def run_of(**source: Any) -> Run:
    run = Run(shop(**source), FEBRUARY)
    perform(run, "ingest", ingest, source_files(run))
    return run


def digests(run: Run) -> dict[str, str]:
    return {name: table["digest"] for name, table in run.require("ingest")["tables"].items() if name != "rejected"}


def test_a_table_a_view_a_query_and_an_address_give_what_files_give(home: Path, lake: Path, spark: Any) -> None:
    spark.table("shop_log").drop("dt").write.parquet(str(home / "log"))
    spark.table("shop_documents").selectExpr("sku", "name", "concat_ws(' ', brand, body) AS text").write.parquet(
        str(home / "documents")
    )
    documents = {"path": "documents", "columns": {"document_id": "sku", "title": "name"}}
    files = digests(run_of(path="log", documents=documents))
    assert digests(run_of(table="shop_log", partition="dt")) == files
    assert digests(run_of(table="shop_view", columns={"document_id": "doc"})) == files
    assert digests(run_of(path=f"file://{lake}/log", partition="dt")) == files
    query = "SELECT * FROM shop_log WHERE dt >= '{start}' AND dt < '{end}'"
    assert digests(run_of(kind="query", sql=query)) == files


def test_only_partitions_of_the_window_and_a_day_beside_it_are_read(home: Path, lake: Path, spark: Any) -> None:
    def days(**source_settings: Any) -> set[str]:
        """Days of the partitions that Spark reads a file of."""
        source = shop(**source_settings).source
        opened = sources.open_source(source, spark, sources.window_of(source, FEBRUARY))
        frame = sources.read_log(spark, source, FEBRUARY.start, opened, rows=False)
        plan = frame._jdf.queryExecution().executedPlan().toString()
        assert re.search(r"PartitionFilters: \[[^\]]*dt", plan), plan
        assert isinstance(opened.log, SparkTable)
        files = [row[0] for row in opened.log.frame.select("_metadata.file_path").distinct().collect()]
        return set(re.findall(r"dt=(\d{4}-\d\d-\d\d)", " ".join(files)))

    wanted = {f"2026-02-{number}" for number in range(20, 29)}
    assert days(table="shop_log", partition="dt") == wanted
    assert days(path=f"file://{lake}/log", partition="to_date(dt)") == wanted
    assert metrics_of(run_of(table="shop_log", partition="dt"))["log_rows"] == 20 * len(wanted)


def test_inputs_are_known_by_files_of_the_window_and_not_by_others(home: Path, lake: Path, spark: Any) -> None:
    spark.table("shop_log").write.partitionBy("dt").option("path", str(home / "own")).saveAsTable("own_log")
    run = Run(shop(table="own_log", partition="dt"), FEBRUARY)
    before = source_files(run)
    assert re.fullmatch(r"\d+ files, \d+ bytes, names and times -?\d+", before["query log: table own_log"])
    later = "SELECT timestamp'2026-04-01' AS ts, 'late' AS q, '0' AS doc, '2026-04-01' AS dt"
    spark.sql(later).write.mode("append").insertInto("own_log")
    assert source_files(run) == before
    spark.sql(later.replace("04-01", "02-25")).write.mode("append").insertInto("own_log")
    assert source_files(run) != before
    spark.sql("DROP TABLE own_log")


def test_rows_that_are_rejected_are_kept_as_the_table_has_them(home: Path, lake: Path, spark: Any) -> None:
    run = run_of(sql="SELECT ts, q, if(q = 'query 11', 'nowhere', doc) AS doc, struct(1 AS a) AS more FROM shop_log")
    rows = run.read("rejected")["row"].to_pylist()
    assert rows and all('"doc":"nowhere","more":{"a":1}' in row for row in rows)


def test_times_as_text_and_as_numbers_are_told_apart(home: Path, lake: Path) -> None:
    texts = "SELECT date_format(ts, 'dd.MM.yyyy HH:mm') AS ts, q, doc FROM shop_log"
    numbers = "SELECT unix_millis(ts) AS ts, q, doc FROM shop_log"
    assert digests(run_of(sql=texts)) == digests(run_of(sql=numbers)) == digests(run_of(table="shop_log"))


def test_a_column_may_be_an_expression_and_one_of_a_strange_name(home: Path, lake: Path) -> None:
    run = run_of(
        sql="SELECT ts AS `event time`, struct(q AS text) AS search, doc FROM shop_log",
        columns={"event_time": "event time", "query": "upper(search.text)", "document_id": "doc", "clicks": "1 + 1"},
    )
    rows = run.read("queries").to_pylist()
    assert {row["query"] for row in rows} == {f"QUERY {number}" for number in (*range(11, 18), *range(31, 38))}
    assert sum(row["count"] for row in rows) == 2 * 20 * 7


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"table": "nowhere.log"}, "query log (table nowhere.log): Spark refuses it: [TABLE_OR_VIEW_NOT_FOUND]"),
        ({"sql": "SELEC 1"}, "query log (the query of sql): Spark refuses it: [PARSE_SYNTAX_ERROR]"),
        ({"path": "file:///nowhere/at/all"}, "query log (file:///nowhere/at/all): Spark refuses it: [PATH_NOT_FOUND]"),
        ({"table": "shop_log", "columns": {}}, "columns 'event_time', 'query', 'document_id' are missing; it has 'ts'"),
        ({"table": "shop_log", "columns": {**COLUMNS, "query": "struct(q)"}}, "is struct<q:string>, must be text"),
        ({"table": "shop_log", "partition": "year(ts)"}, "is of type int, must be a day, a time or text"),
        ({"table": "shop_log", "partition": "nothing"}, "Spark refuses it: [UNRESOLVED_COLUMN"),
        ({"sql": "SELECT ts, q, doc, doc FROM shop_log"}, "the column 'doc' is there 2 times"),
        ({"table": "shop_log", "documents": {"table": "nowhere"}}, "documents (table nowhere): Spark refuses it"),
    ],
)  # fmt: skip
def test_what_spark_cannot_find_is_told_in_words(home: Path, lake: Path, source: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        run_of(**source)
    assert words in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"path": "s3a://bucket/log"}, "org.apache.hadoop:hadoop-aws"),
        ({"table": None, "format": "delta", "path": "log"}, "io.delta:delta-spark"),
        ({"format": "jdbc", "options": {"url": "jdbc:nothing://127.0.0.1/x", "dbtable": "log"}}, "JDBC driver"),
    ],
)
def test_a_reader_that_spark_lacks_is_named_with_its_jar(
    home: Path, lake: Path, source: dict[str, Any], words: str
) -> None:
    with pytest.raises(SetupError, match=re.escape(words)):
        run_of(**source)


def test_an_option_whose_variable_is_not_set_is_an_error(home: Path, lake: Path) -> None:
    with pytest.raises(InputError, match="secret_options names the environment variable LAKE_KEY"):
        run_of(format="orc", path="file:///x", secret_options={"fs.key": "LAKE_KEY"})


def test_check_reads_a_sample_of_the_table_and_says_what_it_is(home: Path, lake: Path) -> None:
    seen = sample.look(shop(table="shop_log", partition="dt"), FEBRUARY)
    assert seen["said"] == ["query log: table shop_log, partitions by dt", "documents: table shop_documents"]
    assert seen["sample"] == "all rows of the window's partitions"
    assert seen["ids"]["share"] == 1.0
    assert seen["problems"] == []


def test_labels_come_from_a_table_too(home: Path, lake: Path) -> None:
    labelled = configured(
        {"kind": "labelled", "path": None, "sql": "SELECT q AS text, brand AS label FROM shop_log JOIN shop_documents "
         "ON doc = sku"}, task="classification",
    )  # fmt: skip
    run = Run(labelled, INTERVAL)
    perform(run, "ingest", ingest, source_files(run))
    assert run.read("documents")["document_id"].to_pylist() == ["Acme"]


def test_a_bound_is_a_timestamp_or_what_its_format_says() -> None:
    days = Interval(datetime(2026, 1, 31, 5, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    sql = "a >= '{start}' AND b < {end} AND c = '{start:%Y/%m}' AND d = '{other}' AND e = {}"
    assert bounded(sql, days) == (
        "a >= TIMESTAMP '2026-01-31 05:00:00 UTC' AND b < TIMESTAMP '2026-02-01 00:00:00 UTC' AND c = '2026/01' AND "
        "d = '{other}' AND e = {}"
    )


def test_a_table_of_the_log_goes_with_files_of_documents(home: Path, lake: Path) -> None:
    run = ingested(home, {"path": None, "table": "shop_log", "columns": COLUMNS, "window_days": 60})
    assert metrics_of(run)["document_rows"] == 5
