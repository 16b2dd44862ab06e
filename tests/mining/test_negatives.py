"""Which documents become negatives, against brute force and against sentence-transformers' own miner."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from synalign.config import Encoder, Negatives
from synalign.embedding import encoder
from synalign.mining import lexical
from synalign.mining.block import Block, Part
from synalign.mining.negatives import Mined, mine

THINGS = ("lamp", "kettle", "sofa", "desk", "mirror", "carpet", "oven", "fridge", "chair", "bed")
VERBS = ("clean", "repair", "return", "assemble", "store", "paint")
TEXTS = [f"How to {verb} a {thing}: take it out and {verb} it with care." for thing in THINGS for verb in VERBS]
IDS = [f"d{place}" for place in range(len(TEXTS))]
# In bfloat16 the library would sort some of these texts in another order.
ENCODER = Encoder(precision="float32")


@pytest.fixture(scope="module")
def documents() -> np.ndarray:
    return encoder.encode(TEXTS, ENCODER)


def parts(content: Any, size: int) -> Iterator[Part]:
    for first in range(0, len(IDS), size):
        yield Part(IDS[first : first + size], content[first : first + size])


def block_of(documents: np.ndarray, places: list[int], chosen: dict[int, set[int]] | None = None) -> Block:
    queries = [f"{TEXTS[place].split(':')[0].lower()} please" for place in places]
    right = [{place} | (chosen or {}).get(place, set()) for place in places]
    return Block(
        [f"p{place}" for place in places],
        queries,
        encoder.encode(queries, ENCODER),
        [IDS[place] for place in places],
        documents[places],
        [frozenset(IDS[other] for other in others) for others in right],
    )


def worded(block: Block, texts: list[str]) -> Block:
    """The block with what BM25 proposes for it."""
    found = {each.query: lexical.merged([each], 50) for each in lexical.search([block.queries], Part(IDS, texts), 50)}
    return block._replace(worded=[found.get(query, []) for query in block.queries])


def negatives(mined: Mined, pair: str) -> list[str]:
    return [row.document_id for row in mined.rows if row.pair_id == pair and row.rank]


def test_the_encoders_negatives_are_those_of_the_librarys_miner(documents: np.ndarray) -> None:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import mine_hard_negatives

    places = list(range(0, 60, 7))
    block = block_of(documents, places)
    settings = Negatives(sources=("encoder",), per_pair=3, depth=20, duplicate_cosine=1.0)
    found = mine(block, parts(documents, 13), len(IDS), settings)
    model = SentenceTransformer(str(encoder.model_folder(ENCODER.model)), device="cpu")
    library = mine_hard_negatives(
        Dataset.from_dict({"query": list(block.queries), "positive": [TEXTS[place] for place in places]}),
        model, corpus=TEXTS, range_max=20, relative_margin=0.05, num_negatives=3, output_format="n-tuple",
        sampling_strategy="top", verbose=False,
    )  # fmt: skip
    # The library leaves out queries for which it does not find enough.
    assert len(library) >= 5
    for row in library:
        pair = block.ids[list(block.queries).index(row["query"])]
        expected = [IDS[TEXTS.index(row[f"negative_{number}"])] for number in (1, 2, 3)]
        assert negatives(found, pair) == expected


def test_what_a_user_chose_for_the_query_is_no_negative(documents: np.ndarray) -> None:
    alone = mine(block_of(documents, [0]), parts(documents, 60), 60, Negatives(sources=("encoder",)))
    first = negatives(alone, "p0")[0]
    block = block_of(documents, [0], {0: {IDS.index(first)}})
    found = mine(block, parts(documents, 60), 60, Negatives(sources=("encoder",)))
    assert first not in negatives(found, "p0")
    assert found.objections["chosen"] == 1 and alone.objections["chosen"] == 0


def test_a_copy_of_the_positive_and_what_is_nearer_than_the_margin_are_no_negatives(documents: np.ndarray) -> None:
    copied = documents.copy()
    copied[30] = documents[0]
    block = block_of(documents, [0])
    copied[31] = block.vectors[0]
    found = mine(block, parts(copied, 60), 60, Negatives(sources=("encoder",)))
    assert {"d30", "d31"}.isdisjoint(negatives(found, "p0"))
    assert found.objections["duplicate"] == 1 and found.objections["too_near"] >= 1


def test_sources_take_turns_and_bm25_proposes_by_words(documents: np.ndarray) -> None:
    texts = list(TEXTS)
    # Far from the query for the encoder, and all of its rare words.
    texts[59] = "sofa sofa sofa"
    block = block_of(documents, [TEXTS.index(next(text for text in TEXTS if "repair a sofa" in text))])
    found = mine(worded(block, texts), parts(documents, 60), 60, Negatives())
    sources = [row.source for row in found.rows]
    assert sources[0] == "positive" and sources[1] == "encoder" and "bm25" in sources[2:]
    assert "d59" in negatives(found, block.ids[0])


def test_a_pair_gets_the_same_whatever_is_in_its_block_and_in_the_parts(documents: np.ndarray) -> None:
    every = mine(worded(block_of(documents, list(range(20))), TEXTS), parts(documents, 7), 60, Negatives())
    for place in (3, 11):
        alone = mine(worded(block_of(documents, [place]), TEXTS), parts(documents, 60), 60, Negatives())
        assert negatives(alone, f"p{place}") == negatives(every, f"p{place}")


def test_what_is_lacking_is_drawn_at_random_under_the_same_rules(documents: np.ndarray) -> None:
    block = block_of(documents, [0])
    found = mine(block, parts(documents, 60), 60, Negatives(sources=("encoder",), depth=1, per_pair=3))
    rows = [row for row in found.rows if row.rank]
    assert [row.source for row in rows].count("random") >= 2
    own = float(block.vectors[0] @ documents[0])
    assert all(row.cosine <= own - 0.05 * abs(own) and row.document_id != "d0" for row in rows)
    again = mine(block, parts(documents, 60), 60, Negatives(sources=("encoder",), depth=1, per_pair=3))
    assert again == found


def test_a_collection_of_the_positive_alone_has_no_negative(documents: np.ndarray) -> None:
    block = block_of(documents, [0])
    found = mine(block._replace(worded=[[IDS[0]]]), [Part(IDS[:1], documents[:1])], 1, Negatives())
    assert [row.rank for row in found.rows] == [0]


def test_no_pair_and_no_document_are_no_error(documents: np.ndarray) -> None:
    nothing = np.empty((0, documents.shape[1]), dtype=np.float32)
    empty = Block([], [], nothing, [], nothing, [])
    assert mine(empty, parts(documents, 60), 60, Negatives()).rows == []
    found = mine(block_of(documents, [0]), [], 0, Negatives())
    assert [row.rank for row in found.rows] == [0]


def test_a_negative_cosine_of_the_positive_keeps_the_margin_below_it(documents: np.ndarray) -> None:
    block = block_of(documents, [0])._replace(vectors=-documents[:1])
    found = mine(block, parts(documents, 60), 60, Negatives(sources=("encoder",)))
    own = found.rows[0].cosine
    assert own < 0.0
    assert all(row.cosine <= own * 1.05 + 1e-6 for row in found.rows[1:])


def by_hand(block: Block, vectors: np.ndarray, settings: Negatives) -> dict[str, list[str]]:
    """The encoder's negatives of each pair, one document after another."""
    found: dict[str, list[str]] = {}
    cosines, ids = block.vectors @ vectors.T, IDS[: len(vectors)]
    for pair, name in enumerate(block.ids):
        own = float(block.vectors[pair] @ block.positive_vectors[pair])
        found[name] = []
        # Of equal cosines the earlier document is nearer.
        for place in sorted(range(len(ids)), key=lambda place: (-cosines[pair, place], place))[: settings.depth]:
            if (
                ids[place] not in block.chosen[pair]
                and float(block.positive_vectors[pair] @ vectors[place]) < settings.duplicate_cosine
                and float(cosines[pair, place]) <= own - settings.relative_margin * abs(own)
            ):
                found[name].append(ids[place])
        del found[name][settings.per_pair :]
    return found


