"""The request *judge*: does a document answer a query? One pair a request, graded 0 to 3.

One pair, not several: a carried candidate, whose companions change from interval to interval, is then found in the
journal by itself; no pair is graded by comparison with its neighbours; and a request that fails costs one grade. The
document, most of a request, stands before the query, so that providers which cache what begins alike read it once.

Grades and wording after UMBRELA (Upadhyay et al., 2024, arXiv:2406.06519), which grades search results as people did.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import Any, NamedTuple

from synalign.arrays.tally import Report, Tally
from synalign.config import Configuration, Generation, Judge
from synalign.errors import EndpointError, GenerationError
from synalign.generation import outcomes
from synalign.generation.client import Answer, Client
from synalign.generation.dialect import Dialect
from synalign.generation.endings import counts
from synalign.generation.endpoint import Endpoint
from synalign.generation.journal import Journal
from synalign.generation.prompts import Excerpt, render
from synalign.generation.request import Request
from synalign.generation.schemas import GRADE, Judgement
from synalign.prompts.templates import JUDGE, prompt_version
from synalign.storage import Place

DIALECT, SPENDING = "judge_endpoint.jsonl", "judge_spending.jsonl"
"""Files of a run's folder: what the judge's endpoint takes, and what the judge has cost."""

_OF_JUDGES = {"document_characters", "max_output_tokens"}
"""Settings that a judge and a writer both have, and want otherwise."""

_TITLE_CHARACTERS = 300
_LEAST_CHARACTERS = 200
_LEAST_TOKENS = 16


class Pair(NamedTuple):
    """A query and the document that is to answer it; the id is the candidate's or the real pair's."""

    pair_id: str
    query: str
    title: str
    text: str


class Judged(NamedTuple):
    """How pairs were judged.

    Attributes:
        answers: To each pair, in order.
        tokens: What this run has spent by this record, both ways, killed attempts included.
        money: The same in money.
    """

    answers: list[Answer]
    tokens: int
    money: float

    @property
    def grades(self) -> list[int | None]:
        """The grade of each pair; None where there is none."""
        return [grade_of(answer) for answer in self.answers]


def judge_configuration(configuration: Configuration) -> Configuration:
    """Return the configuration by which the client asks the judge, whose section `generation` is the judge's."""
    judge = configuration.screening.judge
    if judge is None:
        return configuration
    return configuration.model_copy(update={"generation": judge.asked_as(configuration.generation)})


def teacher_configuration(configuration: Configuration) -> Configuration:
    """Return the configuration by which the client asks the judge as teacher.

    That is the judge of `screening.judge`; or, where there is none, the model that
    writes.
    """
    if configuration.screening.judge is not None:
        return judge_configuration(configuration)
    writing = configuration.generation
    shared = (Judge.model_fields.keys() & Generation.model_fields.keys()) - _OF_JUDGES
    given = Judge.model_validate({name: getattr(writing, name) for name in shared})
    return configuration.model_copy(update={"generation": given.asked_as(writing)})


def judge_request(pair: Pair, characters: int, configuration: Configuration) -> Request:
    """Ask how well a document answers a query.

    Args:
        pair: Both.
        characters: How much of the document is shown.
        configuration: Of `judge_configuration`.
    """
    document = {"title": Excerpt(pair.title, _TITLE_CHARACTERS), "text": Excerpt(pair.text, characters)}
    messages = render(JUDGE, {"document": document, "query": pair.query}, configuration)
    version = prompt_version(JUDGE, configuration)
    return Request(JUDGE, pair.pair_id, version, messages, GRADE, Judgement, _LEAST_TOKENS)


def judge(
    pairs: Sequence[Pair],
    configuration: Configuration,
    where: Endpoint,
    journal: Journal,
    folder: Place,
    report: Report | None = None,
    record: str = SPENDING,
) -> Judged:
    """Ask the judge for the grade of each pair.

    Args:
        pairs: What is judged.
        configuration: Of `judge_configuration`.
        where: The judge's endpoint.
        journal: What was judged before.
        folder: Of the run, where it is kept what the endpoint takes and what was spent.
        report: Called as pairs are judged.
        record: File of the folder that remembers what was spent.

    Raises:
        GenerationError: The judge cannot be reached or used, or has graded nothing.
        RunError: The journal or a record is damaged.
    """
    with closing(Dialect(configuration, folder / DIALECT)) as dialect:
        judged = asyncio.run(_ask_all(pairs, configuration, where, journal, folder / record, dialect, report))
    _require_grades(judged)
    return judged


