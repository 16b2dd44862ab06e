import numpy as np

from synalign.mining.block import Block


def test_a_query_of_several_pairs_is_searched_for_once() -> None:
    vectors = np.eye(3, dtype=np.float32)
    block = Block(["a", "b", "c"], ["x", "y", "x"], vectors, ["d"] * 3, vectors, [frozenset({"d"})] * 3)
    firsts, of = block.distinct()
    assert firsts.tolist() == [0, 1] and of.tolist() == [0, 1, 0]


def test_no_pair_has_no_query() -> None:
    nothing = np.empty((0, 3), dtype=np.float32)
    firsts, of = Block([], [], nothing, [], nothing, []).distinct()
    assert len(firsts) == len(of) == 0
