"""Queries that hold personal data: a writer can repeat what redaction missed, or make up what is somebody's.

A placeholder such as `[EMAIL]` in a written query stands for personal data as well: nobody searches for that.

Names of people are left to redaction: a query about a document that is about a person has to name that person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synalign.privacy import PLACEHOLDERS, found
from synalign.screening.candidates import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from synalign.arrays.tally import Report
    from synalign.config import PersonalData
    from synalign.screening.candidates import Candidates


def personal_data(candidates: Candidates, report: Report) -> Verdict:
    """Reject queries that hold personal data; no query where the settings say so."""
    if not candidates.settings.personal_data:
        none = np.zeros(len(candidates.ids))
        return Verdict(none > 0, none)
    generation = candidates.run.configuration.generation
    return Verdict(*kinds_held(candidates.queries, generation.redact, generation.phone_regions))


def kinds_held(
    queries: Sequence[str], kinds: Sequence[PersonalData], regions: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Find the queries that hold personal data.

    Args:
        queries: m queries.
        kinds: What counts as personal; `name` does not count here.
        regions: ISO 3166 countries whose national phone numbers are recognised.

    Returns:
        (m,) bool, and (m,) float64, how many kinds each holds.
    """
    searched = tuple(kind for kind in kinds if kind != "name")
    placeholders = [PLACEHOLDERS[kind].casefold() for kind in kinds]
    counts = np.zeros(len(queries))
    for row, query in enumerate(queries):
        folded = query.casefold()
        counts[row] = len(found(query, searched, regions)) + sum(mark in folded for mark in placeholders)
    return counts > 0, counts
