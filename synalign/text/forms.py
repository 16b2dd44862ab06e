"""What rules can measure of how queries are phrased, and how the embedded writer follows such attributes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from synalign.text.words import AUXILIARIES, GENERAL_VERBS, QUESTION_WORDS, is_function, stem, words

LENGTH, FORM, CASE, END, LEAD = "length", "form", "capitalisation", "punctuation", "leading words"
DIGITS = "digits"
MEASURED = (LENGTH, FORM, LEAD, CASE, END, DIGITS)
"""The attributes of which a rule says more than a reader; tone and recurring words are left to whoever reads better."""

_LENGTHS = (
    (2, "very short (1-2 words)"),
    (5, "short (3-5 words)"),
    (9, "medium (6-9 words)"),
    (15, "long (10-15 words)"),
    (10**9, "very long (16 words or more)"),
)
_FORMS = ("keywords", "statement", "question", "imperative")
_SIBLINGS = {
    "how to": ("how do i", "best way to"), "how do": ("how to", "how can"), "how does": ("why does", "how is"),
    "what is": ("what are", "what does"), "what are": ("what is", "which"), "who is": ("who was",),
    "who was": ("who is",), "when did": ("when was",), "when was": ("when did", "when is"), "where is": ("where are",),
    "where are": ("where is",), "why is": ("why does",), "can i": ("how can i", "is it possible to"),
}  # fmt: skip
_QUESTION_MARKS = ("?", "\uff1f", "\u061f")
_VALUES = 8
_GENERALISED_SHARE = 0.15


class Style(NamedTuple):
    """What the writer takes from the attributes of a request.

    Attributes:
        case: The only capitalisation seen; empty: that of each template's own query.
        end: The only end punctuation seen; empty: that of each template's own query.
        keywords: Whether bare keywords are among the generalised forms.
    """

    case: str
    end: str
    keywords: bool

    def generalise(self, chance: random.Random) -> bool:
        """Decide whether the next query takes the generalised form instead of one seen."""
        return chance.random() < _GENERALISED_SHARE and self.keywords

    def apply(self, text: str, demonstration: str) -> str:
        """Give a text the case and end punctuation of the attributes, or else of the demonstration."""
        case = self.case or case_of(demonstration)
        if case == "lower case":
            text = text.lower()
        elif case == "upper case":
            text = text.upper()
        elif case == "sentence case":
            text = text[:1].upper() + text[1:]
        elif case == "title case":
            text = " ".join(word[:1].upper() + word[1:] for word in text.split(" "))
        end = self.end or end_of(demonstration)
        return text.rstrip(" ?!.") + ("" if end == "none" else end)


def style_of(attributes: list[dict[str, Any]]) -> Style:
    """Read back what `measure` wrote; attributes of other names are not understood and change nothing."""
    seen = {str(attribute["name"]): [str(value) for value in attribute["values_seen"]] for attribute in attributes}
    generalised = {str(attribute["name"]): attribute["values_generalised"] for attribute in attributes}

    def only(name: str) -> str:
        values = seen.get(name, [])
        return values[0] if len(values) == 1 else ""

    return Style(only(CASE), only(END), _FORMS[0] in generalised.get(FORM, []))


def measure(queries: Sequence[str]) -> list[dict[str, Any]]:
    """Measure attributes of a batch: values seen, most frequent first, and their neighbours as generalised values."""
    lengths = [label for _, label in _LENGTHS]
    leads = _frequent(queries, lead_of)
    found = [
        _attribute(LENGTH, _frequent(queries, length_of), lengths, adjacent=True),
        _attribute(FORM, _frequent(queries, form_of), list(_FORMS), adjacent=True),
        _attribute(LEAD, leads, [sibling for lead in leads for sibling in _SIBLINGS.get(lead, ())]),
        _attribute(CASE, _frequent(queries, case_of), []),
        _attribute(END, _frequent(queries, end_of), []),
        _attribute(DIGITS, _frequent(queries, _digits), []),
        _attribute("tone", _frequent(queries, _tone), ["telegraphic", "plain", "conversational"], adjacent=True),
        _attribute("recurring words", _recurring(queries), []),
    ]
    return [attribute for attribute in found if attribute["values_seen"]]


def length_of(query: str) -> str:
    """Return the length class of a query.

    Examples:
        >>> length_of("how to sort a list")
        'short (3-5 words)'
    """
    count = len(words(query))
    return next(label for most, label in _LENGTHS if count <= most)


def form_of(query: str) -> str:
    """Return the form of a query, told by its first words and the share of function words.

    Examples:
        >>> [form_of(query) for query in ("is it cold", "sort list python", "check if a date is valid")]
        ['question', 'keywords', 'imperative']
    """
    lower = [word.lower() for word in words(query)]
    if query.rstrip().endswith(_QUESTION_MARKS) or (lower[:1] and lower[0] in QUESTION_WORDS | AUXILIARIES):
        return "question"
    function = sum(map(is_function, lower))
    if lower[:1] and lower[0] in GENERAL_VERBS and function:
        return "imperative"
    return "statement" if function * 3 > len(lower) else "keywords"


def case_of(query: str) -> str:
    """Return how a query is capitalised; scripts without case are `lower case`."""
    if query == query.lower():
        return "lower case"
    if query == query.upper():
        return "upper case"
    content = [word for word in words(query) if not is_function(word)]
    if len(content) > 1 and all(word[:1].isupper() or not word[:1].isalpha() for word in content):
        return "title case"
    return "sentence case" if query[:1].isupper() else "mixed case"


def end_of(query: str) -> str:
    """Return the punctuation that a query ends with, or `none`."""
    last = query.rstrip()[-1:]
    return last if last in (*_QUESTION_MARKS, "!", ".", "\u3002") else "none"


def lead_of(query: str) -> str:
    """Return the first two words of a query, where the first is a function word; else nothing."""
    lower = [word.lower() for word in words(query)][:2]
    return " ".join(lower) if lower and is_function(lower[0]) else ""


def _digits(query: str) -> str:
    return "with digits" if any(map(str.isdigit, query)) else "without digits"


def _tone(query: str) -> str:
    found = words(query)
    share = sum(map(is_function, found)) / max(1, len(found))
    return "telegraphic" if share < 0.2 else "plain" if share < 0.5 else "conversational"


def _recurring(queries: Sequence[str]) -> list[str]:
    """Return content words in a third of the queries or more, at least two."""
    shown: dict[str, str] = {}
    counted: Counter[str] = Counter()
    for query in queries:
        found = {stem(word): word.lower() for word in words(query) if not is_function(word)}
        counted.update(found.keys())
        shown = found | shown
    least = max(2, len(queries) / 3)
    return [shown[name][:100] for name, count in _ordered(counted) if count >= least][:_VALUES]


def _frequent(queries: Sequence[str], value: Callable[[str], str]) -> list[str]:
    counted = Counter(found for query in queries if (found := value(query)[:100]))
    return [name for name, _ in _ordered(counted)][:_VALUES]


def _ordered(counted: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def _attribute(name: str, seen: list[str], scale: list[str], *, adjacent: bool = False) -> dict[str, Any]:
    """Build an attribute; its generalised values are of the scale, next to one seen where the scale has an order."""
    near = {step + side for step, value in enumerate(scale) if value in seen for side in (-1, 1)}
    new = [value for step, value in enumerate(scale) if value not in seen and (step in near or not adjacent)]
    return {"name": name, "values_seen": seen, "values_generalised": list(dict.fromkeys(new))[:_VALUES]}
