"""Settings of a teacher: what goes together, what its scores' temperature is, and what a fingerprint leaves out."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from synalign.config import Configuration, Teacher
from synalign.config.teacher import as_fingerprinted

RERANK = {"kind": "rerank", "model": "m", "endpoint": "http://127.0.0.1:9/v1"}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": "rerank"}, "model must be given"), ({"kind": "judge", "model": "m"}, "model must be given"),
        ({"kind": "cross_encoder"}, "model must be given"),
        ({"kind": "judge", "endpoint": "http://127.0.0.1:9/v1"}, "endpoint must be given"),
        ({"kind": "judge", "budget": {"max_tokens": 5}}, "screening.judge.budget"),
        ({**RERANK, "budget": {"max_money": 1.0}}, "input_price or request_price"),
        ({**RERANK, "budget": {"max_requests": 0}}, "max_requests"),
        ({**RERANK, "budget": {"output_price": 1.0}}, "output_price"), ({"judge": True}, "judge"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Teacher.model_validate(wrong)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"kind": "encoder"}, 0.05), ({"kind": "none"}, 0.05), (RERANK, 1.0), ({"kind": "judge"}, 0.5),
        ({"kind": "judge", "score_temperature": 2.0}, 2.0),
    ],
)  # fmt: skip
def test_scores_have_a_temperature_of_their_kind(settings: dict[str, Any], expected: float) -> None:
    assert Teacher.model_validate(settings).temperature == expected


def test_the_embedded_writer_is_no_judge(configuration: Callable[..., Configuration]) -> None:
    with pytest.raises(ValidationError, match="kind judge needs a model that can grade"):
        configuration(teacher={"kind": "judge"}, generation={"endpoint": "embedded"})
    judge = {"endpoint": "https://judge.example/v1", "model": "large"}
    configuration(teacher={"kind": "judge"}, generation={"endpoint": "embedded"}, screening={"judge": judge})


def test_a_budget_that_says_nothing_is_no_part_of_a_fingerprint() -> None:
    def fingerprinted(**settings: Any) -> Any:
        return as_fingerprinted({"teacher": Teacher.model_validate(settings).model_dump(mode="json")})["teacher"]

    assert "budget" not in fingerprinted()
    assert fingerprinted(**RERANK, budget={"max_tokens": 9})["budget"]["max_tokens"] == 9
    assert as_fingerprinted({"seed": 1}) == {"seed": 1}
