import numpy as np

from synalign.mining.block import Block, Part
from synalign.mining.proposals import BM25, ENCODER, RANDOM, SKIPS, SOURCES, Proposals, Search, drawn
from synalign.screening.nearest import NOBODY


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
    proposals = search.proposals()
    cosines = block.vectors @ documents.T
    for pair in range(3):
        assert found(proposals, pair, ENCODER) == np.argsort(-cosines[pair])[:5].tolist()
        for place, number in enumerate(proposals.numbers[pair].tolist()):
            if number != NOBODY:
                own = float(block.positive_vectors[pair] @ documents[number])
                near = (proposals.query[pair, place], proposals.positive[pair, place])
                assert np.allclose(near, (cosines[pair, number], own), atol=1e-6)
    # A text without a vector is none of the collection.
    assert [found(proposals, pair, BM25) for pair in range(3)] == [[9], [30], [9]]
    assert [found(proposals, pair, RANDOM) for pair in range(3)] == [[4], [39], [4]]
    assert search.ids(np.array([9, 30, 39, 9])).to_pylist() == ["d9", "d30", "d39", "d9"]


def found(proposals: Proposals, pair: int, source: str) -> list[int]:
    numbers = proposals.numbers[pair, proposals.sources == SOURCES.index(source)]
    return numbers[numbers != NOBODY].tolist()


def test_sources_take_turns_and_random_documents_come_last() -> None:
    documents = unit(9, 0)
    block = Block(["a"], ["x"], documents[:1], ["d1"], documents[1:2], [frozenset({"d4"})], [["gone", "d5", "d1"]])
    search = Search(block, 3, by_vectors=True, drawn=np.array([[4, 2]]))
    search.add(Part(IDS[:9], documents))
    proposals = search.proposals()
    places = [SOURCES[source] for source in proposals.sources.tolist()]
    assert places == [ENCODER, BM25, ENCODER, BM25, ENCODER, BM25, RANDOM, RANDOM]
    assert proposals.numbers[0, [0, 1, 3, 5, 6, 7]].tolist() == [0, 5, 1, NOBODY, 4, 2]
    assert proposals.own[0, [0, 1, 3, 5, 6]].tolist() == [False, False, True, False, False]
    assert proposals.chosen[0, [0, 1, 3, 5, 6]].tolist() == [False, False, True, False, True]


def test_what_people_passed_over_is_proposed_first_and_where_nobody_says_nothing_is() -> None:
    documents = unit(9, 0)
    block = Block(["a", "b"], ["x", "y"], documents[:2], ["d1", "d1"], documents[[1, 1]], [frozenset()] * 2,
                  skipped=[["d8", "gone", "d7"], []])  # fmt: skip
    search = Search(block, 2, by_vectors=True, drawn=np.empty((2, 0), dtype=np.int64))
    for first in (0, 5):
        search.add(Part(IDS[first : first + 5][: 9 - first], documents[first : first + 5]))
    proposals = search.proposals()
    # A document that is none of the collection leaves its place free, at the end.
    assert [SOURCES[source] for source in proposals.sources.tolist()] == [SKIPS, ENCODER, SKIPS, ENCODER, SKIPS]
    assert [found(proposals, pair, SKIPS) for pair in range(2)] == [[8, 7], []]
    assert np.allclose(proposals.query[0, [0, 2]], documents[[8, 7]] @ documents[0], atol=1e-6)


def test_draws_depend_on_the_pair_and_the_seed_alone() -> None:
    every, some = drawn(["a", "b", "c"], 1000, 8, 1), drawn(["b"], 1000, 8, 1)
    assert every[1].tolist() == some[0].tolist()
    assert drawn(["b"], 1000, 8, 2).tolist() != some.tolist()
    assert drawn(["a"], 0, 8, 1).shape == (1, 0) and drawn([], 5, 8, 1).shape == (0, 8)
    assert (every < 1000).all() and (every >= 0).all()
