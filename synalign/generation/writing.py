"""The request *write*: queries for documents, and what becomes of every query that comes back."""

from __future__ import annotations

import hashlib
import random
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from synalign.config import Configuration, PersonalData
from synalign.generation.attributes import attributes_as_data, latent
from synalign.generation.client import Request
from synalign.generation.combinations import combinations
from synalign.generation.demonstration_batches import Batch, Document, Shot, characters_of
from synalign.generation.prompts import Excerpt, Turn, redactions, render
from synalign.generation.schemas import (
    QUERIES,
    Bounds,
    DocumentQueries,
    LatentAttributes,
    QueriesOfOne,
    Unusable,
    WrittenQueries,
)
from synalign.prompts.families import family
from synalign.prompts.templates import prompt_version
from synalign.tables import content_id, document_digest
from synalign.text.normal import normalise

WRITE = "write"
EMPTY, OVER_LENGTH, CONTROL_CHARACTERS = "empty", "over_length", "control_characters"
UNKNOWN_DOCUMENT, TOO_MANY = "unknown_document", "too_many"
QUERY_TOKENS = 16
"""A usual written query, with its share of the JSON around it."""

_SPARE_TOKENS = 64
_TITLE_CHARACTERS = 300


class Candidate(NamedTuple):
    """One row of the table `candidates`."""

    candidate_id: str
    batch_id: str
    query: str
    document_id: str
    request_id: str
    document_digest: str


class Dropped(NamedTuple):
    """A query of an answer that is no candidate.

    Attributes:
        reason: Why.
        query: Its text.
        document_id: The document it was written for; empty where nobody named that one.
    """

    reason: str
    query: str
    document_id: str


class Written(NamedTuple):
    """What one answer gave; `returned` is the number of candidates and of all that was rejected.

    Attributes:
        candidates: Accepted queries, in the order of the answer.
        returned: Queries in the answer.
        rejected: Reason to count.
        missing: How many queries were asked for and not returned.
        dropped: The queries behind `rejected`, in the order of the answer.
    """

    candidates: list[Candidate]
    returned: int
    rejected: Counter[str]
    missing: int
    dropped: Sequence[Dropped] = ()


def wanted_of(batch: Batch, configuration: Configuration) -> int:
    """Return how many queries a batch's request asks for, for each document."""
    return configuration.queries_per_target if batch.wanted is None else batch.wanted


def asked_for(batch: Batch, configuration: Configuration) -> int:
    """Return how many queries a batch's request asks for."""
    return len(batch.documents) * wanted_of(batch, configuration)


def write_request(batch: Batch, attributes: LatentAttributes, configuration: Configuration) -> Request:
    """Ask for queries that have these attributes, for the documents of a batch or of a piece of it."""
    asked = family(configuration)
    wanted, longest = wanted_of(batch, configuration), configuration.ingest.max_query_characters
    numbers = {
        "count": len(batch.documents), "queries_per_document": wanted, "max_query_characters": longest,
    }  # fmt: skip
    make = _of_one_document if asked.one_by_one else _of_the_batch
    data, turns = make(batch, attributes, configuration)
    one = {**numbers, "count": 1, "queries_per_document": 1}
    messages = render(WRITE, data, configuration, [Turn(*turn, one) for turn in turns], **numbers)
    limits = Bounds(len(batch.documents), wanted, longest)
    answer = answer_model(configuration)
    least = _SPARE_TOKENS + 2 * QUERY_TOKENS * asked_for(batch, configuration)
    version = prompt_version(WRITE, configuration)
    return Request(WRITE, batch.batch_id, version, messages, QUERIES, answer, least, limits)


def answer_model(configuration: Configuration) -> type[BaseModel]:
    """Return what an answer to the request *write* must be."""
    return QueriesOfOne if family(configuration).one_by_one else WrittenQueries


_Shown = tuple[dict[str, Any], list[tuple[dict[str, Any], dict[str, Any]]]]


def _of_the_batch(batch: Batch, attributes: LatentAttributes, configuration: Configuration) -> _Shown:
    """Return the data of a request about several documents, and turns of the same shape."""
    wanted = wanted_of(batch, configuration)
    combined = combinations(
        attributes,
        batch.demonstrations,
        len(batch.documents),
        wanted,
        batch_id=batch.batch_id + batch.part,
        seed=configuration.seed,
    )
    documents = [_shown(document, batch, configuration) for document in batch.documents]
    data = {
        "queries_per_document": wanted,
        "max_query_characters": configuration.ingest.max_query_characters,
        "attributes": attributes_as_data(attributes),
        "demonstrations": batch.demonstrations,
        "documents": [
            {"document": number, **shown, "combinations": rows}
            for number, (shown, rows) in enumerate(zip(documents, combined, strict=True))
        ],
    }
    turns = [
        (
            {
                "documents": [
                    {
                        "document": 0,
                        **_shown(shot.document, batch, configuration, family(configuration).shot_characters),
                    }
                ]
            },
            {"documents": [{"document": 0, "queries": [shot.query]}]},
        )
        for shot in shots_of(batch, configuration)
    ]
    return data, turns


