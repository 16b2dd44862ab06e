"""Target documents against a slow, literal reading of the rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.errors import ArgumentError
from synalign.generation.targets import NEARNESS, choose_targets


def unit(rng, rows):
    vectors = rng.normal(size=(rows, 5)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def literal(means, documents, events, size):
    """Cold targets, sentence by sentence of the docstring."""
    used, targets = [0] * len(documents), []
    for mean in means:
        chosen = []
        scores = documents @ mean
        while len(chosen) < min(size, len(documents)):
            level = min(used[d] for d in range(len(documents)) if d not in chosen)
            free = [d for d in range(len(documents)) if d not in chosen and used[d] == level]
            near = sorted(free, key=lambda d: (-scores[d], d))[: NEARNESS * size]
            coldest = sorted(near, key=lambda d: events[d])
            chosen += coldest[: size - len(chosen)]
        for d in chosen:
            used[d] += 1
        targets.append(chosen)
    return targets


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 40), st.integers(1, 5))
def test_cold_targets_are_those_of_the_literal_rule(seed, batches, count, size):
    rng = np.random.default_rng(seed)
    means, documents, events = unit(rng, batches), unit(rng, count), rng.integers(0, 3, count)
    found = choose_targets(means, documents, events, size)
    assert [rows.tolist() for rows in found] == literal(means, documents, events, size)


def test_no_document_comes_twice_before_all_have_come():
    rng = np.random.default_rng(1)
    found = choose_targets(unit(rng, 10), unit(rng, 20), np.zeros(20, dtype=np.int64), 4)
    first, second = np.concatenate(found[:5]), np.concatenate(found[5:])
    assert sorted(first) == sorted(second) == list(range(20))


def test_a_document_without_events_wins_over_a_nearer_one_with_events():
    documents = np.eye(3, dtype=np.float32)
    (rows,) = choose_targets(documents[:1], documents, np.array([5, 0, 1]), 2)
    assert rows.tolist() == [1, 2]


def test_demonstrated_targets_are_the_clicked_ones_topped_up_with_cold_ones():
    documents = np.eye(4, dtype=np.float32)
    events = np.array([9, 9, 0, 0])
    means = np.array([[0, 0, 0.2, 0.9], [1, 0, 0, 0]], dtype=np.float32)
    first, second = choose_targets(means, documents, events, 2, [[1, 1], [0, 1, 2]])
    assert first.tolist() == [1, 3]
    assert second.tolist() == [0, 1]


def test_wrong_shapes_are_named():
    documents = np.eye(3, dtype=np.float32)
    with pytest.raises(ArgumentError, match="size == 0"):
        choose_targets(documents, documents, np.zeros(3, dtype=np.int64), 0)
    with pytest.raises(ArgumentError, match="events"):
        choose_targets(documents, documents, np.zeros(2, dtype=np.int64), 1)
    with pytest.raises(ArgumentError, match="documents"):
        choose_targets(documents[:, :2], documents, np.zeros(3, dtype=np.int64), 1)
    with pytest.raises(ArgumentError, match="clicked"):
        choose_targets(documents, documents, np.zeros(3, dtype=np.int64), 1, [[]])


def test_mixed_targets_are_half_clicked_ones_and_cold_ones_for_the_rest():
    documents = np.eye(6, dtype=np.float32)
    events = np.array([9, 9, 9, 9, 0, 0])
    (rows,) = choose_targets(documents[:1], documents, events, 4, [[3, 2, 1, 0]], 2)
    assert rows.tolist() == [3, 2, 4, 5]
    (few,) = choose_targets(documents[:1], documents, events, 4, [[1]], 2)
    assert few.tolist()[:1] == [1] and len(set(few.tolist())) == 4


def test_a_full_document_comes_after_all_others_though_it_is_the_nearest_and_has_no_event():
    documents = unit(np.random.default_rng(3), 6)
    full = np.array([True, False, False, False, False, True])
    targets = choose_targets(documents[:1], documents, np.zeros(6, dtype=np.int64), 5, full=full)[0].tolist()
    assert set(targets[:4]) == {1, 2, 3, 4} and targets[4] == 0
    with pytest.raises(ArgumentError, match=r"full\.shape"):
        choose_targets(documents[:1], documents, np.zeros(6, dtype=np.int64), 5, full=full[:2])
