"""One ingest of a partitioned table, or the same log as files, or in plain Spark: `python -m … table FOLDER`."""

from __future__ import annotations

import json
import shutil
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from synalign.config import Configuration
from synalign.querylog.spark_table import MARGIN
from synalign.run import Interval, Run
from synalign.run.window import window
from synalign.spark.session import session
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform
from tests.benchmarks.made_log import END

DAYS = 28
"""Days of the window; the log has three times as many."""

_LAST = Interval(END - timedelta(days=1), END)


def partition(folder: Path) -> dict[str, Any]:
    """Spread the made log over 84 days, the last 28 of which are the window, and write it with a folder for each."""
    with session("partition") as spark:
        log = spark.read.parquet(str(folder / "log"))
        # Each row moves back by no, one or two windows, by its own hash.
        moved = F.col("event_time") - F.make_interval(days=DAYS * F.pmod(F.xxhash64("event_time", "query"), F.lit(3)))
        log = log.withColumn("event_time", moved).withColumn("dt", F.date_format("event_time", "yyyy-MM-dd"))
        log.repartition("dt").write.partitionBy("dt").parquet(str(folder / "table"))
        return {"rows": spark.read.parquet(str(folder / "table")).count()}


def table(folder: Path) -> dict[str, Any]:
    """The step itself, from a table of the catalog to committed tables."""
    with session("table") as spark:
        location = f"LOCATION 'file://{folder / 'table'}'"
        spark.sql(f"CREATE TABLE log (event_time timestamp, query string, document_id string, dt string) USING parquet "
                  f"PARTITIONED BY (dt) {location}")  # fmt: skip
        spark.sql("MSCK REPAIR TABLE log")
        try:
            return _ingest(folder, {"table": "log", "partition": "dt"})
        finally:
            # The files stay: the table is of somebody else.
            spark.sql("DROP TABLE log")


def files(folder: Path) -> dict[str, Any]:
    """The step itself, from the folder with the same files."""
    with session("files"):
        return _ingest(folder, {"path": str(folder / "table")})


def _ingest(folder: Path, log: dict[str, str]) -> dict[str, Any]:
    documents = {"path": str(folder / "documents.parquet")}
    source = {"kind": "log", "window_days": DAYS, "documents": documents, **log}
    configuration = Configuration.model_validate(
        {"retriever": "lake", "schedule": {"start": "2026-01-01"}, "source": source}
    )
    shutil.rmtree(folder / "home", ignore_errors=True)
    run = Run(configuration, _LAST)
    started = time.perf_counter()
    versions = source_files(run)
    asked = time.perf_counter() - started
    summary = perform(run, "ingest", ingest, versions)
    (version,) = [text for name, text in versions.items() if "documents" not in name][:1]
    read = int(version.split(" files, ")[1].split()[0]) if "table" in log else _size(folder / "table")
    tables = {name: entry["digest"] for name, entry in run.require("ingest")["tables"].items() if name != "rejected"}
    return {"version_seconds": asked, "read_bytes": read, "tables": tables, "metrics": summary["metrics"]}


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.parquet"))


def plain(folder: Path) -> dict[str, Any]:
    """The sums of the window as anybody would write them: no rules, ids, splits, versions nor rejected rows."""
    days = window(_LAST, DAYS)
    with session("plain") as spark:
        documents = spark.read.parquet(str(folder / "documents.parquet")).select("document_id").distinct()
        first, last = (f"{moment:%Y-%m-%d}" for moment in (days.start - MARGIN, days.end + MARGIN))
        events = spark.read.parquet(str(folder / "table")).where((F.col("dt") >= first) & (F.col("dt") < last))
        events = events.where((F.col("event_time") >= F.lit(days.start)) & (F.col("event_time") < F.lit(days.end)))
        events = events.withColumn("query", F.trim(F.regexp_replace("query", r"\s+", " "))).where("query <> ''")
        events = events.join(documents, "document_id", "left_semi")
        _write(events.groupBy("query").agg(F.count("*"), F.min("event_time"), F.max("event_time")), folder, "queries")
        _write(events.groupBy("query", "document_id").agg(F.count("*")), folder, "pairs")
        return {}


def _write(frame: DataFrame, folder: Path, name: str) -> None:
    named = frame.toDF(*(f"c{place}" for place in range(len(frame.columns))))
    named.write.mode("overwrite").parquet(str(folder / "plain" / name))


def main(kind: str, folder: str) -> None:
    """Do one of the four, and print what came of it."""
    print(json.dumps({"partition": partition, "table": table, "files": files, "plain": plain}[kind](Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