def _of_one_document(batch: Batch, attributes: LatentAttributes, configuration: Configuration) -> _Shown:
    """Return the data of a request about one document, and turns of the same shape.

    A small model repeats what it is shown: so it is shown what an answer looks like, and nothing that could be one.
    """
    (document,) = batch.documents
    data = _shown(document, batch, configuration)
    shots = shots_of(batch, configuration)
    if not shots:
        data = {"demonstrations": batch.demonstrations, **data}
    if family(configuration).attributes:
        drawn_by = f"{batch.batch_id}{batch.part}-{batch.turn}"
        # Form and length are in the shots.
        (rows,) = combinations(
            latent(attributes), batch.demonstrations, 1, 1, batch_id=drawn_by, seed=configuration.seed
        )
        data |= {"attributes": rows[0]} if rows[0] else {}
    return data, [
        (_shown(shot.document, batch, configuration, family(configuration).shot_characters), {"queries": [shot.query]})
        for shot in shots
    ]


def shots_of(batch: Batch, configuration: Configuration) -> list[Shot]:
    """Return the shots of a request, drawn for its turn: queries of a document would be alike if all had the same.

    None is of a document that is asked about: its query would be the answer.
    """
    asked_about = {document.document_id for document in batch.documents}
    drawn_by = f"shots\x1f{configuration.seed}\x1f{batch.batch_id}\x1f{batch.turn}"
    draw = random.Random(hashlib.sha256(drawn_by.encode()).digest())
    order = draw.sample(batch.shots, len(batch.shots))
    others = [shot for shot in order if shot.document.document_id not in asked_about]
    return others[: family(configuration).shots]


def redacted_in(batch: Batch, configuration: Configuration) -> Counter[PersonalData]:
    """Count the pieces of personal data of each kind that were kept out of a batch's prompts; each text counts once."""
    documents = dict.fromkeys([*batch.documents, *(shot.document for shot in batch.shots)])
    shown = [_shown(document, batch, configuration) for document in documents]
    return redactions([batch.demonstrations, shown], configuration.generation)


def read_answer(
    batch: Batch, request_id: str, answer: WrittenQueries | QueriesOfOne, configuration: Configuration
) -> Written:
    """Judge every query of an answer: a candidate, or rejected for a reason that is counted."""
    if isinstance(answer, QueriesOfOne):
        # As it was validated: what is no query is kept as that.
        entry = DocumentQueries.model_construct(document=0, queries=answer.queries)
        answer = WrittenQueries.model_construct(documents=[entry])
    quota = dict.fromkeys(range(len(batch.documents)), wanted_of(batch, configuration))
    longest = configuration.ingest.max_query_characters
    candidates: list[Candidate] = []
    dropped: list[Dropped] = []
    occurrences: Counter[tuple[str, str]] = Counter()
    for entry in answer.documents:
        for text in entry.queries:
            query = normalise(text)
            reason = _reason(text, query, longest, quota.get(entry.document))
            if reason not in (UNKNOWN_DOCUMENT, TOO_MANY):
                quota[entry.document] -= 1
            if reason:
                named = batch.documents[entry.document].document_id if reason != UNKNOWN_DOCUMENT else ""
                dropped.append(Dropped(reason, query, named))
                continue
            document = batch.documents[entry.document]
            document_id = document.document_id
            occurrences[document_id, query] += 1
            nth = str(occurrences[document_id, query])
            candidate_id = content_id(request_id, document_id, query, nth)
            digest = document_digest(document.title, document.text)
            candidates.append(Candidate(candidate_id, batch.batch_id, query, document_id, request_id, digest))
    returned = sum(len(entry.queries) for entry in answer.documents)
    rejected = Counter(query.reason for query in dropped)
    return Written(candidates, returned, rejected, sum(quota.values()), dropped)


def _shown(document: Document, batch: Batch, configuration: Configuration, most: int | None = None) -> dict[str, Any]:
    """Return title and text of a document as a prompt shows them: of a shot's no more than `most` characters."""
    characters = characters_of(batch, configuration)
    return {
        "title": Excerpt(" ".join(document.title[: 2 * _TITLE_CHARACTERS].split()), _TITLE_CHARACTERS),
        "text": Excerpt(document.text.lstrip(), min(characters, most or characters)),
    }


def _reason(text: str, query: str, longest: int, quota: int | None) -> str:
    """Return why a query is no candidate; empty when it is one."""
    if quota is None:
        return UNKNOWN_DOCUMENT
    if quota < 1:
        return TOO_MANY
    if isinstance(text, Unusable):
        return text.reason
    if not query:
        return EMPTY
    if len(query) > longest:
        return OVER_LENGTH
    if any(character == "\ufffd" or unicodedata.category(character) in ("Cc", "Cs") for character in query):
        return CONTROL_CHARACTERS
    return ""
