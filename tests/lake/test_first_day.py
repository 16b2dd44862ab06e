"""The page docs/from-your-lake.md, typed from its top against services that somebody else runs; and other sources."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
import pytest

from synalign import retriever_files
from synalign.local import demo_data
from synalign.local.services import Ports, environment
from synalign.run import Interval, Run
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform
from synalign.writer.server import embedded_writer
from tests.docs.pages import ROOT, blocks
from tests.lake import services
from tests.querylog.trial import configured

pytestmark = [
    pytest.mark.spark,
    pytest.mark.airflow,
    pytest.mark.mlflow,
    pytest.mark.skipif(
        bool(services.MISSING) or "SYNALIGN_TEST_PRODUCTION" not in os.environ,
        reason=f"make test-production runs it; it needs {', '.join(services.MISSING) or 'no more than that'}",
    ),
]
BIN = Path(sys.executable).parent
PAGE = ROOT / "docs" / "from-your-lake.md"
DAY = Interval.parse("2026-02-27", "2026-02-28")
PRODUCTS = (
    "document_id AS sku", "title", "'Acme' AS brand", "substring_index(title, ' ', -1) AS category", "text AS body",
)  # fmt: skip


class Lake(NamedTuple):
    """What the adopter has.

    Attributes:
        folder: Files of the services.
        spark: A session of the Spark Connect server.
        database: PostgreSQL's address.
        addresses: What the page exports, by variable.
        model: The language model's address.
    """

    folder: Path
    spark: Any
    database: str
    addresses: dict[str, str]
    model: str


@pytest.fixture(scope="module")
def lake() -> Iterator[Lake]:
    from pyspark.sql import SparkSession

    # Not in pytest's own folder, which PostgreSQL's user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="lake-"))
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        database = stack.enter_context(services.postgres(_made(folder / "postgres")))
        tracking = stack.enter_context(services.mlflow(_made(folder / "mlflow"), database))
        remote = stack.enter_context(services.spark_connect(_made(folder / "spark")))
        model = stack.enter_context(embedded_writer())
        spark = SparkSession.builder.remote(remote).create()
        stack.callback(spark.stop)
        _fill(spark, folder / "demo")
        addresses = {
            "SPARK_REMOTE": remote,
            "MLFLOW_TRACKING_URI": tracking,
            "SYNALIGN_HOME": str(_made(folder / "home")),
            "OPENAI_API_KEY": "taken by the writer, whatever it is",
        }
        yield Lake(folder, spark, database, addresses, model)


def _made(folder: Path) -> Path:
    folder.mkdir()
    folder.chmod(0o755)
    return folder


def _fill(spark: Any, folder: Path) -> None:
    """Put the demo's log and documents into the tables that the page makes."""
    log, documents = demo_data.make(folder)
    (tables,) = (block for block in blocks(PAGE) if block.text.startswith("CREATE TABLE search.query_log"))
    spark.sql("CREATE DATABASE search")
    for statement in tables.text.split(";")[:-1]:
        spark.sql(statement)
    spark.conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic")
    events = spark.read.parquet(f"file://{log}").selectExpr(
        "try_to_timestamp(event_time) AS event_time", "query", "document_id AS sku", "left(event_time, 10) AS dt"
    )
    # The demo's broken times are no business of a table with a day for each partition.
    events.where("event_time IS NOT NULL").write.mode("overwrite").insertInto("search.query_log")
    spark.read.parquet(f"file://{documents}").selectExpr(*PRODUCTS).write.insertInto("search.products")


def _typed(lake: Lake, folder: Path) -> Iterator[tuple[str, float, str]]:
    """Type the commands of the page in their order: each with its seconds and what it printed."""
    (file,) = (block for block in blocks(PAGE) if block.file == "shop.yaml")
    (folder / "shop.yaml").write_text(file.text.replace("http://llm.example.com/v1", lake.model))
    variables = {**os.environ}
    for block in blocks(PAGE):
        for line in block.text.splitlines() if block.language == "bash" else ():
            if line.startswith("export "):
                name = line.removeprefix("export ").partition("=")[0]
                variables[name] = os.environ[name] = lake.addresses[name]
                continue
            command = shlex.split(line)
            chosen = variables
            if command[0] == "airflow":
                # An adopter's Airflow has its own settings; these are those of this machine's.
                chosen = {**variables, **environment(Ports.from_environment(), servers=False, folder=folder)}
            began = time.monotonic()
            called = [str(BIN / command[0]), *command[1:]]
            done = subprocess.run(called, env=chosen, cwd=folder, capture_output=True, text=True, check=False)
            printed = done.stdout + done.stderr
            assert done.returncode == 0, f"{line}\n{printed[-6000:]}"
            yield line, time.monotonic() - began, printed


