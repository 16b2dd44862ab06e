"""Queries whose words the encoder does not know: their vectors say nothing, and nothing can be judged by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synalign.embedding.readable import read
from synalign.screening.candidates import Verdict

if TYPE_CHECKING:
    from synalign.arrays.tally import Report
    from synalign.screening.candidates import Candidates


def unreadable(candidates: Candidates, report: Report) -> Verdict:
    """Reject queries that the encoder cannot read: none where its tokenizer does not say."""
    found = read(candidates.queries, candidates.run.configuration.encoder)
    lost = np.zeros(len(candidates.ids), dtype=bool)
    if found is not None:
        lost[list(found.unreadable)] = True
    return Verdict(lost, np.ones(len(lost)))
