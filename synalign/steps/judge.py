"""The judge of the step *screen*: grades of candidates, and of other pairs that tell how far it can be trusted."""

from __future__ import annotations

import heapq
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from synalign.errors import ConfigurationError, GenerationError, SetupError, SynAlignError
from synalign.generation import outcomes
from synalign.generation.journal import Journal
from synalign.generation.judging import Judged, Pair, figures, judge, judge_configuration
from synalign.run import manifests, some_rows
from synalign.screening.reasons import ROUND_TRIP
from synalign.writer.endpoint import endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from synalign.arrays.tally import Report
    from synalign.run import Run
    from synalign.screening.candidates import Candidates

log = logging.getLogger("synalign")


def journal_of(run: Run) -> str:
    """Return the place of the judge's journal: that of all intervals, so that carried candidates are paid for once.

    It holds grades and hashes, no text.
    """
    if run.configuration.runtime.journal is not None:
        return run.journal
    return str(run.folder.parent / "judge")


class Judge:
    """Asks for grades once, for the candidates that all other filters left.

    Args:
        run: The run.
        everything: All candidates.
        reasons: (m,) why each was rejected so far, filled in by the step.

    Attributes:
        metrics: What the judge found and cost; empty before it was asked.
    """

    def __init__(self, run: Run, everything: Candidates, reasons: NDArray[Any]) -> None:
        self._run, self._everything, self._reasons = run, everything, reasons
        self.metrics: dict[str, Any] = {}

    def __call__(self, candidates: Candidates, report: Report, /) -> NDArray[np.float64]:
        """Return the grades of candidates, (m,) float64, NaN where there is none."""
        settings = self._run.configuration.screening.judge
        if settings is None or not candidates.ids:
            return np.full(len(candidates.ids), np.nan)
        lost = np.flatnonzero(self._reasons == ROUND_TRIP)
        some = self._everything.some(_first(lost, self._everything.ids, settings.sample))
        parts = [_of(candidates), _of(some), list(_real(self._run, settings.sample))]
        judged = _judge(self._run, _with_documents(self._run, [row for part in parts for row in part]), report)
        grades = judged.grades
        ends = np.cumsum([len(part) for part in parts])
        kept, not_found, real = grades[: ends[0]], grades[ends[0] : ends[1]], grades[ends[1] :]
        self.metrics = {
            "model": settings.model, "endpoint": settings.endpoint, "at_least": settings.at_least,
            **_spent(judged), "currency": settings.budget.currency,
            **figures(kept, not_found, real, settings.at_least, len(lost)),
        }  # fmt: skip
        _warn(self.metrics)
        return np.array([np.nan if grade is None else grade for grade in kept], dtype=np.float64)


_Row = tuple[str, str, str]
"""Id, query and document of a pair."""


def _of(candidates: Candidates) -> list[_Row]:
    return list(zip(candidates.ids, candidates.queries, candidates.documents, strict=True))


def _first(rows: NDArray[np.int64], ids: Sequence[str], count: int) -> NDArray[np.int64]:
    """Return some of the rows: those of the lowest ids, which are hashes."""
    return np.array(sorted(rows.tolist(), key=ids.__getitem__)[:count], dtype=np.int64)


def _real(run: Run, count: int) -> Iterator[_Row]:
    """Yield some real train pairs: those of the lowest ids, which are hashes."""

    def train() -> Iterator[_Row]:
        for batch in manifests.batches(run.files("pairs"), ["pair_id", "query", "document_id", "split"]):
            rows = batch.filter(pc.equal(batch.column("split"), "train"))
            yield from zip(*(rows.column(name).to_pylist() for name in rows.schema.names[:3]), strict=True)

    yield from heapq.nsmallest(count, train())


def _with_documents(run: Run, rows: list[_Row]) -> list[Pair]:
    found = some_rows.having(run, "documents", "document_id", {document for _, _, document in rows})
    texts = {row["document_id"]: (row["title"], row["text"]) for row in found.to_pylist()}
    return [Pair(pair_id, query, *texts[document]) for pair_id, query, document in rows]


def _judge(run: Run, pairs: list[Pair], report: Report) -> Judged:
    """Ask the judge at its endpoint.

    Raises:
        ConfigurationError: The endpoint needs what the environment does not hold.
        GenerationError: It cannot be reached or used.
        SetupError: What a local model needs is not installed.
    """
    configuration = judge_configuration(run.configuration)
    with Journal(journal_of(run)) as journal:
        try:
            with endpoint(configuration.generation) as where:
                return judge(pairs, configuration, where, journal, run.folder, report)
        except (ConfigurationError, GenerationError, SetupError) as error:
            raise _of_the_judge(error) from None


def _of_the_judge(error: SynAlignError) -> SynAlignError:
    """Return an error of the client or the endpoint that names the judge's settings, not the writer's."""

    def named(text: str) -> str:
        return text.replace("generation.prompts", "screening.judge.prompt").replace("generation.", "screening.judge.")

    error.message = f"the judge: {named(error.message)}"
    error.cause, error.remedy = named(error.cause), named(error.remedy)
    error.args = (error.message,)
    return error


def _spent(judged: Judged) -> dict[str, Any]:
    ended = [answer.outcome for answer in judged.answers]
    return {
        "requests": len(ended),
        "journal_hits": sum(answer.reused for answer in judged.answers),
        "outcomes": {outcome: ended.count(outcome) for outcome in sorted(set(ended))},
        "tokens": judged.tokens,
        "money": judged.money,
    }


def _warn(metrics: dict[str, Any]) -> None:
    if metrics["not_judged"]:
        over = metrics["outcomes"].get(outcomes.OVER_BUDGET, 0)
        log.warning(
            "screen: %d candidates are kept without a grade%s; requests by how they ended: %s", metrics["not_judged"],
            ": the ceiling of screening.judge.budget is reached" if over else "", metrics["outcomes"],
        )  # fmt: skip
