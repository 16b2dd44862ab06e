"""A run file for Lightning IR: a line of JSON for each document of each query, with texts, rank and score."""

from __future__ import annotations

from collections import Counter

from synalign.export.document_ids import DocumentIds
from synalign.export.layout import Format, Options, Written
from synalign.export.source import Source
from synalign.export.target import Target
from synalign.export.train_rows import left_out_note, train_rows
from synalign.retriever.examples import Example
from synalign.tables import content_id

TRAIN = "train.jsonl"

_USAGE = """```yaml
data:
  class_path: LightningIRDataModule
  init_args:
    train_batch_size: 32
    train_dataset:
      class_path: RunDataset
      init_args:
        run_path_or_id: train.jsonl
        depth: {group}
        sample_size: {group}
        sampling_strategy: top
        targets: {targets}
```"""


def write(source: Source, target: Target, options: Options) -> Written:
    """Write `train.jsonl`. Each train row is a query of its own, since Lightning IR has one list for each query."""
    ids = DocumentIds(source)
    left_out: Counter[str] = Counter()
    rows = lists = copy = 0
    before: Example | None = None
    with target.objects(TRAIN) as add:
        for example in train_rows(source, options, left_out if options.scores else None):
            copy = copy + 1 if example is before else 0
            before = example
            own = example.document_id or ids.of(example.document)
            query_id = content_id(example.query, own) + (f"-{copy}" if copy else "")
            lists += 1
            # It keeps a document of a query once: repetitions would be dropped.
            texts: dict[str, float] = {}
            for text, score in zip((example.document, *example.negatives), example.scores, strict=True):
                texts.setdefault(text, score)
            for rank, (text, score) in enumerate(texts.items(), start=1):
                relevance = int(rank == 1)
                add(
                    {
                        "query_id": query_id,
                        "doc_id": own if relevance else ids.of(text),
                        "rank": rank,
                        "score": score if options.scores else float(relevance),
                        "relevance": relevance,
                        "query": example.query,
                        "text": text,
                    }
                )
                rows += 1
    targets = "score" if options.scores else "relevance"
    usage = _USAGE.format(group=1 + source.negatives(options.negatives), targets=targets)
    note = f"{rows:,} lines are {lists:,} lists. `sample_size` leaves out lists that are shorter."
    return Written({TRAIN: rows}, usage, notes=(note, *left_out_note(left_out)))


FORMAT = Format(
    "lightning-ir",
    about="train.jsonl, a run with texts: query_id, doc_id, rank, score, relevance, query, text",
    weights="lost, unless rows are drawn by it: --draw ROWS",
    scores="with --scores as `score`; without, 1 for the positive and 0 for negatives",
    draws=True,
    distils=True,
    write=write,
)
