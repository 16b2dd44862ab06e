"""Files that PyLate's trainer can take: triples, or ids with scores and the texts beside them."""

from pathlib import Path

from tests.export.sets import ROWS, exported


def test_triples_have_the_same_columns_in_every_row(tmp_path: Path) -> None:
    from datasets import load_dataset

    out, _ = exported(tmp_path, "pylate")
    found = load_dataset(str(out), split="train", cache_dir=str(tmp_path / "hf"))
    assert found.column_names == ["query", "positive", "negative_1", "negative_2"]
    assert found[2] == {
        "query": "sort a list", "positive": "x.sort()", "negative_1": "read(f)", "negative_2": "read(f)",
    }  # fmt: skip


def test_every_id_of_a_list_has_its_text(tmp_path: Path) -> None:
    """As `KDProcessing` of PyLate looks them up."""
    from datasets import load_dataset

    out, written = exported(tmp_path, "pylate", scores=True)
    train, queries, documents = (
        load_dataset(str(out), name, split="train", cache_dir=str(tmp_path / "hf"))
        for name in ("train", "queries", "documents")
    )
    texts = dict(zip(documents["document_id"], documents["text"], strict=True))
    asked = dict(zip(queries["query_id"], queries["text"], strict=True))
    for row, made in zip(train, ROWS, strict=False):
        negatives = made.negatives if len(made.negatives) == 2 else made.negatives * 2
        scores = made.scores if len(made.scores) == 2 else made.scores * 2
        assert asked[row["query_id"]] == made.query
        assert [texts[each] for each in row["document_ids"]] == [made.document, *negatives]
        assert row["scores"] == [made.score, *scores]
    assert written.rows == {"train.parquet": 3, "queries.parquet": 2, "documents.parquet": len(texts)}
