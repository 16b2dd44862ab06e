"""A run file as Lightning IR reads one: pandas on lines of JSON, one list of documents per query id."""

from pathlib import Path

import pandas as pd
import pytest

from tests.export.sets import ROWS, exported


def run(path: Path) -> pd.DataFrame:
    return pd.read_json(path, lines=True, orient="records", dtype={"query_id": str, "doc_id": str})


@pytest.mark.parametrize("scores", [False, True])
def test_each_row_is_a_list_with_its_document_first(tmp_path: Path, scores: bool) -> None:
    out, written = exported(tmp_path, "lightning-ir", scores=scores)
    found = run(out / "train.jsonl")
    assert list(found.columns) == ["query_id", "doc_id", "rank", "score", "relevance", "query", "text"]
    groups = [group for _, group in found.groupby("query_id", sort=False)]
    for group, made in zip(groups, ROWS[:3], strict=True):
        assert group["text"].tolist() == [made.document, *made.negatives]
        assert group["rank"].tolist() == list(range(1, len(group) + 1))
        assert set(group["query"]) == {made.query}
        expected = [made.score, *made.scores] if scores else [1.0] + [0.0] * len(made.negatives)
        assert group["score"].tolist() == expected
        assert group["relevance"].tolist() == [1] + [0] * len(made.negatives)
    assert found.groupby("doc_id")["text"].nunique().max() == 1
    assert "depth: 3" in written.usage


def test_copies_are_queries_of_their_own(tmp_path: Path) -> None:
    """Lightning IR drops a document that a query has twice."""
    out, _ = exported(tmp_path, "lightning-ir", draw=7)
    found = run(out / "train.jsonl")
    assert found["query_id"].nunique() == 7
    assert not found.duplicated(["query_id", "doc_id"]).any()
