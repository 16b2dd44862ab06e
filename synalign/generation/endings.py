"""What people are told when the model's endpoint ends a run, by kind: its own words once, and what to do."""

from __future__ import annotations

from collections.abc import Mapping

from synalign.config import Generation
from synalign.errors import EndpointError, GenerationError
from synalign.generation import outcomes
from synalign.generation.outcomes import Failure

_AGAIN = "run the step again; answers so far are kept"

REMEDIES = {
    outcomes.CONNECTION: "check generation.endpoint, the network and the proxy variables",
    outcomes.TIMEOUT: "try again; if the model is that slow, raise runtime.timeout_seconds",
    outcomes.RATE_LIMITED: "others use the same quota now; a refresh waits, but takes longer",
    outcomes.SERVER_ERROR: "the endpoint has trouble of its own; try again later",
    outcomes.TRUNCATED: "raise generation.max_output_tokens, or lower generation.documents_per_batch; a reasoning "
    "model thinks within that limit too",
    outcomes.REFUSED: "take another model, or reword generation.prompts",
    outcomes.INVALID_OUTPUT: "take a model or endpoint with structured outputs (response_format json_schema), or "
    "another generation.structured_output",
    outcomes.CONTEXT_TOO_LONG: "take a model with a larger context, or lower generation.document_characters, "
    "generation.documents_per_batch or generation.max_output_tokens",
    outcomes.REJECTED: "the endpoint does not take such a request: what it says names the parameter; "
    "generation.structured_output (response_format json_schema), seed, temperature, output_limit_name and extra_body "
    "say what is sent",
}
"""What to do about requests that ended so, if the run went on."""


def final_error(failure: Failure, settings: Generation) -> GenerationError:
    """Return the error for a failure after which no request can succeed."""
    outcome, endpoint = failure.outcome, settings.endpoint
    kind: type[GenerationError] = EndpointError
    if outcome == outcomes.QUOTA_EXHAUSTED:
        message = f"{endpoint} says that the quota is exhausted: this is about billing, not speed."
        remedy = f"top up the account or raise its limit, then {_AGAIN}"
    elif outcome == outcomes.RATE_LIMITED:
        kind = GenerationError
        message = f"{endpoint} asks to wait {failure.retry_after:.0f} s: this is a limit of hours or days."
        remedy = f"{_AGAIN.replace('again;', 'again after that;')}"
    elif outcome == outcomes.AUTHENTICATION:
        key = settings.api_key_variable or "generation.headers_variable"
        message = f"{endpoint} refused the API key in {key}."
        remedy = f"put a valid key, one that may use {settings.model!r}, into {key}"
        if settings.api_key_variable is not None and not settings.headers_variable:
            remedy += (
                "; an endpoint with a header of its own for keys (Azure: api-key) needs generation.headers_variable"
            )
    elif outcome == outcomes.PAGE:
        message = f"{endpoint} answers with a page, not an API: check the URL."
        remedy = "correct generation.endpoint: most base URLs end in /v1; nothing was charged"
    elif outcome == outcomes.UNSUPPORTED:
        message = f"{endpoint} does not take {_refused(failure)} as it is sent."
        remedy = _remedy(failure)
    else:
        message = f"{endpoint} knows no model {settings.model!r}, or is no chat-completions endpoint."
        remedy = "check generation.model and generation.endpoint; most base URLs end in /v1"
    return kind(message, cause=_said(failure.detail), remedy=remedy)


def nothing_answered(outcome: str, by_outcome: str, detail: str) -> GenerationError:
    """Return the error for a run of which no request was answered.

    Args:
        outcome: How most of its requests ended.
        by_outcome: How they ended, in words.
        detail: What the endpoint said.
    """
    kind = EndpointError if outcome in outcomes.LASTING else GenerationError
    remedy = REMEDIES.get(outcome, "see the log for what the endpoint said")
    return kind(
        f"no request for queries was answered; requests by how they ended: {by_outcome}.",
        cause=_said(detail),
        remedy=f"{remedy}; then run the step again, good answers are kept",
    )


def counts(numbers: Mapping[str, int]) -> str:
    """Return counts by name in words.

    Examples:
        >>> counts({"rejected": 6, "not_sent": 6})
        'rejected 6, not_sent 6'
    """
    return ", ".join(f"{name} {number:,}" for name, number in numbers.items())


def _said(detail: str) -> str:
    return detail.rstrip(".")


def _refused(failure: Failure) -> str:
    refused = failure.refusal.parameters if failure.refusal is not None else ()
    return " and ".join(f"`{name}`" for name in refused) or "a parameter"


_SETTINGS = {
    "seed": "generation.seed: null",
    "temperature": "generation.temperature: null",
    "output limit": "generation.output_limit_name",
    "structured output": "generation.structured_output: auto, or another form",
}


def _remedy(failure: Failure) -> str:
    refused = failure.refusal.parameters if failure.refusal is not None else ()
    settings = ", ".join(_SETTINGS[name] for name in refused if name in _SETTINGS)
    return f"set {settings or 'generation.extra_body without it'}; `synalign doctor` says what the endpoint takes"
