import math

import numpy as np
import pytest

from synalign.mining.block import Part
from synalign.mining.lexical import LONGEST_TEXT, Found, Lexicon, asked, merged, search, terms
from synalign.screening.nearest import NOBODY, Nearest

TEXTS = [
    "the cat sat on the mat",
    "a dog and a cat",
    "dogs are animals",
    "\u732b\u304c\u597d\u304d\u3067\u3059",
    "",
    "mat mat mat",
]


def bm25(query: list[str], texts: list[str]) -> list[float]:
    """Lucene's BM25 with k1 = 1.5 and b = 0.75, written out."""
    split = [terms(text) for text in texts]
    mean = sum(map(len, split)) / len(split)
    scores = []
    for words in split:
        score = 0.0
        for term in query:
            having = sum(term in other for other in split)
            count = words.count(term)
            rarity = math.log(1 + (len(split) - having + 0.5) / (having + 0.5))
            score += rarity * count / (count + 1.5 * (1 - 0.75 + 0.75 * len(words) / mean))
        scores.append(score)
    return scores


@pytest.mark.parametrize("query", ["cat on a mat", "dog", "\u732b\u304c", "nothing of that", "", "the"])
def test_scores_are_those_of_the_formula(query: str) -> None:
    nearest = Nearest(1, 4)
    Lexicon(TEXTS, 0).offer([asked(query)], nearest)
    expected = bm25(asked(query), TEXTS)
    order = [place for place in np.argsort(-np.array(expected), kind="stable")[:4].tolist() if expected[place] > 0]
    found = nearest.numbers[0]
    assert found[found != NOBODY].tolist() == order
    assert nearest.scores[0, : len(order)].tolist() == pytest.approx([expected[place] for place in order], rel=1e-5)


def test_documents_of_later_parts_have_later_numbers() -> None:
    nearest = Nearest(1, 3)
    Lexicon(TEXTS[:2], 0).offer([["cat"]], nearest)
    Lexicon(["cat cat", "no"], 2).offer([["cat"]], nearest)
    assert sorted(nearest.numbers[0].tolist()) == [0, 1, 2]


def test_words_of_any_script_are_terms() -> None:
    assert terms("Caf\u00e9 CAFE\u0301 \u0643\u062a\u0627\u0628 C++ \ufb01le") == [
        "caf\u00e9",
        "caf\u00e9",
        "\u0643\u062a\u0627\u0628",
        "c",
        "file",
    ]
    assert terms("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35")[0] == "\u0e2a\u0e27"
    assert terms("\u732b") == ["\u732b"]
    assert terms(" \n\t!?") == []


def test_a_document_of_megabytes_is_read_up_to_its_bound() -> None:
    assert len(terms("word " * 1_000_000)) == LONGEST_TEXT // 5


def test_each_part_is_asked_all_queries_and_the_best_of_all_parts_are_kept() -> None:
    ids, texts = [f"d{row}" for row in range(40)], [f"number{row} common" for row in range(40)]
    queries = [["number3", "number20"], ["nothing", "common"]]
    first, second = (list(search(queries, Part(ids[rows], texts[rows]), 3)) for rows in (slice(0, 15), slice(15, 40)))
    assert [(found.query, found.ids) for found in first] == [("number3", ["d3"]), ("common", ["d0", "d1", "d2"])]
    assert [(found.query, found.ids) for found in second] == [("number20", ["d20"]), ("common", ["d15", "d16", "d17"])]
    every = [found for part in (first, second) for found in part if found.query == "common"]
    assert len(merged(every, 4)) == 4 and set(merged(every, 50)) == {"d0", "d1", "d2", "d15", "d16", "d17"}


def test_of_equal_scores_the_earlier_part_is_nearer() -> None:
    parts = [Found("q", ["a", "b"], [2.0, 1.0]), Found("q", ["c", "d"], [2.0, 1.5])]
    assert merged(parts, 3) == ["a", "c", "d"] and merged([], 3) == []


@pytest.mark.parametrize("count", [1, 3, 95, 96, 97, 1000])
def test_among_many_documents_the_best_are_those_that_sorting_gives(count: int) -> None:
    """Scores have many ties, and the best documents lie side by side as often as not."""
    random = np.random.default_rng(count)
    texts = [" ".join(random.choice(["red", "green", "blue", "grey"], random.integers(1, 6))) for _ in range(count)]
    texts[-1] = "red red red"
    nearest = Nearest(2, 3)
    Lexicon(texts, 0).offer([["red", "blue"], ["grey"]], nearest)
    for row, query in enumerate((["red", "blue"], ["grey"])):
        expected = np.array(bm25(query, texts), dtype=np.float32)
        order = [place for place in np.argsort(-expected, kind="stable")[:3].tolist() if expected[place] > 0]
        found = nearest.numbers[row]
        assert np.allclose(nearest.scores[row, : len(order)], expected[order], rtol=1e-5)
        assert sorted(found[found != NOBODY].tolist()) == sorted(set(found[found != NOBODY].tolist()))
        assert (found != NOBODY).sum() == len(order)


def test_text_with_one_unspaced_word_is_cut_as_the_others_are() -> None:
    assert terms("Sony \u65e5\u672c\u8a9e TV") == ["sony", "\u65e5\u672c", "\u672c\u8a9e", "tv"]
    assert terms("caf\u00e9 tv") == ["caf\u00e9", "tv"]
