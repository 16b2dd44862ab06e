"""The filter by grades: what is too low goes, what has none stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from synalign.arrays.tally import Report
from synalign.config import Configuration
from synalign.screening.candidates import Candidates, candidates_of, pool_of
from synalign.screening.judged import judged_irrelevant
from tests.screening.runs import run_with

Make = Callable[..., Configuration]
JUDGE = {"endpoint": "http://127.0.0.1:9/v1", "model": "m"}


def nobody(what: str, done: int, total: int | None) -> None:
    pass


def candidates(configuration: Configuration, grades: Any = None) -> Candidates:
    run = run_with(configuration, [("first", 5, "d0"), ("second", 80, "d0"), ("third", 95, "d90")])
    return candidates_of(run, pool_of(run))._replace(grades=grades)


def graded(given: Candidates, report: Report) -> Any:
    return np.array([1.0, np.nan, 3.0])


def test_a_low_grade_is_rejected_and_no_grade_is_kept(configuration: Make, home: Path) -> None:
    verdict = judged_irrelevant(candidates(configuration(screening={"judge": JUDGE}), graded), nobody)
    assert verdict.rejected.tolist() == [True, False, False]
    assert verdict.scores[0] == 1.0


def test_the_grade_that_is_enough_is_a_setting(configuration: Make, home: Path) -> None:
    strict = configuration(screening={"judge": {**JUDGE, "at_least": 1}})
    assert not judged_irrelevant(candidates(strict, graded), nobody).rejected.any()


def test_without_a_judge_nothing_is_asked_or_rejected(configuration: Make, home: Path) -> None:
    def never(given: Candidates, report: Report) -> Any:
        raise AssertionError

    assert not judged_irrelevant(candidates(configuration(), never), nobody).rejected.any()
    with_judge = configuration(screening={"judge": JUDGE})
    assert not judged_irrelevant(candidates(with_judge), nobody).rejected.any()
