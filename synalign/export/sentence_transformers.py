"""Parquet for the trainer of sentence-transformers: `anchor`, `positive`, `negative_1` and on, `label`."""

from __future__ import annotations

import pyarrow as pa

from synalign.errors import InputError
from synalign.export.layout import Format, Options, Written
from synalign.export.source import Source
from synalign.export.target import Target
from synalign.export.train_rows import OTHER_SPLITS, pairs, train_rows

TRAIN = "train.parquet"

_USAGE = """```python
from datasets import load_dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer

from synalign.retriever.loss import {loss}

model = SentenceTransformer("MODEL")
trainer = SentenceTransformerTrainer(
    model,
    train_dataset=load_dataset("parquet", data_files="train.parquet", split="train"),
    loss={loss}(model),
)
trainer.train()
```"""


def write(source: Source, target: Target, options: Options) -> Written:
    """Write `train.parquet`, and the pairs of the other splits beside it."""
    count = source.negatives(options.negatives)
    label = pa.list_(pa.float64()) if options.scores else pa.float64()
    names = ["anchor", "positive", *(f"negative_{number + 1}" for number in range(count))]
    schema = pa.schema([*((name, pa.string()) for name in names), ("label", label)])
    rows = {TRAIN: 0}
    scored = False
    with target.table(TRAIN, schema) as add:
        for example in train_rows(source, options):
            texts = dict(zip(names, (example.query, example.document, *example.negatives), strict=True))
            add({**texts, "label": [example.weight, *example.scores] if options.scores else example.weight})
            rows[TRAIN] += 1
            scored = scored or example.is_scored
    if options.scores and not scored:
        raise InputError("the training set has no scores of a teacher.", remedy="export without --scores")
    for split in OTHER_SPLITS:
        rows |= _other(source, target, split)
    loss = "WeightedListwiseDistillationLoss" if options.scores else "WeightedMultipleNegativesRankingLoss"
    return Written(rows, _USAGE.format(loss=loss), {"default": {_split(name): name for name in rows}})


def _other(source: Source, target: Target, split: str) -> dict[str, int]:
    """Write the pairs of a split, where it has any, and return how many."""
    found = pairs(source, split)
    first = next(found, None)
    if first is None:
        return {}
    name, rows = f"{split}.parquet", 1
    with target.table(name, pa.schema([("anchor", pa.string()), ("positive", pa.string())])) as add:
        add({"anchor": first[0], "positive": first[1]})
        for query, document in found:
            add({"anchor": query, "positive": document})
            rows += 1
    return {name: rows}


def _split(name: str) -> str:
    return name.removesuffix(".parquet")


FORMAT = Format(
    "sentence-transformers",
    about="Parquet with the columns that its trainer takes: anchor, positive, negative_1 and on, label",
    weights="in `label`, for the weighted losses and the sampler of synalign.retriever",
    scores="with --scores in `label` too: weight, score of the positive, score of each negative",
    draws=False,
    distils=True,
    write=write,
)
