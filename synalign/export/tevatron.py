"""Lines of JSON for Tevatron: a query with `positive_passages` and `negative_passages`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from synalign.export.document_ids import DocumentIds
from synalign.export.layout import Format, Options, Written
from synalign.export.source import Source
from synalign.export.target import Target
from synalign.export.train_rows import left_out_note, train_rows
from synalign.tables import content_id

TRAIN = "train.jsonl"

_USAGE = """```bash
python -m tevatron.retriever.driver.train --output_dir retriever --model_name_or_path MODEL \\
  --dataset_name json --dataset_path train.jsonl --train_group_size {group}
```"""


def write(source: Source, target: Target, options: Options) -> Written:
    """Write `train.jsonl`. A passage has no `title` of its own: Tevatron would put it before the text again."""
    ids = DocumentIds(source)
    left_out: Counter[str] = Counter()
    rows = 0
    with target.objects(TRAIN) as add:
        for example in train_rows(source, options, left_out if options.scores else None):
            # Tevatron repeats negatives itself where there are too few, but cannot do without any.
            kept = example.own or len(example.negatives[:1])
            scores = zip(example.negatives[:kept], example.negative_scores[:kept], strict=True)
            add(
                {
                    "query_id": content_id(example.query),
                    "query": example.query,
                    "positive_passages": [
                        _passage(example.document_id, example.document, example.score, options.scores)
                    ],
                    "negative_passages": [
                        _passage(ids.of(text), text, score, options.scores) for text, score in scores
                    ],
                }
            )
            rows += 1
    return Written(
        {TRAIN: rows}, _USAGE.format(group=1 + source.negatives(options.negatives)), notes=left_out_note(left_out)
    )


def _passage(document_id: str, text: str, score: float, scored: bool) -> dict[str, Any]:
    passage: dict[str, Any] = {"docid": document_id, "text": text}
    return {**passage, "score": score} if scored else passage


FORMAT = Format(
    "tevatron",
    about="train.jsonl with query, positive_passages and negative_passages",
    weights="lost, unless rows are drawn by it: --draw ROWS",
    scores="with --scores as `score` of each passage, for its distilling trainer",
    draws=True,
    distils=True,
    write=write,
)
