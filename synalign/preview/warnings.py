"""Three warnings that matter before money is spent: copies, one form only, and queries that miss their documents."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from synalign.generation.demonstration_batches import Batch
from synalign.preview.findings import Query, Warning
from synalign.screening.copied import words_of
from synalign.text.forms import form_of
from synalign.text.numbers import counted

COPIES = 0.1
"""Share of the queries that are copies from which on it is a warning: people do ask the same thing twice."""

INCONSISTENT = 0.5
"""Share of the queries that miss their documents from which on it is a warning."""

LEAST = 4
"""So few queries may all have one form by chance."""

_SENTENCE = re.compile(r"[.!?\u3002\uff01\uff1f\n]+")


def warnings_of(
    batches: Sequence[Batch], queries: Sequence[Sequence[Query]], lost: int, tried: int
) -> tuple[Warning, ...]:
    """Return the warnings that apply.

    Args:
        batches: What the model was shown.
        queries: What came back for each batch.
        lost: Queries that do not find their document.
        tried: Queries for which that was tried.
    """
    return tuple([*_copies(batches, queries), *_one_form(batches, queries), *_inconsistent(lost, tried)])


def _copies(batches: Sequence[Batch], queries: Sequence[Sequence[Query]]) -> Iterator[Warning]:
    """Count queries whose words are, in their order, those of a demonstration, a shot or a sentence of a document."""
    shown = Counter[str]()
    for batch, back in zip(batches, queries, strict=True):
        asked = {tuple(words_of(text)) for text in (*batch.demonstrations, *(shot.query for shot in batch.shots))}
        read = {tuple(words_of(part)) for text in _texts(batch) for part in _SENTENCE.split(text)}
        for query in back:
            words = tuple(words_of(query.query))
            if words:
                shown["a demonstration"] += words in asked
                shown["a sentence or title of a document"] += words in read - asked
    total, copies = sum(map(len, queries)), sum(shown.values())
    if copies and copies >= COPIES * total:
        parts = ", ".join(f"{number:,} {what}" for what, number in shown.items() if number)
        yield Warning(
            "copies",
            f"{copies:,} of {counted(total, 'query', 'queries')} repeat the prompt word for word: {parts}.",
            "Show documents beside the demonstrations (generation.prompts.shots), raise generation.temperature, or "
            "take a larger model.",
        )


def _texts(batch: Batch) -> Iterator[str]:
    for document in (*batch.documents, *(shot.document for shot in batch.shots)):
        yield document.title
        yield document.text


def _one_form(batches: Sequence[Batch], queries: Sequence[Sequence[Query]]) -> Iterator[Warning]:
    back = Counter(form_of(query.query) for part in queries for query in part if query.query)
    real = Counter(form_of(text) for batch in batches for text in batch.demonstrations)
    if len(back) == 1 and back.total() >= LEAST and len(real) > 1:
        (form,) = back
        forms = ", ".join(f"{name} {number:,}" for name, number in real.most_common())
        yield Warning(
            "one_form",
            f"All {back.total():,} queries have one form ({form}); the demonstrations have several ({forms}).",
            "The model does not follow the demonstrations: try another family (generation.prompts.family), attributes "
            "(generation.prompts.attributes), or a larger model.",
        )


def _inconsistent(lost: int, tried: int) -> Iterator[Warning]:
    if tried and lost >= INCONSISTENT * tried:
        yield Warning(
            "inconsistent",
            f"{lost:,} of {counted(tried, 'query', 'queries')} do not find the document that they were written for.",
            "The model does not write about the document it is given, or the encoder does not suit the language "
            "(`synalign check --data`): try one document a request (generation.prompts.family: small), or a larger "
            "model.",
        )
