"""What the embedded writer says: measured attributes of real queries, and queries made from their templates.

No language model, and no claim to be one: no understanding, only counting and filling in. Every choice is drawn from a
SHA-256 of the request, so the same request gets the same answer.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from synalign.generation.writer_attributes import Style, form_of, measure, style_of
from synalign.generation.writer_phrases import Subject, subjects
from synalign.generation.writer_templates import Filling, fill, shared_words
from synalign.generation.writer_words import is_function, stem, unspaced, words

_TRIES = 8


def describe(data: dict[str, Any]) -> dict[str, Any]:
    """The answer `latent_attributes`: what can be measured in the demonstrations.

    Args:
        data: The data block of the request *reason*: `demonstrations`.
    """
    return {"attributes": measure([str(query) for query in data["demonstrations"]])}


def write_queries(data: dict[str, Any]) -> dict[str, Any]:
    """The answer `written_queries`: templates of the demonstrations, filled with each document's salient phrases.

    Args:
        data: The data block of the request *write*: `queries_per_document`, `max_query_characters`, `attributes`,
            `demonstrations` and `documents`.
    """
    demonstrations = [str(query) for query in data["demonstrations"]] or [""]
    seed = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).digest()
    writer = _Writer(demonstrations, style_of(data["attributes"]), int(data["max_query_characters"]), seed)
    documents = [(str(document["title"]), str(document["text"])) for document in data["documents"]]
    wanted = int(data["queries_per_document"])
    written = [
        {"document": document["document"], "queries": writer.queries(subject, wanted)}
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

    def queries(self, subject: Subject, wanted: int) -> list[str]:
        """Distinct queries for one document, fewer only when it has too little to say."""
        found: list[str] = []
        for attempt in range(wanted * _TRIES):
            query = self._query(subject, attempt)
            if len(found) < wanted and query and _identity(query) not in self._written:
                self._written.add(_identity(query))
                found.append(query)
        return found

    def _query(self, subject: Subject, attempt: int) -> str:
        demonstration = next(self._turn)
        phrases = subject.phrases
        # Each query starts from another phrase; the best ones come round first.
        start = attempt % len(phrases) if phrases else 0
        filling = Filling(subject, phrases[start:] + phrases[:start], self._random.random() < 0.6)
        if self._style.generalise(self._random):
            parts = [*subject.topic, *(filling.phrases[0] if filling.phrases else ())]
        else:
            parts = fill(demonstration, filling, self._shared)
        return self._finish(_lengthened(parts, filling, demonstration), demonstration)

    def _finish(self, parts: list[str], demonstration: str) -> str:
        """Words as one query: joined, cased and punctuated as the demonstration is."""
        glue = "" if unspaced(demonstration) and unspaced("".join(parts)) else " "
        while len(parts) > 1 and len(glue.join(parts)) >= self._longest:
            parts = parts[:-1]
        text = self._style.apply(glue.join(parts), demonstration)
        return text[: self._longest].strip()

    def _endless(self) -> Iterator[str]:
        """Demonstrations in random order, each as often as the others."""
        while True:
            order = list(self._demonstrations)
            self._random.shuffle(order)
            yield from order


def _lengthened(parts: list[str], filling: Filling, demonstration: str) -> list[str]:
    """A query much shorter than its demonstration gets another phrase, so that lengths are distributed alike."""
    lacking = len(words(demonstration)) - len(parts)
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
    """What makes two queries the same to a reader: their words, whatever the order and case."""
    return tuple(sorted(Counter(stem(word) for word in words(query)).items()))
