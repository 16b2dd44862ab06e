"""The verdict on every query of a preview: what reading an answer rejects, then the screens, by the sample's tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from synalign.config import Configuration
from synalign.generation.demonstration_batches import Batch, Document
from synalign.generation.results import Result, ends
from synalign.generation.writing import Written
from synalign.preview.findings import ACCEPTED, Query
from synalign.preview.sample_run import embed_candidates, put
from synalign.privacy import redact
from synalign.run import Run
from synalign.screening.candidates import candidates_of, pool_of
from synalign.screening.reasons import PERSONAL, REASONS, ROUND_TRIP
from synalign.steps.generate import tables_of, written_of
from synalign.steps.screen import Verdicts, try_filters
from synalign.text.numbers import count, figure

TITLE = 80
"""Characters of a document's text that stand for a missing title."""

_DROPPED = {
    "empty": "there is nothing in it",
    "over_length": "longer than ingest.max_query_characters",
    "control_characters": "has characters that no query has",
    "unknown_document": "written for a document that nobody named",
    "too_many": "more than were asked for",
    "not_text": "is no text",
}


class Judged(NamedTuple):
    """What became of the queries.

    Attributes:
        queries: Those of each batch.
        lost: Queries that do not find their document, whatever else is wrong with them.
        tried: Queries for which that was tried: all candidates.
    """

    queries: list[tuple[Query, ...]]
    lost: int
    tried: int


class _Screened(NamedTuple):
    """The first reason for which each candidate is rejected, by id, with its score; and the round trip of all."""

    reasons: dict[str, tuple[str | None, float]]
    lost: int


def judge(results: list[Result], run: Run) -> Judged:
    """Judge all queries that came back; the run's tables up to *screen* are finished with them.

    Args:
        results: What came of each batch.
        run: The sample's run.
    """
    parts = [[(end, written_of(end, run.configuration)) for end in ends([result])] for result in results]
    written = [each for part in parts for _, each in part]
    put(run, "generate", tables_of(results, written, run.configuration))
    screened = _screened(run) if any(each.candidates for each in written) else _Screened({}, 0)
    queries = [
        tuple(query for end, each in part for query in _queries(end.batch, each, screened, run.configuration))
        for part in parts
    ]
    return Judged(queries, screened.lost, sum(len(each.candidates) for each in written))


def _screened(run: Run) -> _Screened:
    embed_candidates(run)
    candidates = candidates_of(run, pool_of(run))
    verdicts = Verdicts(len(candidates.ids))
    try_filters(candidates, verdicts, _nobody)
    reasons = dict(zip(candidates.ids, zip(verdicts.reasons, verdicts.scores.tolist(), strict=True), strict=True))
    return _Screened(reasons, int(np.count_nonzero(REASONS[ROUND_TRIP].filter(candidates, _nobody).rejected)))


def _nobody(what: str, done: int, total: int | None) -> None:
    """Listen to no progress: a few queries are judged at once."""


def _queries(batch: Batch, written: Written, screened: _Screened, configuration: Configuration) -> Iterator[Query]:
    titles = {document.document_id: title_of(document) for document in batch.documents}
    for candidate in written.candidates:
        reason, score = screened.reasons[candidate.candidate_id]
        document = titles[candidate.document_id]
        if reason is None:
            yield Query(candidate.query, document, ACCEPTED, f"its document came in place {count(score)}")
            continue
        text = candidate.query
        if reason == PERSONAL:
            generation = configuration.generation
            text = redact(text, generation.redact, generation.phone_regions)
        yield Query(text, document, reason, _why(reason, score))
    for dropped in written.dropped:
        yield Query(
            dropped.query, titles.get(dropped.document_id, ""), dropped.reason, _DROPPED.get(dropped.reason, "")
        )


def _why(name: str, score: float) -> str:
    """Return a reason in words, with its score."""
    reason = REASONS[name]
    if not reason.score or np.isnan(score):
        return reason.why
    return f"{reason.why}: {reason.score.format(count=count(score), figure=figure(score, 3))}"


def title_of(document: Document) -> str:
    """Return a document's title, or the beginning of its text, or its id."""
    return document.title or " ".join(document.text[:TITLE].split()) or document.document_id
