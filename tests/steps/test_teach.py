from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synalign.config import Configuration
from synalign.progress import progress
from synalign.run import Interval, Run
from synalign.steps import teach as teaching
from synalign.steps.job import perform
from synalign.steps.teach import outside, teach
from synalign.tables import content_id, schema
from tests.steps.test_align import tables
from tests.teaching.conftest import make_cross_encoder as make_cross_encoder

Make = Callable[..., Configuration]
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")

OWN = {"q0": "d0", "q1": "d1", "c5": "d1"}


def prepared(configuration: Configuration, commit: Callable[..., Run], cosines: dict[str, list[float]]) -> Run:
    """A run in which pairs have been mined: real ones of queries, written ones of candidates."""
    documents = [f"d{row}" for row in range(6)]
    pairs = [("q0", "d0", "train"), ("q1", "d1", "train"), ("q2", "d2", "test")]
    content: dict[str, Any] = tables(["train"] * 3)
    content |= {
        "documents": pa.table({"document_id": documents, "title": ["T"] * 6, 
                                "text": [f"text {row}" for row in range(6)]}),
        "pairs": pa.table({
            "pair_id": [content_id(query, document) for query, document, _ in pairs],
            "query_id": [query for query, _, _ in pairs], "query": [query for query, _, _ in pairs],
            "document_id": [document for _, document, _ in pairs], "count": [1] * 3,
            "split": [split for _, _, split in pairs],
        }),
        "weights": schema("weights").empty_table(),
        "negatives": pa.Table.from_pylist(
            [
                {"pair_id": content_id(query, own), "rank": rank, "document_id": f"d{(int(own[1]) + rank) % 6}",
                 "source": "encoder" if rank else "positive", "cosine": cosine}
                for (query, own), found in zip(OWN.items(), cosines.values(), strict=True)
                for rank, cosine in enumerate(found)
            ],
            schema("negatives"),
        ),
    }  # fmt: skip
    return commit(Run(configuration, INTERVAL), **content)


COSINES = {"q0": [0.9, 0.5, 0.4], "q1": [0.5, 0.49, 0.2], "c5": [0.1, 0.3, 0.2]}


def test_the_encoder_teaches_its_cosines_and_its_margin_is_kept(
    configuration: Make, commit: Callable[..., Run]
) -> None:
    run = prepared(configuration(), commit, COSINES)
    metrics = perform(run, "teach", teach)["metrics"]
    rows = run.read("scores").to_pylist()
    assert [row["score"] for row in rows] == [cosine for found in COSINES.values() for cosine in found]
    assert [row["objection"] for row in rows] == [
        None, None, None,
        None, "false_negative", None,
        "loses", "false_negative", "false_negative",
    ]  # fmt: skip
    assert metrics["objections"] == {"false_negative": 3, "loses": 1}
    assert outside(run) == {}


def test_nobody_scores_and_nobody_objects_where_there_is_no_teacher(
    configuration: Make, commit: Callable[..., Run]
) -> None:
    run = prepared(configuration(teacher={"kind": "none"}), commit, COSINES)
    perform(run, "teach", teach)
    rows = run.read("scores").to_pylist()
    assert len(rows) == 9
    assert {(row["score"], row["objection"]) for row in rows} == {(None, None)}


@pytest.mark.parametrize("at_once", [1, 1000])
def test_a_cross_encoder_scores_each_pairs_query_with_its_documents(
    configuration: Make,
    commit: Callable[..., Run],
    make_cross_encoder: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
) -> None:
    monkeypatch.setattr(teaching, "PAIRS_AT_ONCE", at_once)
    from synalign.teaching.teachers import CrossEncoder

    settings = configuration(teacher={"kind": "cross_encoder", "model": str(make_cross_encoder())})
    run = prepared(settings, commit, COSINES)
    perform(run, "teach", teach, outside(run))
    asked = [(query, [f"T\ntext {int(own[1]) + rank}" for rank in range(3)]) for query, own in OWN.items()]
    with progress("teach", 3, "pairs") as advance:
        found = CrossEncoder(settings.teacher).scores(asked, advance)
    expected = np.concatenate(found).tolist()
    assert [row["score"] for row in run.read("scores").to_pylist()] == pytest.approx(expected, abs=1e-5)
    assert len(outside(run)["teacher"]) == 32


def test_without_negatives_there_is_nothing_to_score(configuration: Make, commit: Callable[..., Run]) -> None:
    run = prepared(configuration(), commit, {"q0": [], "q1": [], "c5": []})
    perform(run, "teach", teach)
    assert run.read("scores").num_rows == 0
