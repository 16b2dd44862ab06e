"""The step *screen*: one verdict per candidate, the first that applies.

The filters and their order are those of `synalign.screening.reasons`; each is a function in a file of its own there.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synalign.errors import EndpointError
from synalign.privacy import redact
from synalign.progress import phases
from synalign.prompts.templates import judge_digests
from synalign.run import Attempt, Run
from synalign.screening.candidates import candidates_of, pool_of
from synalign.screening.reasons import JUDGED, PERSONAL, REASONS, ROUND_TRIP
from synalign.spark.folded import session_beyond
from synalign.text.normal import EXAMPLE_CHARACTERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.arrays.tally import Report
    from synalign.config import Configuration
    from synalign.screening.candidates import Candidates, Verdict
    from synalign.screening.reasons import Reason
    from synalign.steps.judge import Judge

log = logging.getLogger("synalign")

EXAMPLES = 3


class Verdicts:
    """Verdicts while filters are tried one after another; a candidate keeps the first reason it is rejected for."""

    def __init__(self, count: int) -> None:
        self.reasons = np.full(count, None, dtype=object)
        self.scores = np.full(count, np.nan)

    @property
    def open(self) -> NDArray[np.int64]:
        """Rows that no filter has rejected yet, in order."""
        return np.flatnonzero(np.array([reason is None for reason in self.reasons], dtype=bool))

    def add(self, rows: NDArray[np.int64], reason: Reason, verdict: Verdict) -> None:
        """Reject some of `rows`, each with the score that decided it."""
        self.reasons[rows[verdict.rejected]] = reason.name
        # Accepted rows keep the rank of their document as their score.
        scored = np.ones(len(rows), dtype=bool) if reason.name == ROUND_TRIP else verdict.rejected
        self.scores[rows[scored]] = verdict.scores[scored]

    @property
    def rejected(self) -> dict[str, int]:
        """Count the rejected, by reason, in the order of the filters."""
        counts = {reason: int(np.count_nonzero(self.reasons == reason)) for reason in REASONS}
        return {reason: count for reason, count in counts.items() if count}

    def counts(self, which: NDArray[np.bool_]) -> dict[str, Any]:
        """Return how many there are of some rows, how many are accepted, and how many rejected, by reason."""
        part = Verdicts(0)
        part.reasons = self.reasons[which]
        return {"candidates": len(part.reasons), "accepted": len(part.open), "rejected": part.rejected}


def outside(run: Run) -> dict[str, str]:
    """Return the digest of the judge's prompt template, where there is a judge: see `synalign.steps.job.main`."""
    return judge_digests(run.configuration)


def screen(attempt: Attempt) -> None:
    """Write `pool` and `screening`, a verdict for each row of the pool, carried or new.

    An accepted row's score is the rank of its document; a rejected one's, what decided it.

    Raises:
        EndpointError: No candidate is left: the same answers would be rejected again.
        GenerationError: The judge, where there is one, cannot be reached or used.
    """
    pool = pool_of(attempt.run)
    candidates = candidates_of(attempt.run, pool)
    verdicts = Verdicts(len(candidates.ids))
    judge = _judge(candidates, verdicts)
    with phases("screen") as report:
        try_filters(candidates._replace(grades=judge), verdicts, report)
    left, total = len(verdicts.open), len(candidates.ids)
    new = np.asarray(pc.equal(pool["interval"], attempt.run.interval.name))
    attempt.metrics.update(verdicts.counts(new))
    attempt.metrics["carried"] = verdicts.counts(~new)
    attempt.metrics["carried"]["written_again"] = attempt.run.rows("carried") - int(np.count_nonzero(~new))
    if judge is not None:
        attempt.metrics["judge"] = judge.metrics
    attempt.metrics["examples"] = _examples(candidates, verdicts, new, attempt.configuration)
    attempt.metrics["carried"]["examples"] = _examples(candidates, verdicts, ~new, attempt.configuration)
    if not left:
        commonest = max(verdicts.rejected, key=verdicts.rejected.__getitem__, default=ROUND_TRIP)
        counts = ", ".join(f"{reason} {count}" for reason, count in sorted(verdicts.rejected.items()))
        raise EndpointError(
            f"none of {total} written queries passed the screens: {counts}.",
            cause=f"most of them: {REASONS[commonest].cause}",
            remedy="read the table candidates; try another generation.model, or change the setting named above",
        )
    log.info("screen: %d of %d accepted", left, total)
    attempt.write("pool", pool)
    attempt.write("screening", _table(candidates, verdicts))


def _judge(candidates: Candidates, verdicts: Verdicts) -> Judge | None:
    """Return what asks a model for grades; None where the settings name none."""
    if candidates.settings.judge is None:
        return None
    # The client takes a second to import.
    from synalign.steps.judge import Judge

    return Judge(candidates.run, candidates, verdicts.reasons)


def try_filters(candidates: Candidates, verdicts: Verdicts, report: Report) -> None:
    """Try one filter after another on what those before it left."""

    def try_filter(reason: Reason) -> None:
        rows = verdicts.open
        verdicts.add(rows, reason, reason.filter(candidates.some(rows), report))

    # Filters open a session where they need one: inside of this one it is the same, and no JVM starts twice.
    with session_beyond(candidates.run, "query_embeddings", "screen"):
        for reason in REASONS.values():
            if reason.step == "screen" and reason.name != JUDGED:
                try_filter(reason)
    # A cluster is not held while a model is asked, which may take an hour.
    try_filter(REASONS[JUDGED])


def _examples(
    candidates: Candidates, verdicts: Verdicts, which: NDArray[np.bool_], configuration: Configuration
) -> dict[str, list[dict[str, Any]]]:
    """Return three rejected queries of some rows for each reason; no personal data enters a manifest.

    They are those of the lowest ids.
    """
    settings = configuration.generation
    examples = {}
    for reason in verdicts.rejected:
        rows = np.flatnonzero(which & (verdicts.reasons == reason)).tolist()
        if not rows:
            continue
        rows = sorted(rows, key=candidates.ids.__getitem__)[:EXAMPLES]
        texts = [candidates.queries[row] for row in rows]
        if reason == PERSONAL:
            texts = [redact(text, settings.redact, settings.phone_regions) for text in texts]
        examples[reason] = [
            {
                "query": text[:EXAMPLE_CHARACTERS],
                "document_id": candidates.documents[row],
                "score": float(verdicts.scores[row]),
            }
            for row, text in zip(rows, texts, strict=True)
        ]
    return examples


def _table(candidates: Candidates, verdicts: Verdicts) -> pa.Table:
    return pa.table(
        {
            "candidate_id": candidates.ids,
            "status": ["rejected" if reason else "accepted" for reason in verdicts.reasons],
            "reason": pa.array(verdicts.reasons.tolist(), pa.string()),
            "score": verdicts.scores,
        }
    )
