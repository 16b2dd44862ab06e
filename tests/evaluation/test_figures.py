"""A trial in figures: means, comparisons and segments, against sums by hand."""

from typing import Any

import numpy as np
import pytest

from synalign.evaluation import figures
from synalign.evaluation.arms import ARMS
from synalign.evaluation.material import Judged
from synalign.evaluation.trial import Outcome, Trial
from synalign.retriever.measures import MEASURES

QUERIES = 24


def made(gain: float = 0.25) -> Trial:
    """Two trainings per arm; the first half of the queries scores 0.5, the others 0; aligned ones gain."""
    scores = np.repeat([0.5, 0.0], QUERIES // 2)
    outcomes = []
    for arm in ARMS:
        for seed in (0, 1):
            mine = scores + (gain if arm == "aligned" else 0.0)
            split = dict.fromkeys(MEASURES, mine)
            outcomes.append(Outcome(arm, seed, 10 * (seed + 1), {"test": split, "validation": split}))
    return Trial(outcomes)


def test_means_are_over_trainings_and_queries_and_the_treatment_is_its_arm() -> None:
    trial = made()
    scores = figures.resampled(trial, QUERIES)
    assert scores is not None
    found = figures.on_test(trial, scores, "aligned")
    assert found["control"]["ndcg_at_10"] == 0.25
    assert found["treatment"] == found["aligned"]
    compared: Any = found["treatment_minus_control"]
    assert (compared["difference"], compared["relative"]) == pytest.approx((0.25, 1.0))
    # The gain is the same for every query and training: nothing is left to chance.
    assert (compared["lower"], compared["upper"]) == pytest.approx((0.25, 0.25))
    assert (compared["queries"], compared["seeds"]) == (QUERIES, 2)
    assert figures.on_validation(trial)["control"] == {**dict.fromkeys(MEASURES, 0.25), "step": 15.0}


def test_segments_have_their_own_queries_and_empty_ones_are_left_out() -> None:
    half = QUERIES // 2
    segments = np.repeat(["head", "tail"], half)
    cold = np.tile([True, False], half)
    places = np.arange(QUERIES, dtype=np.int64)
    judged = Judged([str(place) for place in places], places, [{place} for place in places], segments, cold)
    found = figures.by_segment(made(), judged, "aligned")
    assert set(found) == {"head", "tail", "cold_document", "known_document"}
    assert {name: content["control"] for name, content in found.items()} == pytest.approx(
        {"head": 0.5, "tail": 0.0, "cold_document": 0.25, "known_document": 0.25}
    )
    # Half of the queries are too few for an interval.
    assert "lower" not in found["head"] and found["head"]["difference"] == pytest.approx(0.25)
