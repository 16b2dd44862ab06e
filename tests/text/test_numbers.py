"""Numbers and strangers' texts as people read them."""

import pytest

from synalign.text.numbers import change, count, counted, figure, p_value, seconds, share, shown, words
from tests.adversarial import TEXTS


def plain(text: str) -> str:
    """The same with ordinary spaces."""
    return text.replace("\u202f", " ")


@pytest.mark.parametrize("value", [1e-9, 3.14e-4, 0.0123, 0.5, 7.0, 99.4, 1234.0, 4.2e7])
def test_a_figure_is_within_half_of_its_last_digit(value: float) -> None:
    written = plain(figure(value)).replace(",", "")
    mantissa, _, exponent = written.partition(" \u00d7 10")
    power = int(
        exponent.translate(
            str.maketrans("\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079", "-0123456789")
        )
        or 0
    )
    assert float(mantissa) * 10.0**power == pytest.approx(value, rel=0.051)


@pytest.mark.parametrize(
    ("spent", "expected"),
    [
        (0.04, "0.0 s"),
        (9.96, "10.0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599.4, "59 min 59 s"),
        (7260, "2 h 01 min"),
    ],
)
def test_time_is_told_in_two_units(spent: float, expected: str) -> None:
    assert plain(seconds(spent)) == expected


def test_shares_never_pretend_to_be_nothing_or_everything() -> None:
    assert [plain(share(value)) for value in (0.0, 1e-5, 0.05, 0.0999, 0.5)] == [
        "0 %",
        "under 0.1 %",
        "5 %",
        "10 %",
        "50 %",
    ]


def test_p_values_have_a_floor() -> None:
    assert [p_value(value) for value in (0.0, 0.00099, 0.001, 0.0996)] == [
        "p < 0.001",
        "p < 0.001",
        "p = 0.001",
        "p = 0.10",
    ]


def test_counts_have_their_noun() -> None:
    assert (count(1e6), counted(1, "query", "queries"), counted(1000, "query", "queries")) == (
        "1,000,000", "1 query", "1,000 queries",
    )  # fmt: skip
    assert words("near_duplicate") == "near duplicate"


def test_two_figures_are_written_alike() -> None:
    assert plain(change(0.01, 0.0)) == "0.01 \u2192 0"
    assert plain(change(2.0, 0.0004)).count("\u00d7 10") == 2


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_what_is_shown_is_short_and_has_no_control_and_no_turned_text(name: str) -> None:
    text = shown(TEXTS[name], 100)
    assert len(text) < 1_000
    assert not any(
        (ord(character) < 32 and character not in "\n\t") or character in "\u202e\u2066\u200f\x7f" for character in text
    )
