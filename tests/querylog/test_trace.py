"""Which texts are a query, and which have it within them, in any script."""

import json

import pytest

from synalign.errors import ArgumentError
from synalign.querylog.trace import GONE, Trace, folded, redacted
from synalign.text.normal import EXAMPLE_CHARACTERS, normalise


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("cat", "Cats, and a cat"),
        ("Jane Roe", "ask 'jane  roe', please"),
        ("jane roe berlin", "Jane Roe, Berlin"),
        ("東京タワー", "昨日東京タワーに行った"),
        ("กรุงเทพ", "ไปกรุงเทพฯ"),
        ("مرحبا", "قال مرحبا لك"),
        ("straße", "STRASSE 5"),
        ("\uff23\uff21\uff34", "a cat"),
        ("café", "CAFE\u0301 noir"),
        ("c++", "how c++11 works"),
        ("🔥🔥", "so 🔥🔥🔥"),
        ("a.*b", "x a.*b"),
        ("x' OR 1=1 --", "x' or 1=1 --"),
        ("pay\u200bpal", "paypal"),
    ],
)
def test_a_query_is_found_in_what_quotes_it(query: str, text: str) -> None:
    assert Trace(query).in_(text)
    answer = json.dumps({"queries": [{"text": text}]})
    assert Trace(query).in_json(answer)
    assert Trace(query).may_be_in(answer.encode())


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("cat", "category cats"),
        ("jane roe", "jane roebuck"),
        ("jane roe", "roe, jane"),
        ("c++", "c is good"),
        ("東京", "京東"),
        ("naïve", "naive"),
        ("a.*b", "axxb"),
        ("red shoes", ""),
    ],
)
def test_a_query_is_not_found_in_what_is_only_like_it(query: str, text: str) -> None:
    assert not Trace(query).in_(text)
    assert not Trace(query).in_json(json.dumps([text]))


def test_exact_takes_only_the_query_itself() -> None:
    assert Trace("jane roe", exact=True).in_(" Jane  ROE ")
    assert not Trace("jane roe", exact=True).in_("ask jane roe")


def test_a_quick_look_never_misses_and_passes_over_most() -> None:
    line = json.dumps({"queries": ["call \u004aane roe", "caf\u00e9"]}).encode()
    assert Trace("café").may_be_in(line)
    assert not Trace("jane roe").may_be_in(b'{"queries": ["red shoes"]}')


def test_texts_that_have_it_are_replaced_and_all_else_stays() -> None:
    content = {"jane roe": 1, "list": ["x jane roe", {"k": "jane"}], "number": 2.5, "none": None}
    assert Trace("jane roe").without(content) == {GONE: 1, "list": [GONE, {"k": "jane"}], "number": 2.5, "none": None}


@pytest.mark.parametrize("query", ["", "  ", "\u200b\u202e"])
def test_nothing_cannot_be_forgotten(query: str) -> None:
    with pytest.raises(ArgumentError, match="must hold a character"):
        Trace(query)


def test_upper_and_lower_case_of_every_letter_are_one_query() -> None:
    # The Turkish i without a dot is another letter to everybody else.
    for letter in set(map(chr, range(0x110000))) - {"\u0131"}:
        if letter != letter.upper() and folded(letter):
            same = [letter, letter.upper(), letter.title(), letter.upper().lower()]
            assert len({folded(f"17 {form} 5") for form in same if normalise(form)}) == 1, letter


SHOWN = "jane roe 12 elm street [PHONE]"


def test_a_query_is_known_by_what_redaction_leaves_of_it() -> None:
    query = "jane roe 12 elm street +1 415 555 2671"
    assert redacted(query, ["phone"], ["US"]) == SHOWN
    trace = Trace(query, shown=[SHOWN])
    assert trace.in_(f"where is {SHOWN}") and trace.in_(query)
    assert trace.may_be_in(json.dumps({"queries": [SHOWN]}).encode())
    assert not trace.is_(SHOWN), "what a user typed so is another query"
    assert Trace(query, exact=True, shown=[SHOWN]).in_(SHOWN)
    assert not Trace(query, exact=True, shown=[SHOWN]).in_(f"where is {SHOWN}")


@pytest.mark.parametrize("shown", ["[PHONE]", "call [PHONE]", "[EMAIL] [PHONE]"])
def test_what_redaction_leaves_nothing_of_is_not_looked_for(shown: str) -> None:
    assert not Trace("call +1 415 555 2671", shown=[shown]).in_(f"please {shown} now")


def test_a_manifest_that_cuts_a_query_is_recognised() -> None:
    query = " ".join(f"word{number}" for number in range(60))
    cut = query[:EXAMPLE_CHARACTERS]
    assert Trace(query).in_(cut) and Trace(query, exact=True).in_(cut)
    begun = f"{'x' * 99} {query}"[:EXAMPLE_CHARACTERS]
    assert Trace(query).in_(begun) and not Trace(query, exact=True).in_(begun)
    assert not Trace(query).in_(f"{cut[:-1]}x") and not Trace(query).in_(query[:100])
    assert Trace(query).without({"examples": [cut, "red shoes"]}) == {"examples": [GONE, "red shoes"]}
