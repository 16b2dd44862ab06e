"""A made query log of any size: Zipf traffic over distinct queries, seeded, written in parts that fit in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

START, END = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
ROWS_PER_PART = 1_000_000
_WORDS = 4_096
_ZIPF = 1.05
_CLICKED = 3


class LogSize(NamedTuple):
    """How large a made log is.

    Attributes:
        events: Rows.
        queries: Distinct queries; every one occurs.
        documents: Distinct documents.
        broken: Share of rows that break a rule: no query, or a document that is not in the collection.
    """

    events: int
    queries: int
    documents: int
    broken: float = 0.001


class Truth(NamedTuple):
    """What ingest must find.

    Attributes:
        queries: Distinct queries of usable rows.
        usable: Usable rows.
        rejected: Rows that break a rule.
    """

    queries: int
    usable: int
    rejected: int


def make_log(folder: Path, size: LogSize, seed: int = 0) -> Truth:
    """Write `log/part-*.parquet` and `documents.parquet`.

    The first rows are every query once; the others follow Zipf's law of exponent 1.05. A query's clicks go to three
    documents of its own, so distinct pairs are at most three times the queries.

    Args:
        folder: Where they go; made.
        size: How large.
        seed: Of all that is random.

    Returns:
        What must be found in it, counted while it was made.
    """
    (folder / "log").mkdir(parents=True)
    rng = np.random.default_rng(seed)
    documents = np.array([f"d{number:07d}" for number in range(size.documents)])
    texts = _texts(np.arange(size.documents) + size.queries, words=12)
    pq.write_table(pa.table({"document_id": documents, "title": _texts(np.arange(size.documents), 3), "text": texts}),
                   folder / "documents.parquet")  # fmt: skip
    traffic = np.cumsum(np.arange(1, size.queries + 1) ** -_ZIPF)
    seen, usable = np.zeros(size.queries, dtype=bool), 0
    span = int((END - START).total_seconds() * 1e6)
    for part, first in enumerate(range(0, size.events, ROWS_PER_PART)):
        rows = min(ROWS_PER_PART, size.events - first)
        number = np.arange(first, first + rows)
        drawn = np.searchsorted(traffic, rng.random(rows) * traffic[-1])
        query = np.where(number < size.queries, number, np.minimum(drawn, size.queries - 1))
        document = (query * _CLICKED + rng.integers(0, _CLICKED, rows)) % size.documents
        fate = rng.random(rows)
        unknown, empty = fate < size.broken / 2, (fate >= size.broken / 2) & (fate < size.broken)
        sound = ~(unknown | empty)
        seen[query[sound]] = True
        usable += int(sound.sum())
        times = int(START.timestamp() * 1e6) + rng.integers(0, span, rows)
        table = pa.table(
            {
                "event_time": pa.array(times, pa.timestamp("us", tz="UTC")),
                "query": pc.if_else(pa.array(empty), pa.scalar(None, pa.string()), _texts(query, 4)),
                "document_id": np.where(unknown, "nowhere", documents[document]),
            }
        )
        pq.write_table(table, folder / "log" / f"part-{part:05d}.parquet")
    return Truth(int(seen.sum()), usable, size.events - usable)


def _texts(numbers: np.ndarray, words: int) -> pa.Array:
    """A text for each number: its first words tell numbers below 16 million apart, the others are drawn by it."""
    vocabulary = pa.array([f"{'bcdfghjklmnprstvwz'[n % 18]}{'aeiou'[n // 18 % 5]}{n:x}" for n in range(_WORDS)])
    mixed, columns = numbers.astype(np.uint64), []
    for word in range(words):
        if word < 2:
            chosen = numbers // _WORDS**word % _WORDS
        else:
            # Knuth's multiplicative hash: any fixed mixing will do.
            mixed = (mixed * np.uint64(2654435761) + np.uint64(word)) & np.uint64(0xFFFFFFFF)
            chosen = (mixed >> np.uint64(12)).astype(np.int64) % _WORDS
        columns.append(vocabulary.take(pa.array(chosen)))
    return pc.binary_join_element_wise(*columns, " ")
