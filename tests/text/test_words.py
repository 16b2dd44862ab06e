"""Words of texts and identifiers, in scripts with spaces and without."""

import pytest

from synalign.text.words import is_function, split_identifier, stem, unspaced, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ?! ", []),
        ("don't re-use node.js", ["don't", "re-use", "node.js"]),
        ("C++ & C#", ["C++", "C#"]),
        ("\uff28ow", ["How"]),
        ("日本語検索エンジン", ["日本語検", "索エンジ", "ン"]),
        ("Z\u0351 e\u0301te\u0301", ["Z\u0351", "\u00e9t\u00e9"]),
    ],
)
def test_words_are_what_stands_between_spaces_and_marks(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_a_text_is_unspaced_if_most_of_its_letters_are() -> None:
    assert unspaced("日本語 in")
    assert not unspaced("日 in English")
    assert not unspaced("")


def test_function_words_are_known_in_any_case() -> None:
    assert is_function("The") and is_function("how")
    assert not is_function("python")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("", []),
        ("__init__", ["init"]),
        ("HTTPServer", ["HTTP", "Server"]),
        ("read_JSON_file", ["read", "JSON", "file"]),
    ],
)
def test_identifiers_are_split_where_their_case_changes(name: str, parts: list[str]) -> None:
    assert split_identifier(name) == parts


def test_a_stem_keeps_three_letters() -> None:
    assert [stem(word) for word in ("sorting", "Sorts", "us", "relations", "red")] == [
        "sort",
        "sort",
        "us",
        "rel",
        "red",
    ]
