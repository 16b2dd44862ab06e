"""Lines of JSON as texts: numbers stay as they are written, and what has no text is told."""

from __future__ import annotations

import pytest

from synalign.querylog import json_lines
from synalign.querylog.columns import NO_TEXT


@pytest.mark.parametrize("line", ["", "{", "[1]", '"text"', "null", "[" * 100_000])
def test_a_line_without_an_object_has_none(line: str) -> None:
    assert json_lines.parsed(line) is None
    assert json_lines.reader(["a", "b"], [True, False])(line) == ([None, None], "malformed_row")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('"a"', "a"), ("null", None), ("7", "7"), ("1.50", "1.50"), ("1e2", "1e2"), (str(10**19), str(10**19)),
        ("true", NO_TEXT), ("NaN", NO_TEXT), ("[1]", NO_TEXT), ('{"b": 1}', NO_TEXT),
    ],
)  # fmt: skip
def test_a_value_is_the_text_that_was_written(written: str, text: object) -> None:
    row = json_lines.parsed(f'{{"a": {written}}}')
    assert row is not None
    assert json_lines.text_of(row["a"]) == text


def test_only_a_column_that_must_be_text_makes_a_row_unusable() -> None:
    read = json_lines.reader(["query", "clicks", "a.b"], [True, False, True])
    assert read('{"query": "x", "clicks": [1], "a": {"b": 2}}') == (["x", None, "2"], None)
    assert read('{"query": {}, "clicks": "1"}') == ([None, "1", None], "not_text")
    assert read('{"a.b": "whole key", "a": {"b": "within"}}') == ([None, None, "whole key"], None)


def test_halves_of_characters_are_marked() -> None:
    read = json_lines.reader(["q"], [True])
    assert read(r'{"q": "a\ud800b"}') == (["a\ufffdb"], None)
    assert read(r'{"q": "\ud83d\ude00"}') == (["\U0001f600"], None)


def test_a_list_is_read_as_json_where_one_is_wanted() -> None:
    read = json_lines.reader(["a", "b"], [False, True], ["a"])
    values, flaw = read('{"a": ["x", 7, 1.50, null, true, "\\ud83d\\ude00"], "b": "text"}')
    assert (values[0], values[1], flaw) == ('["x", "7", "1.50", null, null, "\\ud83d\\ude00"]', "text", None)
    assert read('{"a": "x", "b": ["x"]}') == (["x", None], "not_text")
