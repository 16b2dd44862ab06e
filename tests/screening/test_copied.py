import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.screening.copied import copied_spans


def span(query: str, *parts: str) -> float:
    return float(copied_spans([query], [parts], np.zeros(1, dtype=np.int64))[0])


def naive(query: list[str], document: list[str]) -> int:
    """Every run of the query, longest first, looked for at every place of the document."""
    for length in range(len(query), 0, -1):
        runs = {tuple(query[start : start + length]) for start in range(len(query) - length + 1)}
        if any(tuple(document[start : start + length]) in runs for start in range(len(document) - length + 1)):
            return length
    return 0


words = st.lists(st.sampled_from("abc"), max_size=12)


@settings(max_examples=100)
@given(words, st.lists(st.sampled_from("abcd"), max_size=30))
def test_the_longest_run_is_that_of_trying_every_run(query: list[str], document: list[str]) -> None:
    assert span(" ".join(query), " ".join(document)) == naive(query, document)


@pytest.mark.parametrize(
    ("query", "document", "expected"),
    [
        ("How to SORT a list", "First: how, to (sort) a -- LIST!", 5),
        ("sort a list", "sort the list", 1),
        ("größe der Straße", "GRÖSSE DER STRASSE", 3),
        ("cafe\u0301 noir", "café noir", 2),
        ("हिन्दी की किताबें", "सभी हिन्दी की किताबें यहाँ", 3),
        ("مَرْحَبًا بالعالم", "قال مَرْحَبًا بالعالم", 2),
        # Ten characters of Han and kana are five words, eight of Thai two.
        ("東京タワーの高さは", "東京タワーの高さは333メートル", 4.5),
        ("ราคาบ้าน", "ดูราคาบ้านที่นี่", 2),
        ("python で sort する", "今 python で sort する人", 3.5),
        ("", "anything", 0),
        ("anything", "", 0),
        ("?!", "?!", 0),
    ],
)
def test_words_of_any_script(query: str, document: str, expected: float) -> None:
    assert span(query, document) == expected


def test_a_run_does_not_go_from_the_title_into_the_text() -> None:
    assert span("red fox brown owl", "The red fox", "brown owl here") == 2


def test_each_query_is_compared_with_its_own_document() -> None:
    documents = [("", "one two three"), ("", "four five six")]
    found = copied_spans(["four five six", "four five", "two three"], documents, np.array([1, 0, 0]))
    assert found.tolist() == [3, 0, 2]
    assert copied_spans([], documents, np.array([], dtype=np.int64)).tolist() == []


def test_a_megabyte_of_repeated_words_takes_time_linear_in_its_length() -> None:
    queries = ["a " * 150, "a " * 149 + "b"]

    def seconds(characters: int) -> float:
        document = ("a " * 148 + "c ") * (characters // 298)
        started = time.process_time()
        assert copied_spans(queries, [(document,)], np.zeros(2, dtype=np.int64)).tolist() == [148, 148]
        return time.process_time() - started

    seconds(1_000)
    short, long = (min(seconds(characters) for _ in range(3)) for characters in (10_000, 160_000))
    # Sixteen times the text: a method that compares all with all would take 256 times as long.
    assert long < 64 * short


def test_what_no_prompt_can_show_is_not_looked_at() -> None:
    assert span("one two", "x" * 1_000_000 + " one two") == 0
