import pytest
from hypothesis import given
from hypothesis import strategies as st

from synalign.text.normal import document_text, normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  how   to\tsort\n", "how to sort"),
        ("\uff26\uff55\uff4c\uff4c \uff57\uff49\uff44\uff54\uff48", "Full width"),
        ("ﬁle", "file"),
        ("cafe\u0301", "café"),
        ("Keeps CASE", "Keeps CASE"),
        ("no\u00a0break\u3000space", "no break space"),
        ("   ", ""),
        ("zero\u200bwidth \ufeffmark", "zerowidth mark"),
        ("\u202egnp.exe\u202c \u2066x\u2069 \u200f", "gnp.exe x"),
        ("hi\U000e0068\U000e0069", "hi"),
        ("soft\u00adhyphen", "softhyphen"),
        ("\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648"),
        ("क्\u200dष", "क्\u200dष"),
        ("\U0001f469\u200d\U0001f4bb \u2764\ufe0f", "\U0001f469\u200d\U0001f4bb \u2764\ufe0f"),
        ("a\u200db \u200d \u200c", "ab"),
        ("x" + "\ufe0f" * 9, "x\ufe0f"),
        ("e\u200d\u0301", "é"),
        ("日本語　検索", "日本語 検索"),
    ],
)
def test_a_query_is_normalised(text: str, expected: str) -> None:
    assert normalise(text) == expected


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert once == once.strip()
    assert "\x1f" not in once


def test_a_document_without_a_title_is_its_text() -> None:
    assert document_text("", "text") == "text"
    assert document_text("title", "text") == "title\ntext"
