"""Lines of JSON for FlagEmbedding, the trainer of the BGE models: `query`, `pos` and `neg`."""

from __future__ import annotations

from collections import Counter

from synalign.export.layout import Format, Options, Written
from synalign.export.source import Source
from synalign.export.target import Target
from synalign.export.train_rows import left_out_note, train_rows

TRAIN = "train.jsonl"

_USAGE = """```bash
torchrun --nproc_per_node 1 -m FlagEmbedding.finetune.embedder.encoder_only.base \\
  --model_name_or_path MODEL --output_dir retriever --train_data train.jsonl \\
  --train_group_size {group} --knowledge_distillation {distil}
```"""


def write(source: Source, target: Target, options: Options) -> Written:
    """Write `train.jsonl`, with `pos_scores` and `neg_scores` where scores go along."""
    left_out: Counter[str] = Counter()
    rows = 0
    with target.objects(TRAIN) as add:
        for example in train_rows(source, options, left_out if options.scores else None):
            # FlagEmbedding repeats negatives itself where there are too few, but cannot do without any.
            kept = example.own or len(example.negatives[:1])
            content = {"query": example.query, "pos": [example.document], "neg": list(example.negatives[:kept])}
            scores = {"pos_scores": [example.score], "neg_scores": list(example.negative_scores[:kept])}
            add({**content, **scores} if options.scores else content)
            rows += 1
    usage = _USAGE.format(group=1 + source.negatives(options.negatives), distil=options.scores)
    return Written({TRAIN: rows}, usage, notes=left_out_note(left_out))


FORMAT = Format(
    "flagembedding",
    about="train.jsonl with query, pos and neg, for the trainer of the BGE models",
    weights="lost, unless rows are drawn by it: --draw ROWS",
    scores="with --scores as `pos_scores` and `neg_scores`",
    draws=True,
    distils=True,
    write=write,
)
