"""What the batches of a preview cost, and what a whole refresh costs at this rate."""

from __future__ import annotations

from synalign.config import Configuration
from synalign.generation.budget import cost
from synalign.generation.client import Answer
from synalign.generation.results import Result, answers
from synalign.preview.findings import Rate
from synalign.preview.tables import Tables


def rate_of(results: list[Result], accepted: int, configuration: Configuration, tables: Tables) -> Rate:
    """Return what batches cost, and scale it to a refresh.

    Args:
        results: What came of each batch.
        accepted: Accepted queries.
        configuration: The retriever's own, with all its batches.
        tables: The sample: where it is all there is, it can hold fewer batches than are configured.
    """
    every = [answer for result in results for _, answer in answers(result) if answer.most_in or answer.tokens_in]
    known = all(None not in (answer.tokens_in, answer.tokens_out) for answer in every)
    sent, received = (sum(_tokens(answer, place) for answer in every) for place in (0, 1))
    batches = _batches(configuration, tables)
    whole_in, whole_out = (round(tokens * batches / max(1, len(results))) for tokens in (sent, received))
    generation = configuration.generation
    money = None
    if generation.budget.has_prices:
        money = cost(whole_in, whole_out, generation.budget, generation.mode)
    return Rate(
        batches=len(results),
        refresh_batches=batches,
        requests=len(every),
        tokens_in=sent,
        tokens_out=received,
        known=known,
        accepted=accepted,
        money=money,
        currency=generation.budget.currency,
        ceiling=_ceiling(configuration, whole_in + whole_out, money),
    )


def _tokens(answer: Answer, place: int) -> int:
    said = (answer.tokens_in, answer.tokens_out)[place]
    return (answer.most_in, answer.most_out)[place] if said is None else said


def _batches(configuration: Configuration, tables: Tables) -> int:
    """Return how many batches a refresh asks."""
    train = tables.queries["split"].to_pylist().count("train")
    asked = configuration.sampling.batches
    return min(asked, max(1, train // (configuration.sampling.neighbours + 1))) if tables.whole else asked


def _ceiling(configuration: Configuration, tokens: int, money: float | None) -> str:
    """Name the ceiling that a refresh would reach; empty where there is room under it."""
    budget = configuration.generation.budget
    reached = []
    if budget.max_tokens is not None and tokens > budget.max_tokens:
        reached.append(f"generation.budget.max_tokens ({budget.max_tokens:,})")
    if budget.max_money is not None and money is not None and money > budget.max_money:
        reached.append(f"generation.budget.max_money ({budget.max_money:,.2f} {budget.currency})")
    return " and ".join(reached)
