import pytest
from hypothesis import given
from hypothesis import strategies as st

from synalign.querylog.rules import normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  how   to\tsort\n", "how to sort"),
        ("Ｆｕｌｌ ｗｉｄｔｈ", "Full width"),
        ("ﬁle", "file"),
        ("cafe\u0301", "café"),
        ("Keeps CASE", "Keeps CASE"),
        ("no\u00a0break\u3000space", "no break space"),
        ("   ", ""),
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
