"""What functions on arrays report while they work: every count grows to its total, and listening changes nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from synalign.alignment import align
from synalign.arrays.tally import Report
from synalign.sampling import sample_demonstrations
from synalign.screening.copied import copied_spans
from synalign.screening.duplicates import near_duplicates
from synalign.screening.round_trip import round_trip_ranks


def unit_rows(count: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, 8))
    found: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return found


REAL, WRITTEN = unit_rows(1100), unit_rows(600, seed=1)
TARGETS = np.arange(600) % 30

CALLS: dict[str, Callable[[Report | None], Any]] = {
    "coverage": lambda report: sample_demonstrations(REAL, 20, 3, report=report),
    "variance": lambda report: sample_demonstrations(REAL, 20, 3, criterion="variance", report=report),
    "align": lambda report: align(WRITTEN, REAL, documents=TARGETS.tolist(), report=report).weights,
    "copied": lambda report: copied_spans(["a b c", "d e"], [("a b", "c"), ("d e", "")], np.array([0, 1]), report),
    "near duplicates": lambda report: near_duplicates(REAL, 0.9, report),
    "round trip": lambda report: round_trip_ranks(WRITTEN, unit_rows(30, seed=2), TARGETS, report),
}


@pytest.mark.parametrize("name", CALLS)
def test_counts_grow_to_their_total_and_listening_changes_nothing(name: str) -> None:
    heard: dict[str, list[tuple[int, int | None]]] = {}
    found = CALLS[name](lambda what, done, total: heard.setdefault(what, []).append((done, total)))
    np.testing.assert_equal(found, CALLS[name](None))
    assert heard
    for what, counts in heard.items():
        done, totals = [done for done, _ in counts], {total for _, total in counts}
        assert done == sorted(done), what
        assert len(totals) == 1, what
        (total,) = totals
        assert total in (None, done[-1]), what
