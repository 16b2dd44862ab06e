"""How much of real traffic the attributes of a run speak for.

Only what a rule can tell of any query is measured: its form, its length in words, its first words. Whether a query has
a tone or an intent is a matter of judgement, and is reported as not measurable.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

from synalign.generation.schemas import LatentAttributes
from synalign.text.forms import form_of
from synalign.text.normal import normalise
from synalign.text.words import words

MOST_NAMED = 20
"""Names in the list of what cannot be measured; a model can make up any number of them."""

_AT_ONCE = 50_000
"""Queries whose facts are held at once."""

_FORMS = ("question", "keywords", "imperative", "statement")
_RANGE = re.compile(r"(\d{1,4})\s*(?:-|\u2013|to)\s*(\d{1,4})")
_ONE_SIDED = re.compile(r"(\d{1,4})\s*(?:words?\s*)?(?:\+|or more|and more)|(?:over|more than|at least)\s*(\d{1,4})")
_ONE = re.compile(r"\d{1,4}")
_LEADING = 5
# What a rule reads of a query, and from a value: whether a query of which that was read has it.
Fact = Any
Holds = Callable[[Fact], bool]


def attribute_coverage(answers: Iterable[object], queries: Collection[str]) -> dict[str, Any]:
    """Shares of real queries that have one of the values the model named.

    Args:
        answers: What the requests *reason* gave; anything but `LatentAttributes` is passed over.
        queries: Real queries, at least one for shares to be reported.

    Returns:
        For `form`, `length` and `leading words`, where an answer names them: `seen` and `seen_or_generalised`, shares
        of the queries, and `values_not_understood`, how many distinct values the rule cannot read. And
        `not_measurable`: the other attributes' names, most frequent first, with how many answers name them.
    """
    seen: dict[str, set[str]] = {name: set() for name in _RULES}
    every: dict[str, set[str]] = {name: set() for name in _RULES}
    others: Counter[str] = Counter()
    for answer in answers:
        for attribute in answer.attributes if isinstance(answer, LatentAttributes) else ():
            name = normalise(attribute.name).casefold()
            if name not in _RULES:
                others[name] += 1
                continue
            seen[name] |= {normalise(value).casefold() for value in attribute.values_seen}
            every[name] |= {normalise(value).casefold() for value in attribute.values_generalised}
    report: dict[str, Any] = {
        name: _shares(_RULES[name], seen[name], every[name] | seen[name], queries)
        for name in _RULES
        if queries and (seen[name] or every[name])
    }
    named = sorted(others.items(), key=lambda item: (-item[1], item[0]))[:MOST_NAMED]
    return {**report, "not_measurable": dict(named)}


def support(name: str, value: str, queries: Sequence[str]) -> int | None:
    """Count the queries that have a value, by a rule; None where no rule can tell."""
    rule = _RULES.get(normalise(name).casefold())
    holds = rule.read(normalise(value).casefold()) if rule else None
    return None if rule is None or holds is None else sum(holds(rule.fact(query)) for query in queries)


class _Rule(NamedTuple):
    fact: Callable[[str], Fact]
    read: Callable[[str], Holds | None]


def _shares(rule: _Rule, seen: set[str], every: set[str], queries: Collection[str]) -> dict[str, float]:
    understood = {value: holds for value in sorted(every) if (holds := rule.read(value)) is not None}
    counts = {"seen": 0, "seen_or_generalised": 0}
    rest = iter(queries)
    # Some queries at a time: of first words there are nearly as many as of queries.
    while facts := Counter(map(rule.fact, islice(rest, _AT_ONCE))):
        for name, values in (("seen", seen), ("seen_or_generalised", every)):
            rules = [understood[value] for value in values if value in understood]
            counts[name] += sum(count for fact, count in facts.items() if any(holds(fact) for holds in rules))
    shares: dict[str, float] = {name: round(count / len(queries), 4) for name, count in counts.items()}
    return {**shares, "values_not_understood": len(every) - len(understood)}


def word_range(value: str) -> tuple[int, int] | None:
    """Return the least and the most words of a value of `length`; None where it names no number.

    Examples:
        >>> word_range("short (3-5 words)"), word_range("16 words or more"), word_range("short")
        ((3, 5), (16, 1000000), None)
    """
    found, open_ended, single = _RANGE.search(value), _ONE_SIDED.search(value), _ONE.search(value)
    if found:
        return int(found.group(1)), int(found.group(2))
    if open_ended:
        return int(open_ended.group(1) or open_ended.group(2)), 10**6
    return (int(single.group()), int(single.group())) if single else None


def _form(value: str) -> Holds | None:
    return (lambda form: form == value) if value in _FORMS else None


def _length(value: str) -> Holds | None:
    bounds = word_range(value)
    return (lambda count: bounds[0] <= count <= bounds[1]) if bounds else None


def _leading(value: str) -> Holds | None:
    first = _first(value)
    return (lambda fact: fact[: len(first)] == first) if first else None


def _first(text: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in words(text)[:_LEADING])


_RULES = {
    "form": _Rule(form_of, _form),
    "length": _Rule(lambda query: len(words(query)), _length),
    "leading words": _Rule(_first, _leading),
}
