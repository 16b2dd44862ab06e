"""A BEIR folder: `corpus.jsonl`, `queries.jsonl` and `qrels/<split>.tsv`, for evaluation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from synalign.export.document_ids import DocumentIds
from synalign.export.layout import Format, Options, Written
from synalign.export.source import Source
from synalign.export.target import Target
from synalign.retriever.examples import check_row, columns_for
from synalign.tables import content_id

_FILES = {"train": "qrels/train.tsv", "validation": "qrels/dev.tsv", "test": "qrels/test.tsv"}
# Judgements are tab-separated, and read by readers that take quotes for quotes.
_PLAIN = re.compile(r"[^\s\"\x00-\x1f\x7f]+")

_USAGE = """```python
from beir.datasets.data_loader import GenericDataLoader

corpus, queries, qrels = GenericDataLoader("FOLDER").load(split="test")  # train and dev likewise
```"""


def write(source: Source, target: Target, options: Options) -> Written:
    """Write the folder. Ids of queries and documents are held in memory, their texts are not."""
    count = source.negatives(options.negatives)
    ids = DocumentIds(source)
    documents, queries = set[str](), set[str]()
    judgements: dict[str, Callable[[str], None]] = {}
    rows: Counter[str] = Counter()
    with ExitStack() as stack:
        corpus = stack.enter_context(target.objects("corpus.jsonl"))
        asked = stack.enter_context(target.objects("queries.jsonl"))
        for row in _rows(source, count):
            document_id = _plain(row["document_id"] or ids.of(row["document"]))
            texts = [(document_id, row["document"])]
            texts += [(_plain(ids.of(text)), text) for text in _negatives(row, count)]
            for each, text in texts:
                if each not in documents:
                    documents.add(each)
                    corpus({"_id": each, "title": "", "text": text})
            query_id = content_id(row["query"])
            if query_id not in queries:
                queries.add(query_id)
                asked({"_id": query_id, "text": row["query"]})
            if (name := _FILES.get(row["split"])) is not None:
                if name not in judgements:
                    judgements[name] = stack.enter_context(target.lines(name))
                    judgements[name]("query-id\tcorpus-id\tscore")
                judgements[name](f"{query_id}\t{document_id}\t1")
                rows[name] += 1
    return Written({"corpus.jsonl": len(documents), "queries.jsonl": len(queries), **rows}, _USAGE)


def _rows(source: Source, count: int) -> Iterator[dict[str, Any]]:
    for batch in source.content.batches(columns_for(source.content.schema.names, count, "document_id")):
        for row in batch.to_pylist():
            check_row(row)
            yield row


def _negatives(row: dict[str, Any], count: int) -> list[str]:
    return [text for number in range(1, count + 1) if (text := row.get(f"negative_{number}")) is not None]


def _plain(identifier: str) -> str:
    """Return an id that stands in a field between tabs as it is; the hash of one that does not."""
    return identifier if _PLAIN.fullmatch(identifier) else content_id(identifier)


FORMAT = Format(
    "beir",
    about="corpus.jsonl, queries.jsonl and qrels/train.tsv, dev.tsv, test.tsv, for evaluation by BEIR or MTEB",
    weights="lost: a judgement has no weight",
    scores="lost; hard negatives are documents of the corpus, and no judgements",
    draws=False,
    distils=False,
    write=write,
)
