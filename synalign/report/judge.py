"""What the judge found, and how far it can be trusted: its grades beside the round trip's ranks and people's clicks."""

from __future__ import annotations

from typing import Any, NamedTuple

from synalign.report.material import Material
from synalign.report.section import Section

DOUBTFUL = 0.8
"""A judge that accepts a smaller share of the pairs that people chose is worth a warning."""

GRADES = {
    "3": "the document answers the query",
    "2": "answers in part",
    "1": "the same subject, no answer",
    "0": "nothing to do with it",
}


class Side(NamedTuple):
    """Pairs of one kind, as the judge graded them.

    Attributes:
        name: What they are.
        accepted: How many it accepts.
        rejected: How many it rejects.
        share: Of those it accepts; None where none was judged.
    """

    name: str
    accepted: int
    rejected: int
    share: float | None


def section(material: Material) -> Section | None:
    """Show what the judge found; None where none was asked."""
    found = material.metrics("screen").get("judge")
    if not found:
        return None
    trip, clicks = found["round_trip"], found["clicks"]
    sides = [
        _side("Candidates that find their document", trip["found_accepted"], trip["found_rejected"]),
        _side("Candidates that do not find it (a sample)", trip["not_found_accepted"], trip["not_found_rejected"]),
        _side("Real pairs (a sample): people chose the document", clicks["accepted"], clicks["rejected"]),
    ]
    judged = sum(found["grades"].values())
    return Section(
        "judge", "The judge", "judge.html",
        {
            "found": found,
            "sides": [side for side in sides if side.share is not None],
            "grades": [(grade, words, found["grades"].get(grade, 0)) for grade, words in GRADES.items()],
            "judged": judged,
            "agreement": trip["agreement"],
            "clicked": clicks["share"],
            "doubtful": clicks["share"] is not None and clicks["share"] < DOUBTFUL,
            "priced": _priced(material),
        },
    )  # fmt: skip


def _side(name: str, accepted: int, rejected: int) -> Side:
    total = accepted + rejected
    return Side(name, accepted, rejected, accepted / total if total else None)


def _priced(material: Material) -> bool:
    judge: Any = material.configuration.screening.judge
    return judge is not None and judge.budget.has_prices