async def _ask_all(
    pairs: Sequence[Pair],
    configuration: Configuration,
    where: Endpoint,
    journal: Journal,
    record: Place,
    dialect: Dialect,
    report: Report | None,
) -> Judged:
    """Return answers in the order of the pairs. A final error lets requests in flight end, so that they are kept."""
    answers: list[Answer | None] = [None] * len(pairs)
    # Pairs of one document one after another, for caches of what begins alike.
    waiting = iter(sorted(range(len(pairs)), key=lambda row: (pairs[row].title, pairs[row].text)))
    tally = Tally(report, "pairs judged", len(pairs))

    async def work(client: Client) -> None:
        for row in waiting:
            answers[row] = await _ask(pairs[row], client, configuration)
            tally.add()

    async with Client(configuration, where, journal, record=record, dialect=dialect) as client:
        workers = [work(client) for _ in range(min(len(pairs), 2 * configuration.runtime.concurrency))]
        ended = await asyncio.gather(*workers, return_exceptions=True)
        spent = client.budget.tokens, client.budget.money
    for error in ended:
        if error is not None:
            raise error
    return Judged([answer for answer in answers if answer is not None], *spent)


async def _ask(pair: Pair, client: Client, configuration: Configuration) -> Answer:
    """Ask about a pair; where that is too long for the model, about the beginning of the document."""
    characters = min(configuration.generation.document_characters, max(len(pair.text), _LEAST_CHARACTERS))
    while True:
        answer = await client.ask(judge_request(pair, characters, configuration))
        if answer.outcome != outcomes.CONTEXT_TOO_LONG or characters <= _LEAST_CHARACTERS:
            return answer
        characters //= 2


def grade_of(answer: Answer) -> int | None:
    """Return the grade in an answer; None where there is none."""
    return answer.content.grade if isinstance(answer.content, Judgement) else None


def _require_grades(judged: Judged) -> None:
    """Refuse to go on without any grade, unless the ceiling is why.

    Raises:
        GenerationError: There is none.
    """
    ended = Counter(answer.outcome for answer in judged.answers)
    if not ended or outcomes.OK in ended or outcomes.OVER_BUDGET in ended:
        return
    kind = EndpointError if set(ended) <= outcomes.LASTING else GenerationError
    detail = next((answer.detail for answer in judged.answers if answer.detail), "")
    raise kind(
        f"none of {len(judged.answers)} pairs was graded; requests by how they ended: {counts(ended)}.",
        cause=detail.rstrip(".") or "the model does not follow the schema of the answer",
        remedy="try another screening.judge.model, or screening.judge: null; grades so far are kept",
    )


def figures(
    kept: Sequence[int | None], not_found: Sequence[int | None], real: Sequence[int | None], at_least: int, lost: int
) -> dict[str, Any]:
    """Return how far the judge agrees with the round trip and with clicks.

    Args:
        kept: Grades of the candidates that find their documents and that no other filter rejected.
        not_found: Grades of a sample of those that do not find their documents.
        real: Grades of a sample of real pairs, which should be accepted.
        at_least: The grade that is accepted.
        lost: How many candidates do not find their documents.

    Returns:
        `grades` and `not_judged` of the first, `round_trip` (two by two counts, and `agreement`, in which the sample
        counts as much as all that it stands for; None where either side is empty), and `clicks` with the `share` of
        real pairs that is accepted.

    Examples:
        >>> figures([3, 3, 2, 0], [0, 3], [3, 1], 2, 4)["round_trip"]["agreement"]
        0.625
    """
    accepts, refuses = _sides(kept, at_least)
    wrongly, rightly = _sides(not_found, at_least)
    clicked, unclicked = _sides(real, at_least)
    agreement = None
    if accepts + refuses and wrongly + rightly:
        agreeing = accepts + lost * rightly / (wrongly + rightly)
        agreement = agreeing / (accepts + refuses + lost)
    return {
        "grades": {str(grade): count for grade, count in sorted(Counter(g for g in kept if g is not None).items())},
        "not_judged": sum(grade is None for grade in kept),
        "round_trip": {
            "found_accepted": accepts, "found_rejected": refuses,
            "not_found_accepted": wrongly, "not_found_rejected": rightly, "agreement": agreement,
        },
        "clicks": {
            "accepted": clicked, "rejected": unclicked,
            "share": clicked / (clicked + unclicked) if clicked + unclicked else None,
        },
    }  # fmt: skip


def _sides(grades: Sequence[int | None], at_least: int) -> tuple[int, int]:
    """Count grades that are accepted, and those that are not."""
    known = [grade for grade in grades if grade is not None]
    accepted = sum(grade >= at_least for grade in known)
    return accepted, len(known) - accepted
