import numpy as np

from synalign.mining.block import Block, Part
from synalign.mining.proposals import BM25, ENCODER, RANDOM, Search, drawn


def unit(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, 6))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


IDS = [f"d{row}" for row in range(40)]


def test_every_proposal_has_its_cosines_whoever_made_it() -> None:
    documents, queries = unit(40, 0), unit(3, 1)
    block = Block(["a", "b", "c"], ["x", "y", "x"], queries[[0, 1, 0]], ["d1", "d2", "d3"], documents[[1, 2, 3]],
                  [frozenset()] * 3, [["d9"], ["d30", "gone"], ["d9"]])  # fmt: skip
    search = Search(block, 5, by_vectors=True, drawn=np.array([[4], [39], [4]]))
    for first in range(0, 40, 11):
        search.add(Part(IDS[first : first + 11], documents[first : first + 11]))
    lists, near = search.proposals()
    cosines = block.vectors @ documents.T
    for pair in range(3):
        nearest = np.argsort(-cosines[pair])[:5]
        assert lists[pair][ENCODER] == [IDS[place] for place in nearest]
        for name in (*lists[pair][ENCODER], *lists[pair][BM25], *lists[pair][RANDOM]):
            place = IDS.index(name)
            own = float(block.positive_vectors[pair] @ documents[place])
            assert np.allclose(near[pair][name], (cosines[pair, place], own), atol=1e-6)
    # A text without a vector is none of the collection.
    assert [found[BM25] for found in lists] == [["d9"], ["d30"], ["d9"]]
    assert [found[RANDOM] for found in lists] == [["d4"], ["d39"], ["d4"]]


def test_draws_depend_on_the_pair_and_the_seed_alone() -> None:
    every, some = drawn(["a", "b", "c"], 1000, 8, 1), drawn(["b"], 1000, 8, 1)
    assert every[1].tolist() == some[0].tolist()
    assert drawn(["b"], 1000, 8, 2).tolist() != some.tolist()
    assert drawn(["a"], 0, 8, 1).shape == (1, 0) and drawn([], 5, 8, 1).shape == (0, 8)
    assert (every < 1000).all() and (every >= 0).all()
