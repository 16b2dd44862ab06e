"""An error that ends a run names the setting to change, and whether running again can help."""

from __future__ import annotations

import pytest

from synalign.config import Configuration
from synalign.errors import EndpointError
from synalign.generation import outcomes
from synalign.generation.endings import final_error, nothing_answered
from synalign.generation.outcomes import Failure
from synalign.generation.refusals import SEED, Refusal

SETTINGS = Configuration.model_validate(
    {
        "retriever": "r",
        "schedule": {"start": "2026-01-01"},
        "source": {"kind": "beir", "path": "x"},
        "generation": {"endpoint": "https://x.example/v1", "model": "m", "api_key_variable": "MY_KEY"},
    }
).generation


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (Failure(outcomes.QUOTA_EXHAUSTED, "said."), "billing, not speed"),
        (Failure(outcomes.AUTHENTICATION, "said."), "refused the API key in MY_KEY"),
        (Failure(outcomes.PAGE, "said."), "correct generation.endpoint"),
        (Failure(outcomes.NOT_FOUND, "said."), "knows no model 'm'"),
        (Failure(outcomes.UNSUPPORTED, "said.", refusal=Refusal(parameters=(SEED,))), "generation.seed: null"),
    ],
    ids=lambda value: value.outcome if isinstance(value, Failure) else "",
)
def test_no_request_can_succeed(failure, told):
    error = final_error(failure, SETTINGS)
    assert isinstance(error, EndpointError) and told in str(error) and error.cause == "said"


def test_a_limit_of_hours_may_be_tried_again():
    error = final_error(Failure(outcomes.RATE_LIMITED, "said", retry_after=7200.0), SETTINGS)
    assert not isinstance(error, EndpointError) and "7200 s" in str(error)


@pytest.mark.parametrize(("outcome", "lasting"), [(outcomes.TIMEOUT, False), (outcomes.REFUSED, True)])
def test_a_run_without_an_answer_is_told_by_how_most_requests_ended(outcome, lasting):
    error = nothing_answered(outcome, f"{outcome} 9", "said")
    assert isinstance(error, EndpointError) is lasting and f"{outcome} 9" in str(error)