@pytest.mark.parametrize("size", [1, 4, 60])
@pytest.mark.parametrize("depth", [1, 3, 50])
@pytest.mark.parametrize("count", [2, 40])
@pytest.mark.parametrize("chosen", [set(), {"d0", "d1", "gone"}])
def test_ties_copies_and_zeros_give_what_brute_force_gives(size: int, depth: int, count: int, chosen: set[str]) -> None:
    """Halves and quarters have exact products, so that equal cosines are equal in every order of adding them."""
    directions = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0.5, 0.5, 0.5, 0.5], [0.5, -0.5, 0.5, -0.5], [0, 0, 0, 0]])
    vectors = directions[np.random.default_rng(0).integers(0, 5, count)].astype(np.float32)
    queries = directions[[2, 0, 4, 3, 2, 1]].astype(np.float32)
    own = np.arange(6) % count
    block = Block([f"p{pair}" for pair in range(6)], [f"q{pair}" for pair in range(6)], queries,
                  [IDS[place] for place in own], vectors[own],
                  [frozenset({IDS[place]} | chosen) for place in own])  # fmt: skip
    settings = Negatives(sources=("encoder",), depth=depth, per_pair=3, relative_margin=0.0, duplicate_cosine=0.95)
    parts = [Part(IDS[first : min(first + size, count)], vectors[first : first + size])
             for first in range(0, count, size)]  # fmt: skip
    mined = mine(block, parts, count, settings)
    found = {name: [row.document_id for row in mined.rows if row.pair_id == name and row.source == "encoder"]
             for name in block.ids}  # fmt: skip
    assert found == by_hand(block, vectors, settings)
    for name in block.ids:
        rows = [row for row in mined.rows if row.pair_id == name]
        assert [row.rank for row in rows] == list(range(len(rows)))
        assert len({row.document_id for row in rows}) == len(rows)
