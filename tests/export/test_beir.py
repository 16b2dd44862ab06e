"""A BEIR folder, read back as BEIR reads one: JSON by line, judgements by tab with the csv reader."""

import csv
from pathlib import Path

from synalign.tables import content_id
from tests.export.sets import ODD, ROWS, exported, lines


def judgements(path: Path) -> list[tuple[str, str, int]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_MINIMAL))
    assert rows[0] == ["query-id", "corpus-id", "score"]
    return [(query, document, int(score)) for query, document, score in rows[1:]]


def test_every_judgement_names_a_query_and_a_document_that_are_there(tmp_path: Path) -> None:
    out, written = exported(tmp_path, "beir")
    corpus = {row["_id"]: row["text"] for row in lines(out / "corpus.jsonl")}
    queries = {row["_id"]: row["text"] for row in lines(out / "queries.jsonl")}
    found = {
        (queries[query], corpus[document], split)
        for split, name in (("train", "train"), ("validation", "dev"), ("test", "test"))
        for query, document, score in judgements(out / "qrels" / f"{name}.tsv")
        if score == 1
    }
    assert found == {(row.query, row.document, row.split) for row in ROWS}
    # Each document once, under one id, though three rows have it as a negative.
    assert sorted(corpus.values()) == sorted({row.document for row in ROWS} | {"nothing like it", ODD + " too"})
    assert written.rows == {
        "corpus.jsonl": 6, "queries.jsonl": 4, "qrels/train.tsv": 3, "qrels/dev.tsv": 1, "qrels/test.tsv": 1,
    }  # fmt: skip
    assert all(row["title"] == "" for row in lines(out / "corpus.jsonl"))


def test_ids_that_would_break_a_line_are_hashed(tmp_path: Path) -> None:
    ids = ('"quoted', "tab\tin it", "line\nin it", "d 2", "plain-1")
    out, _ = exported(tmp_path, "beir", tuple(ROWS[0]._replace(document_id=each, document=each) for each in ids), 0)
    assert [document for _, document, _ in judgements(out / "qrels" / "train.tsv")] == [
        *(content_id(each) for each in ids[:4]), "plain-1",
    ]  # fmt: skip
