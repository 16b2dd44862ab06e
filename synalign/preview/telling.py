"""A preview in sentences, which the terminal and the page share."""

from __future__ import annotations

from collections.abc import Iterator

from synalign.generation import outcomes
from synalign.preview.findings import ACCEPTED, Asked, Preview, Rate
from synalign.text.numbers import count, counted, seconds, words


def headline(found: Preview) -> str:
    """Return what came of the requests in one sentence."""
    verdicts = dict(found.verdicts)
    accepted, total = verdicts.pop(ACCEPTED, 0), sum(found.verdicts.values())
    asked_for = sum(batch.asked_for for batch in found.batches)
    rejected = "; ".join(f"{words(name)} {number:,}" for name, number in verdicts.items())
    came = f"{counted(asked_for, 'query', 'queries')} asked for, {count(total)} came back, {count(accepted)} accepted"
    return f"{came}{f' ({rejected})' if rejected else ''}."


def level(found: Preview) -> str:
    """Return how much a preview calls for a look: `good`, `caution` or `bad`."""
    if not found.verdicts.get(ACCEPTED):
        return "bad"
    return "caution" if found.warnings or any(failed(found)) else "good"


def basis(found: Preview) -> Iterator[str]:
    """Yield sentences on what was asked, where, and what was not judged."""
    yield (
        f"Model {found.model} at {found.endpoint}; prompts of the family {found.family}, answers asked for as "
        f"{found.form}."
    )
    yield f"Drawn from a sample: {found.sample}."
    if not found.whole:
        yield (
            f"The round trip is among {counted(found.documents, 'document')} of the sample, and real queries are those "
            "of the sample: a refresh, which has all of them, rejects more."
        )


def costs(rate: Rate) -> Iterator[str]:
    """Yield sentences on what the batches cost, and a whole refresh at this rate."""
    most = "" if rate.known else "at most "
    yield (
        f"{counted(rate.batches, 'batch', 'batches')}: {counted(rate.requests, 'request')}, {most}"
        f"{count(rate.tokens_in)} tokens sent and {count(rate.tokens_out)} received; "
        f"{rate.accepted_per_thousand:.1f} accepted queries for 1,000 tokens."
    )
    money = "money is not known (generation.budget has no input_price and no output_price)"
    if rate.money is not None:
        money = f"{rate.money:,.2f} {rate.currency}"
    yield (
        f"A whole refresh at this rate ({counted(rate.refresh_batches, 'batch', 'batches')}): "
        f"{counted(rate.whole(rate.requests), 'request')}, {most}{count(rate.whole(rate.tokens_in))} tokens sent and "
        f"{count(rate.whole(rate.tokens_out))} received, {money}; about {count(rate.whole(rate.accepted))} accepted "
        "queries."
    )
    if rate.ceiling:
        yield f"IT DOES NOT FIT under {rate.ceiling}: the refresh would end early with what it has."


def failed(found: Preview) -> Iterator[Asked]:
    """Yield the requests that gave no good answer."""
    return (asked for batch in found.batches for asked in batch.requests if asked.outcome != outcomes.OK)


def ended(asked: Asked) -> str:
    """Return how a request ended, in words."""
    tokens = "tokens not told" if None in (asked.tokens_in, asked.tokens_out) else (
        f"{count(asked.tokens_in or 0)} tokens sent, {count(asked.tokens_out or 0)} received"
    )  # fmt: skip
    took = "from the journal, at no cost now" if asked.reused else seconds(asked.seconds)
    detail = f": {asked.detail}" if asked.detail and asked.outcome != outcomes.OK else ""
    return f"{words(asked.outcome)}, {tokens}, {took}{detail}"
