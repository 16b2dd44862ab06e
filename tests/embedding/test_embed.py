"""The embedding step in real Spark, against the encoder called directly."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.config import Configuration
from synalign.embedding import encoder
from synalign.embedding.embed import embed
from synalign.embedding.matrix import matrix
from synalign.job import perform
from synalign.run import Interval, Run

pytestmark = pytest.mark.usefixtures("spark")
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
TIME = pa.timestamp("us", tz="UTC")


def ingested(queries: list[str], documents: list[tuple[str, str]]) -> dict[str, pa.Table]:
    count = len(queries)
    return {
        "queries": pa.table(
            {
                "query_id": [f"q{row}" for row in range(count)],
                "query": queries,
                "count": [1] * count,
                "first_seen": pa.array([0] * count, TIME),
                "last_seen": pa.array([0] * count, TIME),
                "split": ["train"] * count,
                "label": pa.array([None] * count, pa.string()),
            }
        ),
        "documents": pa.table(
            {
                "document_id": [f"d{row}" for row in range(len(documents))],
                "title": [title for title, _ in documents],
                "text": [text for _, text in documents],
            }
        ),
        "pairs": pa.table(
            {
                name: pa.array([], kind)
                for name, kind in (
                    ("pair_id", pa.string()),
                    ("query_id", pa.string()),
                    ("query", pa.string()),
                    ("document_id", pa.string()),
                    ("count", pa.int64()),
                    ("split", pa.string()),
                )
            }
        ),
        "rejected": pa.table({name: pa.array([], pa.string()) for name in ("source", "row", "rule", "reason")}),
    }


def test_every_id_has_the_encoders_vector_and_each_distinct_text_is_embedded_once(
    configuration: Callable[..., Configuration], commit: Callable[..., Run]
) -> None:
    queries = ["how to sort", "descale the kettle", "日本語"]
    documents = [("Title", "text"), ("", "text"), ("", "text"), ("", "long " * 2000)]
    run = commit(Run(configuration(), INTERVAL), **ingested(queries, documents))
    summary = perform(run, "embed", embed)
    assert summary["rows"] == {"query_embeddings": 3, "document_embeddings": 4}
    assert summary["metrics"]["document_embeddings_distinct_texts"] == 3
    settings = run.configuration.encoder
    found = matrix(run.read("query_embeddings"), ["q0", "q1", "q2"])
    np.testing.assert_allclose(found, encoder.encode(queries, settings), atol=1e-6)
    found = matrix(run.read("document_embeddings"), ["d0", "d1", "d2"])
    np.testing.assert_allclose(found, encoder.encode(["Title\ntext", "text", "text"], settings), atol=1e-6)
    made_by = pq.read_schema(run.table_folder("query_embeddings") / "part-00000.parquet").metadata
    assert made_by[b"model"] == b"all-MiniLM-L6-v2"
    assert made_by[b"revision"] == encoder.EMBEDDED_WEIGHTS.encode()


def test_an_empty_table_and_two_runs_alike(
    configuration: Callable[..., Configuration], commit: Callable[..., Run], spark: Any
) -> None:
    digests = []
    for retriever in ("one", "two"):
        run = commit(Run(configuration(retriever=retriever), INTERVAL), **ingested([], [("", "only"), ("a", "b")]))
        perform(run, "embed", embed)
        assert run.read("query_embeddings").num_rows == 0
        digests.append(run.digest("document_embeddings"))
        spark.conf.set("spark.sql.shuffle.partitions", "7")
    assert digests[0] == digests[1]
