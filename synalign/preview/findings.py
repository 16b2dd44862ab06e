"""What a preview found, as plain data: the page in the terminal and the HTML page show it."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

ACCEPTED = "accepted"


class Asked(NamedTuple):
    """One request and how it ended.

    Attributes:
        kind: `reason` or `write`.
        messages: Role and content of each message, as they were sent.
        outcome: `ok`, or why there is no answer.
        answer: What the model sent back, character for character; empty without a good answer.
        detail: What the endpoint said of a try that failed.
        tokens_in: Tokens sent; None where the endpoint does not say.
        tokens_out: Tokens received; None where the endpoint does not say.
        seconds: How long it took.
        reused: Whether the answer came from the journal, and cost nothing now.
    """

    kind: str
    messages: tuple[tuple[str, str], ...]
    outcome: str
    answer: str
    detail: str
    tokens_in: int | None
    tokens_out: int | None
    seconds: float
    reused: bool


class Query(NamedTuple):
    """One query that came back.

    Attributes:
        query: Its text.
        document: Title of the document it was written for, or the beginning of its text.
        verdict: `accepted`, or the reason for which it is rejected.
        why: That reason in words, with the score that decided it.
    """

    query: str
    document: str
    verdict: str
    why: str


class Attribute(NamedTuple):
    """One attribute of a batch.

    Attributes:
        name: Its name.
        seen: Values that the demonstrations have.
        generalised: Values that were added to those.
        measured: Whether a rule measured it; else the model named it.
    """

    name: str
    seen: tuple[str, ...]
    generalised: tuple[str, ...]
    measured: bool


class Shown(NamedTuple):
    """One batch: what the model was shown, asked and answered.

    Attributes:
        demonstrations: Real queries, the anchor first.
        shots: Real queries, each with the beginning of the document that users chose for it.
        attributes: What was found in the demonstrations.
        requests: In the order in which they are asked.
        queries: What came back.
        asked_for: Queries that were asked for.
    """

    demonstrations: tuple[str, ...]
    shots: tuple[tuple[str, str], ...]
    attributes: tuple[Attribute, ...]
    requests: tuple[Asked, ...]
    queries: tuple[Query, ...]
    asked_for: int


class Rate(NamedTuple):
    """What the batches cost, and what a whole refresh costs at this rate.

    Attributes:
        batches: Batches that were asked.
        refresh_batches: Batches of a refresh.
        requests: Requests of the batches.
        tokens_in: Tokens sent for them, those of answers from the journal among them.
        tokens_out: Tokens received for them.
        known: Whether the endpoint says what it counts; else tokens are the most that they can be.
        accepted: Accepted queries.
        money: What a refresh costs; None where no price is configured.
        currency: Of the money.
        ceiling: The ceiling that a refresh would reach at this rate, in words; empty where none.
    """

    batches: int
    refresh_batches: int
    requests: int
    tokens_in: int
    tokens_out: int
    known: bool
    accepted: int
    money: float | None
    currency: str
    ceiling: str

    def whole(self, amount: float) -> int:
        """Scale an amount of the batches to a refresh."""
        return round(amount * self.refresh_batches / max(1, self.batches))

    @property
    def accepted_per_thousand(self) -> float:
        """Accepted queries for a thousand tokens, sent and received."""
        return 1000.0 * self.accepted / max(1, self.tokens_in + self.tokens_out)


class Warning(NamedTuple):
    """What is wrong with the queries as a whole.

    Attributes:
        name: `copies`, `one_form` or `inconsistent`.
        text: What is the matter, with numbers.
        remedy: What to do.
    """

    name: str
    text: str
    remedy: str


class Preview(NamedTuple):
    """What a preview found.

    Attributes:
        retriever: Name of the retriever.
        model: Name of the model, as it reported it.
        endpoint: Where it was asked.
        family: Name of the family of prompts.
        form: How the shape of the answers was asked for.
        sample: What the batches were drawn from, in words.
        documents: How many documents the round trip is among.
        whole: Whether the sample is all there is.
        batches: The batches.
        rate: What they cost.
        warnings: Those that apply.
        journal: Where the answers are kept.
    """

    retriever: str
    model: str
    endpoint: str
    family: str
    form: str
    sample: str
    documents: int
    whole: bool
    batches: tuple[Shown, ...]
    rate: Rate
    warnings: tuple[Warning, ...]
    journal: str

    @property
    def verdicts(self) -> dict[str, int]:
        """Count the queries of each verdict, the commonest first."""
        counts = Counter(query.verdict for batch in self.batches for query in batch.queries)
        return dict(counts.most_common())
