"""A made language in which a retriever can learn, as a finished run: every thing has one name in queries and another in
documents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synalign import flow, tables
from synalign.config import Configuration
from synalign.run import Attempt, Interval, Run
from synalign.tables import content_id
from tests.handmade import table_of

WORDS = [f"{first}{second}" for first in "bcdfgh" for second in ("at", "ell", "ing", "oom")]
ASKED = {"train": ("find {}", "buy {}", "{} now"), "validation": ("{} please",), "test": ("{} cheap", "my {}")}
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
TIME = pa.timestamp("us", tz="UTC")


def page(word: str) -> str:
    """Return the text of the document about a thing."""
    return f"this is about {word[::-1]} and nothing"


def world(
    configuration: Configuration, *, negatives: int = 0, scored: bool = False, splits: dict[str, Any] | None = None,
    registered: dict[str, Any] | None = None,
) -> Run:  # fmt: skip
    """Return a run that is finished up to its training set.

    Args:
        configuration: Whose run.
        negatives: Hard negatives of each pair.
        scored: Whether a teacher has scored them.
        splits: What is asked by split; default: `ASKED`.
        registered: Metrics of the step *register*; None: it is not finished.
    """
    asked = ASKED if splits is None else splits
    rows = [(split, form.format(word), word) for split, forms in asked.items() for form in forms for word in WORDS]
    contents = {**_tables(rows), "training_set": _training_set(rows, negatives, scored=scored)}
    run = Run(configuration, INTERVAL)
    for step in flow.before("register"):
        attempt = Attempt(run, step)
        attempt.begin()
        for table in step.writes:
            if table == "training_set":
                # Its columns of negatives are beyond the schema that `write` knows.
                with (attempt.output(table) / "part-00000.parquet").open_output() as file:
                    pq.write_table(contents[table], file)
            else:
                attempt.write(table, table_of(run, table, contents))
        attempt.commit()
    if registered is not None:
        attempt = Attempt(run, flow.step("register"))
        attempt.begin()
        attempt.metrics.update(registered)
        attempt.commit()
    run.keep_configuration()
    return run


def _tables(rows: list[tuple[str, str, str]]) -> dict[str, pa.Table]:
    splits, queries, words = (list(column) for column in zip(*rows, strict=True))
    ids = [content_id(query) for query in queries]
    none = pa.array([0] * len(rows), TIME)
    return {
        "queries": pa.table({
            "query_id": ids, "query": queries, "count": [1] * len(rows), "first_seen": none, "last_seen": none,
            "split": splits, "label": pa.nulls(len(rows), pa.string()),
        }),
        "documents": pa.table({"document_id": WORDS, "title": [""] * len(WORDS), "text": [page(one) for one in WORDS]}),
        "pairs": pa.table({
            "pair_id": [content_id(query, word) for query, word in zip(queries, words, strict=True)], "query_id": ids,
            "query": queries, "document_id": words, "count": [1] * len(rows), "split": splits,
        }),
    }  # fmt: skip


def _training_set(rows: list[tuple[str, str, str]], negatives: int, *, scored: bool) -> pa.Table:
    random = np.random.default_rng(1)
    content = []
    for split, query, word in rows:
        others = [page(str(other)) for other in random.choice([one for one in WORDS if one != word], negatives)]
        numbers = range(1, negatives + 1)
        content.append({
            "pair_id": content_id(query, word), "query": query, "document_id": word, "document": page(word),
            "source": "real", "weight": 1.0, "split": split, "score": 5.0 if scored else None,
            **{f"negative_{number}": text for number, text in zip(numbers, others, strict=True)},
            **{f"negative_score_{number}": -5.0 if scored else None for number in numbers},
        })  # fmt: skip
    return pa.Table.from_pylist(content, tables.training_set(negatives))
