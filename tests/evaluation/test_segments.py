import numpy as np
import pytest

from synalign.evaluation.segments import cold_documents, traffic_segments


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # 30 of traffic: the head ends at 10, the torso at 20.
        ([8, 2, 5, 5, 2, 2, 2, 2, 2], "head tail torso torso tail tail tail tail tail"),
        ([4, 4, 4], "torso torso torso"),
        ([1000, 1, 1], "head tail tail"),
        ([2, *[1] * 98], "head " + "tail " * 98),
        ([7], "torso"),
        ([], ""),
    ],
)
def test_thirds_of_the_traffic_by_hand(counts: list[int], expected: str) -> None:
    assert traffic_segments(counts).tolist() == expected.split()


def test_order_does_not_matter_and_equal_counts_are_together() -> None:
    counts = np.random.default_rng(0).zipf(1.6, 500)
    segments = traffic_segments(counts)
    order = np.random.default_rng(1).permutation(500)
    assert (traffic_segments(counts[order]) == segments[order]).all()
    assert all(len(set(segments[counts == count])) == 1 for count in counts)
    means = [counts[segments == name].mean() for name in ("head", "torso", "tail")]
    assert means == sorted(means, reverse=True)


def test_a_query_is_cold_when_none_of_its_documents_was_seen() -> None:
    assert cold_documents([{1, 2}, {3}, {4, 5}], {2, 5, 9}).tolist() == [False, True, False]
    assert cold_documents([], {1}).tolist() == []
