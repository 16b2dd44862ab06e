"""One ingest of a made log, ours or in plain Spark, as a process of its own: `python -m … ours FOLDER`."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

from pyspark.sql import functions as F

from synalign.config import Configuration
from synalign.run import Interval, Run
from synalign.spark.session import session
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform
from tests.benchmarks.made_log import END


def ours(folder: Path) -> dict[str, float]:
    """The step itself, from files to committed tables."""
    configuration = Configuration.model_validate(
        {
            "retriever": "scale",
            "schedule": {"start": "2026-01-01"},
            "source": {
                "kind": "log",
                "path": str(folder / "log"),
                "documents": {"path": str(folder / "documents.parquet")},
            },
        }
    )
    shutil.rmtree(folder / "home", ignore_errors=True)
    run = Run(configuration, Interval.parse("2026-02-28", END.isoformat()))
    started = time.perf_counter()
    files = source_files(run)
    hashed = time.perf_counter() - started
    summary = perform(run, "ingest", ingest, files)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "hashing": hashed, **summary["rows"], "usable": summary["metrics"]["log_rows_usable"]}


def plain(folder: Path) -> dict[str, float]:
    """The same sums as anybody would write them: no rules, ids, splits, digests, nor a record of rejected rows."""
    started = time.perf_counter()
    with session("plain") as spark:
        documents = spark.read.parquet(str(folder / "documents.parquet")).select("document_id").distinct()
        events = spark.read.parquet(str(folder / "log")).withColumn(
            "query", F.trim(F.regexp_replace("query", r"\s+", " "))
        )
        events = events.where("query <> ''").join(documents, "document_id", "left_semi")
        queries = events.groupBy("query").agg(
            F.count("*").alias("count"), F.min("event_time").alias("first"), F.max("event_time").alias("last")
        )
        queries.write.mode("overwrite").parquet(str(folder / "plain" / "queries"))
        pairs = events.groupBy("query", "document_id").agg(F.count("*").alias("count"))
        pairs.write.mode("overwrite").parquet(str(folder / "plain" / "pairs"))
        rows = {name: spark.read.parquet(str(folder / "plain" / name)).count() for name in ("queries", "pairs")}
    return {"seconds": time.perf_counter() - started, **rows}


def main(kind: str, folder: str) -> None:
    """Ingest the log of a folder, `ours` or `plain`, and print what came of it."""
    print(json.dumps({"ours": ours, "plain": plain}[kind](Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
