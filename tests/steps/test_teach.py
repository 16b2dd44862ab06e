from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synalign.config import Configuration
from synalign.errors import EndpointError, GenerationError
from synalign.progress import progress
from synalign.run import Interval, Run
from synalign.steps import teach as teaching
from synalign.steps.job import perform
from synalign.steps.teach import outside, teach
from synalign.tables import content_id, schema
from tests.generation.judges import judging
from tests.steps.test_align import tables
from tests.teaching.conftest import make_cross_encoder as make_cross_encoder
from tests.teaching.test_reranker import cohere, reranking

Make = Callable[..., Configuration]
INTERVAL, LATER = Interval.parse("2026-02-28", "2026-03-01"), Interval.parse("2026-03-01", "2026-03-02")

OWN = {"q0": "d0", "q1": "d1", "c5": "d1"}


def prepared(
    configuration: Configuration, commit: Callable[..., Run], cosines: dict[str, list[float]],
    interval: Interval = INTERVAL,
) -> Run:  # fmt: skip
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
    return commit(Run(configuration, interval), **content)


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
    asked = [(query, [("T", f"text {int(own[1]) + rank}") for rank in range(3)]) for query, own in OWN.items()]
    with progress("teach", 3, "pairs") as advance:
        found = CrossEncoder(settings.teacher).scores(asked, advance)
    expected = np.concatenate(found).tolist()
    assert [row["score"] for row in run.read("scores").to_pylist()] == pytest.approx(expected, abs=1e-5)
    assert len(outside(run)["teacher"]) == 32


def test_without_negatives_there_is_nothing_to_score(configuration: Make, commit: Callable[..., Run]) -> None:
    run = prepared(configuration(), commit, {"q0": [], "q1": [], "c5": []})
    perform(run, "teach", teach)
    assert run.read("scores").num_rows == 0


RUNTIME = {"concurrency": 1, "attempts": 1, "timeout_seconds": 10}
PRICES = {"input_price": 10.0, "output_price": 20.0}


def graded(query: str, text: str) -> int:
    """Grade a pair's own document 3, and the last of its negatives 1."""
    own, asked = int(OWN[query][1]), int(text.removeprefix("text "))
    return 3 if asked == own else 1 if asked == own + 2 else 0


def judge_of(configuration: Make, url: str, **budget: Any) -> Configuration:
    own = {"endpoint": url, "model": "m", "api_key_variable": None, "budget": {**PRICES, **budget}}
    return configuration(teacher={"kind": "judge"}, screening={"judge": own}, runtime=RUNTIME)


def test_a_judge_grades_each_document_and_is_paid_once(configuration: Make, commit: Callable[..., Run]) -> None:
    with judging(graded) as server:
        run = prepared(judge_of(configuration, server.url), commit, COSINES)
        metrics = perform(run, "teach", teach, outside(run))["metrics"]
        assert [row["score"] for row in run.read("scores").to_pylist()] == [3.0, 0.0, 1.0] * 3
        assert len(server.pairs) == 9
        assert {"requests": 9, "tokens": 9 * 105, "not_scored": 0, "currency": "USD"}.items() <= metrics.items()
        assert metrics["money"] == pytest.approx(9 * (100 * 10 + 5 * 20) / 1e6)
        # Another run of the same pairs: nobody is asked.
        again = prepared(run.configuration, commit, COSINES, LATER)
        assert perform(again, "teach", teach, outside(again))["metrics"]["journal_hits"] == 9
        assert len(server.pairs) == 9


@pytest.mark.parametrize("kind", ["judge", "rerank"])
def test_a_ceiling_leaves_pairs_without_scores_and_raised_asks_for_the_rest_alone(
    configuration: Make, commit: Callable[..., Run], caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    def made(url: str, most: int | None) -> Configuration:
        if kind == "judge":
            return judge_of(configuration, url, max_tokens=most)
        settings = {"kind": "rerank", "model": "m", "endpoint": url, "budget": {"max_requests": most and 2}}
        return configuration(teacher=settings, runtime=RUNTIME)

    with judging(graded) as judge, reranking(cohere) as server:
        url, asked = (judge.url, judge.pairs) if kind == "judge" else (server.url, server.asked)
        # A judge's request can cost some thousand tokens at most, and costs 105.
        run = prepared(made(url, 3000), commit, COSINES)
        perform(run, "teach", teach, outside(run))
        scores = run.read("scores")["score"]
        first = len(asked)
        assert 0 < scores.null_count < 9
        assert run.require("teach")["metrics"]["not_scored"] == scores.null_count
        assert f"the ceiling of {'screening.judge' if kind == 'judge' else 'teacher'}.budget is reached" in caplog.text
        # A judge's ceiling is a setting of the screen, too, which would have to be done again.
        interval = LATER if kind == "judge" else INTERVAL
        raised = prepared(made(url, None), commit, COSINES, interval)
        perform(raised, "teach", teach, outside(raised))
        assert raised.read("scores")["score"].null_count == 0
        assert len(asked) == (9 if kind == "judge" else 3) > first


@pytest.mark.parametrize("kind", ["judge", "rerank"])
def test_a_ceiling_without_room_for_anything_says_what_to_type(
    configuration: Make, commit: Callable[..., Run], kind: str
) -> None:
    with judging(graded) as judge, reranking(cohere) as server:
        settings = {"kind": "rerank", "model": "m", "endpoint": server.url, "budget": {"max_tokens": 1}}
        made = configuration(teacher=settings, runtime=RUNTIME)
        run = prepared(judge_of(configuration, judge.url, max_tokens=1) if kind == "judge" else made, commit, COSINES)
        with pytest.raises(EndpointError, match="leaves no room for the teacher's scores") as caught:
            perform(run, "teach", teach, outside(run))
        assert not judge.pairs and not server.asked
    assert "raise the ceiling of" in caught.value.remedy


def test_without_a_judge_the_writer_grades_and_errors_name_its_section(
    configuration: Make, commit: Callable[..., Run]
) -> None:
    writing = {"endpoint": "http://127.0.0.1:9/v1", "model": "m", "api_key_variable": None}
    with judging(graded) as server:
        there = configuration(
            teacher={"kind": "judge"}, generation={**writing, "endpoint": server.url}, runtime=RUNTIME
        )
        run = prepared(there, commit, COSINES)
        perform(run, "teach", teach, outside(run))
        assert len(server.pairs) == 9
    away = configuration(teacher={"kind": "judge"}, generation=writing, runtime=RUNTIME)
    run = prepared(away, commit, COSINES, LATER)
    with pytest.raises(GenerationError, match="the judge as teacher: nobody answers") as caught:
        perform(run, "teach", teach, outside(run))
    assert "generation.endpoint" in caught.value.remedy and "screening" not in str(caught.value)
