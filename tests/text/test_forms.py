"""Forms of queries: told by rules, read back as they were measured."""

import random

import pytest

from synalign.text.forms import case_of, end_of, form_of, lead_of, length_of, measure, style_of

QUERIES = ["how to sort a list", "how to read a file", "sort list python", "what is a closure?"]


@pytest.mark.parametrize(
    ("query", "form", "case", "end", "lead"),
    [
        ("how to sort a list", "question", "lower case", "none", "how to"),
        ("Sort List Python", "keywords", "title case", "none", ""),
        ("check if a date is valid.", "imperative", "lower case", ".", ""),
        ("WHY?", "question", "upper case", "?", "why"),
        ("日本語 検索", "keywords", "lower case", "none", ""),
    ],
)
def test_a_query_has_one_form_case_end_and_lead(query: str, form: str, case: str, end: str, lead: str) -> None:
    assert (form_of(query), case_of(query), end_of(query), lead_of(query)) == (form, case, end, lead)


@pytest.mark.parametrize(
    ("words", "label"), [(1, "very short"), (5, "short"), (6, "medium"), (15, "long"), (16, "very long")]
)
def test_lengths_are_in_classes(words: int, label: str) -> None:
    assert length_of("word " * words).startswith(f"{label} (")


def test_values_seen_come_by_frequency_and_generalised_ones_were_not_seen() -> None:
    found = {attribute["name"]: attribute for attribute in measure(QUERIES)}
    assert found["form"]["values_seen"] == ["question", "keywords"]
    assert found["leading words"]["values_seen"][0] == "how to"
    assert found["recurring words"]["values_seen"] == ["list", "sort"]
    for attribute in found.values():
        assert not set(attribute["values_seen"]) & set(attribute["values_generalised"])


def test_a_style_is_read_back_from_what_was_measured() -> None:
    style = style_of(measure(["HOW TO SORT", "READ A FILE"]))
    assert style.apply("sort a list?", "x") == "SORT A LIST"
    # Where several were seen, each template keeps its own.
    mixed = style_of(measure(["how to sort?", "Read A File"]))
    assert mixed.apply("sort a list", "What now?") == "Sort a list?"
    assert not any(style_of([]).generalise(random.Random(seed)) for seed in range(50))
