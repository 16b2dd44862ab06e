"""Answers of the embedded writer: measured attributes of real queries, and queries made from their templates.

No language model, and no claim to be one: no understanding, only counting and filling in. Every choice is drawn from a
SHA-256 of the request, so the same request gets the same answer.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from typing import Any

from synalign.generation.attribute_coverage import word_range
from synalign.text.forms import (
    CASE,
    END,
    FORM,
    LEAD,
    LENGTH,
    Style,
    case_of,
    end_of,
    form_of,
    lead_of,
    length_of,
    measure,
    style_of,
)
from synalign.text.words import is_function, stem, unspaced, words
from synalign.writer.phrases import Subject, subjects
from synalign.writer.templates import Filling, fill, shared_words

_TRIES = 8
_MEASURED = {FORM: form_of, LENGTH: length_of, LEAD: lead_of, CASE: case_of, END: end_of}


def describe(data: dict[str, Any]) -> dict[str, Any]:
    """Return the answer `latent_attributes`: what can be measured in the demonstrations.

    Args:
        data: The data block of the request *reason*: `demonstrations`.
    """
    return {"attributes": measure([str(query) for query in data["demonstrations"]])}


def write_queries(data: dict[str, Any]) -> dict[str, Any]:
    """Return the answer `written_queries`: templates of the demonstrations, filled with phrases of each document.

    Args:
        data: The data block of the request *write*: `queries_per_document`, `max_query_characters`, `attributes`,
            `demonstrations` and `documents`, each with its `combinations`.
    """
    demonstrations = [str(query) for query in data["demonstrations"]] or [""]
    seed = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).digest()
    writer = _Writer(demonstrations, style_of(data["attributes"]), int(data["max_query_characters"]), seed)
    documents = [(str(document["title"]), str(document["text"])) for document in data["documents"]]
    wanted = int(data["queries_per_document"])
    written = [
        {"document": document["document"], "queries": writer.queries(subject, wanted, document.get("combinations", []))}
        for document, subject in zip(data["documents"], subjects(documents), strict=True)
    ]
    return {"documents": written}


class _Writer:
    """Writes the queries of one request and remembers them, so that none comes twice."""

    def __init__(self, demonstrations: list[str], style: Style, longest: int, seed: bytes) -> None:
        self._demonstrations = demonstrations
        self._style = style
        self._longest = longest
        self._random = random.Random(seed)
        self._shared = shared_words(demonstrations)
        self._written = {_identity(query) for query in demonstrations}
        self._turn = self._endless()
        self._used: Counter[str] = Counter()

    def queries(self, subject: Subject, wanted: int, combinations: list[dict[str, str]]) -> list[str]:
        """Return distinct queries for one document, fewer only where its text has too few words."""
        found: list[str] = []
        for attempt in range(wanted * _TRIES):
            if len(found) >= wanted:
                break
            # What a combination asks for may have been said already: then any other form will do.
            asked = combinations[len(found)] if len(found) < len(combinations) and attempt < wanted * _TRIES / 2 else {}
            query = self._query(subject, attempt, asked)
            if query and _identity(query) not in self._written:
                self._written.add(_identity(query))
                found.append(query)
        return found

    def _query(self, subject: Subject, attempt: int, combination: dict[str, str]) -> str:
        demonstration = self._fitting(combination)
        phrases = subject.phrases
        # Each query starts from another phrase; the best ones come round first.
        start = attempt % len(phrases) if phrases else 0
        filling = Filling(subject, phrases[start:] + phrases[:start], self._random.random() < 0.6)
        form = str(combination.get(FORM, ""))
        bare = form == "keywords" and form_of(demonstration) != form
        if bare or (not combination and self._style.generalise(self._random)):
            parts = [*subject.topic, *(filling.phrases[0] if filling.phrases else ())]
        else:
            parts = fill(demonstration, filling, self._shared)
        least, most = word_range(str(combination.get(LENGTH, ""))) or (0, 10**6)
        length = min(max(len(words(demonstration)), least), most)
        return self._finish(_lengthened(parts, filling, demonstration, length), demonstration)

    def _fitting(self, combination: dict[str, str]) -> str:
        """Return the next demonstration that has the values of a combination, which count in their order."""
        pool = self._demonstrations
        for name, value in combination.items():
            measured = _MEASURED.get(name)
            pool = [query for query in pool if measured is not None and measured(query) == value] or pool
        if len(pool) == len(self._demonstrations):
            return next(self._turn)
        # The least used of them, so that a form that few show is not made from one template again and again.
        chosen = min(pool, key=lambda query: (self._used[query], self._random.random()))
        self._used[chosen] += 1
        return chosen

    def _finish(self, parts: list[str], demonstration: str) -> str:
        """Join words to one query, cased and punctuated as the demonstration is."""
        glue = "" if unspaced(demonstration) and unspaced("".join(parts)) else " "
        ends = list(itertools.accumulate(len(part) + len(glue) for part in parts))
        parts = parts[: max(1, bisect_right(ends, self._longest))]
        text = self._style.apply(glue.join(parts), demonstration)
        return text[: self._longest].strip()

    def _endless(self) -> Iterator[str]:
        """Yield demonstrations in random order, each as often as the others."""
        while True:
            order = list(self._demonstrations)
            self._random.shuffle(order)
            yield from order


def _lengthened(parts: list[str], filling: Filling, demonstration: str, length: int) -> list[str]:
    """Add phrases to a query that is much too short, so that lengths are distributed as in the demonstrations."""
    lacking = length - len(parts)
    said = {stem(word) for word in parts}
    for phrase in filling.phrases[1:]:
        if lacking < 2:
            break
        new = [word for word in phrase if stem(word) not in said]
        if not new:
            continue
        question = form_of(demonstration) == "question" and not filling.subject.is_code
        joint = ["with"] if question and "with" not in parts and parts and not is_function(parts[-1]) else []
        parts = [*parts, *joint, *new]
        said |= {stem(word) for word in new}
        lacking -= len(joint) + len(new)
    return parts


def _identity(query: str) -> tuple[tuple[str, int], ...]:
    """Return a key that two queries share if they have the same words in any order and case."""
    return tuple(sorted(Counter(stem(word) for word in words(query)).items()))
