"""Lines that FlagEmbedding's dataset can take: `query`, `pos`, `neg`, and numbers for scores."""

from pathlib import Path

from tests.export.sets import ROWS, exported, lines


def test_lists_are_those_of_the_set(tmp_path: Path) -> None:
    out, written = exported(tmp_path, "flagembedding")
    assert lines(out / "train.jsonl") == [
        {"query": row.query, "pos": [row.document], "neg": list(row.negatives)} for row in ROWS[:3]
    ]
    assert "--train_group_size 3" in written.usage and "--knowledge_distillation False" in written.usage


def test_scores_are_as_long_as_the_lists_and_numbers(tmp_path: Path) -> None:
    broken = ROWS[0]._replace(query="no score", scores=(1.0, None))
    out, written = exported(tmp_path, "flagembedding", (*ROWS, broken), scores=True)
    found = lines(out / "train.jsonl")
    assert [(row["pos_scores"], row["neg_scores"]) for row in found] == [
        ([row.score], list(row.scores)) for row in ROWS[:3]
    ]
    assert written.notes == ("1 train rows without all scores of the teacher were left out.",)


def test_hugging_faces_reader_takes_it(tmp_path: Path) -> None:
    from datasets import load_dataset

    out, _ = exported(tmp_path, "flagembedding", scores=True)
    path = str(out / "train.jsonl")
    assert load_dataset("json", data_files=path, split="train", cache_dir=str(tmp_path / "hf")).to_list() == lines(
        out / "train.jsonl"
    )
