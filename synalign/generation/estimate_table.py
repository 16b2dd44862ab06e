"""An estimate as people read it: the figures, whether they fit under the ceiling, and what they rest on."""

from __future__ import annotations

from collections.abc import Iterator

from synalign.generation.estimate import Estimate, Pool


def as_table(found: Estimate) -> list[str]:
    """Return an estimate as lines of text, for people."""
    rows = [
        ("", "estimate", "at most"),
        ("requests", *[f"{found.requests:,}"] * 2),
        ("queries asked for", *[f"{found.queries:,}"] * 2),
        ("tokens sent", *(f"{tokens:,.0f}" for tokens in found.tokens_in)),
        ("tokens received", *(f"{tokens:,.0f}" for tokens in found.tokens_out)),
    ]
    if found.money is not None:
        rows.append((f"money, {found.currency}", *(f"{money:,.2f}" for money in found.money)))
    lines = [f"{found.retriever}, mode {found.mode}: {found.batches:,} batches of demonstrations", ""]
    lines += [f"  {name:<20}{expected:>16}{most:>16}" for name, expected, most in rows]
    if found.money is None:
        lines.append("  money               not known: generation.budget has no input_price and no output_price")
    said = [_ceiling(found), *_footnotes(found), *(_carried(found.pool) if found.pool is not None else ())]
    return [*lines, "", *(f"  {line}" for line in said)]


def _carried(pool: Pool) -> Iterator[str]:
    """Yield sentences on what is taken up of earlier intervals, which costs nothing."""
    if pool.found:
        yield f"Carried: {pool.carried:,} of {pool.found:,} queries of earlier intervals, from {pool.intervals}."
        if pool.left:
            yield f"Left behind: {', '.join(f'{reason} {count:,}' for reason, count in pool.left.items())}."
        yield f"By what the interval {pool.documents_of} ingested; today's data may differ."
    else:
        yield "Carried: no earlier interval has written a query that could be."
    if pool.embedded_anew:
        yield f"Another encoder: {pool.embedded_anew:,} carried queries are embedded anew, and judged by it."
    if pool.batches_left_out is not None:
        yield f"Not worth asking (sampling.stop_gain): {pool.batches_left_out:,} batches in the latest refresh."


def _ceiling(found: Estimate) -> str:
    """Return a sentence on whether the estimate fits under the ceilings."""
    ceilings = [f"{found.max_tokens:,} tokens"] if found.max_tokens is not None else []
    ceilings += [f"{found.max_money:,.2f} {found.currency}"] if found.max_money is not None else []
    named = " and ".join(ceilings)
    return {
        "no_ceiling": "Ceiling: none (generation.budget.max_money, generation.budget.max_tokens).",
        "fits": f"Ceiling: {named}. It fits, even at most.",
        "may_stop": f"Ceiling: {named}. The estimate fits; if answers are long, the run ends early with what it has.",
        "stops": f"Ceiling: {named}. IT DOES NOT FIT: the run will reach it and end early with what it has.",
    }[found.verdict]


def _footnotes(found: Estimate) -> Iterator[str]:
    """Yield sentences on what the numbers rest on."""
    some = (
        f"{found.rendered:,} of its {found.batches:,} batches" if found.rendered < found.batches else "all its batches"
    )
    yield {
        "batches": f"Prompts: rendered for {some}, sampled in the interval {found.interval}.",
        "texts": f"Prompts: rendered for {some}, made of queries and documents of the interval {found.interval}.",
        "configuration": "Prompts: no interval is ingested, so all texts are Latin and as long as the settings allow.",
    }[found.basis]
    yield {
        "measured": "Estimate: tokens and answers as this model's were in its latest refresh.",
        "usual": "Estimate: answers of a usual length, tokens by a rule that gives too many.",
    }[found.answers]
    yield "At most: every answer as long as generation.max_output_tokens, tokens by a rule that gives too many."
    yield "Tries that fail once the model has written cost extra; answers that the journal already has cost nothing."
