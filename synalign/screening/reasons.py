"""The reasons for which a query is not kept, each once: ledger, screening, report, warnings and pages read them here.

`REASONS` is in the order of the tests: the first reason that applies to a query is the one that counts. A reason of
the step *carry* leaves behind a query of an earlier interval, the others reject one. A reason of the step *screen* is
found by the function of its name in this package (see `Reason.filter`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from synalign.arrays.tally import Report
    from synalign.screening.candidates import Candidates, Verdict


class Reason(NamedTuple):
    """A reason not to keep a query.

    Attributes:
        name: Name of the reason in tables, manifests and metrics.
        step: The step that finds it, or the first of those that do.
        why: What is the matter with one query, for the report.
        remedy: What to do where most queries are rejected for it.
        cause: What is the matter with all queries, with the setting that decides it, for the error of *screen*.
        score: How the report shows the score; `{count}` or `{figure}` is the number. Empty: not at all.
        file: File of the filter in `synalign/screening/`, where it is not called like the reason.
    """

    name: str
    step: Literal["carry", "generate", "screen"]
    why: str
    remedy: str
    cause: str = ""
    score: str = ""
    file: str = ""

    @property
    def filter(self) -> Callable[[Candidates, Report], Verdict]:
        """The function that finds the reason among candidates that no filter before has rejected."""
        function: Callable[[Candidates, Report], Verdict]
        function = getattr(import_module(f"synalign.screening.{self.file or self.name}"), self.name)
        return function


ROUND_TRIP = "inconsistent"
"""The reason whose score, the rank of a query's document, is kept for accepted queries, too."""

JUDGED = "judged_irrelevant"
"""The reason that a model finds, where one is asked."""

PERSONAL = "personal_data"
"""The reason whose examples are shown redacted."""

WRITTEN_AGAIN = "written_again"
"""The reason of a carried query that a later request wrote word for word: the copy counts."""

OF_THE_POOL = (WRITTEN_AGAIN, "retired", "over_limit")
"""Reasons by which a pool stays small and without copies: that many leave by them is no fault."""