def test_the_page_is_typed_from_its_top(lake: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in lake.addresses.items():
        monkeypatch.setenv(name, value)
    done = list(_typed(lake, tmp_path))
    for line, seconds, _ in done:
        # For the page, whose seconds these are: `pytest -rA` shows them.
        print(f"{seconds:6.1f} s  {line}")
    print(next(printed for line, _, printed in done if line.startswith("synalign refresh")))
    sets = {row["interval"]: row for row in lake.spark.sql(
        "SELECT interval, count(*) AS rows, count_if(source = 'synthetic') AS written, sum(weight) AS weight "
        "FROM search.training_sets WHERE retriever = 'shop' GROUP BY interval"
    ).collect()}  # fmt: skip
    assert sorted(sets) == ["20260227T000000Z-20260228T000000Z", "20260228T000000Z-20260301T000000Z"]
    for name, row in sets.items():
        run = Run(retriever_files.load(tmp_path / "shop.yaml"), Interval.named(name))
        registered = run.read("training_set").to_pylist()
        assert row["rows"] == len(registered)
        assert row["weight"] == pytest.approx(sum(one["weight"] for one in registered))
    partitions = lake.spark.sql("SELECT count(DISTINCT dt) AS days FROM search.query_log").first()["days"]
    assert partitions > 50
    # The same day again: nothing is read, asked or written.
    again = subprocess.run(
        [str(BIN / "synalign"), "refresh", "shop.yaml", "--date", "2026-02-28"],
        cwd=tmp_path, env={**os.environ}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert re.search(r"ingest +reused", again.stdout + again.stderr) or "ingest: reused" in again.stdout + again.stderr


def _digests(source: dict[str, Any]) -> dict[str, str]:
    run = Run(configured({"path": None, "window_days": 14, **source}), DAY)
    perform(run, "ingest", ingest, source_files(run))
    return {name: table["digest"] for name, table in run.require("ingest")["tables"].items()}


@pytest.fixture
def over_connect(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_REMOTE", lake.addresses["SPARK_REMOTE"])


COLUMNS = {"columns": {"document_id": "sku"}, "partition": "dt"}
DOCUMENTS = {"columns": {"document_id": "sku", "text": "body"}}


@pytest.mark.usefixtures("over_connect")
def test_managed_external_and_hive_tables_and_views_give_the_same(lake: Lake, home: Path) -> None:
    documents = {"table": "search.products", **DOCUMENTS}
    managed = _digests({"table": "search.query_log", "documents": documents, **COLUMNS})
    folder = lake.spark.sql("DESCRIBE TABLE EXTENDED search.query_log").where("col_name = 'Location'").first()[1]
    lake.spark.sql(
        "CREATE TABLE search.external (event_time TIMESTAMP, query STRING, sku STRING, dt STRING) USING parquet "
        f"PARTITIONED BY (dt) LOCATION '{folder}'"
    )
    lake.spark.sql("MSCK REPAIR TABLE search.external")
    lake.spark.sql("CREATE VIEW search.searches AS SELECT *, 'x' AS other FROM search.query_log")
    lake.spark.sql("SET hive.exec.dynamic.partition.mode=nonstrict")
    lake.spark.sql("CREATE TABLE search.hive (event_time TIMESTAMP, query STRING, sku STRING) "
                   "PARTITIONED BY (dt STRING) STORED AS textfile")  # fmt: skip
    lake.spark.sql("INSERT INTO search.hive PARTITION (dt) SELECT * FROM search.query_log")
    for name in ("search.external", "search.searches", "search.hive"):
        assert _rows(_digests({"table": name, "documents": documents, **COLUMNS})) == _rows(managed), name


def _rows(digests: dict[str, str]) -> dict[str, str]:
    """The tables whose rows do not quote the source's own, which may have other columns."""
    return {name: digest for name, digest in digests.items() if name != "rejected"}


@pytest.mark.usefixtures("over_connect")
def test_documents_come_from_a_database_by_jdbc(lake: Lake, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = {"table": "search.query_log", **COLUMNS}
    expected = _digests({**log, "documents": {"table": "search.products", **DOCUMENTS}})
    address, _, name = lake.database.partition("/")
    host, _, port = address.partition(":")
    with psycopg2.connect(host=host, port=port, dbname=name, user="lake") as database, database.cursor() as cursor:
        cursor.execute("CREATE TABLE products (sku text, title text, body text)")
        rows = [tuple(row) for row in lake.spark.table("search.products").select("sku", "title", "body").collect()]
        cursor.executemany("INSERT INTO products VALUES (%s, %s, %s)", rows)
    database.close()
    monkeypatch.setenv("SHOP_DATABASE_PASSWORD", "trusted anyway")
    jdbc = {
        "format": "jdbc",
        "options": {"url": f"jdbc:postgresql://{lake.database}", "dbtable": "products", "user": "lake",
                    "driver": "org.postgresql.Driver"},
        "secret_options": {"password": "SHOP_DATABASE_PASSWORD"},
    }  # fmt: skip
    source = {**log, "documents": {**jdbc, **DOCUMENTS}}
    assert _digests(source) == expected
    run = Run(configured({"path": None, "window_days": 14, **source}), DAY)
    versions = source_files(run)
    assert re.fullmatch(r"\d+ rows, checksum -?\d+", versions["documents: products"])
    assert source_files(run) == versions
