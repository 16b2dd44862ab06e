"""Logs of simulated users, whose relevance and propensities are known: the position-based model itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import ndcg_score

TIME = "2026-02-20T10:00:00Z"


class Simulated(NamedTuple):
    """A log, and what made it.

    Attributes:
        rows: One for each query, document and position: how often it was shown there, and clicked.
        relevance: (q, d) probability that a document is clicked once it is looked at.
        propensities: (d,) probability that a position is looked at.
    """

    rows: list[dict[str, Any]]
    relevance: NDArray[np.float64]
    propensities: NDArray[np.float64]

    def ndcg(self, counts: dict[tuple[str, str], float]) -> float:
        """Return the mean nDCG of documents in the order of their counts; those without one are last."""
        queries, documents = self.relevance.shape
        scores = [[counts.get((f"q{q}", f"d{d}"), 0.0) for d in range(documents)] for q in range(queries)]
        return float(ndcg_score(self.relevance, np.array(scores)))


def simulate(*, queries: int = 60, documents: int = 10, searches: int = 300, power: float = 1.0) -> Simulated:
    """Let three rankers of some skill show each query's documents, and users click by the position-based model."""
    random = np.random.default_rng(11)
    relevance = random.beta(1.0, 2.5, (queries, documents))
    seen = 1 / np.arange(1, documents + 1) ** power
    rows = []
    for query in range(queries):
        # Rankers share most of their errors, so that what stands high is not what is best.
        shared = relevance[query] + random.normal(0, 0.5, documents)
        for _ in range(3):
            order = np.argsort(-(shared + random.normal(0, 0.15, documents)))
            clicks = random.binomial(searches, seen * relevance[query, order])
            rows += [
                {"event_time": TIME, "query": f"q{query}", "document_id": f"d{document}", "position": place + 1,
                 "impressions": searches, "clicks": int(clicks[place])}
                for place, document in enumerate(order)
            ]  # fmt: skip
    return Simulated(rows, relevance, seen)


def write(home: Path, rows: list[dict[str, Any]], documents: int) -> None:
    """Write the log and as many documents into a home."""
    home.mkdir(exist_ok=True)
    (home / "log.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    texts = [json.dumps({"document_id": f"d{number}", "text": f"text {number}"}) for number in range(documents)]
    (home / "d.jsonl").write_text("\n".join(texts) + "\n", encoding="utf-8")
