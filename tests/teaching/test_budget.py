"""The budget of a server that reranks: tokens, requests and money, over kills."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synalign.config import Configuration, RerankBudget
from synalign.errors import EndpointError
from synalign.generation.endpoint import Endpoint
from synalign.generation.journal import Journal
from synalign.progress import progress
from synalign.teaching.budget import RECORD, Budget, most_tokens, reported
from synalign.teaching.reranker import Reranker
from tests.teaching.test_reranker import ASKED, cohere, reranking

Make = Callable[..., Configuration]


def with_usage(body: dict[str, Any]) -> tuple[int, Any]:
    """Answer as Jina does, which says the tokens."""
    status, content = cohere(body)
    return status, {**content, "usage": {"total_tokens": 80}}


def asked(
    configuration: Make, url: str, folder: Path, wanted: Any = ASKED, **budget: Any
) -> tuple[list[list[float]], dict[str, Any]]:
    """Ask for the scores of documents, one request after another."""
    settings = {"kind": "rerank", "model": "m", "endpoint": url, "budget": budget}
    made = configuration(teacher=settings, runtime={"concurrency": 1, "timeout_seconds": 10})
    with Journal(folder / "journal") as journal, progress("teach", len(ASKED), "pairs") as advance:
        counted = Budget(made.teacher.budget, folder / RECORD, journal)
        teacher = Reranker(made, Endpoint(url, ""), journal, counted)
        try:
            return [each.tolist() for each in teacher.scores(wanted, advance)], teacher.spent
        finally:
            counted.close()


@pytest.mark.parametrize(
    ("budget", "money"),
    [({"input_price": 2.0}, 2 * 80 * 2e-6), ({"request_price": 2.0}, 2 * 2e-3),
     ({"input_price": 2.0, "request_price": 2.0}, 2 * (80 * 2e-6 + 2e-3)), ({}, 0.0)],
)  # fmt: skip
def test_money_is_of_tokens_and_of_requests(
    configuration: Make, tmp_path: Path, budget: dict[str, float], money: float
) -> None:
    with reranking(with_usage) as server:
        _, spent = asked(configuration, server.url, tmp_path, **budget)
    assert spent["money"] == pytest.approx(money)
    assert (spent["tokens"], spent["paid_requests"], spent["requests"], spent["over_budget"]) == (160, 2, 2, 0)


@pytest.mark.parametrize(
    "budget",
    [{"max_requests": 1}, {"max_tokens": 90}, {"max_money": 1.5e-3, "request_price": 1.0},
     {"max_money": 90e-6, "input_price": 1.0}],
)  # fmt: skip
def test_a_ceiling_is_never_passed_and_the_rest_is_asked_when_it_is_raised(
    configuration: Make, tmp_path: Path, budget: dict[str, Any]
) -> None:
    prices = {name: value for name, value in budget.items() if name.endswith("price")}
    with reranking(with_usage) as server:
        # At most 85 tokens are the first request, 27 the second.
        found, spent = asked(configuration, server.url, tmp_path, **budget)
        assert len(server.asked) == 1 and spent["over_budget"] == 1
        assert sum(score == score for scores in found for score in scores) + spent["not_scored"] == 4
        again, spent = asked(configuration, server.url, tmp_path, **budget)
        assert len(server.asked) == 1 and str(again) == str(found)
        _, spent = asked(configuration, server.url, tmp_path, **prices)
        assert len(server.asked) == 2 and spent["not_scored"] == 0
        # Of the whole run, whatever process paid it.
        assert (spent["tokens"], spent["paid_requests"]) == (160, 2)


def test_a_server_that_counts_nothing_is_counted_in_full_and_one_that_refuses_not_at_all(
    configuration: Make, tmp_path: Path
) -> None:
    with reranking(cohere) as server:
        _, spent = asked(configuration, server.url, tmp_path / "a")
        assert spent["tokens"] == sum(most_tokens(query, [text for _, text in texts]) for query, texts in ASKED)
    # One alone: others in flight are given up, and may have been billed.
    with reranking(lambda body: (401, {})) as server, pytest.raises(EndpointError):
        asked(configuration, server.url, tmp_path / "b", ASKED[:1])
    with Journal(tmp_path / "b" / "journal") as journal:
        refused = Budget(RerankBudget(), tmp_path / "b" / RECORD, journal)
        assert (refused.tokens, refused.requests) == (0, 0)
        refused.close()


def test_a_request_that_a_kill_left_open_is_counted(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        killed = Budget(RerankBudget(max_requests=1), tmp_path / RECORD, journal)
        assert asyncio.run(killed.reserve(70, 1, "key")) is not None
        killed.close()
        resumed = Budget(RerankBudget(max_requests=1), tmp_path / RECORD, journal)
        assert (resumed.tokens, resumed.requests, resumed.limited) == (70, 1, True)
        assert asyncio.run(resumed.reserve(70, 1, "other")) is None
        resumed.close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"usage": {"total_tokens": 7, "prompt_tokens": 5}}, (7, 1)), ({"usage": {"prompt_tokens": 5}}, (5, 1)),
        ({"meta": {"billed_units": {"search_units": 3}}}, (None, 3)),
        ({"meta": {"tokens": {"input_tokens": 9}}}, (9, 1)),
        ({"usage": "many", "meta": []}, (None, 1)), ({"usage": {"total_tokens": True}}, (None, 1)),
        ({"usage": {"total_tokens": float("nan")}}, (None, 1)), ({"usage": {"total_tokens": -1}}, (None, 1)),
        ("text", (None, 1)), (None, (None, 1)),
    ],
)  # fmt: skip
def test_what_servers_report_is_read_and_nonsense_is_no_report(answer: Any, expected: tuple[int | None, int]) -> None:
    assert reported(answer) == expected
