"""Lines that Tevatron's dataset can take: documented keys, at least one negative, scores on every passage."""

from pathlib import Path

from synalign.tables import content_id
from tests.export.sets import ODD, ROWS, exported, lines


def test_passages_are_those_of_the_set(tmp_path: Path) -> None:
    out, written = exported(tmp_path, "tevatron")
    found = lines(out / "train.jsonl")
    assert written.rows == {"train.jsonl": 3} == {"train.jsonl": len(found)}
    assert found[0] == {
        "query_id": content_id("sort a list"),
        "query": "sort a list",
        "positive_passages": [{"docid": "d1", "text": "sorted(x)"}],
        "negative_passages": [
            {"docid": "d 2", "text": "read(f)"},
            {"docid": content_id("nothing like it"), "text": "nothing like it"},
        ],
    }
    assert [len(row["negative_passages"]) for row in found] == [2, 2, 1]
    assert found[1]["query"] == ODD
    assert "--train_group_size 3" in written.usage


def test_scores_stand_on_every_passage(tmp_path: Path) -> None:
    out, _ = exported(tmp_path, "tevatron", scores=True)
    for row, made in zip(lines(out / "train.jsonl"), ROWS, strict=False):
        scores = [passage["score"] for passage in row["positive_passages"] + row["negative_passages"]]
        assert scores == [made.score, *made.scores]


def test_a_row_without_negatives_of_its_own_gets_one(tmp_path: Path) -> None:
    bare = ROWS[2]._replace(negatives=(), scores=(), query="other")
    out, _ = exported(tmp_path, "tevatron", (*ROWS[:2], bare))
    assert [passage["text"] for passage in lines(out / "train.jsonl")[2]["negative_passages"]] == ["sorted(x)"]


def test_draws_keep_the_weights(tmp_path: Path) -> None:
    out, _ = exported(tmp_path, "tevatron", draw=7)
    drawn = [row["positive_passages"][0]["docid"] for row in lines(out / "train.jsonl")]
    assert (drawn.count("d1"), drawn.count("d 2"), drawn.count("d3")) == (1, 4, 2)
