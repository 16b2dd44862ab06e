"""The request *write*: queries for documents, and what becomes of every query that comes back."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from synalign.config import Configuration, PersonalData
from synalign.generation.attributes import attributes_as_data
from synalign.generation.client import Request
from synalign.generation.combinations import combinations
from synalign.generation.demonstration_batches import Batch
from synalign.generation.prompts import Excerpt, redactions, render
from synalign.generation.schemas import QUERIES, LatentAttributes, Unusable, WrittenQueries
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


def asked_for(batch: Batch, configuration: Configuration) -> int:
    """Return how many queries a batch's request asks for."""
    return len(batch.documents) * configuration.queries_per_target


def write_request(batch: Batch, attributes: LatentAttributes, configuration: Configuration) -> Request:
    """Ask for queries that have these attributes, for the documents of a batch."""
    wanted, longest = configuration.queries_per_target, configuration.ingest.max_query_characters
    combined = combinations(
        attributes,
        batch.demonstrations,
        len(batch.documents),
        wanted,
        batch_id=batch.batch_id + batch.part,
        seed=configuration.seed,
    )
    data = {
        "queries_per_document": wanted,
        "max_query_characters": longest,
        "attributes": attributes_as_data(attributes),
        "demonstrations": batch.demonstrations,
        "documents": [
            {**shown, "combinations": rows}
            for shown, rows in zip(_documents(batch, configuration), combined, strict=True)
        ],
    }
    messages = render(
        WRITE,
        data,
        configuration,
        count=len(batch.documents),
        queries_per_document=wanted,
        max_query_characters=longest,
    )
    least = _SPARE_TOKENS + 2 * QUERY_TOKENS * asked_for(batch, configuration)
    version = prompt_version(WRITE, configuration)
    return Request(WRITE, batch.batch_id, version, messages, QUERIES, WrittenQueries, least)


def redacted_in(batch: Batch, configuration: Configuration) -> Counter[PersonalData]:
    """Count the pieces of personal data of each kind that were kept out of a batch's prompts; each text counts once."""
    return redactions([batch.demonstrations, _documents(batch, configuration)], configuration.generation)


def read_answer(batch: Batch, request_id: str, answer: WrittenQueries, configuration: Configuration) -> Written:
    """Judge every query of an answer: a candidate, or rejected for a reason that is counted."""
    quota = dict.fromkeys(range(len(batch.documents)), configuration.queries_per_target)
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


def _documents(batch: Batch, configuration: Configuration) -> list[dict[str, Any]]:
    characters = batch.characters or configuration.generation.document_characters
    return [
        {
            "document": number,
            "title": Excerpt(" ".join(document.title[: 2 * _TITLE_CHARACTERS].split()), _TITLE_CHARACTERS),
            "text": Excerpt(document.text.lstrip(), characters),
        }
        for number, document in enumerate(batch.documents)
    ]


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
