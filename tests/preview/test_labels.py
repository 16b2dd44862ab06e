"""A preview for classification: a batch is of one label, and labels have no shots."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from synalign import flow
from synalign.config import Configuration
from synalign.preview import preview
from synalign.run import Run
from synalign.tables import content_id, schema
from tests.handmade import finish
from tests.preview.conftest import ANIMALS, INTERVAL


def test_of_many_labels_as_many_batches_are_asked_as_were_asked_for(
    configuration: Callable[..., Configuration],
) -> None:
    source = {"kind": "labelled", "path": "texts.csv", "columns": {"text": "text", "label": "label"}}
    shop = configuration(
        source=source, task="classification", sampling={"batches": 10, "neighbours": 2},
        generation={"documents_per_batch": 2, "queries_per_document": 2},
    )  # fmt: skip
    now = datetime(2026, 2, 28, tzinfo=UTC)
    rows = [
        {"query_id": content_id(text), "query": text, "count": 1, "first_seen": now, "last_seen": now,
         "split": "train", "label": animal}
        for animal in ANIMALS for text in (f"feed the {animal}", f"where is my {animal}", f"{animal} is ill", animal)
    ]  # fmt: skip
    contents = {
        "queries": rows,
        "documents": [{"document_id": animal, "title": "", "text": animal} for animal in ANIMALS],
        "pairs": [
            {"pair_id": content_id(str(row["query"]), "p"), "query_id": row["query_id"], "query": row["query"],
             "document_id": row["label"], "count": 1, "split": "train"} for row in rows
        ],
    }  # fmt: skip
    tables = {name: pa.Table.from_pylist(content, schema(name)) for name, content in contents.items()}
    finish(Run(shop, INTERVAL), flow.step("ingest"), tables)
    found = preview(Path("shop.yaml"), shop, INTERVAL, 2)
    assert len(found.batches) == 2
    for batch in found.batches:
        assert (batch.asked_for, batch.shots) == (4, ()) and 1 <= len(batch.queries) <= 4
        assert {query.document for query in batch.queries} <= set(ANIMALS)
