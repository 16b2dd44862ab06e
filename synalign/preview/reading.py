"""Some queries, documents and pairs of a source that no refresh has ingested yet, read by Spark.

python -m synalign.preview.reading FILE START END FOLDER     writes them into a folder, with all that Spark prints
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from synalign import errors, retriever_files
from synalign.errors import InputError, SetupError, SynAlignError
from synalign.preview.tables import DOCUMENTS, QUERIES, Tables, of_documents
from synalign.run import Interval
from synalign.tables import schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from synalign.config import Configuration

SECONDS = 600
_MODULE = "synalign.preview.reading"


def read(file: Path, interval: Interval, folder: Path) -> Tables:
    """Read a sample in a process of its own, so that what Spark prints stays there.

    Args:
        file: The retriever's YAML file.
        interval: The data interval that the window is of.
        folder: Where the process leaves the tables.

    Raises:
        InputError: Nothing in the data can be used.
        SetupError: The process ended without a result.
    """
    command = [sys.executable, "-m", _MODULE, str(file), interval.start.isoformat(), interval.end.isoformat()]
    remedy = f"`synalign check --data {file}` reads the same data; `synalign doctor {file}` looks at Spark"
    try:
        done = subprocess.run(
            [*command, str(folder)], capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
        )
        ended = json.loads((done.stdout.splitlines() or [""])[-1])
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"the sample was not read within {SECONDS} s.", remedy=remedy) from error
    except ValueError as error:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1][:300]
        raise SetupError(f"the sample was not read: {reason}", remedy=remedy) from error
    if "error" in ended:
        kind = getattr(errors, ended["error"])
        raise kind(ended["message"], cause=ended["cause"], remedy=ended["remedy"])
    return kept(folder, file, **ended)


def kept(folder: Path, file: Path, *, said: str, whole: bool) -> Tables:
    """Return the sample that a process left in a folder.

    Args:
        folder: The folder.
        file: The retriever's YAML file.
        said: What part of the data it is, in words.
        whole: Whether it is all.

    Raises:
        InputError: Nothing in it can be used.
    """
    tables = {name: pq.read_table(folder / f"{name}.parquet") for name in ("queries", "documents", "pairs")}
    if not len(tables["queries"]) or not len(tables["documents"]):
        lacking = "row of the query log" if len(tables["documents"]) else "document"
        raise InputError(
            f"no {lacking} of the sample can be used.",
            cause="columns or the window do not fit the data",
            remedy=f"`synalign check --data {file}` says why, with examples",
        )
    queries, pairs = of_documents(tables["queries"], tables["pairs"], tables["documents"])
    return Tables(queries, tables["documents"], pairs, said=f"{len(queries):,} queries of {said}", whole=whole)


def write(configuration: Configuration, interval: Interval, folder: Path) -> dict[str, Any]:
    """Write a sample of the source's data into a folder.

    Returns:
        `said`, what part of the data it is, and `whole`, whether it is all.
    """
    from pyspark.sql import functions as F

    from synalign.doctor.sample import sampled
    from synalign.steps.ingest import pairs_of, queries_of

    with sampled(configuration, interval) as found:
        usable = found.events.where(F.col("broken").isNull() & F.col("inside"))
        groups = usable.groupBy("query", "document_id", "label").agg(
            F.count("*").alias("rows"),
            F.sum("clicks").alias("total"),
            F.min("event_time").alias("event_time"),
            F.max("event_time").alias("last_seen"),
        )
        # By a hash that splits do not go by: as good as drawn by lot, and the same ones each time.
        drawn = queries_of(groups, configuration).cache()
        queries = drawn.orderBy(F.xxhash64("query"), "query").limit(QUERIES).cache()
        pairs = pairs_of(groups, configuration).join(queries.select("query_id"), "query_id", "left_semi").cache()
        documents = found.documents.where(F.col("broken").isNull())
        chosen = documents.join(pairs.select("document_id").distinct(), "document_id", "left_semi")
        others = documents.join(pairs.select("document_id").distinct(), "document_id", "left_anti")
        total = documents.count()
        most = DOCUMENTS if total <= DOCUMENTS else DOCUMENTS // 2
        some = [_some(chosen, most)]
        some.append(_some(others, DOCUMENTS - len(some[0])))
        _write(folder, "documents", pa.concat_tables(some))
        _write(folder, "queries", queries.toArrow())
        _write(folder, "pairs", pairs.toArrow())
        whole = found.whole and found.all_documents and drawn.count() <= QUERIES and total <= DOCUMENTS
        return {"said": found.said, "whole": whole}


def _some(documents: DataFrame, most: int) -> pa.Table:
    from pyspark.sql import functions as F

    ordered = documents.orderBy(F.xxhash64("document_id"), "document_id").limit(max(0, most))
    return ordered.select("document_id", "title", "text").toArrow()


def _write(folder: Path, name: str, table: pa.Table) -> None:
    pq.write_table(table.select(schema(name).names).cast(schema(name)), folder / f"{name}.parquet")


def main(arguments: Sequence[str]) -> None:
    """Write the tables and print what they are, or the error, as one line of JSON."""
    file, start, end, folder = arguments
    try:
        said = write(retriever_files.load(Path(file)), Interval.parse(start, end), Path(folder))
    except SynAlignError as error:
        said = {"error": type(error).__name__, "message": error.message, "cause": error.cause, "remedy": error.remedy}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
