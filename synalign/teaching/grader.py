"""A language model as teacher: it grades each document of a query from 0 to 3, as the judge of candidates does.

The requests are those of `synalign.generation.judging`, to the letter: what the judge graded in the step *screen* is in
the same journal, and is not paid twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from synalign.generation import outcomes
from synalign.generation.judging import Pair, judge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.config import Configuration
    from synalign.generation.endpoint import Endpoint
    from synalign.generation.journal import Journal
    from synalign.progress import Advance
    from synalign.storage import Place
    from synalign.teaching.teachers import Asked

RECORD = "teacher_judge_spending.jsonl"
"""File of a run's folder: what the judge as teacher has cost."""


class Grader:
    """Scores documents by the grades of a language model.

    Args:
        configuration: Of `synalign.generation.judging.teacher_configuration`.
        endpoint: The model's address and key.
        journal: What was graded before, by the judge too.
        folder: Of the run, where it is kept what was spent.
    """

    def __init__(self, configuration: Configuration, endpoint: Endpoint, journal: Journal, folder: Place) -> None:
        self._configuration, self._endpoint, self._journal, self._folder = configuration, endpoint, journal, folder
        self._requests = self._reused = self._missing = self._over = self._tokens = 0
        self._money = 0.0

    @property
    def spent(self) -> dict[str, Any]:
        """Return what the grades have cost so far; see `synalign.teaching.teachers.Scorer`."""
        return {
            "requests": self._requests, "journal_hits": self._reused, "tokens": self._tokens, "money": self._money,
            "currency": self._configuration.generation.budget.currency,
            "not_scored": self._missing, "over_budget": self._over,
        }  # fmt: skip

    def scores(self, asked: Asked, advance: Advance) -> list[NDArray[np.float64]]:
        """Return (n,) float64 grades of the documents of each query, NaN where there is none.

        Raises:
            GenerationError: The model cannot be reached or used, or has graded nothing.
            RunError: The journal or a record is damaged.
        """
        counts = [len(documents) for _, documents in asked]
        pairs = [Pair("", query, *document) for query, documents in asked for document in documents]
        if not pairs:
            return [np.empty(0) for _ in counts]
        told = 0

        def report(_: str, graded: int, total: int | None) -> None:
            nonlocal told
            now = graded * len(counts) // (total or 1)
            advance(now - told)
            told = now

        judged = judge(pairs, self._configuration, self._endpoint, self._journal, self._folder, report, RECORD)
        grades = np.array([np.nan if grade is None else grade for grade in judged.grades], dtype=np.float64)
        self._requests += len(pairs)
        self._reused += sum(answer.reused for answer in judged.answers)
        self._missing += int(np.isnan(grades).sum())
        self._over += sum(answer.outcome == outcomes.OVER_BUDGET for answer in judged.answers)
        # Of the whole run: its record goes on from one call to the next.
        self._tokens, self._money = judged.tokens, judged.money
        return np.split(grades, np.cumsum(counts)[:-1])
