"""Settings of the judge, and what its requests take of the writer's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from synalign.config import Configuration, Generation, Judge

GOOD = {"endpoint": "https://judge.example/v1", "model": "large"}


def test_there_is_none_unless_it_is_asked_for(configuration: Callable[..., Configuration]) -> None:
    assert configuration().screening.judge is None


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"endpoint": "embedded"}, "endpoint"),
        ({"endpoint": "https://x.example/v1?api_key=abc"}, "must hold no key"),
        ({"endpoint": "https://me:secret@x.example/v1"}, "must hold no login"),
        ({"at_least": 0}, "at_least"),
        ({"at_least": 4}, "at_least"),
        ({"extra_body": {"temperature": 1}}, "that is said by"),
        ({"extra_body": {"api_key": "x"}}, "must hold no secret"),
        ({"budget": {"max_money": 1.0}}, "needs input_price"),
        ({"modle": "x"}, "modle"),
    ],
)
def test_a_mistake_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Judge.model_validate({**GOOD, **wrong})


def test_a_local_judge_is_the_built_in_model() -> None:
    assert Judge.model_validate({"endpoint": "local"}).model == "smollm2-135m"


def test_its_requests_have_its_own_endpoint_and_price_and_what_the_writer_redacts() -> None:
    writing = Generation(mode="batch", redact=("email",), temperature=0.7, documents_per_batch=3)
    budget = {"input_price": 1.0, "max_money": 2.0}
    asked = Judge.model_validate({**GOOD, "budget": budget, "api_key_variable": "JUDGE_KEY"}).asked_as(writing)
    assert (asked.endpoint, asked.model, asked.mode) == (GOOD["endpoint"], "large", "online")
    assert (asked.api_key_variable, asked.temperature, asked.max_output_tokens) == ("JUDGE_KEY", 0.0, 512)
    assert asked.budget.max_money == 2.0
    assert asked.redact == ("email",)
