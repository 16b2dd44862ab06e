"""Queries that are too near a real one: a held-out query, which must only judge, or one that the set has already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from synalign.arrays.tally import Tally
from synalign.run import some_rows
from synalign.screening.candidates import Verdict
from synalign.screening.cosines import PART, tile_count
from synalign.screening.duplicates import nearest_cosine

if TYPE_CHECKING:
    from synalign.arrays.tally import Report
    from synalign.screening.candidates import Candidates


def leak(candidates: Candidates, report: Report) -> Verdict:
    """Reject queries that are too near one of the splits validation and test, which no candidate may give away."""
    return _near(candidates, report, "leak", held_out=True)


def near_real(candidates: Candidates, report: Report) -> Verdict:
    """Reject queries that are too near a real train query."""
    return _near(candidates, report, "near_real", held_out=False)


def _near(candidates: Candidates, report: Report, reason: str, *, held_out: bool) -> Verdict:
    run, vectors = candidates.run, candidates.vectors
    queries = run.read("queries", ["query_id", "split"])
    judging = queries.filter(pc.not_equal(queries["split"], "train"))["query_id"].combine_chunks()
    count = len(judging) if held_out else run.rows("queries") - len(judging)
    tally = Tally(report, f"tiles of cosines for the reason {reason}", tile_count(len(vectors), count))
    cosines = np.full(len(vectors), -1.0, dtype=np.float32)
    for part in some_rows.vectors_in_parts(run, "query_embeddings", PART, among=judging, within=held_out):
        np.maximum(cosines, nearest_cosine(vectors, part, tally), out=cosines)
    return Verdict(cosines >= candidates.settings.near_duplicate_cosine, cosines)