_ORDERED = (
    Reason(
        WRITTEN_AGAIN, "carry",
        why="the same request was answered with it in two intervals: the other copy counts",
        remedy="Nothing is lost. If an interval pays for it twice, see whether the journal is kept (runtime.journal).",
    ),
    Reason(
        "other_writer", "carry",
        why="of another model or prompt than today's (pool.writer)",
        remedy="If candidates of earlier models and prompts may stay, set pool.writer: any.",
    ),
    Reason(
        "batch_incomplete", "carry",
        why="a query that its request showed was forgotten, or the batch was sampled again since",
        remedy="Nothing: what was written from a forgotten query goes with it, and new queries take its place.",
    ),
    # Before the document: that a query which judges was shown is the graver of the two.
    Reason(
        "held_out_shown", "carry",
        why="its request showed a query that is held out now, which must only judge",
        remedy="See whether ingest.test_fraction or validation_fraction was changed: queries changed their split.",
    ),
    Reason(
        "document_gone", "carry",
        why="its document is not in the collection any more",
        remedy="If documents should not have gone, check the file of source.documents: ids may be written otherwise.",
    ),
    Reason(
        "document_changed", "carry",
        why="its document says something else than when it was written",
        remedy="If only a part of each document changes from day to day, such as a date or a price, leave it out of "
        "the documents' text.",
    ),
    Reason(
        "retired", "carry",
        why="pool.retire_after intervals in a row gave it the aligned weight 0",
        remedy="If traffic comes back after longer, raise pool.retire_after; 0 keeps all.",
    ),
    Reason(
        "over_limit", "carry",
        why="one of the lightest beyond pool.max_candidates",
        remedy="Raise pool.max_candidates; docs/capacity.md says what that takes.",
    ),
    Reason(
        "invalid", "generate",
        why="the answer is not what its schema asks for",
        remedy="See whether generation.model keeps to the JSON schema it is given, or try another model.",
    ),
    Reason(
        "refused", "generate",
        why="the model declined to answer",
        remedy="Read what the model refuses; another model or wording (generation.prompts) may help.",
    ),
    Reason(
        "truncated", "generate",
        why="the answer ended before it was whole (generation.max_output_tokens)",
        remedy="Raise generation.max_output_tokens, or lower documents_per_batch.",
    ),
    Reason(
        "over_length", "generate",
        why="longer than ingest.max_query_characters",
        remedy="Raise ingest.max_query_characters if real queries are that long, or shorten the wording.",
    ),
    # Whatever else is wrong with a query, personal data in it must be seen.
    Reason(
        PERSONAL, "screen",
        why="holds what looks like somebody's data; shown redacted",
        remedy="Read the examples: if they are no personal data, narrow generation.redact.",
        cause="they hold what looks like personal data (screening.personal_data, generation.redact)",
        file="personal",
    ),
    Reason(
        "copied", "screen",
        why="shares a long run of words with its document",
        remedy="The model copies from the documents: raise generation.temperature, or screening.copied_words.",
        cause="they share long runs of words with their documents (screening.copied_words)",
        score="{count} words in a row",
    ),
    # The vector of a query whose words the encoder does not know says nothing, so this is before all filters that go
    # by vectors: two such queries would be near duplicates, whatever they ask.
    Reason(
        "unreadable", "screen",
        why="the encoder does not know its words, so it cannot be judged",
        remedy="The encoder does not know the words of these queries: set encoder.model to one of their language.",
        cause="the encoder does not know their words (encoder.model)",
    ),
    # Before deduplication: a query that does not find its document must not push out a near-copy that does.
    Reason(
        ROUND_TRIP, "screen",
        why="does not find the document it was written for",
        remedy="Queries do not find their documents: check that the encoder suits the language, or raise "
        "screening.round_trip_depth.",
        cause="they do not find the documents they were written for (screening.round_trip_depth)",
        score="its document came in place {count}",
        file="round_trip",
    ),
    # Before the other duplicates, so that a query that is both is called a leak.
    Reason(
        "leak", "screen",
        why="too near a held-out query, which must only judge",
        remedy="The model repeats held-out queries, which it was not shown: traffic is very uniform, or "
        "screening.near_duplicate_cosine is low for it.",
        cause="they repeat held-out queries (screening.near_duplicate_cosine)",
        score="cosine {figure}",
        file="real_queries",
    ),
    Reason(
        "near_real", "screen",
        why="too near a real train query, which the set has already",
        remedy="The model repeats what it is shown: raise generation.temperature, or sampling.breadth.",
        cause="they repeat the demonstrations or other real queries (screening.near_duplicate_cosine)",
        score="cosine {figure}",
        file="real_queries",
    ),
    # Duplicates of an earlier candidate come last, so that only a candidate that passes every other filter pushes
    # another one out; and before weighting, which would share one query's weight among its copies.
    Reason(
        "exact_duplicate", "screen",
        why="word for word another written query",
        remedy="The model repeats itself: raise generation.temperature, or ask for fewer queries per document.",
        cause="they repeat each other",
        file="duplicates",
    ),
    Reason(
        "near_duplicate", "screen",
        why="nearly another written query",
        remedy="The model nearly repeats itself: ask for fewer queries per document, or raise generation.temperature.",
        cause="they repeat each other, nearly (screening.near_duplicate_cosine)",
        score="cosine {figure}",
        file="duplicates",
    ),
    # Last, since each grade costs money: no query is judged that another filter rejects.
    Reason(
        JUDGED, "screen",
        why="its document does not answer it, says the judge (screening.judge)",
        remedy="Read the examples: if their documents do answer them, lower screening.judge.at_least or take another "
        "screening.judge.model.",
        cause="their documents do not answer them, says the judge (screening.judge)",
        score="grade {count} of 3",
        file="judged",
    ),
)  # fmt: skip

REASONS = {reason.name: reason for reason in _ORDERED}
"""Reasons by name, in the order of the tests."""

REJECTING = tuple(name for name, reason in REASONS.items() if reason.step != "carry")
"""Names of the reasons of *generate* and *screen*."""

LEAVING = (*(name for name, reason in REASONS.items() if reason.step == "carry"), "over_length")
"""Names of the reasons of *carry*; one of them is of *generate*, too."""


def in_order(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts in the order of `REASONS`, then others by name, without those that are 0."""
    return {reason: counts[reason] for reason in (*REASONS, *sorted(counts)) if counts.get(reason)}
