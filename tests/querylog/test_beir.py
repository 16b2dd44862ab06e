"""A BEIR folder through a whole ingest: every line of its files is read or counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synalign.errors import InputError
from tests.querylog.trial import (
    ingested,
    metrics_of,
    queries,
    rejected,
)

pytestmark = pytest.mark.usefixtures("spark")


def beir(home: Path, qrels: str, corpus: str = '{"_id": "1", "text": "x"}\n', **more: str) -> Any:
    files = {"b/corpus.jsonl": corpus, "b/queries.jsonl": '{"_id": "q1", "text": "how"}\n', "b/qrels/train.tsv": qrels}
    return ingested(home, {"kind": "beir", "path": "b"}, {**files, **more})


HEADER = "query-id\tcorpus-id\tscore\n"


def test_every_line_of_judgements_is_counted(home: Path) -> None:
    lines = ["q1\t1\t1", "q1\t1\trelevant", "q1\t1", "q1 1 1", '"q1\t1\t1', "q1\t1\t0", "q1\t1\t-2", "q1\t1\t1\t1",
             "\t1\t1", "q1\t\t1", "q1\t1\tNaN", "q1\t1\t1e0", "q1\t1\t2.5"]  # fmt: skip
    queries_ = (
        '{"_id": "q1", "text": "how"}\n{"_id": "q1", "text": "twice"}\n{"_id": "q\n{"_id": "\\"q1", "text": "quote"}\n'
    )
    run = beir(home, HEADER + "\n".join(lines) + "\n", **{"b/queries.jsonl": queries_})
    assert queries(run) == {"how": 3, "quote": 1}
    metrics = metrics_of(run)
    assert metrics["log_rows"] == len(lines) + 2
    assert metrics["log_rows_not_relevant"] == 2
    assert rejected(run) == {"malformed_row": 8, "duplicate_query_id": 1}


@pytest.mark.parametrize(
    ("title", "qrels"),
    [
        ("", "q1\t1\t1\n"),
        (', "title": null', "q1 0 1 1\n"),
        (', "title": "t"', "q1\t0\t1\t1\n"),
        ("", f"{HEADER}q1\t1\t1"),
    ],
)
def test_a_folder_without_titles_or_without_names_is_read(home: Path, title: str, qrels: str) -> None:
    run = beir(home, qrels, f'{{"_id": "1", "text": "x"{title}}}\n')
    assert queries(run) == {"how": 1}
    assert run.read("documents")["title"].to_pylist() == ["t" if '"t"' in title else ""]


@pytest.mark.parametrize(
    ("qrels", "more"),
    [
        (HEADER + "q1\t1\t1\n", {"b/corpus.jsonl": '{"id": "1", "text": "x"}\n'}),
        (HEADER + "q1\t1\t1\n", {"b/queries.jsonl": '{"id": "q1", "query": "x"}\n'}),
        ("topic\tdocument\tjudgement\nq1\t1\t1\n", {}),
        (HEADER + "q1\t9\t1\n", {}),
        (HEADER + "q1\t1\t0\n", {}),
        (HEADER, {}),
    ],
)
def test_no_error_about_a_folder_names_settings_that_it_does_not_have(
    home: Path, qrels: str, more: dict[str, str]
) -> None:
    with pytest.raises(InputError) as caught:
        beir(home, qrels, **more)
    assert str(home / "b") in caught.value.message
    for setting in ("source.columns", "source.documents", "source.format", "source.header"):
        assert setting not in str(caught.value)
