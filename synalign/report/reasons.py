"""Why rows and queries were left out: each reason in a sentence, and a few that it left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as pads

from synalign.generation.ledger import IN_VAIN
from synalign.generation.writing import WRITE
from synalign.report.material import Material
from synalign.report.sums import Example
from synalign.screening.reasons import REASONS
from synalign.text.normal import texts_of
from synalign.text.numbers import count, counted, figure, words

_NEVER_CAME = {
    "not_returned": "fewer came than were asked for",
    "not_sent": "the request was not sent, because the one before it failed",
    "over_budget": "the ceiling of generation.budget was reached",
    "too_many": "more came than were asked for; left out of the sum",
    "unknown_document": "written for a document nobody named; left out of the sum",
}
"""By the ledger's names; requests that failed are `request_` and how they ended."""

_ENDED = {reason: outcome for outcome, reason in IN_VAIN.items()}
"""How the requests behind a reason ended, where the ledger calls it otherwise."""


def in_order(rejected: Mapping[str, int]) -> list[tuple[str, int]]:
    """List reasons to reject, in the order of the filters; those that did not occur are left out."""
    names = (*REASONS, *sorted(set(rejected) - set(REASONS)))
    return [(name, rejected[name]) for name in names if rejected.get(name)]


def of_carried(material: Material, reason: str, most: int) -> tuple[str, list[Example]]:
    """Return a reason of the ledger's second part in words, and a few carried queries that were rejected so."""
    why = REASONS[reason].why if reason in REASONS else ""
    carried = material.metrics("screen").get("carried", {})
    return why, _screened(carried.get("examples", {}).get(reason, ()), reason)[:most]


def of_ledger(material: Material, reason: str, most: int) -> tuple[str, list[Example]]:
    """Return a reason of the ledger's first part in words, and a few queries that ended so."""
    ended = _ENDED.get(reason, reason.removeprefix("request_"))
    why = REASONS[reason].why if reason in REASONS else _NEVER_CAME.get(reason)
    why = why or f"the request ended as: {words(ended)}"
    examples = [
        *_screened(material.metrics("screen").get("examples", {}).get(reason, ()), reason),
        *_generated(material.metrics("generate").get("examples", {}).get(reason, ())),
    ]
    return why, (examples or _requests(material, ended, most))[:most]


def _screened(found: Any, reason: str) -> list[Example]:
    pattern = REASONS[reason].score if reason in REASONS else ""
    scores = [pattern.format(count=count(each["score"]), figure=figure(each["score"], 3)) for each in found]
    return [
        Example(each["query"], _joined(score, each["document_id"])) for each, score in zip(found, scores, strict=True)
    ]


def _generated(found: Any) -> list[Example]:
    return [Example(example["query"], example.get("document_id", "")) for example in found]


def _requests(material: Material, ended: str, most: int) -> list[Example]:
    """List requests that ended so, as examples where no query came back."""
    rows = material.table("requests")
    rows = rows.filter(pc.and_(pc.equal(rows["kind"], WRITE), pc.equal(rows["outcome"], ended))).slice(0, most)
    return [
        Example(
            f"request {row['request_id']}", f"of batch {row['batch_id']}, {counted(row['tokens_out'], 'token')} back"
        )
        for row in rows.to_pylist()
    ]


def _joined(score: str, document: str) -> str:
    return ", ".join(part for part in (score, f"for {document}" if document else "") if part)


def of_rule(material: Material, source: str, rule: str, most: int) -> tuple[str, list[Example]]:
    """Return a rule of the query log in words, and a few rows that broke it."""
    if not material.has("rejected"):
        return "", []
    wanted = (pads.field("source") == source) & (pads.field("rule") == rule)
    rows = material.run.dataset("rejected").head(most, filter=wanted)
    why = rows["reason"].to_pylist()
    return next(iter(why), ""), [Example(text) for text in texts_of(rows["row"])]
