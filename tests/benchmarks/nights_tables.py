"""The tables that the step *ingest* writes, made in this process: the nights' benchmark starts no Spark.

Normalisation is the product's; the split is its definition (`synalign.querylog.splits`), which exists as an expression
of Spark only, and a test holds both against each other. Nothing is rejected but what is too long: public data sets have
no damaged rows.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from synalign.pool.splits import split_of
from synalign.run import Attempt
from synalign.tables import content_id, schema
from synalign.text.normal import normalise
from tests.benchmarks.datasets import rows_of


class Traffic(NamedTuple):
    """What a source holds for an interval.

    Attributes:
        events: `query`, `document_id` (empty: none), `count` and `time`, a row for each event.
        documents: `document_id`, `title`, `text`.
    """

    events: pd.DataFrame
    documents: pd.DataFrame

    @property
    def digest(self) -> str:
        """SHA-256 of all of it: another one makes the tables anew."""
        content = "\n".join(frame.to_csv(index=False) for frame in self)
        return hashlib.sha256(content.encode()).hexdigest()


def beir(folder: Path, start: datetime) -> Traffic:
    """Return the judgements of a BEIR folder as events at `start`, with its unlabelled queries."""
    texts = {row["_id"]: row["text"] for row in rows_of(folder / "queries.jsonl")}
    train = folder / "qrels" / "train.tsv"
    files = [train] if train.is_file() else sorted((folder / "qrels").glob("*.tsv"))
    judged = pd.concat([pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False) for file in files])
    judged = judged[judged["score"].astype(float) > 0]
    events = [(texts[query], document) for query, document in zip(judged["query-id"], judged["corpus-id"], strict=True)]
    events += [(row["text"], "") for row in rows_of(folder / "unlabelled_queries.jsonl")]
    frame = pd.DataFrame(events, columns=["query", "document_id"]).assign(count=1, time=start)
    documents = pd.DataFrame(rows_of(folder / "corpus.jsonl")).rename(columns={"_id": "document_id"})
    return Traffic(frame, documents.fillna({"title": ""})[["document_id", "title", "text"]])


def ingest(attempt: Attempt, traffic: Traffic) -> None:
    """Write `queries`, `documents`, `pairs` and an empty `rejected`, rows by id."""
    settings, events = attempt.configuration.ingest, traffic.events
    events = events.assign(query=events["query"].map(normalise))
    events = events[events["query"].str.len().between(1, settings.max_query_characters)]
    queries = events.groupby("query", as_index=False).agg(
        count=("count", "sum"), first_seen=("time", "min"), last_seen=("time", "max")
    )
    pairs = events[events["document_id"] != ""].groupby(["query", "document_id"], as_index=False)["count"].sum()
    pairs["pair_id"] = [content_id(*pair) for pair in zip(pairs["query"], pairs["document_id"], strict=True)]
    documents = traffic.documents.assign(title=traffic.documents["title"].str.strip())
    for frame in (queries, pairs):
        frame["query_id"] = frame["query"].map(content_id)
        frame["split"] = [split_of(query_id, settings) for query_id in frame["query_id"]]
    queries["label"] = None
    for table, frame in (("queries", queries), ("pairs", pairs), ("documents", documents)):
        names = schema(table).names
        rows = frame.sort_values(names[0])[names]
        attempt.write(table, pa.Table.from_pandas(rows, preserve_index=False))
    for table in ("rejected", "skips"):
        attempt.write(table, schema(table).empty_table())
