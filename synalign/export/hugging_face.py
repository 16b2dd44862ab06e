"""The training set as it is, in Parquet files by split, which Hugging Face's `datasets` loads from the folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from synalign.export.layout import Format, Options, Written
from synalign.export.source import Source
from synalign.export.target import Target
from synalign.export.train_rows import OTHER_SPLITS
from synalign.retriever.examples import negative_columns

_USAGE = """```python
from datasets import load_dataset

dataset = load_dataset("FOLDER")  # this folder, or where it was pushed to
print(dataset["train"][0]["query"], dataset["train"][0]["weight"])
```"""


def write(source: Source, target: Target, options: Options) -> Written:
    """Write `data/<split>.parquet` for each split that has rows."""
    schema = pa.schema([field for field in source.content.schema if _wanted(field.name, source, options)])
    files = {f"data/{split}.parquet": split for split in ("train", *OTHER_SPLITS)}
    rows: dict[str, int] = {}
    for name, split in files.items():
        batches = _of_split(source, schema.names, split)
        first = next(batches, None)
        if first is None:
            continue
        with target.batches(name, schema) as add:
            rows[name] = _add(add, first, schema)
            for batch in batches:
                rows[name] += _add(add, batch, schema)
    return Written(rows, _USAGE, {"default": {files[name]: name for name in rows}})


def _wanted(name: str, source: Source, options: Options) -> bool:
    """Return whether a column goes along: negatives up to the number asked for, all others."""
    last = name.rsplit("_", 1)[-1]
    if not name.startswith("negative_") or not last.isdecimal():
        return True
    return int(last) <= negative_columns(source.content.schema.names, options.negatives)


def _of_split(source: Source, columns: list[str], split: str) -> Iterator[pa.RecordBatch]:
    for batch in source.content.batches(columns):
        kept = batch.filter(pc.equal(batch["split"], split))
        if kept.num_rows:
            yield kept


def _add(add: Callable[[pa.RecordBatch], None], batch: pa.RecordBatch, schema: pa.Schema) -> int:
    add(batch.cast(schema))
    return int(batch.num_rows)


FORMAT = Format(
    "hf",
    about="a folder for Hugging Face's `datasets`: all columns, a Parquet file for each split, a dataset card",
    weights="the column `weight`",
    scores="the columns `score` and `negative_score_1` and on, always",
    draws=False,
    distils=False,
    write=write,
)
