"""Parquet for PyLate, which trains late interaction: triples, or lists of documents with a teacher's scores."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

import pyarrow as pa

from synalign.export.document_ids import DocumentIds
from synalign.export.layout import Format, Options, Written
from synalign.export.source import Source
from synalign.export.target import Target
from synalign.export.train_rows import left_out_note, train_rows
from synalign.tables import content_id

TRAIN, QUERIES, DOCUMENTS = "train.parquet", "queries.parquet", "documents.parquet"

_CONTRAST = """```python
from datasets import load_dataset
from pylate import losses, models, utils
from sentence_transformers import SentenceTransformerTrainer

model = models.ColBERT("MODEL")
trainer = SentenceTransformerTrainer(
    model,
    train_dataset=load_dataset("parquet", data_files="train.parquet", split="train"),
    loss=losses.Contrastive(model),
    data_collator=utils.ColBERTCollator(model.tokenize),
)
trainer.train()
```"""

_DISTIL = """```python
from datasets import load_dataset
from pylate import losses, models, utils
from sentence_transformers import SentenceTransformerTrainer

train, queries, documents = (
    load_dataset("FOLDER", name, split="train") for name in ("train", "queries", "documents")
)
train.set_transform(utils.KDProcessing(queries=queries, documents=documents).transform)
model = models.ColBERT("MODEL")
trainer = SentenceTransformerTrainer(
    model,
    train_dataset=train,
    loss=losses.Distillation(model),
    data_collator=utils.ColBERTCollator(model.tokenize),
)
trainer.train()
```"""


def write(source: Source, target: Target, options: Options) -> Written:
    """Write `train.parquet` of triples; with scores lists of ids with scores, and the texts in files beside it."""
    return _distilling(source, target, options) if options.scores else _contrastive(source, target, options)


def _contrastive(source: Source, target: Target, options: Options) -> Written:
    names = ["query", "positive", *(f"negative_{n + 1}" for n in range(source.negatives(options.negatives)))]
    rows = 0
    with target.table(TRAIN, pa.schema([(name, pa.string()) for name in names])) as add:
        for example in train_rows(source, options):
            add(dict(zip(names, (example.query, example.document, *example.negatives), strict=True)))
            rows += 1
    return Written({TRAIN: rows}, _CONTRAST, {"default": {"train": TRAIN}})


def _distilling(source: Source, target: Target, options: Options) -> Written:
    ids = DocumentIds(source)
    left_out: Counter[str] = Counter()
    queries, documents = set[str](), set[str]()
    rows = 0
    lists = [("document_ids", pa.list_(pa.string())), ("scores", pa.list_(pa.float64()))]
    with ExitStack() as stack:
        add = stack.enter_context(target.table(TRAIN, pa.schema([("query_id", pa.string()), *lists])))
        ask = stack.enter_context(target.table(QUERIES, _texts("query_id")))
        know = stack.enter_context(target.table(DOCUMENTS, _texts("document_id")))
        for example in train_rows(source, options, left_out):
            texts = (example.document, *example.negatives)
            named = [example.document_id or ids.of(example.document), *map(ids.of, example.negatives)]
            query_id = content_id(example.query)
            add({"query_id": query_id, "document_ids": named, "scores": list(example.scores)})
            rows += 1
            if query_id not in queries:
                queries.add(query_id)
                ask({"query_id": query_id, "text": example.query})
            for document_id, text in zip(named, texts, strict=True):
                if document_id not in documents:
                    documents.add(document_id)
                    know({"document_id": document_id, "text": text})
    counts = {TRAIN: rows, QUERIES: len(queries), DOCUMENTS: len(documents)}
    configurations = {name.removesuffix(".parquet"): {"train": name} for name in counts}
    return Written(counts, _DISTIL, configurations, left_out_note(left_out))


def _texts(name: str) -> pa.Schema:
    return pa.schema([(name, pa.string()), ("text", pa.string())])


FORMAT = Format(
    "pylate",
    about="Parquet for late interaction: query, positive, negative_1 and on; with --scores lists of ids with scores",
    weights="lost, unless rows are drawn by it: --draw ROWS",
    scores="with --scores as `scores` of each list, for its distilling loss",
    draws=True,
    distils=True,
    write=write,
)
