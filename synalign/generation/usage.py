"""What the requests of the step cost: as the endpoint reports it, and at most where it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from synalign.config import Generation
from synalign.generation.budget import cost

if TYPE_CHECKING:
    from synalign.generation.client import Answer


def spending(answers: Sequence[Answer], settings: Generation) -> dict[str, Any]:
    """Return the tokens and the money of some answers, as metrics of the step.

    Returns:
        `tokens_in`, `tokens_out`, `tokens`, `money` and `currency`. Where the endpoint keeps from saying what some
        answers cost, those figures are of the others, and None if there is none; then `usage_missing` says how many
        answers these are, and `tokens_at_most` and `money_at_most` what all of them can have cost.
    """
    silent = [answer for answer in answers if answer.tokens_in is None or answer.tokens_out is None]
    reported = [answer for answer in answers if answer.tokens_in is not None and answer.tokens_out is not None]
    tokens_in, tokens_out = (
        sum(getattr(answer, name) or 0 for answer in reported) for name in ("tokens_in", "tokens_out")
    )
    known = not silent or tokens_in + tokens_out > 0
    figures: dict[str, Any] = {
        "tokens_in": tokens_in if known else None,
        "tokens_out": tokens_out if known else None,
        "tokens": tokens_in + tokens_out if known else None,
        "money": cost(tokens_in, tokens_out, settings.budget, settings.mode) if known else None,
        "currency": settings.budget.currency,
    }
    if silent:
        most_in = tokens_in + sum(answer.most_in for answer in silent)
        most_out = tokens_out + sum(answer.most_out for answer in silent)
        figures |= {
            "usage_missing": len(silent),
            "tokens_at_most": most_in + most_out,
            "money_at_most": cost(most_in, most_out, settings.budget, settings.mode),
        }
    return figures


def money_in_words(metrics: Mapping[str, Any], digits: int = 2) -> str:
    """Return what a step has cost, in words.

    Examples:
        >>> money_in_words({"money": 0.41, "currency": "USD"})
        '0.41 USD'
        >>> money_in_words({"money": None, "money_at_most": 0.64, "currency": "USD"})
        'unknown, at most 0.64 USD'
        >>> money_in_words({"money": 0.41, "money_at_most": 0.64, "currency": "USD"})
        'at least 0.41, at most 0.64 USD'
    """
    return _in_words(metrics.get("money"), metrics.get("money_at_most"), f",.{digits}f", metrics.get("currency", ""))


def tokens_in_words(metrics: Mapping[str, Any]) -> str:
    """Return how many tokens a step has needed, in words.

    Examples:
        >>> tokens_in_words({"tokens": None, "tokens_at_most": 9000})
        'unknown, at most 9,000'
    """
    return _in_words(metrics.get("tokens"), metrics.get("tokens_at_most"), ",", "")


def _in_words(known: float | None, at_most: float | None, form: str, unit: str) -> str:
    unit = f" {unit}" if unit else ""
    if at_most is None:
        return f"{format(known, form)}{unit}" if known is not None else "unknown"
    least = "unknown" if known is None else f"at least {format(known, form)}"
    return f"{least}, at most {format(at_most, form)}{unit}"
