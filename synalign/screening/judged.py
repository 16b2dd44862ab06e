"""Queries that their documents do not answer, as a model judges it.

The model is asked by the step, which gives the filter a function for grades: this package knows no endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synalign.screening.candidates import Verdict

if TYPE_CHECKING:
    from synalign.arrays.tally import Report
    from synalign.screening.candidates import Candidates


def judged_irrelevant(candidates: Candidates, report: Report) -> Verdict:
    """Reject queries whose grade is too low; the score is the grade. Those without one stay."""
    settings = candidates.settings.judge
    if settings is None or candidates.grades is None:
        none = np.zeros(len(candidates.ids))
        return Verdict(none > 0, none)
    grades = candidates.grades(candidates, report)
    return Verdict(grades < settings.at_least, grades)
